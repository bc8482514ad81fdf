"""The command ``orrery``: each command is a module of ``orrery.commands``, imported when asked for."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from orrery.config.errors import OrreryError

COMMANDS = {
    "import": ("import_checkpoints", "turn folders of checkpoints into a trajectory"),
    "schema": ("schema", "print the JSON schema of a study or of config.yaml"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 where it went well, 1 where the input was wrong (one sentence on standard error), 2 for wrong usage.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="orrery", description="Study the dynamics of training.")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    asked = next((word for word in words if not word.startswith("-")), None)
    for name, (module, summary) in COMMANDS.items():
        part = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == asked:
            importlib.import_module(f"orrery.commands.{module}").add_arguments(part)
    options = parser.parse_args(words)
    run = importlib.import_module(f"orrery.commands.{COMMANDS[options.command][0]}").run
    try:
        return int(run(options))
    except OrreryError as error:
        print(f"orrery {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
