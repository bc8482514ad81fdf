"""What a file system refuses is told in one sentence that names the store and what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.provenance.storage import StorageError, check_writable, in_a_sentence, refused

STORE = "results/store/trajectories/width/width=40@0123456789abcdef"


def refusal(number: int, file: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), file) if file else OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refusal(errno.ENOSPC), (f"the disk that holds {STORE} is full", "free space and run again")),
        (
            refusal(errno.ENOSPC, f"{STORE}.partial/data.zarr/zarr.json"),
            (f"the disk that holds {STORE} is full",),
        ),
        (refusal(errno.EDQUOT), (STORE, "quota")),
        (
            refusal(errno.EROFS, "results/x"),
            (f"{STORE} cannot be written", "read-only (results/x)", "run again"),
        ),
        (
            refusal(errno.EACCES, "results/store/data/iris@1"),
            (STORE, "no permission", "results/store/data/iris@1"),
        ),
        (refusal(errno.EPERM), (STORE, "no permission")),
        (refusal(errno.EIO), (STORE, "the disk reports a fault")),
    ],
)
def test_a_refusal_is_a_sentence(error: OSError, words: tuple[str, ...]) -> None:
    with pytest.raises(StorageError) as told, in_a_sentence(STORE):
        raise error
    for word in (*words, "what is finished is kept"):
        assert word in str(told.value)
    assert "\n" not in str(told.value)


def test_a_refusal_behind_another_error_is_found() -> None:
    with pytest.raises(StorageError, match="no permission to read or write chunk"), in_a_sentence(STORE):
        raise OrreryError("its bytes are not those that were written") from refusal(errno.EACCES, "chunk")


def test_other_errors_stay_what_they_are() -> None:
    for error in (
        ValueError("no"),
        FileNotFoundError(errno.ENOENT, "no such file"),
        OrreryError("a sentence"),
    ):
        assert refused(error) is None
        with pytest.raises(type(error)) as told, in_a_sentence(STORE):
            raise error
        assert told.value is error


def test_what_was_dealt_with_before_is_not_the_reason() -> None:
    error = KeyError("later")
    error.__context__ = refusal(errno.EACCES)
    assert refused(error) is None


def test_a_folder_is_tried_without_leaving_anything(tmp_path: Path) -> None:
    check_writable(tmp_path / "store")
    assert list(tmp_path.rglob("*")) == [tmp_path / "store"]
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        check_writable(tmp_path / "file")
