rule train:
    input:
        reads("trajectories"),
    output:
        f"{STORE}/trajectories/{{name}}@{{digest}}.json",
    log:
        f"{RESULTS}/logs/trajectories/{{name}}@{{digest}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/trajectories/{{name}}@{{digest}}.tsv"
    conda:
        "../envs/train.yaml"
    resources:
        **asks("train", "trajectories"),
        gpu=gpus,
    params:
        job=payload,
    script:
        "../scripts/train.py"
