"""What happens to results: lost records, lost and damaged bytes, killed runs, other numbers of cores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from .processes import alive, descendants, running, wait_for
from .table import holds

TINY = "studies/tiny.yaml"
DAMAGED = "tiny/slow/block=000,steps=0-10"
EDITED = "tiny/fast/block=000,steps=10-20"
INCOMPLETE = "descent/rate=0.01/block=000,steps=0-12"


@holds("results", "`.snakemake` deleted", ())
@holds(
    "results",
    "`.snakemake` deleted and a claim's criterion changed",
    {"claims tiny", "report tiny", "publish tiny", "index"},
)
def test_no_records_of_snakemake(lab: Any) -> None:
    shutil.rmtree(lab.path(".snakemake"))
    assert lab.dry() == set()
    lab.replace(TINY, "above: 0.001", "above: 0.002")
    assert lab.dry() == {"claims tiny", "report tiny", "publish tiny", "index"}


@holds("results", "results moved to another folder", ())
def test_moved_elsewhere(lab: Any, tmp_path: Path) -> None:
    """A clone of the repository, put beside results that were made in another folder."""
    shutil.rmtree(lab.path(".snakemake"))
    lab.folder.rename(tmp_path / "elsewhere")
    assert type(lab)(tmp_path / "elsewhere").dry() == set()


@holds(
    "results",
    "one byte of a trajectory flipped; a chunk of a trajectory or of an analysis deleted; manifests edited or cut",
    "found by `snakemake verify`, by name; then the three results with lost bytes are made, and all else is taken over",
)
def test_damage_is_found_and_made_good(lab: Any) -> None:
    """Each kind of damage at another result: one verify names all, one plain run makes exactly the lost bytes anew."""
    whole = lab.manifests()
    outcome = lab.snakemake("verify")
    assert outcome.code == 0
    assert "all bytes are as they were written" in outcome.out + outcome.err

    damaged = {
        ("trajectories", DAMAGED): lambda manifest: flip_a_byte(chunk_of(manifest)),
        ("trajectories", INCOMPLETE): lambda manifest: chunk_of(manifest).unlink(),
        ("analyses", "tiny/weights/fast/block=000"): lambda manifest: chunk_of(manifest).unlink(),
        ("trajectories", EDITED): edit_the_digest,
        ("comparisons", "tiny/koopman"): lambda manifest: manifest.write_bytes(manifest.read_bytes()[:100]),
        ("data", "iris"): lambda manifest: manifest.write_bytes(bytes(range(256))),
        ("claims", "tiny"): lambda manifest: flip_a_byte(manifest.with_suffix(".csv")),
    }
    for (stage, name), damage in damaged.items():
        damage(lab.manifest(stage, name))
    figure = next(lab.path("results/tiny/figures").rglob("*.svg"))
    figure.unlink()

    outcome = lab.snakemake("verify")
    assert outcome.code == 1
    assert f"{len(damaged) + 1} of " in outcome.err
    assert (
        outcome.err.count("is removed, so that the next run of snakemake makes it anew") == len(damaged) + 1
    )
    for stage, name in [*damaged, ("publish", "tiny")]:
        assert f"  {stage} {name}: its " in outcome.err, outcome.err
    for words in ("is missing", "its bytes differ", "was edited since", "cannot be read", figure.name):
        assert words in outcome.err
    assert "Traceback" not in outcome.err
    assert (lab.path("results/logs/verify.log")).read_text().strip() in outcome.err

    shutil.rmtree(lab.path("results/logs"))
    lab.build()
    assert lab.manifests() == whole
    assert figure.is_file()
    assert produced(lab) == {
        "analyses/tiny/weights/fast/block=000",
        f"trajectories/{DAMAGED}",
        f"trajectories/{INCOMPLETE}",
    }, "what has all its bytes, and what reads equal bytes, is taken over"
    assert lab.dry() == set()
    assert lab.snakemake("verify").code == 0


def test_verify_reads_what_no_study_names_at_present(lab: Any) -> None:
    """A manifest that a later plan may name again is not left standing beside damaged bytes."""
    manifest = lab.manifest("trajectories", DAMAGED)
    lab.replace(TINY, "slow: {system: {optimizer: {rate: 0.1}}}", "slow: {system: {optimizer: {rate: 0.3}}}")
    flip_a_byte(chunk_of(manifest))
    outcome = lab.snakemake("verify")
    assert outcome.code == 1
    assert f"{manifest.relative_to(lab.folder)}, which no study names at present" in outcome.err
    assert not manifest.exists()


def test_damage_takes_the_manifest_of_every_name_of_the_bytes(lab: Any) -> None:
    """After a change of code without effect two manifests stand for one store, and neither may go on doing so."""
    lab.change_function("src/orrery/systems/mirror_descent.py", "build")
    lab.build("descent")
    first, second = sorted(lab.path("results/store/analyses/descent/spread").glob("all@*.json"))
    content = first.read_bytes()
    assert second.read_bytes() == content
    flip_a_byte(chunk_of(first))
    assert lab.snakemake("verify").code == 1
    assert not first.exists()
    assert not second.exists()

    shutil.rmtree(lab.path("results/logs"))
    lab.build("descent")
    assert produced(lab) == {"analyses/descent/spread/all"}
    (made,) = (path for path in (first, second) if path.exists())
    assert json.loads(made.read_bytes())["digest"] == json.loads(content)["digest"]


@holds(
    "results", "`-F`", "all that is asked for; every job takes over what it has, unless `take_over: false`"
)
def test_force_produces_again_only_where_nothing_is_taken_over(lab: Any) -> None:
    whole = lab.manifests()
    for arguments, expected in (((), 0), (("--config", "take_over=false"), None)):
        shutil.rmtree(lab.path("results/logs"))
        lab.build("-F", "analyses", *arguments)
        ran = list(lab.path("results/logs").rglob("*@*.log"))
        assert len(ran) >= 10
        assert len(produced(lab)) == (len(ran) if expected is None else expected)
        assert lab.manifests() == whole
    assert lab.dry("--config", "take_over=false") == lab.dry()


def chunk_of(manifest: Path) -> Path:
    """A file with numbers in the store behind a manifest."""
    content = json.loads(manifest.read_text())
    name = max(
        (name for name in content["files"] if "/c/" in name), key=lambda name: content["files"][name][0]
    )
    return manifest.parent / str(content["store"]) / str(name)


def edit_the_digest(manifest: Path) -> None:
    content = json.loads(manifest.read_text())
    content["digest"] = "0" * 64
    manifest.write_text(json.dumps(content))


def produced(lab: Any) -> set[str]:
    """The jobs that say in their logs that they produced something, by stage and name."""
    logs = lab.path("results/logs")
    return {
        str(path.relative_to(logs)).rpartition("@")[0].replace("+", ",")
        for path in logs.rglob("*@*.log")
        if path.read_text().rstrip().endswith("done")
    }


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@holds("results", "a published page or figure deleted", {"publish tiny", "index"})
def test_a_published_file_that_is_lost_is_published_again(lab: Any) -> None:
    for name in ("tiny/report.html", "tiny/figures/koopman-spectra.pdf", "report/index.html"):
        file = lab.path(f"results/{name}")
        content = file.read_bytes()
        file.unlink()
        # The page over all studies is newer than what it reads, so it follows.
        expected = {"index"} if name.startswith("report/") else {"publish tiny", "index"}
        assert lab.dry() == expected
        assert lab.dry() == expected, "a dry run has made a difference"
        if name == "tiny/report.html":
            explained = lab.snakemake("explain").out
            assert "publish/tiny: what was published is not whole" in explained
            assert "publish/report: reads what is made anew: publish/tiny" in explained
        lab.build()
        assert bool(file.read_bytes() == content), name
        assert lab.dry() == set()


@holds(
    "results", "SIGKILL of Snakemake while it trains", "the segment that was being trained, to the same bytes"
)
def test_killed_while_it_trains(lab: Any) -> None:
    """SIGKILL of Snakemake alone: the job goes with it, and the next run gives the bytes of one that was left alone."""
    lab.replace(TINY, "slow: {system:", "slow: {training: {steps: 2000, segment: 2000}, system:")
    tile = "tiny/slow/block=000+steps=0-2000"
    with running(lab, "trajectories", cores=1) as begun:
        partial = wait_for(
            lambda: next(lab.path("results/store/trajectories").glob("tiny/*/*.partial/data.zarr*"), None),
            begun,
        )
        workers = descendants(begun.pid)
        begun.kill()
        begun.wait()
        wait_for(lambda: not any(alive(worker) for worker in workers))
    # The store itself may have got its name meanwhile; the folder gets its own last of all.
    assert partial.parent.exists()
    assert not list(lab.path("results/store/trajectories").glob("tiny/*/*steps=0-2000@*.json"))

    left_alone = lab.copy(lab.folder.with_name("left-alone"))
    for other in left_alone.path("results/store/trajectories").glob("tiny/*/*steps=0-2000*"):
        shutil.rmtree(other) if other.is_dir() else other.unlink()
    for one, cores in ((lab, 1), (left_alone, 2)):
        one.build("trajectories", cores=cores)
    found = lab.manifests("trajectories")
    assert any(name.startswith(f"trajectories/{tile}@") for name in found)
    assert found == left_alone.manifests("trajectories")
    assert not list(lab.path("results").rglob("*.partial"))
    assert not list(lab.path("results").rglob("*.lock"))
