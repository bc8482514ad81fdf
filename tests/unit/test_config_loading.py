"""Studies are resolved with every default written out, and every mistake is told at the key that made it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orrery.config.errors import ConfigError
from orrery.config.loading import load_studies, load_study, load_workflow
from orrery.config.study import ResolvedStudy
from orrery.config.workflow import WorkflowConfig

LAB = Path(__file__).parent / "lab"
SMALL = (LAB / "studies" / "small.yaml").read_text(encoding="utf-8")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a user with a study and an extension of each family, as working directory."""
    shutil.copytree(LAB, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def edited(*edits: tuple[str, str]) -> str:
    text = SMALL
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


def resolve(text: str, scale: str = "laptop", name: str = "mine") -> ResolvedStudy:
    Path(f"studies/{name}.yaml").write_text(text, encoding="utf-8")
    return load_study(Path(f"studies/{name}.yaml"), load_workflow("config.yaml", {"scale": scale}))


def told(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        resolve(text)
    return str(caught.value).splitlines()


def test_a_study_is_resolved_with_all_defaults(lab: Path) -> None:
    study = load_studies(load_workflow("config.yaml"))["small"]
    assert (study.name, study.scale, study.path) == ("small", "laptop", Path("studies/small.yaml"))
    assert list(study.conditions) == [
        "width=5",
        "width=5,order=second",
        "width=10",
        "width=10,order=second",
        "width=40",
        "width=40,order=second",
    ]
    condition = study.conditions["width=40,order=second"]
    assert condition.axes == {"width": 40, "order": "second"}
    assert condition.dataset == {"name": "lab-dataset", "samples": 100}
    assert condition.system == {
        "kind": "lab-system",
        "network": {"hidden": [40], "bias": True},
        "optimizer": {"kind": "sgd", "rate": 0.1},
        "from": 0.0,
    }
    assert condition.training.read_seeds == (3, 5)
    assert condition.analyses["spectrum"].delays == 8
    assert study.analyses["spectrum"].delays == 8
    assert study.conditions["width=5"].analyses["spectrum"].delays == 64
    assert study.covered_by("spectrum") == (
        "width=5",
        "width=5,order=second",
        "width=10",
        "width=40",
        "width=40,order=second",
    )
    assert "spectrum" not in study.conditions["width=10,order=second"].analyses
    settings = condition.settings()
    assert json.loads(json.dumps(settings)) == settings
    assert settings["streams"] == {"order": {"shift": 1000}}
    assert study.conditions["width=40"].settings()["streams"] == {}


def test_scales_are_laid_over_the_study(lab: Path) -> None:
    assert resolve(SMALL, "laptop").conditions["width=5"].training.read_seeds == (3, 5)
    assert resolve(SMALL, "paper").conditions["width=5"].training.read_seeds == (3, 5, 7, 11)
    without = edited(("scales:\n  laptop:\n    training: {seeds: {count: 2}}\n", ""))
    assert resolve(without).conditions["width=5"].training.read_seeds == (3, 5, 7, 11)


def test_named_conditions_override_any_section(lab: Path) -> None:
    grid = SMALL[SMALL.index("conditions:") : SMALL.index("analyses:")]
    named = """conditions:
  base:
  adam: {system: {optimizer: {kind: adam, rate: 1e-3}}, training: {dtype: float64}}
  map: {dataset: null, system: {network: {bias: false}}, analyses: {reduced: {rank: 5, steps: [1, 50]}}}
"""
    text = edited((grid, named), ('["width=5*", "width=10", "width=40*"]', '["*"]'))
    conditions = resolve(text).conditions
    assert list(conditions) == ["base", "adam", "map"]
    assert conditions["adam"].system["optimizer"] == {"kind": "adam", "rate": 0.001, "betas": [0.9, 0.999]}
    assert conditions["adam"].training.dtype == "float64"
    assert conditions["map"].dataset is None
    assert conditions["base"].dataset is not None
    assert conditions["map"].system["network"] == {"hidden": [10], "bias": False}
    assert conditions["map"].analyses["reduced"].steps == (1, 50)
    assert conditions["base"].analyses["reduced"].rank == 10


def test_a_named_condition_may_stand_on_an_axis_beside_a_grid(lab: Path) -> None:
    placed = "conditions:\n  wide: {axes: {width: 80}, system: {network: {hidden: [80]}}}\n  plain: {}\n"
    text = edited(("conditions:\n", placed))
    conditions = resolve(text).conditions
    assert conditions["wide"].axes == {"width": 80}
    assert conditions["wide"].settings()["system"]["network"]["hidden"] == [80]
    assert conditions["plain"].axes == {}
    assert conditions["width=5"].axes == {"width": 5, "order": "first"}
    assert any(
        "conditions.wide.axes.width" in line for line in told(text.replace("{width: 80}", "{width: [80]}"))
    )


def test_the_device_is_that_of_the_workflow_unless_the_study_says(lab: Path) -> None:
    Path("config.yaml").write_text("studies: [small]\ndevice: cuda\n")
    workflow = load_workflow("config.yaml")
    assert load_studies(workflow)["small"].conditions["width=5"].training.device == "cuda"
    Path("studies/mine.yaml").write_text(edited(("steps: 100", "steps: 100\n  device: cpu")))
    assert load_study("studies/mine.yaml", workflow).conditions["width=5"].training.device == "cpu"


def test_extensions_are_named_by_import_path_too(lab: Path) -> None:
    package = lab / "group_of_mine"
    package.mkdir()
    shutil.copy("lab_system.py", package / "deep.py")
    study = resolve(edited(("kind: lab-system", "kind: group_of_mine.deep")))
    assert study.conditions["width=5"].system["kind"] == "group_of_mine.deep"


MISTAKES = {
    "typo in a key": (
        ("title: A", "titel: A"),
        "1: titel: is not a known key here; did you mean 'title'?",
    ),
    "typo in the name of a section": (
        ("system:\n", "sytem:\n"),
        "4: sytem: is not a known key here; did you mean 'system'?",
    ),
    "typo deep inside": (
        ("{hidden: [10]}", "{hidden: [10], bais: true}"),
        "6: system.network.bais: is not a known key here; did you mean 'bias'?",
    ),
    "typo in a scale": (
        ("{seeds: {count: 2}}", "{seeds: {cont: 2}}"),
        "33: scales.laptop.training.seeds.cont: is not a known key here; did you mean 'count'?",
    ),
    "unknown scale": (
        ("  laptop:", "  laptp:"),
        "32: scales.laptp: is not a known key here; did you mean 'laptop'?",
    ),
    "wrong type": (
        ("steps: 100", "steps: many"),
        "9: training.steps: must be a whole number, not 'many' (text)",
    ),
    "number in quotes": (
        ("steps: 100", 'steps: "100"'),
        "9: training.steps: must be a whole number, not '100' (text); write 100 without quotes",
    ),
    "fraction": (
        ("steps: 100", "steps: 1e2"),
        "9: training.steps: must be a whole number, not 100.0; write 100",
    ),
    "boolean for a number": (
        ("rate: 1e-1", "rate: true"),
        "7: system.optimizer.rate: must be a number, not true",
    ),
    "number for text": (
        ('arxiv: "2302.09160"', "arxiv: 2302.09160"),
        "2: paper.arxiv: must be text, not 2302.0916; write it in quotes",
    ),
    "text for a list": (
        ("state: [fc2.weight]", "state: fc2.weight"),
        "12: record.state: must be 'all' or a list, not 'fc2.weight' (text)",
    ),
    "unknown dataset": (
        ("lab-dataset", "mnits"),
        "3: dataset.name: there is no dataset 'mnits'; did you mean 'mnist'?",
    ),
    "unknown system": (
        ("lab-system", "netwrok"),
        "5: system.kind: there is no system 'netwrok'; did you mean 'network'?",
    ),
    "a name that is none": (
        ("lab-system", "'os; rm'"),
        "5: system.kind: 'os; rm' is no name of a system; write a built-in name or an import path package.module",
    ),
    "no module there": (
        ("lab-system", "nowhere.system"),
        "5: system.kind: the system 'nowhere.system' cannot be imported (ModuleNotFoundError:",
    ),
    "a module without settings": (
        ("lab-system", "os.path"),
        "5: system.kind: the system 'os.path' (posixpath) has no settings model named Settings",
    ),
    "unknown optimizer": (
        ("kind: sgd", "kind: sdg"),
        "7: system.optimizer.kind: 'sdg' is not allowed; allowed are sgd, adam; did you mean 'sgd'?",
    ),
    "no optimizer kind": (
        ("kind: sgd, ", ""),
        "7: system.optimizer.kind: is required and missing",
    ),
    "negative step count": (
        ("steps: 100", "steps: -5"),
        "9: training.steps: must be at least 1, not -5",
    ),
    "negative rate": (
        ("rate: 1e-1", "rate: -1e-1"),
        "7: system.optimizer.rate: must be greater than 0, not -0.1",
    ),
    "a key that is missing": (
        ("  steps: 100\n", ""),
        "8: training.steps: is required and missing",
    ),
    "empty grid": (
        ("values: [5, 10, 40]", "values: []"),
        "17: conditions.grid.axes.width: has no values; give at least one",
    ),
    "bad value on an axis": (
        ("values: [5, 10, 40]", "values: [5, 10, 40, -1]"),
        "17: conditions.grid.axes.width: system.network.hidden.0 must be at least 1, not -1",
    ),
    "axis that sets an unknown list": (
        ("system.network.hidden.0", "system.network.hiden.0"),
        "17: conditions.grid.axes.width: system.network.hiden.0 cannot be set: there is no list 'hiden' in the "
        "study; did you mean 'hidden'?",
    ),
    "axis that sets an unknown key": (
        ("system.network.hidden.0", "system.network.bais"),
        "17: conditions.grid.axes.width: system.network.bais is not a known key here; did you mean 'bias'?",
    ),
    "axis that sets below an unknown key": (
        ("system.network.hidden.0", "system.newtork.bias"),
        "17: conditions.grid.axes.width: system.newtork is not a known key here; did you mean 'network'?",
    ),
    "derived value for an unknown analysis": (
        ("analyses.spectrum.delays", "analyses.spectrun.delays"),
        "20: conditions.grid.derive.delays: analyses.spectrun.delays cannot be set: write "
        "analyses.<name>.<setting> with an analysis of the study; did you mean 'spectrum'?",
    ),
    "hostile arithmetic": (
        ("320 // width", "__import__('os')"),
        "20: conditions.grid.derive.delays.value: '__import__('os')' is not plain arithmetic",
    ),
    "more seeds than the pool has": (
        ("count: 4", "count: 9"),
        "10: training.seeds: count is 9, but pool has only 4 seeds",
    ),
    "more seeds than the pool has, at a scale": (
        ("count: 2", "count: 9"),
        "33: scales.laptop.training.seeds: count is 9, but pool has only 4 seeds",
    ),
    "window after the end": (
        ("[1, 100]", "[1, 101]"),
        "22: analyses.reduced.steps: ends at step 101, but training.steps is 100",
    ),
    "window backwards": (
        ("[1, 100]", "[9, 1]"),
        "22: analyses.reduced.steps: must be [first, last] with 0 <= first <= last, not [9, 1]",
    ),
    "recording window after the end": (
        ("metrics: [loss]", "steps: {every: 2, window: [0, 500]}"),
        "13: record.steps.window: ends at step 500, but training.steps is 100",
    ),
    "unknown source": (
        ("of: reduced", "of: redced"),
        "23: analyses.spectrum.of: there is no analysis 'redced' in this study; did you mean 'reduced'?",
    ),
    "source that covers less": (
        ("steps: [1, 100]", 'conditions: ["width=5"]'),
        "23: analyses.spectrum.of: 'reduced' does not cover the condition 'width=5,order=second', which "
        "'spectrum' analyses",
    ),
    "pattern that matches nothing": (
        ('"width=10"', '"width=11"'),
        "23: analyses.spectrum.conditions.1: 'width=11' matches no condition; did you mean 'width=10'?",
    ),
    "unknown condition in settings of an analysis": (
        ("{method: lab-analysis, steps", '{method: lab-analysis, pairs: [["width=5", "width=1"]], steps'),
        "22: analyses.reduced.pairs.0.1: there is no condition 'width=1' in this study; did you mean 'width=10'?",
    ),
    "claim on an unknown analysis": (
        ("spectrum.distance[width=5,width=10]", "spectrun.distance"),
        "30: claims.nearer.checks.0: 'spectrun.distance' starts with 'spectrun', which is no analysis of this "
        "study; did you mean 'spectrum'?",
    ),
    "unknown criterion": (
        ("below", "bellow"),
        "30: claims.nearer.checks.0.bellow: is not a known key here; did you mean 'below'?",
    ),
    "unsafe name of a condition": (
        ("  grid:", '  "../x": {}\n  grid:'),
        "15: conditions.../x: '../x' cannot name a condition, since names become file names",
    ),
    "two conditions of one name": (
        ("  grid:", "  width=5: {}\n  grid:"),
        "16: conditions.grid: there are two conditions named 'width=5'; rename one",
    ),
    "typo in an override": (
        ("  grid:", "  base: {training: {stps: 2}}\n  grid:"),
        "15: conditions.base.training.stps: is not a known key here; did you mean 'steps'?",
    ),
    "override of an unknown analysis": (
        ("  grid:", "  base: {analyses: {spectrun: {rank: 2}}}\n  grid:"),
        "15: conditions.base.analyses.spectrun: there is no analysis 'spectrun' in this study; did you mean "
        "'spectrum'?",
    ),
    "override of what conditions share": (
        ("  grid:", "  base: {analyses: {reduced: {gather: true}}}\n  grid:"),
        "15: conditions.base.analyses.reduced.gather: is the same for all conditions; change it in analyses, or "
        "add an analysis by another name",
    ),
    "unknown setting of figures": (
        ("scales:\n", "figures: {fontsize: 8}\nscales:\n"),
        "31: figures.fontsize: is not a known key here; did you mean 'font_size'?",
    ),
    "font too small": (
        ("scales:\n", "figures: {font_size: 2}\nscales:\n"),
        "31: figures.font_size: must be at least 5, not 2",
    ),
    "png without a resolution": (
        ("scales:\n", "figures: {png: true}\nscales:\n"),
        "31: figures.png: must be a whole number, not true",
    ),
    "colour that is none": (
        ("scales:\n", "figures: {palette: [blue, red, green]}\nscales:\n"),
        "31: figures.palette.1: 'red' is not a colour; allowed are blue, vermilion, green, purple, orange, sky, "
        "yellow, black, and '#rrggbb' in quotes",
    ),
    "colour as a comment": (
        ("scales:\n", "figures:\n  palette:\n  - blue\n  - #cc0000\n  - green\nscales:\n"),
        "32: figures.palette: item 1 is empty; write '#rrggbb' in quotes, # begins a comment",
    ),
    "colour twice": (
        ("scales:\n", "figures: {palette: [blue, green, '#0072B2']}\nscales:\n"),
        "31: figures.palette: 'blue' and '#0072b2' are one colour; series of one colour cannot be told apart",
    ),
    "fewer colours than conditions": (
        ("scales:\n", "figures: {palette: [blue, green, black]}\nscales:\n"),
        "31: figures.palette: has 3 colours, and the 6 conditions need at least 6",
    ),
    "syntax error": (
        ("title: A small study", "title: [A small study"),
        "2: is not valid YAML: did not find expected ',' or ']' while parsing a flow sequence",
    ),
    "duplicate key": (
        ("  steps: 100", "  steps: 100\n  steps: 7"),
        "10: training.steps: is written twice (first in line 9); keep one",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_with_file_line_key_and_what_is_allowed(lab: Path, mistake: str) -> None:
    edit, message = MISTAKES[mistake]
    lines = told(edited(edit))
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"studies/mine.yaml:{message}")


def test_analyses_that_read_each_other(lab: Path) -> None:
    lines = told(edited(("steps: [1, 100]}", "of: spectrum}")))
    assert "studies/mine.yaml:22: analyses.reduced.of: the analyses read each other in a circle: " in lines[0]


def test_an_analysis_without_the_base_settings(lab: Path) -> None:
    lines = told(edited(("{method: lab-analysis, steps: [1, 100]}", "{method: lab-dataset}")))
    assert (
        "22: analyses.reduced.method: the settings of 'lab-dataset' lack method, of, conditions" in lines[0]
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(lab: Path) -> None:
    lines = told(
        edited(
            ("title: A", "titel: A"),
            ("known_from: abstract", "known_from: hearsay"),
            ("kind: sgd", "kind: sdg"),
            ("steps: 100", "steps: 0"),
            ("320 // width", "320 // widht"),
            ("of: reduced", "of: redced"),
            ("spectrum.distance[width=5,width=10]", "spectrun.x"),
            ("seeds: {count: 2}", "blok: 2"),
        )
    )
    assert [line.split(": ")[1] for line in lines] == [
        "titel",
        "paper.known_from",
        "system.optimizer.kind",
        "training.steps",
        "conditions.grid.derive.delays.value",
        "analyses.spectrum.of",
        "claims.nearer.checks.0",
        "scales.laptop.training.blok",
    ]


def test_mistakes_of_the_scale_that_is_not_chosen_are_told_too(lab: Path) -> None:
    lines = told(SMALL + "  paper: {training: {steps: -1}}\n")
    assert lines == ["studies/mine.yaml:34: scales.paper.training.steps: must be at least 1, not -1"]


def test_mistakes_of_all_files_are_told_together(lab: Path) -> None:
    Path("studies/one.yaml").write_text(edited(("steps: 100", "steps: 0")))
    Path("studies/two.yaml").write_text("title: [")
    Path("studies/store.yaml").write_text(SMALL)
    workflow = load_workflow("config.yaml", {"studies": ["one", "two", "small", "store"]})
    with pytest.raises(ConfigError) as caught:
        load_studies(workflow)
    assert [problem.file for problem in caught.value.problems] == [
        "studies/one.yaml",
        "studies/two.yaml",
        "studies/store.yaml",
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"scale": "papr"},
            "--config: scale: 'papr' is not allowed; allowed are laptop, paper; did you mean",
        ),
        ({"sale": "paper"}, "--config: sale: is not a known key here; did you mean 'scale'?"),
        ({"device": "gpu"}, "--config: device: 'gpu' is not allowed; allowed are auto, cpu, cuda"),
        (
            {"parallelism": {"dask": "thread"}},
            "--config: parallelism.dask: 'thread' is not a scheduler of Dask; write threads, synchronous, cluster, or "
            "the address of a running one such as tcp://127.0.0.1:8786",
        ),
        ({"parallelism": {"dask": "127.0.0.1:8786"}}, "is not a scheduler of Dask"),
        ({"parallelism": {"dask": "tcp://node"}}, "is not a scheduler of Dask"),
        ({"parallelism": {"dask": "tcp://node:65536"}}, "is not a scheduler of Dask"),
        ({"parallelism": {"dask": "http://node:8786"}}, "is not a scheduler of Dask"),
        ({"parallelism": {"worker_memory": 0}}, "parallelism.worker_memory: must be at least 1, not 0"),
        ({"parallelism": {"threads": 0}}, "--config: parallelism.threads: must be at least 1, not 0"),
        ({"studies": ["smll"]}, "there is no study 'smll' (studies/smll.yaml does not exist); did you mean"),
        ({"studies": []}, "--config: studies: must not be empty"),
        ({"studies": ["small", "studies/small.yaml"]}, "have the same name"),
    ],
)
def test_mistakes_on_the_command_line(lab: Path, overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_workflow("config.yaml", overrides)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "choice",
    [
        "threads",
        "synchronous",
        "cluster",
        "tcp://127.0.0.1:8786",
        "tls://node-7.site.org:1",
        "tcp://[fe80::1]:65535",
    ],
)
def test_what_may_compute_an_analysis(lab: Path, choice: str) -> None:
    assert load_workflow("config.yaml", {"parallelism": {"dask": choice}}).parallelism.dask == choice


def test_mistakes_in_the_config_file(lab: Path) -> None:
    Path("config.yaml").write_text("studies: [small]\nscale: papr\nthreads: 3\n")
    with pytest.raises(ConfigError) as caught:
        # Snakemake hands the values of the file over with its own
        load_workflow("config.yaml", {"studies": ["small"], "scale": "papr", "threads": 3})
    assert str(caught.value).splitlines() == [
        "config.yaml:2: scale: 'papr' is not allowed; allowed are laptop, paper; did you mean 'paper'?",
        "config.yaml:3: threads: is not a known key here; "
        "known are cache, device, parallelism, results, scale, studies, take_over, trajectories",
    ]
    with pytest.raises(ConfigError, match=r"none\.yaml: there is no such file"):
        load_workflow("none.yaml")


def test_the_workflow_and_its_folders(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = load_workflow("config.yaml", {"studies": "small", "scale": "paper"})
    assert workflow.studies == ("small",)
    assert workflow.scale == "paper"
    assert workflow.results == "results"
    assert workflow.study_path("small") == Path("studies/small.yaml")
    assert workflow.study_path("elsewhere/x.yaml") == Path("elsewhere/x.yaml")
    monkeypatch.delenv("ORRERY_CACHE", raising=False)
    assert workflow.cache_folder() == Path.home() / ".cache" / "orrery"
    assert WorkflowConfig(studies=["a"], cache="down").cache_folder() == Path("down")
    monkeypatch.setenv("ORRERY_CACHE", "/tmp/elsewhere")
    assert WorkflowConfig(studies=["a"], cache="down").cache_folder() == Path("/tmp/elsewhere")


def test_loading_imports_nothing_heavy(lab: Path) -> None:
    script = (
        "import sys\n"
        "from orrery.config.loading import load_studies, load_workflow\n"
        "load_studies(load_workflow('config.yaml'))\n"
        "heavy = {'torch', 'xarray', 'dask', 'scipy', 'zarr', 'sklearn', 'matplotlib', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "place", ["/tmp/x", "s3://", "s3://key:secret@bucket/x", "s3://bucket//x", "https://host/bucket"]
)
def test_a_place_of_trajectories_is_a_bucket_without_keys(lab: Path, place: str) -> None:
    Path("config.yaml").write_text(f"studies: [small]\ntrajectories: {place}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:2: trajectories: .*must be s3://bucket"):
        load_workflow("config.yaml")
    Path("config.yaml").write_text("studies: [small]\ntrajectories: s3://my-bucket/runs/\n")
    assert load_workflow("config.yaml").trajectories == "s3://my-bucket/runs"
