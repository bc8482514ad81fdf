rule analyse:
    input:
        reads("analyses"),
    output:
        f"{STORE}/analyses/{{name}}@{{digest}}.json",
    log:
        f"{RESULTS}/logs/analyses/{{name}}@{{digest}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/analyses/{{name}}@{{digest}}.tsv"
    conda:
        "../envs/analyse.yaml"
    threads: PLAN.execution["threads"]
    resources:
        **asks("analyse", "analyses"),
    params:
        job=payload,
    script:
        "../scripts/analyse.py"


rule compare:
    input:
        reads("comparisons"),
    output:
        f"{STORE}/comparisons/{{name}}@{{digest}}.json",
    log:
        f"{RESULTS}/logs/comparisons/{{name}}@{{digest}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/comparisons/{{name}}@{{digest}}.tsv"
    conda:
        "../envs/analyse.yaml"
    resources:
        **asks("compare", "comparisons"),
    params:
        job=payload,
    script:
        "../scripts/compare.py"
