# Seconds on any machine: on a cluster they are not worth a job of their own.
localrules:
    claims,
    report,


rule figures:
    input:
        reads("figures"),
    output:
        manifest=f"{STORE}/figures/{{name}}@{{digest}}.json",
        page=report(
            f"{STORE}/figures/{{name}}@{{digest}}.html",
            caption="../captions/figures.rst",
            category="Figures",
            labels={"analysis": "{name}"},
        ),
    log:
        f"{RESULTS}/logs/figures/{{name}}@{{digest}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/{{name}}@{{digest}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **asks("figures", "figures"),
    params:
        job=payload,
    script:
        "../scripts/figures.py"


rule claims:
    input:
        reads("claims"),
    output:
        manifest=f"{STORE}/claims/{{name}}@{{digest}}.json",
        table=report(
            f"{STORE}/claims/{{name}}@{{digest}}.csv",
            caption="../captions/claims.rst",
            category="Claims",
            labels={"study": "{name}"},
        ),
    log:
        f"{RESULTS}/logs/claims/{{name}}@{{digest}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/claims/{{name}}@{{digest}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **asks("claims", "claims"),
    params:
        job=payload,
    script:
        "../scripts/claims.py"


rule report:
    input:
        reads("reports"),
    output:
        manifest=f"{STORE}/reports/{{name}}@{{digest}}.json",
        page=report(
            f"{STORE}/reports/{{name}}@{{digest}}.html",
            caption="../captions/report.rst",
            category="Studies",
            labels={"study": "{name}"},
        ),
    log:
        f"{RESULTS}/logs/reports/{{name}}@{{digest}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/reports/{{name}}@{{digest}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **asks("report", "reports"),
    params:
        job=payload,
    script:
        "../scripts/report.py"


rule publish:
    input:
        lambda wildcards: inputs(f"{RESULTS}/{wildcards.name}/published@{wildcards.digest}.json"),
    output:
        f"{RESULTS}/{{name}}/published@{{digest}}.json",
    log:
        f"{RESULTS}/logs/publish/{{name}}@{{digest}}.log",
    wildcard_constraints:
        name="(?!report/)[^@/]+",
    conda:
        "../envs/report.yaml"
    params:
        job=payload,
    script:
        "../scripts/publish.py"


rule index:
    input:
        lambda wildcards: inputs(f"{RESULTS}/report/published@{wildcards.digest}.json"),
    output:
        f"{RESULTS}/report/published@{{digest}}.json",
    log:
        f"{RESULTS}/logs/publish/report@{{digest}}.log",
    conda:
        "../envs/report.yaml"
    params:
        job=payload,
    script:
        "../scripts/index.py"
