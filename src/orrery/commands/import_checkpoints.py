"""``orrery import``: turn folders of checkpoints into a trajectory."""

from __future__ import annotations

import argparse
from pathlib import Path

PATTERN = r"(\d+)(?!.*\d)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "folder", nargs="+", type=Path, help="folder of .pt, .pth or .safetensors files; one for each run"
    )
    parser.add_argument("--output", required=True, type=Path, help="store to write, e.g. imported.zarr")
    parser.add_argument(
        "--pattern",
        default=PATTERN,
        help="regular expression whose first group is the step in a file name; default: its last number",
    )
    parser.add_argument(
        "--key", help="entry of a .pt file that holds the weights, e.g. model; dots lead deeper"
    )
    parser.add_argument("--tensors", nargs="+", help="names or patterns of the tensors to keep; default: all")
    parser.add_argument("--seeds", nargs="+", type=int, help="seed of each folder; default: 0, 1, ...")


def run(arguments: argparse.Namespace) -> int:
    """Import, and say what was found."""
    from orrery.provenance.manifest import write_manifest
    from orrery.trajectory.importing import import_checkpoints
    from orrery.trajectory.trajectory import Trajectory

    import_checkpoints(
        arguments.folder,
        arguments.output,
        pattern=arguments.pattern,
        key=arguments.key,
        tensors=arguments.tensors,
        seeds=arguments.seeds,
    )
    manifest = arguments.output.with_name(arguments.output.name + ".json")
    write_manifest(arguments.output, manifest)
    print(f"wrote {arguments.output} and its manifest {manifest}")
    print(Trajectory.open(arguments.output))
    return 0
