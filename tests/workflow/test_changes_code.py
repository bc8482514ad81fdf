"""One change of the code, the software or the files around them: exactly the jobs that it makes stale are listed."""

from __future__ import annotations

import ast
import os
import re
import shutil
from typing import Any

import pytest

from .table import add, holds

PAGES = {"report tiny", "report descent", "publish tiny", "publish descent", "index"}
CLAIMED = {"claims tiny", "claims descent", *PAGES}
DRAWN = {"figures tiny/koopman", "figures descent/spread"}
COMPARED = {"compare tiny/koopman", "compare descent/spread", *DRAWN, *CLAIMED}
SPECTRA = {f"analyse tiny/koopman/{name}/block=000" for name in ("slow", "fast")}
WEIGHTS = {f"analyse tiny/weights/{name}/block=000" for name in ("slow", "fast")}
ANALYSED = {*SPECTRA, *WEIGHTS, "analyse descent/spread/all", *COMPARED}
NETWORKS = {
    f"train tiny/{name}/block=000,steps={steps}" for name in ("slow", "fast") for steps in ("0-10", "10-20")
}
MAPS = {f"train descent/rate={rate}/block=000,steps=0-12" for rate in (0.01, 0.02)}


def of(study: str, jobs: set[str]) -> set[str]:
    """The jobs of one study, and the index."""
    return {job for job in jobs if job == "index" or f" {study}" in job}


# Which function of which file gets a further statement, and the jobs whose code it is, with what reads them.
FUNCTIONS: dict[tuple[str, str], set[str]] = {
    ("src/orrery/training/block.py", "train_block"): {*NETWORKS, *MAPS, *ANALYSED},
    ("src/orrery/systems/optimizers.py", "_sgd"): {*NETWORKS, *of("tiny", ANALYSED)},
    ("src/orrery/systems/descent.py", "descent_system"): {*MAPS, *of("descent", ANALYSED)},
    ("src/orrery/data/iris.py", "load"): {"dataset iris", *NETWORKS, *of("tiny", ANALYSED)},
    ("src/orrery/analyses/reduction.py", "analyse"): {*WEIGHTS, *SPECTRA, *of("tiny", COMPARED)},
    ("src/orrery/analyses/koopman_spectra.py", "spectra_of"): {*SPECTRA, *of("tiny", COMPARED)},
    ("src/orrery/analyses/koopman_comparison.py", "compare_spectra"): of("tiny", COMPARED),
    ("src/orrery/analyses/koopman_figures.py", "draw"): {"figures tiny/koopman", *of("tiny", PAGES)},
    ("src/orrery/figures/style.py", "save"): {*DRAWN, *PAGES},
    ("src/orrery/report/claims.py", "evaluate"): CLAIMED,
    ("src/orrery/report/study_page.py", "write_page"): PAGES,
    ("src/orrery/stages/publish.py", "publish_study"): {"publish tiny", "publish descent", "index"},
    ("scripts/claims.py", "produce"): CLAIMED,
    ("spread.py", "mean_at_end"): of("descent", COMPARED),
    ("spread.py", "plot"): {"figures descent/spread", *of("descent", PAGES)},
}


for (_file, _function), _jobs in FUNCTIONS.items():
    add(
        "code",
        f"the function `{_function}` of `{_file}`",
        _jobs,
        "test_changes_code::test_a_function_that_changes",
    )


@pytest.mark.parametrize(("file", "function"), FUNCTIONS)
def test_a_function_that_changes(lab: Any, file: str, function: str) -> None:
    lab.change_function(file, function)
    lab.settles(FUNCTIONS[file, function])


@holds(
    "code",
    "a colour in `plot` of a user's analysis",
    {"figures descent/spread", "report descent", "publish descent", "index"},
)
@holds("code", "a colour of all figures", {*DRAWN, *PAGES})
def test_a_colour(lab: Any) -> None:
    """Of one analysis, then of all figures."""
    lab.replace("spread.py", 'COLOUR = "#0072b2"', 'COLOUR = "#d55e00"')
    assert lab.dry() == {"figures descent/spread", "report descent", "publish descent", "index"}
    lab.replace("src/orrery/config/palette.py", '"blue": "#0072b2"', '"blue": "#0072b3"')
    lab.settles({*DRAWN, *PAGES})


@holds("code", "the template of the report", PAGES)
def test_a_template(lab: Any) -> None:
    template = lab.path("src/orrery/report/templates/study.html")
    template.write_text(template.read_text() + "<!-- changed -->\n")
    lab.settles(PAGES)


@holds("code", "comments, docstrings, formatting and a function nobody calls, in every file", ())
@holds("code", "`touch` on every file", ())
def test_comments_docstrings_and_formatting(lab: Any) -> None:
    """In every file at once, and then the time of every file."""
    files = [*lab.path("src").rglob("*.py"), *lab.path("scripts").glob("*.py"), lab.path("spread.py")]
    for file in files:
        file.write_text(reworded(file.read_text(encoding="utf-8")), encoding="utf-8")
    rules = lab.path("rules/train.smk")
    rules.write_text(rules.read_text() + "\n# how rules are written has no say in results\n")
    assert lab.dry() == set()
    for name in ("src", "scripts", "rules", "studies", "Snakefile", "config.yaml", "spread.py"):
        for file in [lab.path(name), *lab.path(name).rglob("*")]:
            os.utime(file)
    assert lab.dry() == set()


def reworded(text: str) -> str:
    """Say every docstring in other words, add comments, blank lines and a function that nobody calls."""
    lines = text.splitlines(keepends=True)
    documented = (ast.Module, ast.FunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
    docstrings = [node.body[0] for node in nodes if ast.get_docstring(node)]
    for node in sorted(docstrings, key=lambda node: node.lineno, reverse=True):
        lines[node.lineno - 1] = re.sub('^( *)"""', r'\1"""Reworded. ', lines[node.lineno - 1])
        lines.insert(node.end_lineno, "\n" + " " * node.col_offset + "# A comment.\n\n")
    return "".join(lines) + "\n\n\ndef _nobody_calls_this():\n    return 0\n"


def test_new_code_that_gives_the_same_bytes_spares_what_reads_them(lab: Any) -> None:
    """The analysis is made again with the bytes that it had; of what reads it, only the other colour is drawn."""
    drawing = lab.path("results/descent/figures/spread-spread.svg")
    assert "#d55e00" not in drawing.read_text()
    before = lab.manifests()
    lab.change_function("spread.py", "analyse")
    lab.replace("spread.py", 'COLOUR = "#0072b2"', 'COLOUR = "#d55e00"')
    assert lab.dry() == {"analyse descent/spread/all", *of("descent", COMPARED)}
    lab.build()
    assert lab.dry() == set()
    made = lab.manifests().keys() - before.keys()
    spared = {name for name in made if "taken over" in log_of(lab, name)}
    assert {stage(name) for name in made - spared} == {"analyses", "figures", "reports"}
    assert {stage(name) for name in spared} == {"comparisons", "claims"}
    assert "#d55e00" in drawing.read_text()


def test_training_that_gives_the_same_bytes_spares_all_that_reads_it(lab: Any) -> None:
    """Of what reads it, all takes over but the pages, which tell the digests of the specs."""
    before = lab.manifests()
    lab.change_function("src/orrery/training/block.py", "train_block")
    lab.build()
    assert lab.dry() == set()
    after = lab.manifests()
    made = after.keys() - before.keys()
    spared = {name for name in made if "taken over" in log_of(lab, name)}
    assert {stage(name) for name in made - spared} == {"trajectories", "reports"}
    assert {stage(name) for name in spared} == {"analyses", "comparisons", "figures", "claims"}
    contents = set(before.values())
    assert all(after[name] in contents for name in spared)


def stage(name: str) -> str:
    return name.partition("/")[0]


def log_of(lab: Any, manifest: str) -> str:
    return lab.path(f"results/logs/{manifest.removesuffix('.json')}.log").read_text()


@holds(
    "code",
    "a local variable renamed",
    {"analyse descent/spread/all", *of("descent", COMPARED)},
    "Names are part of the syntax tree; readers take over.",
)
def test_a_local_name(lab: Any) -> None:
    """Renamed, it may rebuild what the function makes, since nothing tells it from other code; the bytes stay."""
    lab.replace("spread.py", "deviation = source", "result = source")
    lab.replace("spread.py", "deviation.drop_vars", "result.drop_vars")
    lab.settles({"analyse descent/spread/all", *of("descent", COMPARED)})


@holds("code", "the text of a rule: log, threads, resources", ())
@holds("config", "the number of cores", ())
def test_how_rules_are_written(lab: Any) -> None:
    """Another log, more threads, a resource: rules say where jobs run, not what they make."""
    lab.replace(
        "rules/train.smk",
        '    log:\n        f"{RESULTS}/logs/',
        '    threads: 2\n    log:\n        f"{RESULTS}/notes/',
    )
    lab.replace(
        "rules/analyse.smk", "rule compare:\n", "rule compare:\n    resources:\n        mem_mb=1000,\n"
    )
    assert lab.dry() == set()
    assert lab.dry("--cores", "1") == set()


@holds("code", "a fresh clone beside existing results, `.snakemake` deleted", ())
def test_a_fresh_clone_beside_the_results(lab: Any, clone: Any) -> None:
    """All code written anew, with the times of now, and nothing of what Snakemake or Orrery noted."""
    for name in (".snakemake", ".orrery-cache", "src", "scripts", "rules"):
        shutil.rmtree(lab.path(name))
    for name in ("src", "scripts", "rules"):
        shutil.copytree(clone.path(name), lab.path(name), copy_function=shutil.copyfile)
    assert lab.dry() == set()
