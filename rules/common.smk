import sys
from pathlib import Path

from orrery.config.errors import OrreryError
from orrery.plan.entry import check_config, load_plan
from orrery.plan.explain import keep_code, stale
from orrery.plan.lost import with_lost
from orrery.plan.outdated import KEPT, find_outdated, set_trigger
from orrery.provenance.records import Records

# A mistake in the config is one sentence and exit code 1; what Snakemake would print of it is a traceback.
try:
    check_config("config.yaml")
except OrreryError as error:
    sys.exit(str(error))


configfile: "config.yaml"


try:
    PLAN = load_plan("config.yaml", config, Path(workflow.basedir))
    # Only where a run begins: the processes of its jobs read this file too, while results change.
    OUTDATED = find_outdated(PLAN, Records(KEPT)) if workflow.is_main_process else {}
    STALE = stale(PLAN, OUTDATED)
    TRIGGER = set_trigger(OUTDATED) if OUTDATED else None
except OrreryError as error:
    sys.exit(str(error))

RESULTS = PLAN.results
STORE = f"{RESULTS}/store"


wildcard_constraints:
    name="[^@]+",
    digest="[0-9a-f]{16}",


def reads(stage):
    """Input function of a stage: the manifests that the plan says the job reads."""
    return lambda wildcards: inputs(f"{STORE}/{stage}/{wildcards.name}@{wildcards.digest}.json")


def inputs(target):
    """Inputs of a target by the plan; a target that is not of the plan ends the run with a sentence.

    What they hold counts and not their times, unless they are made in this run.
    """
    try:
        found = [path if path in STALE else ancient(path) for path in PLAN.inputs(target)]
    except OrreryError as error:
        sys.exit(str(error))
    return [*found, TRIGGER] if target in OUTDATED else found


def payload(wildcards, output):
    """What a script gets of the plan; a function of the output, so that Snakemake records it nowhere."""
    return PLAN.payload(output[0])


onstart:
    keep_code(PLAN)
