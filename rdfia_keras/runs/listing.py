"""What there is to say of a run in one line, however it ended and whatever is left of its files."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rdfia_keras.config import CONFIGS, STATUSES, Config
from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.records import EpochRow, Record, best_row, read_history, scores, test_accuracy

# What reading a damaged file may raise.
DAMAGE = (RdfiaError, OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """A run as lists show it. Accuracies are fractions on the test set, the loss is in nats.

    Attributes:
        name: Its folder below the results folder, `cnn/augment`.
        folder: Where it lies.
        status: One of `config.STATUSES`.
        experiment: The experiment's name; empty when it cannot be read.
        config: What decided it; None when it cannot be read.
        quick: Whether it is a smoke test.
        epochs: How many are finished.
        epochs_asked: How many it was started or lengthened for; 0 for what has no epochs.
        best: The highest accuracy.
        best_epoch: The first epoch of it.
        final: Accuracy of the last epoch.
        selected: Accuracy of the epoch that was chosen on held-out images, where some were.
        selected_epoch: That epoch.
        loss: Of the last epoch.
        seconds: Of the training, once it ended.
        parameters: Of the network.
        weights_digest: Of the last epoch's weights; of the first implementation of mlp.
        data_digest: Of the data set.
    """

    name: str
    folder: Path
    status: str
    experiment: str = ""
    config: Config | None = None
    quick: bool = False
    epochs: int = 0
    epochs_asked: int = 0
    best: float | None = None
    best_epoch: int | None = None
    final: float | None = None
    selected: float | None = None
    selected_epoch: int | None = None
    loss: float | None = None
    seconds: float | None = None
    parameters: int | None = None
    weights_digest: str | None = None
    data_digest: str | None = None

    @property
    def section(self) -> str:
        """What its settings are of; the folder that it lies in, when they cannot be read."""
        return self.config.section if self.config else self.folder.parent.name

    def curve(self) -> list[EpochRow]:
        """A row for each epoch, of the first implementation of mlp; none where `history.csv` cannot be read."""
        try:
            rows = read_history((self.folder / "history.csv").read_text(encoding="utf-8"))
            first = [row for row in rows if row.get("implementation") == rows[0].get("implementation")]
            return first if all(map(scores, first)) else []
        except DAMAGE:
            return []


def list_run(folder: Path, name: str) -> ListedRun | None:
    """The run of a folder that has a `config.json` or a `metrics.json`; None for an earlier version's study."""
    started, ended = _read_json(folder / "config.json"), _read_json(folder / "metrics.json")
    if any(facts and facts.get("section") == "study" for facts in (started, ended)):
        return None
    run = ListedRun(name=name, folder=folder, status="unreadable")
    if ended:
        with suppress(*DAMAGE):
            return replace(run, **_end(Record.from_dict(ended), _epochs_asked(started)))
    if started:
        with suppress(*DAMAGE):
            run = replace(run, **_start(started))
            if ended is None:
                run = replace(run, status="unfinished", **_progress(run.curve()))
    return run


def _read_json(path: Path) -> dict[str, Any] | None:
    """An object's members: none of a damaged file, None where there is no file."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def _epochs_asked(facts: Mapping[str, Any] | None) -> int:
    """How many epochs `config.json` asks for; 0 where it is missing or damaged."""
    if facts:
        with suppress(*DAMAGE):
            return int(facts["config"]["epochs"])
    return 0


def _start(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What `config.json` says of a run."""
    config = CONFIGS[facts["section"]].from_dict(facts["config"])
    return {
        "experiment": str(facts["experiment"]),
        "config": config,
        "quick": bool(facts.get("options", {}).get("quick", False)),
        "epochs_asked": config.epochs or 0,
    }


def _end(record: Record, asked: int) -> dict[str, Any]:
    """What `metrics.json` says of a run that was asked for so many epochs, 0 where only the record knows."""
    if record.status not in STATUSES:
        raise ValueError(record.status)
    asked = asked or record.config.epochs or 0
    best, selected, final = record.best or {}, record.selected or {}, record.final or {}
    return {
        "status": "unfinished" if record.status == "ok" and record.epochs < asked else record.status,
        "experiment": str(record.experiment),
        "config": record.config,
        "quick": bool(record.quick),
        "epochs": int(record.epochs),
        "epochs_asked": asked,
        "best": _number(test_accuracy(record.best)),
        "best_epoch": _whole(best.get("epoch")),
        "final": _number(test_accuracy(record.final)),
        "selected": _number(test_accuracy(record.selected)),
        "selected_epoch": _whole(selected.get("epoch")),
        "loss": _number(final.get("test_loss")),
        "seconds": _number(record.seconds),
        "parameters": _whole(record.details.get("parameters")),
        "weights_digest": _digest(record.details.get("weights_digest")),
        "data_digest": _digest(record.dataset.get("digest")),
    }


def _number(value: Any) -> float | None:
    """A number that can be sorted by; None where there is none."""
    return None if value is None or not math.isfinite(value) else float(value)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _digest(value: Any) -> str | None:
    """A digest; the first of mlp's, which has one for each implementation."""
    value = next(iter(value.values()), None) if isinstance(value, dict) else value
    return None if value is None else str(value)


def _progress(rows: list[EpochRow]) -> dict[str, Any]:
    """What the epochs so far say of a run without a record."""
    best = best_row(rows)
    if best is None:
        return {}
    return {
        "epochs": len(rows),
        "best": _number(best["test_accuracy"]),
        "best_epoch": best["epoch"],
        "final": _number(rows[-1]["test_accuracy"]),
        "loss": _number(rows[-1]["test_loss"]),
    }
