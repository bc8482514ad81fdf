"""Checkpoints of someone else's training as a trajectory."""

from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from orrery.config.errors import OrreryError, nearest
from orrery.trajectory.layout import PARTIAL
from orrery.trajectory.recorder import Recorder
from orrery.trajectory.snapshot import states_of

ENDINGS = (".pt", ".pth", ".safetensors")
LAST_NUMBER = r"(\d+)(?!.*\d)"


def import_checkpoints(
    folders: Sequence[str | Path],
    output: str | Path,
    *,
    pattern: str = LAST_NUMBER,
    key: str | None = None,
    tensors: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> None:
    """Write the checkpoints of one or several folders, each those of one run, as a trajectory store.

    Files are read as weights only: nothing in them is executed.

    Args:
        folders: one folder per run; all hold the same steps.
        output: where the store will lie.
        pattern: regular expression whose first group is the step in a file name without its ending.
        key: the entry of each file that holds the state dictionary, dots lead deeper; where absent, the
            whole file, or the one entry ``model``, ``state_dict`` or ``model_state_dict`` that holds it.
        tensors: names or patterns of the tensors to keep.
        seeds: seed of each folder.

    Raises:
        OrreryError: a folder or file does not give what is needed; nothing is left at ``output``.
    """
    runs = [checkpoints_in(Path(folder), pattern) for folder in folders]
    if not runs:
        raise OrreryError("no folder of checkpoints was given; name at least one")
    steps = list(runs[0])
    for folder, run in zip(folders, runs, strict=True):
        if list(run) != steps:
            differing = min(set(steps) ^ set(run))
            raise OrreryError(
                f"{folder} and {folders[0]} hold checkpoints of other steps (step {differing} is in one only)"
                "; give runs that were saved at the same steps"
            )
    place = Path(output)
    recorder = Recorder(place, tensors, steps=steps, seeds=seeds)
    try:
        for step in steps:
            states = [_floating(read_checkpoint_file(run[step], key)) for run in runs]
            try:
                recorder.record(step, states)
            except OrreryError as error:
                raise OrreryError(f"{', '.join(str(run[step]) for run in runs)}: {error}") from error
        recorder.close()
    except BaseException:
        shutil.rmtree(place.with_name(place.name + PARTIAL), ignore_errors=True)
        raise


def checkpoints_in(folder: Path, pattern: str = LAST_NUMBER) -> dict[int, Path]:
    """The checkpoint files of a folder by their step, in order.

    Raises:
        OrreryError: the folder has none, a name has no step, or two files have the same.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise OrreryError(f"'{pattern}' is not a regular expression ({error}); try 'step_(\\d+)'") from error
    if expression.groups < 1:
        raise OrreryError(
            f"the pattern '{pattern}' has no group for the step; put it in brackets: 'step_(\\d+)'"
        )
    if not folder.is_dir():
        raise OrreryError(f"{folder} is not a folder; give a folder of checkpoint files")
    files = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS)
    if not files:
        raise OrreryError(f"{folder} holds no checkpoints; looked for files ending in {', '.join(ENDINGS)}")
    found: dict[int, Path] = {}
    for path in files:
        match = expression.search(path.stem)
        if match is None or not match.group(1).isdigit():
            raise OrreryError(f"{path} has no step number that '{pattern}' finds; say how with --pattern")
        step = int(match.group(1))
        if step in found:
            raise OrreryError(
                f"{found[step]} and {path} are both of step {step}; keep one, or change --pattern"
            )
        found[step] = path
    return dict(sorted(found.items()))


def read_checkpoint_file(path: Path, key: str | None = None) -> Mapping[str, Any]:
    """The state dictionary in a file, on the CPU.

    Raises:
        OrreryError: the file cannot be read as weights only, or holds no state dictionary where it should.
    """
    content = _load(path)
    if key is None:
        return _unwrapped(path, content)
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            known = map(str, content) if isinstance(content, Mapping) else ()
            raise OrreryError(f"{path} has no entry '{key}'; {nearest(part, known)}")
        content = content[part]
    if not isinstance(content, Mapping):
        raise OrreryError(f"{path}: entry '{key}' is not a state dictionary but a {type(content).__name__}")
    return content


def _load(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise OrreryError(f"{path} cannot be read as safetensors ({error})") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise OrreryError(
            f"{path} holds more than weights, and reading it could run code from it; save the state "
            "dictionary alone, torch.save(model.state_dict(), path), and import that"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise OrreryError(f"{path} cannot be read as a checkpoint ({_first_line(error)})") from error


def _unwrapped(path: Path, content: Any) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise OrreryError(
            f"{path} holds a {type(content).__name__}, not a state dictionary; save model.state_dict()"
        )
    if any(isinstance(value, torch.Tensor) for value in content.values()):
        return content
    nested = [
        name
        for name, value in content.items()
        if isinstance(value, Mapping) and any(isinstance(inner, torch.Tensor) for inner in value.values())
    ]
    if len(nested) == 1:
        return dict(content[nested[0]])
    known = ", ".join(map(str, nested or content)) or "none"
    raise OrreryError(f"{path} holds no tensors at its top; say with --key where they are (entries: {known})")


def _floating(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a state dictionary; counters, settings and the like in it are not states."""
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    return {name: tensor for name, tensor in states_of(tensors)[0].items() if tensor.is_floating_point()}


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
