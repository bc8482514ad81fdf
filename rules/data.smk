rule dataset:
    input:
        reads("data"),
    output:
        f"{STORE}/data/{{name}}@{{digest}}.json",
    log:
        f"{RESULTS}/logs/data/{{name}}@{{digest}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{name}}@{{digest}}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        **asks("dataset", "data"),
    params:
        job=payload,
    script:
        "../scripts/dataset.py"
