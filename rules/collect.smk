localrules:
    data,
    trajectories,
    analyses,
    reports,
    publish,
    index,
    verify,
    estimate,
    explain,
    prune,


# What a target takes is found out when it is asked for, since for all targets it would take as long as the plan.
rule data:
    input:
        lambda wildcards: PLAN.of_stages("data"),


rule trajectories:
    input:
        lambda wildcards: with_lost(PLAN, PLAN.of_stages("trajectories")),


rule analyses:
    input:
        lambda wildcards: with_lost(PLAN, PLAN.of_stages("analyses", "comparisons")),


rule reports:
    input:
        lambda wildcards: with_lost(PLAN, [PLAN.target(study.publish) for study in PLAN.studies.values()]),


for study in PLAN.studies.values():

    rule:
        name:
            study.name
        input:
            lambda wildcards, study=study: with_lost(PLAN, [PLAN.target(study.publish)]),
        localrule: True


rule verify:
    log:
        f"{RESULTS}/logs/verify.log",
    conda:
        "../envs/report.yaml"
    threads: workflow.cores or 1
    params:
        config=config,
        home=workflow.basedir,
    script:
        "../scripts/verify.py"


rule explain:
    log:
        f"{RESULTS}/logs/explain.log",
    conda:
        "../envs/report.yaml"
    params:
        config=config,
        home=workflow.basedir,
    script:
        "../scripts/explain.py"


rule estimate:
    log:
        f"{RESULTS}/logs/estimate.log",
    conda:
        "../envs/train.yaml"
    params:
        config=config,
        home=workflow.basedir,
    script:
        "../scripts/estimate.py"


rule prune:
    log:
        f"{RESULTS}/logs/prune.log",
    conda:
        "../envs/report.yaml"
    params:
        config=config,
        home=workflow.basedir,
    script:
        "../scripts/prune.py"
