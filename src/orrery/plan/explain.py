"""Why a job is stale: its spec beside that of the nearest earlier result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orrery.plan.job import Job
from orrery.plan.plan import Plan
from orrery.plan.tiles import span
from orrery.provenance.code import difference
from orrery.provenance.manifest import write_atomically

MOST_CHANGES = 4
NOTHING: Mapping[str, str] = MappingProxyType({})


def stale(plan: Plan, outdated: Mapping[str, str] = NOTHING) -> dict[str, Job]:
    """Return the jobs that a dry run lists for the whole plan, by target, each after those that it reads.

    Args:
        plan: the plan.
        outdated: targets that are there but must be made again, as ``find_outdated`` finds them.
    """
    found: dict[str, Job] = {}
    for target, job in plan.jobs.items():
        absent = target in outdated or not Path(target).is_file()
        if absent or any(plan.target(upstream) in found for upstream in job.upstream):
            found[target] = job
    return found


def explain(plan: Plan, outdated: Mapping[str, str] = NOTHING) -> Iterator[str]:
    """Yield one line for every stale job: what changed since the nearest earlier result, or what is new."""
    jobs = stale(plan, outdated)
    for target, job in jobs.items():
        readers = [plan.target(upstream) for upstream in job.upstream if plan.target(upstream) in jobs]
        reason = outdated.get(target) or _reason(plan, target, job, readers)
        yield f"{job.stage}/{job.name}: {reason}"


def _reason(plan: Plan, target: str, job: Job, upstream: list[str]) -> str:
    if Path(target).is_file():
        return "reads what is made anew: " + _short([plan.at(path) for path in upstream])
    if job.stage == "publish":
        before = any(Path(target).parent.glob("published@*.json"))
        return "what it publishes changed" if before else "not yet published"
    record = _nearest(Path(target))
    if record is None:
        if Path(target).with_suffix("").is_dir():
            return "its manifest was deleted"
        return "no earlier result" + (", new " + _place(job) if job.stage == "trajectories" else "")
    if record["spec"] == json.loads(json.dumps(job.spec)):
        return "its manifest was deleted"
    changes = list(_changes(record["spec"], job, Path(plan.results)))
    return (
        "; ".join(changes)
        if changes
        else "reads what is made anew: " + _short([plan.at(path) for path in upstream])
    )


def _changes(old: Mapping[str, Any], job: Job, results: Path) -> Iterator[str]:
    told = _differences(old["settings"], json.loads(json.dumps(dict(job.settings))), "")
    # Digests upstream that a page shows say nothing to a reader; what is behind them has a line of its own.
    settings = [change for change in told if not change.startswith("provenance.")]
    yield from settings[:MOST_CHANGES]
    if len(settings) > MOST_CHANGES:
        yield f"and {len(settings) - MOST_CHANGES} more settings"
    if not settings and old.get("order", "") != job.spec["order"]:
        yield "the order of conditions, analyses or claims changed"
    if old["code"] != job.code:
        parts = _code(results, old["code"])
        changed = difference(parts, job.code_parts) if parts else []
        yield "code of " + ", ".join(changed[:MOST_CHANGES]) if changed else "its code changed"
    for package in sorted({*old["software"], *job.software}):
        before, after = old["software"].get(package), job.software.get(package)
        if before != after:
            yield f"{package} {before or 'none'} → {after or 'none'}"


def _differences(old: Any, new: Any, place: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            inner = f"{place}.{key}" if place else key
            if key not in old:
                yield f"{inner} is new: {_value(new[key])}"
            elif key not in new:
                yield f"{inner} is gone (was {_value(old[key])})"
            else:
                yield from _differences(old[key], new[key], inner)
    elif old != new:
        yield f"{place} changed {_value(old)} → {_value(new)}"


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def _nearest(target: Path) -> Mapping[str, Any] | None:
    """The ``job.json`` of the newest earlier result of the same readable name."""
    name = target.name.rpartition("@")[0].replace("[", "[[]")
    found = sorted(target.parent.glob(f"{name}@*/job.json"), key=lambda path: path.stat().st_mtime)
    for path in reversed(found):
        try:
            record: Mapping[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        return record
    return None


def _place(job: Job) -> str:
    seeds, copies = job.settings["seeds"], job.settings["copy_numbers"]
    added = f"copies {span(copies)}, " if copies[0] else ""
    return f"{added}seed block {span(seeds)}, steps {job.settings['first']}-{job.settings['last']}"


def _short(jobs: list[Job]) -> str:
    names = [f"{job.stage}/{job.name}" for job in jobs]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def keep_code(plan: Plan) -> None:
    """Write down what stands behind each digest of code, so that a later explanation can name what changed."""
    folder = Path(plan.results) / "store" / "code"
    written = set()
    for job in plan:
        path = folder / f"{job.code}.json"
        if job.code not in written and not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(job.code_parts, indent=0, sort_keys=True).encode())
        written.add(job.code)


def _code(results: Path, code: str) -> dict[str, str]:
    try:
        parts: dict[str, str] = json.loads((results / "store" / "code" / f"{code}.json").read_text())
    except (OSError, ValueError):
        return {}
    return parts
