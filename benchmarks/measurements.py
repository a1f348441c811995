"""benchmarks.json: what was measured, on what, when; and the ratios that follow."""

import json
import platform
import sys
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.device import Card
from benchmarks.package import environment, write_atomic

Measurements = dict[str, Any]


def machine(card: Card | None = None) -> dict[str, Any]:
    """Return what must be equal for two runs to stand in one file."""
    # Each contender has as many threads as there are cores, unless its command says otherwise.
    facts = {name: value for name, value in environment().items() if name != "threads"}
    for package in ("torch", "torchvision"):
        with suppress(metadata.PackageNotFoundError):
            facts["versions"][package] = metadata.version(package)
    return {**facts, **_processor(), "python": platform.python_version(), **({"card": asdict(card)} if card else {})}


def _processor() -> dict[str, Any]:
    """Return what tells processors of one name apart."""
    with suppress(OSError):
        lines = (line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        facts = {key.strip(): value.strip() for key, value in lines}
        wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
        flags = facts.get("flags", "").split()
        family = f"{facts.get('cpu family', '?')}, model {facts.get('model', '?')}"
        return {"family": family, "instructions": [flag for flag in wanted if flag in flags]}
    return {}


def read(path: Path) -> Measurements:
    """Return what a file holds.

    Raises:
        SystemExit: If there is none, or it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SystemExit(f"there are no measurements in {path}; make bench measures") from None


def read_or_begin(path: Path, here: dict[str, Any]) -> Measurements:
    """Return what to add groups to: a file's measurements, if machine and versions are the same, or none."""
    with suppress(SystemExit):
        measurements = read(path)
        if measurements.get("machine") == here:
            return measurements
        print(f"{path} is of another machine or other versions: what is kept begins a new one", file=sys.stderr)
    return {"machine": here, "groups": {}}


def save(path: Path, measurements: Measurements) -> None:
    """Write measurements in place of what the file held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(measurements, indent=1, ensure_ascii=False) + "\n").encode())
