"""The examples of the documentation, run as a reader runs them: in a folder of one's own, outside the package."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = {path.stem: path for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]}
RUN = (
    "write-a-study",
    "write-an-analysis",
    "write-a-system",
    "reference-maps",
    "lyapunov",
    "own-network-and-checkpoints",
    "notebook",
    "data-model",
    "sharpness",
    "predicting-outcomes",
    "stability-of-trajectories",
    "neuron-modes",
)
"""Pages whose blocks without a title are run; their titled blocks are the files of one folder."""

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: ``language words`` after the fence, the first line of its text."""

    page: str
    line: int
    language: str
    words: str
    text: str

    @property
    def title(self) -> str | None:
        """The file that the block is, where it says so."""
        found = re.search(r'title="([^"]+)"', self.words)
        return found[1] if found else None


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    found: list[Block] = []
    lines = PAGES[page].read_text(encoding="utf-8").splitlines()
    start: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
        else:
            language, _, words = lines[start].removeprefix("```").partition(" ")
            found.append(Block(page, start + 2, language, words, "\n".join(lines[start + 1 : number]) + "\n"))
            start = None
    assert start is None, f"{page}: the block in line {start} is not closed"
    return found


def snakemake(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the workflow of the repository in a folder of studies."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        str(REPOSITORY / "Snakefile"),
        "--directory",
        str(folder),
    ]
    return subprocess.run(
        [*command, "--cores", "2", *arguments], capture_output=True, text=True, check=False, env=environment()
    )


def environment() -> dict[str, str]:
    """The environment of a reader: the repository's source, and the commands of the environment on the path."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ORRERY_", "SNAKEMAKE_"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PYTHONPATH": str(REPOSITORY / "src"), "PATH": path}


@pytest.fixture(scope="session")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of all pages and nothing else, after one run of the workflow."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = shared / "mine"
    # The workers of pytest-xdist share it: one runs, the others wait.
    with (shared / "mine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "mine.built").exists():
            for page in RUN:
                for block in blocks(page):
                    if block.title:
                        path = folder / block.title
                        assert not path.exists(), f"{page}: {block.title} stands on two pages"
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_text(block.text, encoding="utf-8")
            done = snakemake(folder=folder)
            assert done.returncode == 0, done.stdout + done.stderr
            (shared / "mine.built").touch()
    return folder


def test_third_system_and_third_analysis_run_to_a_report_with_claims(mine: Path) -> None:
    for study in ("steps", "henon", "strange-attractor", "exponents", "stability", "own-network"):
        assert (mine / "results" / study / "report.html").is_file()
    for study in ("stability", "series", "exponents"):
        claims = json.loads((mine / "results" / study / "claims.json").read_text())["claims"]
        assert {claim["verdict"] for claim in claims} == {"holds"}, claims
    for study in ("steps", "henon", "sharpening"):
        claims = json.loads((mine / "results" / study / "claims.json").read_text())["claims"]
        assert {claim["verdict"] for claim in claims} == {"holds"}, claims
        drawn = "sharpness-product" if study == "sharpening" else "step-lengths"
        assert list((mine / "results" / study / "figures").glob(f"*{drawn}.svg"))
    assert "Hénon" in (mine / "results" / "report" / "index.html").read_text(encoding="utf-8")


def test_the_outcomes_of_the_page_are_foretold_and_too_few_runs_decide_nothing(mine: Path) -> None:
    folder = mine / "results" / "foretell"
    (claim,) = json.loads((folder / "claims.json").read_text())["claims"]
    assert claim["verdict"] == "undecided", claim
    published = json.loads((folder / "numbers.json").read_text())["numbers"]
    names = {one["name"] for one in published["prediction"]}
    page = PAGES["predicting-outcomes"].read_text(encoding="utf-8")
    named = {name.replace("[c", "[tanh") for name in re.findall(r"`([a-z-]+\[c[^`]*\])`", page)}
    assert named - {"auc-angle[tanh]"} <= names, named - names


def test_nothing_is_stale_after_the_run(mine: Path) -> None:
    done = snakemake("-n", folder=mine)
    assert "Nothing to be done" in done.stdout + done.stderr, done.stdout + done.stderr


def test_only_what_a_change_touches_is_made_anew(mine: Path, tmp_path: Path) -> None:
    """What the page says of an analysis holds for a file outside of the package."""
    folder = tmp_path / "mine"
    subprocess.run(["cp", "-a", str(mine), str(folder)], check=True)
    file = folder / "step_lengths.py"
    text = file.read_text(encoding="utf-8")

    def stale(old: str, new: str) -> set[str]:
        assert text.count(old) == 1
        file.write_text(text.replace(old, new), encoding="utf-8")
        done = snakemake("-n", folder=folder)
        assert done.returncode == 0, done.stderr
        table = done.stdout.partition("Job stats:")[2].partition("\n\n")[0]
        return set(re.findall(r"^(\w+) +\d+$", table, re.MULTILINE)) - {"all", "total"}

    assert stale("# (run, step, component), lazy", "# lazy") == set()
    published = {"report", "publish", "index"}
    assert stale("line(0.8)", "line(1.0)") == {"figures", *published}
    assert stale('name=f"median[{name}]"', 'name=f"middle[{name}]"') == {
        "compare",
        "figures",
        "claims",
        *published,
    }
    assert stale("np.nanquantile(", "np.quantile(") == {"analyse", "compare", "figures", "claims", *published}


def test_targets_that_the_pages_name_exist(mine: Path) -> None:
    known = set(snakemake("--list-rules", folder=mine).stdout.split())
    shipped = {path.stem for path in (REPOSITORY / "studies").glob("*.yaml")} | {"my-study"}
    for page in PAGES:
        for block in blocks(page):
            lines = block.text.splitlines() if block.language == "console" else []
            for line in lines:
                command = line.partition("#")[0].removeprefix("$ ").split()
                if "snakemake" in command:
                    rest = [word for word in command[command.index("snakemake") + 1 :] if word != "my-folder"]
                    targets = [word for word in rest if re.fullmatch(r"[a-z][a-z-]*", word)]
                    assert set(targets) <= known | shipped, f"{page}: {line}"


@pytest.mark.parametrize("scale", ["laptop", "paper"])
def test_complete_study_of_the_page_is_valid(scale: str, mine: Path) -> None:
    done = snakemake("-n", "--config", "studies=rates", f"scale={scale}", folder=mine)
    assert done.returncode == 0, done.stdout + done.stderr
    # eight conditions, in blocks of three seeds: one block at laptop, two at paper
    assert re.search(rf"^train +{8 if scale == 'laptop' else 16}$", done.stdout, re.MULTILINE), done.stdout


def test_a_mistake_is_told_as_the_page_says(mine: Path) -> None:
    good = (mine / "studies" / "rates.yaml").read_text(encoding="utf-8")
    wrong = good.replace("rate: 0.1, momentum", "rat: 0.1, momentum")
    assert wrong != good
    (mine / "studies" / "misspelt.yaml").write_text(wrong, encoding="utf-8")
    texts = [block for block in blocks("write-a-study") if block.language == "text"]
    (told,) = [block.text for block in texts if block.words != "output"]
    done = snakemake("-n", "--config", "studies=misspelt", folder=mine)
    assert done.returncode == 1
    assert told.replace("rates.yaml", "misspelt.yaml").strip() in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", RUN)
def test_blocks_of_the_page_run_and_print_what_it_says(page: str, mine: Path, tmp_path: Path) -> None:
    found = blocks(page)
    run = [block for block in found if _is_run(block)]
    listing = tmp_path / f"{page}.json"
    listing.write_text(json.dumps([{"language": b.language, "line": b.line, "text": b.text} for b in run]))
    script = Path(__file__).with_name("run_page.py")
    done = subprocess.run(
        [sys.executable, str(script), str(listing)],
        cwd=mine,
        check=False,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = dict(zip((block.line for block in run), json.loads(done.stdout), strict=True))
    for block, following in itertools.pairwise(found):
        if following.language == "text" and following.words == "output":
            assert outputs[block.line].strip() == following.text.strip(), f"{page}, line {following.line}"


def _is_run(block: Block) -> bool:
    return not block.title and (
        (block.language == "python" and block.words != "fragment")
        or (block.language == "console" and block.words == "run")
    )
