"""The jobs of the analyses of a study: results per block, comparisons, figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from orrery.config import extensions
from orrery.config.study import Condition, ResolvedStudy
from orrery.plan.entries import Entries
from orrery.plan.job import Job
from orrery.plan.make import make
from orrery.plan.templates import templates
from orrery.plan.tiles import Block, Tile, segment_before, segments
from orrery.plan.trajectories import copies_read, seeds_read, system_entries, training_settings

if TYPE_CHECKING:
    from orrery.analyses.api import AnalysisSettings

Tiles = Mapping[str, Mapping[Block, Mapping[Tile, Job]]]
NOT_SCIENCE = ("conditions", "gather", "compare", "of", "figures")
"""Settings of an analysis that say where it runs and what is shown, not what one result is."""


class AnalysisPlanner:
    """Plans the analyses of one study, each after the one that it reads."""

    def __init__(
        self,
        study: ResolvedStudy,
        tiles: Tiles,
        datasets: Mapping[str, tuple[Job, ...]],
        entries: Entries,
    ) -> None:
        self._study = study
        self._tiles = tiles
        self._datasets = datasets
        self._entries = entries
        self._results: dict[str, dict[str, tuple[Job, ...]]] = {}
        self._by_block: dict[tuple[str, str], dict[Block | None, Job]] = {}
        # Looked up for every block of a condition, so it must not be made for every block.
        self._wanted = {
            condition.name: frozenset(seeds_read(condition)) for condition in study.conditions.values()
        }

    def plan(
        self,
    ) -> tuple[dict[str, dict[str, tuple[Job, ...]]], dict[str, Job], dict[str, Job]]:
        """Return results by analysis and condition, comparisons by analysis, figures by analysis."""
        comparisons: dict[str, Job] = {}
        figures: dict[str, Job] = {}
        for name in self._order():
            module = self._module(name)
            if hasattr(module, "analyse"):
                self._results[name] = self._analyse(name, module)
            sources = self._sources(name, module)
            if hasattr(module, "compare") or hasattr(module, "numbers"):
                comparisons[name] = self._comparison(name, module, sources)
            if hasattr(module, "plot"):
                figures[name] = self._figures(name, module, sources, comparisons.get(name))
        return self._results, comparisons, figures

    def _order(self) -> list[str]:
        """The analyses in the order of the study, each after the one that it reads."""
        ordered: list[str] = []

        def visit(name: str) -> None:
            if name not in ordered:
                of = self._settings(name).of
                if of != "trajectory":
                    visit(of)
                ordered.append(name)

        for name in self._study.analyses:
            visit(name)
        return ordered

    def _settings(self, name: str, condition: Condition | None = None) -> AnalysisSettings:
        """Settings of an analysis: those of the study, or with the overrides of a condition."""
        settings = (condition or self._study).analyses[name]
        return cast("AnalysisSettings", settings)

    def _module(self, name: str) -> ModuleType:
        return extensions.load("analyses", self._settings(name).method)

    def _conditions(self, name: str) -> list[Condition]:
        return [self._study.conditions[condition] for condition in self._study.covered_by(name)]

    def _analyse(self, name: str, module: ModuleType) -> dict[str, tuple[Job, ...]]:
        conditions = self._conditions(name)
        if self._settings(name).gather:
            return self._gathered(name, module, conditions)
        found: dict[str, tuple[Job, ...]] = {}
        for condition in conditions:
            by_block = _scope(module, condition.analyses[name]) == "block"
            tiles = tuple(self._tiles[condition.name])
            groups: list[tuple[Block | None, tuple[Block, ...]]] = (
                [(block, (block,)) for block in tiles] if by_block else [(None, tiles)]
            )
            jobs = []
            for block, members in groups:
                place = "all" if block is None else f"block={block.index:03d}"
                jobs.append(
                    make(
                        self._entries,
                        "analyses",
                        "analyse",
                        study=self._study.name,
                        name=f"{self._study.name}/{name}/{condition.name}/{place}",
                        settings={
                            "conditions": {condition.name: self._one(name, condition, members, module)}
                        },
                        inputs={
                            condition.name: self._read(name, condition, members),
                            **self._system_inputs(module, [condition]),
                            **self._checkpoints(name, module, [(condition, members)]),
                        },
                        extra=self._code(module, [condition]),
                    )
                )
            found[condition.name] = tuple(jobs)
            self._by_block[name, condition.name] = {
                block: job for (block, _), job in zip(groups, jobs, strict=True)
            }
        return found

    def _gathered(
        self, name: str, module: ModuleType, conditions: list[Condition]
    ) -> dict[str, tuple[Job, ...]]:
        blocks = {condition.name: tuple(self._tiles[condition.name]) for condition in conditions}
        job = make(
            self._entries,
            "analyses",
            "analyse",
            study=self._study.name,
            name=f"{self._study.name}/{name}/all",
            settings={
                "conditions": {
                    condition.name: self._one(name, condition, blocks[condition.name], module)
                    for condition in conditions
                }
            },
            inputs={
                **{
                    condition.name: self._read(name, condition, blocks[condition.name])
                    for condition in conditions
                },
                **self._system_inputs(module, conditions),
                **self._checkpoints(
                    name, module, [(condition, blocks[condition.name]) for condition in conditions]
                ),
            },
            extra=self._code(module, conditions),
        )
        for condition in conditions:
            self._by_block[name, condition.name] = {None: job}
        return {condition.name: (job,) for condition in conditions}

    def _one(
        self,
        name: str,
        condition: Condition,
        members: tuple[Block, ...],
        module: ModuleType,
    ) -> dict[str, Any]:
        """What the result of one condition depends on."""
        entry = self._settings(name, condition)
        settings = {
            key: value for key, value in entry.model_dump(mode="json").items() if key not in NOT_SCIENCE
        }
        described: dict[str, Any] = {
            "settings": settings,
            "of": entry.of,
            "axes": dict(condition.axes),
            **self._bounds(name, condition, members),
        }
        if _uses_system(module):
            described["system"] = training_settings(condition)
        return described

    def _bounds(self, name: str, condition: Condition, members: tuple[Block, ...]) -> dict[str, Any]:
        """The seeds, copies and steps that are read: of what is trained, only what the study asks for."""
        wanted = self._wanted[condition.name]
        first, last = self._window(name, condition)
        present = [seed for block in members for seed in block.seeds if seed in wanted]
        return {"seeds": present, "copies": copies_read(condition), "first": first, "last": last}

    def _window(self, name: str, condition: Condition) -> tuple[int, int]:
        """The first and the last step that are read; those of a branch begin where it begins."""
        first, last = self._settings(name, condition).steps or (0, condition.training.steps)
        return max(first, condition.start), last

    def _read(self, name: str, condition: Condition, members: tuple[Block, ...]) -> tuple[Job, ...]:
        """The jobs whose results the analysis reads."""
        of = self._settings(name, condition).of
        if of == "trajectory":
            return self._tiles_of(name, condition, members)
        by_block = self._by_block[of, condition.name]
        if None in by_block:
            return (by_block[None],)
        return tuple(by_block[block] for block in members)

    def _tiles_of(self, name: str, condition: Condition, members: tuple[Block, ...]) -> tuple[Job, ...]:
        first, last = self._window(name, condition)
        needed = set(segments(first, last, condition.training.segment, condition.start))
        return tuple(
            job
            for block in members
            for tile, job in self._tiles[condition.name][block].items()
            if tile.segment in needed
        )

    def _code(self, module: ModuleType, conditions: list[Condition]) -> tuple[str, ...]:
        entries = [f"{module.__name__}:{part}" for part in ("Settings", "analyse") if hasattr(module, part)]
        if _uses_system(module):
            entries.append("orrery.training.build:build_system")
            if getattr(module, "REPLAYS", False):
                entries.append("orrery.training.replay:replay_of")
            for condition in conditions:
                entries += [entry for entry in system_entries(condition) if entry not in entries]
        return tuple(entries)

    def _system_inputs(self, module: ModuleType, conditions: list[Condition]) -> dict[str, tuple[Job, ...]]:
        if not _uses_system(module):
            return {}
        return {f"dataset of {condition.name}": self._datasets[condition.name] for condition in conditions}

    def _checkpoints(
        self, name: str, module: ModuleType, conditions: list[tuple[Condition, tuple[Block, ...]]]
    ) -> dict[str, tuple[Job, ...]]:
        """The jobs whose checkpoints a replay may start from: those that are read, and the segment before them."""
        if not getattr(module, "REPLAYS", False):
            return {}
        found = {}
        for condition, members in conditions:
            first, _ = self._window(name, condition)
            before = segment_before(first, condition.training.segment, condition.start)
            jobs = self._tiles_of(name, condition, members)
            found[f"checkpoints of {condition.name}"] = jobs + tuple(
                job
                for block in members
                for tile, job in self._tiles[condition.name][block].items()
                if tile.segment == before
            )
        return found

    def _sources(self, name: str, module: ModuleType) -> dict[str, tuple[Job, ...]]:
        """What comparisons and figures read, by condition: results, or trajectories if the method says so."""
        if getattr(module, "COMPARES", "results") == "results" and name in self._results:
            return self._results[name]
        return {
            condition.name: self._tiles_of(name, condition, tuple(self._tiles[condition.name]))
            for condition in self._conditions(name)
        }

    def _compared(self, name: str, *, with_trajectories: bool) -> dict[str, Any]:
        entry = self._settings(name).model_dump(mode="json")
        settings = {key: value for key, value in entry.items() if key not in ("conditions", "gather")}
        conditions: dict[str, Any] = {}
        for condition in self._conditions(name):
            conditions[condition.name] = {"axes": dict(condition.axes)}
            if with_trajectories:
                members = tuple(self._tiles[condition.name])
                conditions[condition.name].update(self._bounds(name, condition, members))
        return {"settings": settings, "conditions": conditions}

    def _comparison(self, name: str, module: ModuleType, sources: dict[str, tuple[Job, ...]]) -> Job:
        parts = _entries(module, "Settings", "compare", "numbers")
        return self._of_all(name, module, "comparisons", "compare", inputs=sources, extra=parts)

    def _figures(
        self,
        name: str,
        module: ModuleType,
        sources: dict[str, tuple[Job, ...]],
        comparison: Job | None,
    ) -> Job:
        return self._of_all(
            name,
            module,
            "figures",
            "figures",
            {"figures": self._study.figures.model_dump(mode="json")},
            inputs={**sources, "comparison": (comparison,) if comparison else ()},
            extra=(*_entries(module, "Settings", "plot"), *templates("figures.html")),
        )

    def _of_all(
        self,
        name: str,
        module: ModuleType,
        stage: str,
        script: str,
        further: Mapping[str, Any] | None = None,
        *,
        inputs: dict[str, tuple[Job, ...]],
        extra: tuple[str | Path, ...],
    ) -> Job:
        """A job over all conditions that the analysis covers."""
        reads = getattr(module, "COMPARES", "results") == "trajectories" or name not in self._results
        compared = self._compared(name, with_trajectories=reads)
        if stage != "figures":
            del compared["settings"]["figures"]
        return make(
            self._entries,
            stage,
            script,
            study=self._study.name,
            name=f"{self._study.name}/{name}",
            settings={**compared, "trajectories": reads, **(further or {})},
            inputs=inputs,
            extra=extra,
        )


def _entries(module: ModuleType, *parts: str) -> tuple[str, ...]:
    return tuple(f"{module.__name__}:{part}" for part in parts if hasattr(module, part))


def _uses_system(module: ModuleType) -> bool:
    """Whether an analysis builds the system; one that replays does."""
    return getattr(module, "USES_SYSTEM", False) or getattr(module, "REPLAYS", False)


def _scope(module: ModuleType, settings: Any) -> str:
    scope = getattr(module, "scope", None)
    return str(scope(settings)) if scope else str(getattr(module, "SCOPE", "block"))
