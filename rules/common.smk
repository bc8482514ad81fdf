import sys
from pathlib import Path

from orrery.config.errors import OrreryError
from orrery.plan.entry import check_config, load_plan
from orrery.plan.explain import keep_code
from orrery.plan.lost import with_lost, withdraw_markers

# A mistake in the config is one sentence and exit code 1; what Snakemake would print of it is a traceback.
try:
    check_config("config.yaml")
except OrreryError as error:
    sys.exit(str(error))


configfile: "config.yaml"


try:
    PLAN = load_plan("config.yaml", config, Path(workflow.basedir))
except OrreryError as error:
    sys.exit(str(error))

RESULTS = PLAN.results
STORE = f"{RESULTS}/store"


# Only where a run begins: the processes of its jobs read this file too, while others publish.
if workflow.is_main_process:
    withdraw_markers(PLAN)


wildcard_constraints:
    name="[^@]+",
    digest="[0-9a-f]{16}",


def reads(stage):
    """Input function of a stage: the manifests that the plan says the job reads."""
    return lambda wildcards: inputs(f"{STORE}/{stage}/{wildcards.name}@{wildcards.digest}.json")


def inputs(target):
    """Inputs of a target by the plan; a target that is not of the plan ends the run with a sentence."""
    try:
        return PLAN.inputs(target)
    except OrreryError as error:
        sys.exit(str(error))


def payload(wildcards, output):
    """What a script gets of the plan; a function of the output, so that Snakemake records it nowhere."""
    return PLAN.payload(output[0])


onstart:
    keep_code(PLAN)
