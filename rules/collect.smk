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


rule data:
    input:
        PLAN.of_stages("data"),


rule trajectories:
    input:
        with_lost(PLAN, PLAN.of_stages("trajectories")),


rule analyses:
    input:
        with_lost(PLAN, PLAN.of_stages("analyses", "comparisons")),


rule reports:
    input:
        with_lost(PLAN, [PLAN.target(study.publish) for study in PLAN.studies.values()]),


for study in PLAN.studies.values():

    rule:
        name:
            study.name
        input:
            with_lost(PLAN, [PLAN.target(study.publish)]),
        localrule: True


rule verify:
    log:
        f"{RESULTS}/logs/verify.log",
    conda:
        "../envs/report.yaml"
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
