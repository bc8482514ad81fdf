"""Reach an S3-compatible object store: its address and keys as the AWS tools find them, its errors in a sentence.

Nothing of it is ever written down: the address of the server and the keys stay in the environment and in the files
of AWS, and what an error says is stripped to the name of the server and the reason.
"""

from __future__ import annotations

import configparser
import contextlib
import functools
import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orrery.config.errors import OrreryError
from orrery.provenance.storage import StorageError

if TYPE_CHECKING:
    from obstore.store import S3Store

_OF_FILES = {
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
    "region": "region",
    "endpoint": "endpoint_url",
}
"""Setting of a connection → its key in the files of AWS."""
_OF_ENVIRONMENT = {
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "secret_access_key": ("AWS_ACCESS_KEY_ID",),
    "session_token": ("AWS_ACCESS_KEY_ID",),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
}
"""Setting of a connection → the variables of which one, where it is set, comes before the files."""


class UnreachableError(StorageError):
    """The object store did not answer or refused; nothing is known of what lies there."""


@functools.cache
def connect(bucket: str) -> S3Store:
    """Return the connection to a bucket; nothing is sent yet.

    Raises:
        OrreryError: the package for it is not installed.
    """
    try:
        from obstore.store import S3Store
    except ImportError:
        raise OrreryError(_NOT_INSTALLED.format(f"s3://{bucket}")) from None
    return S3Store(bucket, **_options())


def zarr_store(bucket: str, key: str) -> Any:
    """Return what Zarr reads below a key of a bucket, through fsspec.

    Raises:
        OrreryError: the package for it is not installed.
    """
    from zarr.storage import FsspecStore

    return FsspecStore(_filesystem(), read_only=True, path=f"{bucket}/{key}")


@functools.cache
def _filesystem() -> Any:
    try:
        from obstore.exceptions import BaseError
        from obstore.fsspec import FsspecStore
    except ImportError:
        raise OrreryError(_NOT_INSTALLED.format("s3://")) from None

    class Files(FsspecStore):
        """Reads the last bytes of an object too, where Zarr looks for the index of a shard."""

        async def _cat_file(
            self, path: str, start: int | None = None, end: int | None = None, **options: Any
        ) -> bytes:
            if start is not None and end is None:
                size = int((await self._info(path))["size"])
                start, end = (max(0, size + start) if start < 0 else start), size
            try:
                return bytes(await super()._cat_file(path, start=start, end=end, **options))
            except BaseError as error:
                if start is None or "non-partial" not in str(error):
                    raise
            # Some servers (rclone) send the part that was asked for and yet say that it is the whole.
            return bytes(await super()._cat_file(path, **options))[start:end]

    return Files("s3", asynchronous=True, **_options())


_NOT_INSTALLED = (
    "trajectories at {} need the package obstore, which is not installed: "
    "run .venv/bin/pip install -e '.[s3]' in the folder of the Snakefile"
)


def _options() -> dict[str, Any]:
    """How to connect: what the environment does not say (obstore reads that itself) from the files of AWS."""
    found = {name: value for name, value in _of_files().items() if value}
    return {
        **found,
        "client_options": {
            "allow_http": _endpoint().startswith("http://"),
            "connect_timeout": "10s",
            "timeout": "120s",
        },
        "retry_config": {"max_retries": 4, "retry_timeout": timedelta(seconds=60)},
    }


def _of_files() -> dict[str, str]:
    """Settings of the profile in the files of AWS, without those that the environment has."""
    merged: dict[str, str] = {}
    profile = os.environ.get("AWS_PROFILE", "default")
    home = Path("~/.aws")
    for variable, name in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        path = Path(os.environ.get(variable) or home / name).expanduser()
        parser = configparser.ConfigParser(interpolation=None)
        with contextlib.suppress(OSError, UnicodeDecodeError, configparser.Error):
            parser.read(path, encoding="utf-8")
        for section in (f"profile {profile}", profile):
            if parser.has_section(section):
                merged.update(parser.items(section))
    return {
        name: merged.get(key, "")
        for name, key in _OF_FILES.items()
        if not any(os.environ.get(variable) for variable in _OF_ENVIRONMENT[name])
    }


def _endpoint() -> str:
    """Address of the server; empty where it is that of AWS."""
    said = (os.environ.get(variable) for variable in _OF_ENVIRONMENT["endpoint"])
    return next((address for address in said if address), "") or _of_files().get("endpoint", "")


@contextlib.contextmanager
def reached(url: str) -> Iterator[None]:
    """Turn what the store or the way to it refuses inside the block into one sentence that names the address.

    Args:
        url: what the block reads or writes.

    Raises:
        UnreachableError: it did not answer, or refused.
        FileNotFoundError: there is no such object, of which the caller knows what it means.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, PermissionError) as error:
        raise UnreachableError(
            f"{url} cannot be read or written at {_server()}: {_reason(str(error))}; what is finished is kept, "
            "so look at the address, the bucket and the keys (AWS_ENDPOINT_URL and the other variables of AWS) "
            "and run again"
        ) from None


def _server() -> str:
    """Name of the server as a person knows it, without a user or a password."""
    parts = urlsplit(_endpoint())
    if not parts.hostname:
        return "the servers of AWS"
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


_CODES: Mapping[str, str] = {
    "NoSuchBucket": "there is no such bucket",
    "SignatureDoesNotMatch": "the secret key does not fit",
    "InvalidAccessKeyId": "the access key is not known there",
    "AccessDenied": "access denied",
}


def _reason(text: str) -> str:
    code = re.search(r"<Code>(\w+)</Code>", text)
    if code:
        return _CODES.get(code[1], code[1])
    status = re.search(r"status code: (\d+ [\w ]+)", text)
    if status:
        return status[1].strip()
    if "sending request" in text or "imeout" in text or "imed out" in text:
        return "no answer"
    return text.partition("\n")[0][:120]
