"""The results of a run: `metrics.json` and `history.csv`, typed, and readable whichever version wrote them."""

import csv
import functools
import io
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any, NotRequired, TypedDict

from rdfia_keras.config import CONFIGS, Config
from rdfia_keras.errors import RdfiaError
from rdfia_keras.system.backend import thread_count

SCHEMA = 2
PACKAGES = ("rdfia-keras", "tensorflow", "keras", "jax", "numpy", "scikit-learn", "scipy", "matplotlib")


class EpochRow(TypedDict):
    """A row of `history.csv`: one epoch. Accuracies are fractions, losses nats, `seconds` wall-clock time."""

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    validation_loss: NotRequired[float]
    validation_accuracy: NotRequired[float]
    implementation: NotRequired[str]


VALIDATION_COLUMNS = ("validation_loss", "validation_accuracy")
HISTORY_COLUMNS = ("epoch", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")


@dataclass(frozen=True, kw_only=True)
class Record:
    """The content of a run's `metrics.json`.

    Attributes:
        status: `ok`, `interrupted` or `failed`.
        section: `mlp`, `svm` or `cnn`.
        experiment: Its name.
        config: What decided the run.
        reference: Figure, question, published value and the like of its experiment.
        quick: Whether it was a smoke test, which is no result.
        dataset: name, counts, classes, their names and digest of the data; of a validation set counts and digest.
        best: The first epoch of the highest test accuracy (or machine, of `svm`); None when no epoch was finished.
        selected: The first epoch of the highest validation accuracy; None without a validation set.
        final: The last finished epoch.
        epochs: How many were finished; 0 for what is not trained in epochs.
        seconds: The median epoch times their number, so that a pause does not count; of `svm` the wall-clock time.
        device: In words.
        reason: Why it failed.
        details: What a section adds.
        environment: Versions and machine; `resumed` has what changed of them when the run was resumed, and after how
            many epochs, of all implementations together.
    """

    status: str
    section: str
    experiment: str
    config: Config
    reference: Mapping[str, Any]
    quick: bool
    dataset: Mapping[str, Any]
    best: Mapping[str, Any] | None
    selected: Mapping[str, Any] | None = None
    final: Mapping[str, Any] | None
    epochs: int
    seconds: float
    device: str
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def diverged(self) -> bool:
        """Whether it would fail again; a device that failed may do better another time."""
        return self.status == "failed" and not self.details.get("failed_on_device", False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {"schema": SCHEMA, **values, "config": self.config.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Record":
        """A record from what `to_dict` gave, or an earlier version wrote.

        Raises:
            KeyError, TypeError, ValueError: When it is no record of this package.
        """
        values = dict(values)
        if values["schema"] == 1:
            values = _from_schema_1(values)
        values["config"] = CONFIGS[values["section"]].from_dict(values["config"])
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})


# Names of settings in records of schema 1, by today's.
_RENAMED = {
    "mlp": {"hidden_units": "hidden", "init_std": "std"},
    "cnn": {
        "network": "model",
        "augmentations": "augment",
        "dropout_rate": "dropout",
        "whitening": "whiten",
        "whitening_epsilon": "epsilon",
    },
}
_ENVELOPE_1 = (
    *("schema", "status", "section", "experiment", "figure", "question", "published", "reason", "quick", "dataset"),
    *("best", "final", "epochs", "seed", "precision", "device", "seconds", "settings", "environment"),
)


def _from_schema_1(values: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 1 in today's form: the settings had other names and stood among the report's claims."""
    section, old = values["section"], values["settings"]
    fields = CONFIGS[section].__dataclass_fields__
    config = {name: old[key] for name in fields if (key := _RENAMED.get(section, {}).get(name, name)) in old}
    if section == "cnn":
        config["whitening"] = config["whitening"] or None
        config["whitening_epsilon"] = config["whitening_epsilon"] if config["whitening"] else None
    if section == "mlp":
        trained = list(values["implementations"])
        config["implementation"] = trained[0] if len(trained) == 1 else "all"
    if section == "svm" and len(old["settings"]) == 1:
        (machine,) = old["settings"]
        config |= {"kernel": machine["kernel"], "C": machine["C"]}
        config["degree"] = machine["degree"] if machine["kernel"] == "poly" else None
    details = {name: value for name, value in values.items() if name not in _ENVELOPE_1}
    epochs = values.get("epochs") or (values["final"] or {}).get("epoch", 0)
    reference = {
        "figure": old["figure"],
        "question": str(old["question"] or ""),
        "published": old["published"],
        "comment": old.get("reported", ""),
    }
    return {**values, "config": config, "reference": reference, "details": details, "epochs": epochs}


@dataclass(frozen=True)
class StoredRun:
    """A run that left a record.

    Attributes:
        folder: Where it lies.
        record: Its `metrics.json`.
    """

    folder: Path
    record: Record

    @property
    def config(self) -> Config:
        return self.record.config

    def history(self) -> list[EpochRow]:
        """A row for each epoch.

        Raises:
            RdfiaError: When `history.csv` is missing or damaged.
        """
        path = self.folder / "history.csv"
        try:
            return read_history(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError) as error:
            raise RdfiaError(f"cannot read {path}: {error}; remove the folder to train it again") from error


def read_record(folder: Path) -> StoredRun | None:
    """The run of a folder, or None where there is no whole record."""
    try:
        values = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return StoredRun(folder, Record.from_dict(values))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RdfiaError):
        return None


def read_history(text: str) -> list[EpochRow]:
    """The rows of a `history.csv`, numbers as numbers.

    Raises:
        ValueError, TypeError: When a row is no epoch.
    """
    rows: list[Any] = []
    for line in csv.DictReader(io.StringIO(text)):
        row: dict[str, Any] = {key: value if key == "implementation" else float(value) for key, value in line.items()}
        rows.append({**row, "epoch": int(row["epoch"])} if "epoch" in row else row)
    return rows


def history_bytes(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = HISTORY_COLUMNS) -> bytes:
    """`history.csv`: one row an epoch. Floats are written in full, so that equal runs give equal files.

    Columns of a validation set follow where the rows have them.
    """
    rows, text = list(rows), io.StringIO()
    columns = (*columns, *(name for name in VALIDATION_COLUMNS if rows and name in rows[0] and name not in columns))
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def best_row(rows: Sequence[EpochRow]) -> EpochRow | None:
    """The first epoch of the highest test accuracy: the number the homework reports."""
    return max(rows, key=lambda row: row["test_accuracy"], default=None)


def selected_row(rows: Sequence[EpochRow]) -> EpochRow | None:
    """The first epoch of the highest validation accuracy, which the test set has no part in; None without one."""
    validated = [row for row in rows if "validation_accuracy" in row]
    return max(validated, key=lambda row: row["validation_accuracy"], default=None)


def chosen_row(rows: Sequence[EpochRow]) -> EpochRow | None:
    """The epoch that `best.keras` holds: the selected one where there is a validation set, else the best one."""
    return selected_row(rows) or best_row(rows)


def best_model(rows: Sequence[EpochRow]) -> dict[str, Any]:
    """What `best.keras` holds, in a record: the epoch, and what it was chosen by."""
    chosen, selected = chosen_row(rows), selected_row(rows)
    assert chosen
    return {"epoch": chosen["epoch"], "chosen_by": "validation accuracy" if selected else "test accuracy"}


def milestones(rows: Sequence[EpochRow]) -> dict[str, dict[str, Any] | None]:
    """`best`, `selected` and `final` of a record."""
    return {
        "best": milestone(best_row(rows)),
        "selected": milestone(selected_row(rows)),
        "final": milestone(rows[-1] if rows else None),
    }


def scores(row: EpochRow) -> list[float]:
    """Train loss, train accuracy, test loss and test accuracy of an epoch."""
    return [row["train_loss"], row["train_accuracy"], row["test_loss"], row["test_accuracy"]]


def milestone(row: EpochRow | None) -> dict[str, Any] | None:
    """What a record keeps of one epoch."""
    if row is None:
        return None
    columns = ("epoch", "test_accuracy", "test_loss", *VALIDATION_COLUMNS)
    return {name: value for name in columns if (value := row.get(name)) is not None}


def test_accuracy(one: Mapping[str, Any] | None) -> float | None:
    """The test accuracy of a record's `best`, `selected` or `final`, where there is one."""
    return None if one is None else float(one["test_accuracy"])


def duration(rows: Sequence[EpochRow]) -> float:
    """Seconds of a training: the median epoch times their number, so that a machine that slept does not count."""
    return round(median(row["seconds"] for row in rows) * len(rows), 3) if rows else 0.0


def environment() -> Mapping[str, Any]:
    """Versions and machine: what one needs to understand a number later."""
    return {**_installation(), "threads": thread_count()}


def numerics(environment: Mapping[str, Any], backend: str) -> dict[str, Any]:
    """What of an environment the last bits of a training depend on, by name; None where a record does not say it."""
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
        "platform": _system(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
    }


def _system() -> str:
    """Operating system and C library. Of a kernel the version: what follows it may name the machine."""
    release = platform.release()
    version = re.match(r"\d+(\.\d+)*", release)
    return platform.platform(terse=True).replace(release, version[0] if version else release)


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
