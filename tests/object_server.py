"""A local S3 server (rclone, from PyPI) on loopback, and a gate before it that can hold requests back.

The buckets are folders; tests change what lies there through the server, which remembers what a folder holds.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BUCKET = "laboratory"
KEYS = {
    "AWS_ACCESS_KEY_ID": "orrery",
    "AWS_SECRET_ACCESS_KEY": "never-written-down",
    "AWS_REGION": "us-east-1",
}


@dataclass
class ObjectServer:
    """A running server.

    Attributes:
        address: of the gate before it.
        folder: of the buckets.
        gate: what lets requests through.
    """

    address: str
    folder: Path
    gate: Gate

    @property
    def variables(self) -> dict[str, str]:
        """What the environment of a process says that uses the server."""
        return {**KEYS, "AWS_ENDPOINT_URL": self.address, "AWS_CONFIG_FILE": os.devnull}

    def names(self, prefix: str = "") -> list[str]:
        """Names of all objects of the bucket that begin so."""
        root = self.folder / BUCKET
        found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix) and ".rclone_temp" not in name)


@dataclass
class Gate:
    """Lets requests through, or after some that write, holds the others back.

    Attributes:
        left: requests that write that are still let through; ``None`` for all.
        parts: whether a part of an object is called one; rclone sends it and says that it is the whole.
        waiting: set when one is held back.
        open: those that are held back wait for it.
    """

    left: int | None = None
    parts: bool = True
    waiting: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def close_after(self, number: int) -> None:
        """Let so many more requests that write through."""
        self.waiting.clear()
        self.open.clear()
        self.left = number

    def let_all(self) -> None:
        """Let all through."""
        self.left = None
        self.open.set()

    def passes(self) -> bool:
        """Whether a request that writes may pass."""
        with self.lock:
            if self.left is None:
                return True
            self.left -= 1
            return self.left >= 0


@contextmanager
def serve(folder: Path) -> Iterator[ObjectServer]:
    """Serve an empty bucket from a folder, until the block ends."""
    (folder / BUCKET).mkdir(parents=True)
    port = _free_port()
    command = [Path(sys.executable).with_name("rclone"), "serve", "s3", "--config", os.devnull]
    command += ["--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(list(KEYS.values())[:2]), folder]
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    gate = Gate()
    handler = type("Handler", (_Handler,), {"gate": gate, "port": port})
    before = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    before.daemon_threads = True
    thread = threading.Thread(target=before.serve_forever, daemon=True)
    thread.start()
    try:
        _wait_for(port, process)
        yield ObjectServer(f"http://127.0.0.1:{before.server_port}", folder, gate)
    finally:
        gate.let_all()
        before.shutdown()
        before.server_close()
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("the object server does not answer")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gate: Gate
    port: int

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "PUT" and not self.gate.passes():
            self.gate.waiting.set()
            self.gate.open.wait(120)
            self.close_connection = True
            return
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with suppress(BrokenPipeError, ConnectionResetError):
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                server.putheader(name, value)
            server.endheaders(body)
            answer = server.getresponse()
            content = answer.read()
            part = self.gate.parts and answer.getheader("Content-Range")
            self.send_response_only(206 if part else answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                    self.send_header(name, value)
            # What a HEAD says of the length is not that of its empty body.
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(content)
        server.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
