# Orrery: from datasets to reports on how networks move through weight space while they learn.
# What is made, and what is stale, is decided by the plan (src/orrery/plan); the rules only name the stages.
from snakemake.utils import min_version

min_version("9.19")


include: "rules/common.smk"
include: "rules/resources.smk"


localrules:
    all,


rule all:
    input:
        lambda wildcards: with_lost(PLAN, [PLAN.target(PLAN.index)]),


include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/analyse.smk"
include: "rules/report.smk"
include: "rules/collect.smk"
