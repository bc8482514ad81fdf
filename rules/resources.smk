# What jobs ask of a machine or of a cluster. It changes no result.
from functools import cache

from orrery.devices.demand import gpu_places, gpus_asked
from orrery.plan.resources import check_arrays, largest, resources_of
from orrery.plan.together import trained


def asks(rule, stage):
    """Resources of a rule, as functions of the job and of how often it was tried; they change no result."""

    def found(wildcards, attempt):
        if in_arrays(rule):
            return largest_of(stage, attempt)
        target = f"{STORE}/{stage}/{wildcards.name}@{wildcards.digest}.json"
        return resources_of(PLAN.at(target), attempt, PLAN.execution)

    def asked(name):
        return lambda wildcards, attempt: int(getattr(told(RESULTS, found, wildcards, attempt), name))

    return {"mem_mb": asked("mem_mb"), "runtime": asked("runtime"), "slurm_account": account}


SUBMITTED = {
    "dataset": "data",
    "train": "trajectories",
    "analyse": "analyses",
    "compare": "comparisons",
    "figures": "figures",
}
"""Rules of which the jobs go to a cluster, and their stages."""


def in_arrays(rule):
    """Whether the jobs of a rule go to Slurm as arrays."""
    named = (getattr(workflow.executor_settings, "array_jobs", None) or "").replace(";", ",").split(",")
    return any(name.strip() in (rule, "all") for name in named)


@cache
def largest_of(stage, attempt):
    """What is enough for every job of a stage."""
    return largest((job for job in PLAN if job.stage == stage), attempt, PLAN.execution)


def account(wildcards):
    """Account of the cluster that the profile names; none elsewhere."""
    found = site()
    return found.account if found else None


# How many training jobs the GPUs here take; where jobs go to other machines (a number of nodes is given) that is not
# for this one to say, nor for the processes of its jobs.
PLACES = None
if workflow.is_main_process and workflow.resource_settings.nodes is None:
    trainings = (one for job in PLAN if job.stage == "trajectories" for one, _ in trained(job))
    PLACES = told("config.yaml", gpu_places, trainings, PLAN.execution["gpu_slots"])
    if PLACES and "gpu" not in workflow.global_resources:
        # A resource without a limit counts as endless.
        workflow.global_resources["gpu"] = PLACES


def gpus(wildcards):
    """The GPUs that a training job asks for."""
    if in_arrays("train"):
        return int(largest_of("trajectories", 1).gpu)
    target = f"{STORE}/trajectories/{wildcards.name}@{wildcards.digest}.json"
    return max((gpus_asked(one, PLACES) for one, _ in trained(told(RESULTS, PLAN.at, target))), default=0)


def check_limits():
    """End the run with a sentence where its limits would let it wait for ever."""
    for rule, stage in SUBMITTED.items():
        if in_arrays(rule):
            waiting = sum(job.stage == stage for job in STALE.values())
            told(".", check_arrays, workflow.resource_settings.nodes, waiting)
