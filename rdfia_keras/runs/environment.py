"""Versions and machine: what one needs to understand a number later."""

import functools
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from rdfia_keras.system.backend import thread_count

PACKAGES = ("rdfia-keras", "tensorflow", "keras", "jax", "numpy", "scikit-learn", "scipy", "matplotlib")


def environment() -> dict[str, Any]:
    """Return versions, platform, processor, cores and threads."""
    return {**_installation(), "threads": thread_count()}


def bit_facts(environment: Mapping[str, Any], backend: str) -> dict[str, Any]:
    """Return what the last bits of a training depend on, by name; None where a record does not say it."""
    versions = environment.get("versions", {})
    names = {name: versions.get(name) for name in ("keras", "numpy", backend)}
    return {**names, "processor": environment.get("cpu"), "threads": environment.get("threads")}


@functools.cache
def _installation() -> Mapping[str, Any]:
    versions = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "python": platform.python_version(),
        "versions": versions,
        "commit": _commit(),
        "platform": _system(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
    }


def _commit() -> str | None:
    """Return the commit of a checkout of the package, with `-modified` after local changes; None when installed."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    describe = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=-modified"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(describe, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return None


def _system() -> str:
    """Return operating system and C library. Of a kernel only the version: the rest may name the machine."""
    release = platform.release()
    version = re.match(r"\d+(\.\d+)*", release)
    return platform.platform(terse=True).replace(release, version[0] if version else release)


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
