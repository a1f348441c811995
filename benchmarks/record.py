"""benchmarks.json: what was measured, on what, when; and the ratios that follow."""

import json
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.registry import MORE_IS_BETTER, Group, Match, Ratio, Target
from rdfia_keras.runs.files import write_atomic
from rdfia_keras.runs.environment import environment

Record = dict[str, Any]


def machine() -> dict[str, Any]:
    """What must be equal for two runs to stand in one record."""
    # Each contender has as many threads as there are cores, unless its command says otherwise.
    known = {name: value for name, value in environment().items() if name != "threads"}
    for package in ("torch", "torchvision"):
        with suppress(metadata.PackageNotFoundError):
            known["versions"][package] = metadata.version(package)
    return {**known, **_processor(), "python": platform.python_version()}


def _processor() -> dict[str, Any]:
    """What tells processors of one name apart."""
    with suppress(OSError):
        lines = (line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        facts = {key.strip(): value.strip() for key, value in lines}
        wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
        flags = facts.get("flags", "").split()
        family = f"{facts.get('cpu family', '?')}, model {facts.get('model', '?')}"
        return {"family": family, "instructions": [flag for flag in wanted if flag in flags]}
    return {}


def new(n: int, measured: Mapping[str, tuple[dict[str, list[float]], dict[str, Any]]], group: Group) -> dict[str, Any]:
    """A group's part of the record."""
    matches = {match.name: match for match in group.matches}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "n": n,
        "unit": group.unit,
        "values": {name: values for name, (values, _) in measured.items()},
        "facts": {name: facts for name, (_, facts) in measured.items() if facts},
        "ratios": [row for name, (values, _) in measured.items() for row in ratios(group, matches[name], values)],
    }


def ratios(group: Group, match: Match, values: Mapping[str, list[float]]) -> Iterator[dict[str, Any]]:
    """A row for each ratio of which both sides were measured."""
    for wanted in match.ratios:
        others = [name for name in wanted.to if values.get(name)]
        if not values.get(wanted.of) or (wanted.to and not others):
            continue
        yield {"match": match.name, **_compare(group.unit, wanted, values, others)}


def _compare(unit: str, wanted: Ratio, values: Mapping[str, list[float]], others: list[str]) -> dict[str, Any]:
    """The worse of the ratios to some others: each the median of the ratios turn by turn."""
    more = unit in MORE_IS_BETTER
    of = values[wanted.of]
    if not wanted.to:
        return {"of": wanted.of, "to": None, "ratio": median(of), **judged(median(of), wanted.target, more)}
    turns = {name: [a / b for a, b in zip(of, values[name], strict=True)] for name in others}
    to = (min if more else max)(turns, key=lambda name: median(turns[name]))
    ratio = median(turns[to])
    return {
        "of": wanted.of,
        "to": to,
        "ratio": round(ratio, 4),
        **judged(ratio, wanted.target, more),
        "turns": [round(turn, 4) for turn in turns[to]],
    }


def judged(ratio: float, target: Target, more_is_better: bool) -> dict[str, Any]:
    """A target in words, whether it is met, and how far: the ratio in units of the target, for a cost its inverse."""
    if target is None:
        return {"target": None, "share": None, "met": None}
    if isinstance(target, tuple):
        low, high = target
        share = min(ratio / low, high / ratio)
        return {"target": f"{low} to {high}", "share": round(share, 4), "met": share >= 1}
    share = ratio / target if more_is_better else target / ratio
    return {"target": f"{'≥' if more_is_better else '≤'} {target}", "share": round(share, 4), "met": share >= 1}


def load(path: Path, here: dict[str, Any]) -> Record:
    """The record to add groups to: the one of a file, if it is of this machine and these versions, else a new one."""
    with suppress(OSError, ValueError):
        known = json.loads(path.read_text(encoding="utf-8"))
        if known.get("machine") == here:
            return known
        print(f"{path} is of another machine or other versions: a new one begins", file=sys.stderr)
    return {"machine": here, "groups": {}}


def save(path: Path, record: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
