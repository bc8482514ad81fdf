import sys
from functools import cache
from pathlib import Path

from orrery.config.errors import OrreryError
from orrery.config.site import load_site
from orrery.plan.entry import check_config, load_plan
from orrery.plan.explain import keep_code, stale
from orrery.plan.lost import with_lost as find_lost
from orrery.plan.outdated import KEPT, find_outdated, set_trigger
from orrery.plan.times import bring_back
from orrery.provenance.heads import enter
from orrery.provenance.records import Records
from orrery.provenance.slurm import cancel_left_over
from orrery.provenance.storage import check_writable, in_a_sentence
from orrery.stages.forks import serve_forks, shell_prefix


def told(place, function, *arguments):
    """Call a function; a mistake in the config, and what the file system refuses, is one sentence and exit code 1."""
    try:
        with in_a_sentence(place):
            return function(*arguments)
    except OrreryError as error:
        # What Snakemake would print of it is a traceback.
        sys.exit(str(error))


told("config.yaml", check_config, "config.yaml")


configfile: "config.yaml"


PLAN = told("config.yaml", load_plan, "config.yaml", config, Path(workflow.basedir))
# Only where a run begins: the processes of its jobs read this file too, while results change.
OUTDATED = told(PLAN.results, find_outdated, PLAN, Records(KEPT)) if workflow.is_main_process else {}
STALE = told(PLAN.results, stale, PLAN, OUTDATED)
TRIGGER = told(KEPT.parent, set_trigger, OUTDATED) if OUTDATED else None
RESULTS = PLAN.results
STORE = f"{RESULTS}/store"


wildcard_constraints:
    name="[^@]+",
    digest="[0-9a-f]{16}",


@cache
def site():
    """The cluster that the profile names; none elsewhere, and none in a dry run."""
    place = getattr(workflow.executor_settings, "partition_config", None)
    return told(place, load_site, Path(place)) if place else None


def reads(stage):
    """Input function of a stage: the manifests that the plan says the job reads."""
    return lambda wildcards: inputs(f"{STORE}/{stage}/{wildcards.name}@{wildcards.digest}.json")


def inputs(target):
    """Inputs of a target by the plan; a target that is not of the plan ends the run with a sentence.

    What they hold counts and not their times, unless they are made in this run.
    """
    # Before the plugin of the cluster reads the same file, of which a mistake would be a traceback there.
    site()
    found = [path if path in STALE else ancient(path) for path in told(RESULTS, PLAN.inputs, target)]
    return [*found, TRIGGER] if target in OUTDATED else found


def with_lost(plan, targets):
    """Targets, and results above them that are lost; a folder that may not be read ends the run with a sentence."""
    return told(RESULTS, find_lost, plan, targets)


def payload(wildcards, output):
    """What a script gets of the plan; a function of the output, so that Snakemake records it nowhere."""
    return PLAN.payload(output[0])


ALONE = False
if workflow.is_main_process:
    # Snakemake makes folders here even in a dry run, and a refusal there would be a traceback.
    told(".snakemake", check_writable, Path(".snakemake"), 0 if workflow.dryrun else 4096)
    if not workflow.dryrun:
        ALONE = told(".snakemake", enter, Path(".snakemake")).alone


onstart:
    told(RESULTS, check_writable, Path(STORE))
    told(RESULTS, keep_code, PLAN)
    told(RESULTS, bring_back, PLAN, *([TRIGGER] if TRIGGER else []))
    check_limits()
    if workflow.local_exec and PLAN.execution["forks"]:
        serve_forks(len(STALE))
        prefix = shell_prefix(shell.get_executable())
        if prefix:
            shell.prefix(prefix)
    # The limit of 100 jobs in a second, which Snakemake 9 has by default, makes it look at all ready jobs again one
    # second after every look, and each job that ends starts a further such chain: soon it does nothing else, on a core
    # of its own. On this machine the cores are the limit; another limit that somebody asks for is kept.
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if workflow.local_exec and limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
    if ALONE and not workflow.local_exec:
        for number in told(".", cancel_left_over, Path.cwd()):
            print(f"Slurm job {number} of a run that was killed is cancelled", file=sys.stderr)
