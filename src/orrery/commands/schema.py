"""``orrery schema``: print a JSON schema for editors and other tools."""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("of", nargs="?", choices=["study", "config"], default="study", help="default: study")


def run(arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from orrery.config.schema import CONFIG, STUDY, generate

    sys.stdout.write(generate()[STUDY if arguments.of == "study" else CONFIG])
    return 0
