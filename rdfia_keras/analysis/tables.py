"""Tables of text from records: rows of column to text. Imports nothing heavy."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rdfia_keras.config import CONFIGS, setting_text
from rdfia_keras.result import Result, Table
from rdfia_keras.runs.history import test_accuracy
from rdfia_keras.runs.record import Record
from rdfia_keras.runs.run import Run

Row = dict[str, str]
# More settings than this share one column: terminals are not as wide.
MAX_SETTINGS = 5
# Names of runs that are longer together are replaced by numbers in headings.
MAX_HEADING = 90
# What the report reached with the two kernels that can draw a circle (part 2.2), over all C.
PUBLISHED_KERNELS = {("rbf", None): 0.95, ("poly", 2): 0.955}


def percent(accuracy: float | None) -> str:
    """A fraction for people; a dash where there is none."""
    return "-" if accuracy is None else f"{accuracy:.2%}"


def dash(value: object) -> str:
    """A value as text; a dash where there is none."""
    return "-" if value in (None, "") else str(value)


def published(reference: Mapping[str, Any]) -> str:
    """The published value, or what the report says in its place.

    Args:
        reference: The fields of a `Reference`, or a row that has them.
    """
    return published_value(reference) if reference["published"] is not None else dash(reference["comment"])


def published_value(reference: Mapping[str, Any]) -> str:
    """The published value, with the word that it is not the best one; a dash where there is none."""
    # Records of earlier versions do not have the field.
    at_end = " (last epoch)" if reference.get("published_at_end") else ""
    return percent(reference["published"]) + at_end


def run_result(run: Run) -> Result:
    """Return what a command that trains one run answers with."""
    record, resume = run.result, f"rdfia resume {shlex.quote(str(run.folder))}"
    model = record.details.get("best_model")
    return Result(
        data=record.to_dict(),
        table=run_table(record),
        lines=[f"best.keras: epoch {model['epoch']}, of the highest {model['chosen_by']}"] if model else [],
        paths=[run.folder],
        hint=f"interrupted; resume it with: {resume}" if record.status == "interrupted" else "",
        quick=record.quick,
        exit_code=run.exit_code or 0,
    )


def run_table(record: Record) -> Table:
    """Return the result table of a run, whatever its section."""
    return {"mlp": _mlp, "svm": _svm, "cnn": _cnn}[record.section](record)


def summary(record: Record) -> Row:
    """A run in one row, to stand below other sections' rows."""
    return {
        "section": record.section,
        "experiment": record.experiment,
        "data": record.dataset["name"],
        "status": record.status,
        "best test": percent(test_accuracy(record.best)),
        "published": published_value(record.reference),
        "seconds": f"{record.seconds:.1f}",
    }


def _mlp(record: Record) -> list[Row]:
    return [
        {
            "implementation": name,
            "best test": percent(score["best"]["test_accuracy"]),
            "at epoch": str(score["best"]["epoch"]),
            **_selected(score.get("selected")),
            "final test": percent(score["final"]["test_accuracy"]),
            "test loss": f"{score['final']['test_loss']:.4f}",
            "published": published_value(record.reference),
        }
        for name, score in record.details["implementations"].items()
    ]


def _svm(record: Record) -> list[Row]:
    """Every machine, then the best C of each kernel in the sweep."""
    rows = [_machine(row) for row in record.details["scores"]]
    groups: dict[tuple[str, int | None], list[dict[str, Any]]] = {}
    for row in record.details["sweep"]:
        groups.setdefault((row["kernel"], row["degree"]), []).append(row)
    for key, group in groups.items():
        value = PUBLISHED_KERNELS.get(key) if record.reference["published"] else None
        best = max(group, key=lambda row: row["test_accuracy"])
        rows.append({**_machine(best), "of": f"best of {len(group)} C", "published": percent(value)})
    return rows


def _machine(row: Mapping[str, Any]) -> Row:
    return {
        "kernel": row["kernel"] if row["degree"] is None else f"{row['kernel']} degree {row['degree']}",
        "C": f"{row['C']:.4g}",
        "of": "-",
        "train": percent(row["train_accuracy"]),
        "test": percent(row["test_accuracy"]),
        "support vectors": "-" if row["support_vectors"] is None else str(row["support_vectors"]),
        "published": "-",
    }


def _cnn(record: Record) -> list[Row]:
    best, final = record.best, record.final
    return [
        {
            "experiment": record.experiment,
            "status": record.status,
            "epochs": str(record.epochs),
            "best test": percent(test_accuracy(best)),
            "at epoch": str(best["epoch"]) if best else "-",
            **_selected(record.selected),
            "final test": percent(test_accuracy(final)),
            "published": published_value(record.reference),
        }
    ]


def _selected(selected: Mapping[str, Any] | None) -> Row:
    """Columns for the epoch that the validation set selects, where there is one."""
    if not selected:
        return {}
    return {
        "selected test": percent(selected["test_accuracy"]),
        "at validation": percent(selected["validation_accuracy"]),
        "in epoch": str(selected["epoch"]),
    }


def comparison(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows of `published.compare_with_published` as text."""
    return [
        {
            "figure": dash(row["figure"]),
            "experiment": row["experiment"],
            "published": published(row),
            "reference": percent(row["reference"]),
            "yours, best": percent(row["best"]) + ("" if row["status"] == "ok" else " (diverged)"),
            "at epoch": dash(row["best_epoch"]),
            "last": percent(row["final"]),
            "without": percent(row["base_best"]),
            "epochs": str(row["epochs"]),
            "seed": str(row["seed"]),
            "precision": row["precision"],
            "data": row["dataset"],
        }
        for row in rows
    ]


def catalogue(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows of `catalogue.list_experiments` as text."""
    return [
        {
            "experiment": row["name"],
            "section": row["section"],
            "figure": ", ".join(row["figures"]) or "-",
            "question": row["question"] or "-",
            "published": published(row),
            "epochs": dash(row["epochs"]),
            "command": row["command"],
        }
        for row in rows
    ]


def figure_rows(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows of `report.figures.row` as text."""
    return [
        {
            "figure": row["figure"],
            "panel": row["panel"],
            "published": published(row),
            "reference": percent(row["reference"]),
            "yours, best": percent(row["best"]),
            "at epoch": dash(row["best_epoch"]),
            "last": percent(row["final"]),
            "drawn from": row["source"],
        }
        for row in rows
    ]


def runs(rows: Sequence[Mapping[str, Any]], differing: Sequence[str], sorted_by: str | None = None) -> list[Row]:
    """The rows of `run_list.row` as text, with the settings that differ among them and what they are sorted by."""
    left_out = {"final test loss", "parameters", *_without_values(rows)}
    left_out -= {"final test loss" if sorted_by == "loss" else sorted_by or ""}
    return [
        {
            "run": row["run"],
            "experiment": dash(row["experiment"]),
            "seed": dash(row["seed"]),
            **{name: text for name, text in _outcome(row).items() if name not in left_out},
            **_settings(row, differing),
        }
        for row in rows
    ]


def run_comparison(rows: Sequence[Mapping[str, Any]], differing: Sequence[str]) -> list[Row]:
    """A column for each of `run_list.row`: the settings that differ, then what came of the runs."""
    headings = [str(number) for number in range(1, len(rows) + 1)] if numbered(rows) else [row["run"] for row in rows]
    outcomes = [{**_outcome(row), "weights": dash(row["weights_digest"])[:8]} for row in rows]
    lines = {name: [_setting(row, name) for row in rows] for name in differing}
    lines |= {name: [one[name] for one in outcomes] for name in outcomes[0] if name not in _without_values(rows)}
    return [{"": name, **dict(zip(headings, texts, strict=True))} for name, texts in lines.items()]


def numbered(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of runs with a number before each, where they are too long to be headings."""
    if sum(len(row["run"]) for row in rows) <= MAX_HEADING:
        return []
    return [f"{number}  {row['run']}" for number, row in enumerate(rows, start=1)]


def _outcome(row: Mapping[str, Any]) -> Row:
    """What came of a run; a smoke test is marked."""
    done, asked = row["epochs"], row["epochs_asked"]
    return {
        "status": f"{row['status']} (quick)" if row["quick"] else row["status"],
        "epochs": "-" if not asked else str(done) if done >= asked else f"{done}/{asked}",
        "best": _at_epoch(row["best"], row["best_epoch"]),
        "selected": _at_epoch(row["selected"], row["selected_epoch"]),
        "final": percent(row["final"]),
        "final test loss": "-" if row["loss"] is None else f"{row['loss']:.4f}",
        "seconds": "-" if row["seconds"] is None else f"{row['seconds']:.1f}",
        "parameters": "-" if row["parameters"] is None else f"{row['parameters']:,}",
    }


def _without_values(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """What is only shown where a run has it: the epoch chosen on held-out images."""
    return {"selected"} if all(row["selected"] is None for row in rows) else set()


def _at_epoch(accuracy: float | None, epoch: int | None) -> str:
    """An accuracy, and the epoch of it where there is one: `81.10% (36)`."""
    return percent(accuracy) + (f" ({epoch})" if epoch is not None else "")


def _settings(row: Mapping[str, Any], names: Sequence[str]) -> Row:
    """A column for each setting; of many one for all, without those that are at their default."""
    if len(names) <= MAX_SETTINGS:
        return {name: _setting(row, name) for name in names}
    own = row["settings"]
    usual = CONFIGS[row["section"]]().resolve().to_dict() if own else {}
    shown = [f"{name}={_setting(row, name)}" for name in names if name in own and own[name] != usual[name]]
    return {"settings": " ".join(shown) or "-"}


def _setting(row: Mapping[str, Any], name: str) -> str:
    return setting_text(row["settings"][name]) if name in row["settings"] else "-"
