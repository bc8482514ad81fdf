"""A mistake in the config is one clear message with file, line and key, exit code 1, and no traceback."""

from __future__ import annotations

from typing import Any

import pytest

# What is wrong: text of the study that goes, text that comes, line and key that the message must name, and its words.
MISTAKES = {
    "a typo in a key": (
        "system:\n  kind: network",
        "sytem:\n  kind: network",
        ("sytem", "did you mean 'system'?"),
    ),
    "a typo deep inside": (
        "optimizer: {kind: sgd, rate: 0.1}\n",
        "optimizer: {kind: sgd, rte: 0.1}\n",
        ("system.optimizer.rte", "did you mean 'rate'?"),
    ),
    "a wrong type": (
        "steps: 20, segment: 10",
        "steps: twenty, segment: 10",
        ("training.steps", "twenty"),
    ),
    "an unknown dataset": ("dataset: {name: iris}", "dataset: {name: irs}", ("dataset.name", "irs", "iris")),
    "an unknown optimizer": (
        "optimizer: {kind: sgd, rate: 0.1}\n",
        "optimizer: {kind: sdg, rate: 0.1}\n",
        ("system.optimizer", "sdg", "sgd"),
    ),
    "an unknown analysis": ("method: koopman", "method: koopmann", ("analyses.koopman.method", "'koopman'")),
    "an empty grid": (
        "  slow: {system: {optimizer: {rate: 0.1}}}\n  fast: {system: {optimizer: {rate: 0.2}}}\n",
        "  grid: {axes: {rate: {values: [], sets: system.optimizer.rate}}}\n",
        ("conditions.grid.axes.rate", "no values"),
    ),
    "a grid without axes": (
        "  slow: {system: {optimizer: {rate: 0.1}}}\n  fast: {system: {optimizer: {rate: 0.2}}}\n",
        "  grid: {axes: {}}\n",
        ("conditions.grid.axes", "empty"),
    ),
    "a negative step count": (
        "steps: 20, segment: 10",
        "steps: -20, segment: 10",
        ("training.steps", "-20"),
    ),
    "no YAML": ("copies: {count: 2, amplitude: 0.01}", "copies: {count: 2, amplitude: 0.01", ("YAML",)),
}


def told(outcome: Any) -> list[str]:
    """The lines on the error channel, without the one that Snakemake writes about its profile."""
    return [line for line in outcome.err.splitlines() if line and "profile" not in line]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_message_and_no_traceback(mine: Any, mistake: str) -> None:
    old, new, words = MISTAKES[mistake]
    line = mine.path("studies/tiny.yaml").read_text().partition(old)[0].count("\n") + 1
    mine.replace("studies/tiny.yaml", old, new)
    outcome = mine.snakemake("-n")
    assert outcome.code == 1
    assert "Traceback" not in outcome.out + outcome.err
    messages = told(outcome)
    assert len(messages) == 1, messages
    place, _, rest = messages[0].partition(": ")
    file, _, number = place.partition(":")
    assert file == "studies/tiny.yaml"
    assert line <= int(number) <= line + 1 + (mistake == "no YAML")
    for word in words:
        assert word in rest, messages[0]


def test_all_mistakes_are_told_at_once(mine: Any) -> None:
    mine.replace("studies/tiny.yaml", "steps: 20, segment: 10", "steps: -20, segmnt: 10")
    mine.replace("studies/descent.yaml", "kind: mirror-descent", "kind: mirror-ascent")
    mine.replace("config.yaml", "device: cpu", "device: cpu\nparallelism: {threads: 2}")
    outcome = mine.snakemake("-n")
    assert outcome.code == 1
    files = [message.partition(":")[0] for message in told(outcome)]
    assert files == ["studies/tiny.yaml", "studies/tiny.yaml", "studies/descent.yaml"], outcome.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("studies: [tyni]\n", ("config.yaml:1", "studies.0", "tiny")),
        ("studies: [tiny]\nscale: labtop\n", ("config.yaml:2", "scale", "labtop", "laptop")),
        ("studies: [tiny\n", ("config.yaml:", "YAML")),
        ("- tiny\n", ("config.yaml:1", "mapping")),
    ],
)
def test_mistakes_in_the_config_file(mine: Any, text: str, words: tuple[str, ...]) -> None:
    mine.path("config.yaml").write_text(text)
    outcome = mine.snakemake("-n")
    assert outcome.code == 1
    assert "Traceback" not in outcome.out + outcome.err
    (message,) = told(outcome)
    for word in words:
        assert word in message


def test_config_from_the_command_line(mine: Any) -> None:
    outcome = mine.snakemake("-n", "--config", "scale=huge")
    assert outcome.code == 1
    (message,) = told(outcome)
    for word in ("--config", "scale", "huge", "laptop"):
        assert word in message


def test_no_config_file(mine: Any) -> None:
    mine.path("config.yaml").unlink()
    outcome = mine.snakemake("-n")
    assert outcome.code == 1
    (message,) = told(outcome)
    assert message.startswith("config.yaml: there is no such file")


def test_a_result_of_another_config_is_no_target(mine: Any) -> None:
    outcome = mine.snakemake("-n", "results/store/data/iris@0123456789abcdef.json")
    assert outcome.code == 1
    assert "the present config and code make no such result" in outcome.err + outcome.out
    assert "Traceback" not in outcome.out + outcome.err
