"""Run the blocks of one page one after another, as a reader does, and print the output of each as JSON.

``python run_page.py blocks.json``, in the folder of the studies. A file of its own for each block keeps the lines of a
traceback those of the page.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any


def main(listing: Path) -> None:
    """Run all blocks; the names that Python blocks bind stay for the next ones."""
    sys.path.insert(0, os.getcwd())
    names: dict[str, Any] = {}
    outputs = []
    for block in json.loads(listing.read_text(encoding="utf-8")):
        if block["language"] == "python":
            script = listing.with_name(f"{listing.stem}-line-{block['line']}.py")
            script.write_text("\n" * (block["line"] - 1) + block["text"], encoding="utf-8")
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                bound = runpy.run_path(str(script), init_globals=names)
            names.update({name: value for name, value in bound.items() if not name.startswith("__")})
            outputs.append(printed.getvalue())
        else:
            commands = [
                line.removeprefix("$ ") for line in block["text"].splitlines() if line.startswith("$ ")
            ]
            done = [
                subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
                for command in commands
            ]
            for command, result in zip(commands, done, strict=True):
                if result.returncode != 0:
                    sys.exit(f"{command}: {result.stdout}{result.stderr}")
            outputs.append("".join(result.stdout for result in done))
    json.dump(outputs, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
