"""A job takes over an equal earlier result, and its result appears only when it is whole."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from orrery.config.errors import OrreryError
from orrery.plan.job import Job
from orrery.provenance.job import run_job
from orrery.provenance.manifest import read_manifest, store_of


def job(results: Path, value: int = 1, code: str = "a", upstream: Job | None = None) -> dict[str, Any]:
    inputs = {"source": (upstream,)} if upstream else {}
    return _job(value, code, inputs).payload(str(results))


def _job(value: int, code: str, inputs: dict[str, tuple[Job, ...]]) -> Job:
    return Job("analyses", "s", "s/a/c/all", {"value": value}, code, {"numpy": "2"}, inputs)


def write(text: str) -> Any:
    def produce(out: Path) -> None:
        (out / "data.txt").write_text(text)

    return produce


def refuse(out: Path) -> None:
    raise AssertionError("nothing was to be produced")


def source(code: str) -> Job:
    return Job("trajectories", "s", "s/c/block=000", {"rate": 1}, code, {}, {})


def test_a_result_is_whole_and_named_by_its_spec(tmp_path: Path) -> None:
    payload = job(tmp_path)
    assert run_job(payload, write("one"))
    target = Path(payload["target"])
    assert (store_of(target) / "data.txt").read_text() == "one"
    assert not list(tmp_path.rglob("*.partial"))
    record = json.loads((store_of(target) / "job.json").read_text())
    assert record["spec"] == payload["spec"]


def test_other_settings_have_another_name_and_do_not_touch_the_first(tmp_path: Path) -> None:
    one, two = job(tmp_path, 1), job(tmp_path, 2)
    run_job(one, write("one"))
    run_job(two, write("two"))
    assert (store_of(Path(one["target"])) / "data.txt").read_text() == "one"


def test_upstream_code_without_effect_on_its_bytes_stops_the_cascade(tmp_path: Path) -> None:
    for code in ("a", "b"):
        run_job(source(code).payload(str(tmp_path)), write("same"))
    first, second = (job(tmp_path, upstream=source(code)) for code in ("a", "b"))
    assert first["digest"] != second["digest"]
    assert run_job(first, write("result"))
    assert not run_job(second, refuse)
    assert (store_of(Path(second["target"])) / "data.txt").read_text() == "result"


def test_upstream_code_with_effect_does_not(tmp_path: Path) -> None:
    for code in ("a", "b"):
        run_job(source(code).payload(str(tmp_path)), write(code))
    run_job(job(tmp_path, upstream=source("a")), write("result"))
    assert run_job(job(tmp_path, upstream=source("b")), write("other"))


def test_own_code_is_part_of_the_key(tmp_path: Path) -> None:
    run_job(job(tmp_path, code="a"), write("one"))
    assert run_job(job(tmp_path, code="b"), write("one"))


def test_a_deleted_manifest_comes_back_without_work(tmp_path: Path) -> None:
    payload = job(tmp_path)
    run_job(payload, write("one"))
    before = Path(payload["target"]).read_bytes()
    Path(payload["target"]).unlink()
    assert not run_job(payload, refuse)
    assert Path(payload["target"]).read_bytes() == before


@pytest.mark.parametrize("damage", ["flip", "delete", "grow"])
def test_a_damaged_result_is_not_taken_over(tmp_path: Path, damage: str) -> None:
    payload = job(tmp_path)
    run_job(payload, write("one"))
    file = store_of(Path(payload["target"])) / "data.txt"
    {"flip": lambda: file.write_text("onf"), "delete": file.unlink, "grow": lambda: file.write_text("one!")}[
        damage
    ]()
    Path(payload["target"]).unlink()
    assert run_job(payload, write("one"))
    assert file.read_text() == "one"


def test_an_earlier_result_without_its_manifest_is_read_before_it_is_taken_over(tmp_path: Path) -> None:
    """Its manifest was removed because somebody doubted it, say ``verify``; sizes alone do not clear it."""
    for code in ("a", "b"):
        run_job(source(code).payload(str(tmp_path)), write("same"))
    first, second = (job(tmp_path, upstream=source(code)) for code in ("a", "b"))
    run_job(first, write("one"))
    (store_of(Path(first["target"])) / "data.txt").write_text("onf")
    Path(first["target"]).unlink()
    assert run_job(second, write("one"))
    assert (store_of(Path(second["target"])) / "data.txt").read_text() == "one"


def test_nothing_is_taken_over_where_the_payload_says_so(tmp_path: Path) -> None:
    payload = job(tmp_path)
    run_job(payload, write("one"))
    before = Path(payload["target"]).read_bytes()
    assert not run_job({**payload, "execution": {"take_over": True}}, refuse)
    assert run_job({**payload, "execution": {"take_over": False}}, write("one"))
    assert Path(payload["target"]).read_bytes() == before


def test_a_forced_job_that_fails_costs_nothing_that_was_whole(tmp_path: Path) -> None:
    payload = job(tmp_path)
    run_job(payload, write("one"))
    Path(payload["target"]).unlink()  # as Snakemake does before it runs a job
    with pytest.raises(AssertionError):
        run_job({**payload, "execution": {"take_over": False}}, refuse)
    assert not run_job(payload, refuse)


def test_a_damaged_input_is_named(tmp_path: Path) -> None:
    run_job(source("a").payload(str(tmp_path)), write("same"))
    target = Path(source("a").payload(str(tmp_path))["target"])
    (store_of(target) / "data.txt").unlink()
    with pytest.raises(OrreryError, match=r"data\.txt: is missing; delete .* and run again"):
        run_job(job(tmp_path, upstream=source("a")), refuse)


def test_a_failed_job_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    payload = job(tmp_path)

    def fail(out: Path) -> None:
        (out / "data.txt").write_text("half")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        run_job(payload, fail)
    assert not Path(payload["target"]).exists()
    assert not Path(payload["target"]).with_suffix("").exists()
    assert run_job(payload, write("whole"))
    assert read_manifest(Path(payload["target"]))["store"] == Path(payload["target"]).stem


def test_nothing_is_left_of_a_full_disk_where_threads_still_write(tmp_path: Path) -> None:
    """As those of Zarr do, which makes missing folders again for each chunk."""
    written: list[int] = []

    def write_on(out: Path) -> None:
        for chunk in range(30):
            (out / "data").mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                (out / "data" / str(chunk)).write_bytes(b"0")
            written.append(chunk)
            time.sleep(0.01)

    def fill(out: Path) -> None:
        threading.Thread(target=write_on, args=(out,)).start()
        while len(written) < 3:
            time.sleep(0.005)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        run_job(job(tmp_path), fill)
    assert len(written) == 30
    assert not list(tmp_path.rglob("*.partial"))
