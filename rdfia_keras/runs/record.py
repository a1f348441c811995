"""The content of a run's `metrics.json`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rdfia_keras.config import CONFIGS, Config
from rdfia_keras.runs.history import VALIDATION_COLUMNS

SCHEMA = 2
# How a training ends.
ENDINGS = ("ok", "failed", "interrupted")


@dataclass(frozen=True, kw_only=True)
class Record:
    """The outcome of a run.

    Attributes:
        status: `ok`, `interrupted` or `failed`.
        section: `mlp`, `svm` or `cnn`.
        experiment: Name of the experiment.
        config: All settings.
        report: The report's facts about the experiment: figure, question, published value and the like.
        quick: Whether it is a smoke test, which is not a result.
        dataset: Name, counts, classes, class names and digest of the data; counts and digest of a validation set.
        best: The first epoch of the highest test accuracy (for `svm` the best classifier); None without an epoch.
        selected: The first epoch of the highest validation accuracy; None without a validation set.
        final: The last finished epoch.
        epochs: Number of finished epochs; 0 for what is not trained in epochs.
        seconds: The median epoch times their number, so that a pause does not count; for `svm` the wall-clock time.
        device: The device in words.
        reason: The reason why it failed.
        details: Facts of the section.
        environment: Versions and machine; `resumed` lists what changed of them when the run was resumed, and after how
            many epochs (of all implementations together).
    """

    status: str
    section: str
    experiment: str
    config: Config
    report: Mapping[str, Any]
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
        """Whether it would fail again. A device that failed may do better another time."""
        return self.status == "failed" and not self.details.get("failed_on_device", False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"schema": SCHEMA, **vars(self), "config": self.config.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Record":
        """Make a record from what `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: If it is not a record of this package.
        """
        if values["schema"] != SCHEMA or values["status"] not in ENDINGS or not isinstance(values["quick"], bool):
            raise ValueError(f"schema {values['schema']}, status {values['status']}, quick {values['quick']}")
        # Records of runs that were trained earlier have `report` under another name.
        checked = {"report": values.get("reference", {}), **values}
        checked["config"] = CONFIGS[values["section"]].from_dict(values["config"])
        checked["experiment"] = str(values["experiment"])
        checked["epochs"] = int(values["epochs"])
        checked["seconds"] = float(values["seconds"])
        for name in ("report", "dataset", "details", "environment"):
            checked[name] = dict(checked.get(name, {}))
        _check_facts(checked["details"], checked["dataset"])
        for name in ("best", "selected", "final"):
            checked[name] = _checked_row(values.get(name))
        return cls(**{name: checked[name] for name in cls.__dataclass_fields__ if name in checked})


def _check_facts(details: Mapping[str, Any], dataset: Mapping[str, Any]) -> None:
    """Check what lists of runs compare and sort: digests are texts, a number of parameters is a number."""
    weights = details.get("weights_digest")
    digests = list(weights.values()) if isinstance(weights, dict) else [weights]
    if not all(isinstance(digest, str | None) for digest in (*digests, dataset.get("digest"))):
        raise TypeError(f"digests {digests}, {dataset.get('digest')}")
    if not isinstance(details.get("parameters"), int | None) or not isinstance(details.get("files"), dict | None):
        raise TypeError(f"parameters {details.get('parameters')}, files {details.get('files')}")


def _checked_row(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return an epoch of a record, or a classifier of `svm`, once its accuracies and losses are numbers."""
    if row is None:
        return None
    if not math.isfinite(row["test_accuracy"]):
        raise ValueError(f"test accuracy {row['test_accuracy']}")
    for name in ("test_loss", *VALIDATION_COLUMNS):
        if row.get(name) is not None:
            math.isnan(row[name])  # A TypeError where it is no number.
    return dict(row)
