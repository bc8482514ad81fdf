"""``python -m benchmarks [name …]``: measure, and write benchmarks/results.md."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from importlib import import_module
from pathlib import Path

from benchmarks.measure import machine, one_thread, write_page

NAMES = (
    "ensemble",
    "recording",
    "store",
    "koopman",
    "verify",
    "scale",
    "early_cutoff",
    "exponents",
    "exponents_cost",
    "responses",
    "basins",
    "gpu",
)
ON_REQUEST = ("large",)
"""Run only when named: 20 GB of scratch space, and minutes."""
PAGE = Path(__file__).with_name("results.md")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="name",
        help=f"some of {', '.join(NAMES)}, or {', '.join(ON_REQUEST)}; all but the last where absent",
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    parser.add_argument(
        "--scratch",
        type=Path,
        help="a folder with 4 GB of space, 22 GB for large; a temporary one where absent",
    )
    arguments = parser.parse_args()
    names = arguments.names or list(NAMES)
    known = (*NAMES, *ON_REQUEST)
    if set(names) - set(known):
        parser.error(f"there is no benchmark '{min(set(names) - set(known))}'; known are {', '.join(known)}")
    os.environ.update(one_thread())
    import torch

    from orrery.stages.memory import keep_freed_memory

    torch.set_num_threads(1)
    # As every job of the workflow does; what Orrery is set beside runs in the same process and has it, too.
    keep_freed_memory()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        for name in names:
            start = time.perf_counter()
            section = import_module(f"benchmarks.{name}").run(Path(scratch))
            if section is None:
                # What another machine has measured stays on the page.
                print(f"{name}: there is no GPU that works here, so its table is not made\n", flush=True)
                continue
            write_page(arguments.page, f"# Benchmarks\n\nMade by `make bench`. {machine()}\n", [section])
            print(section.markdown())
            print(f"({name}: {time.perf_counter() - start:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
