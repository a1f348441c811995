"""Tables of text from records: each row maps headings to text. Imports nothing heavy."""

import shlex
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rdfia_keras.config import CONFIGS, setting_text
from rdfia_keras.result import Result, Table
from rdfia_keras.result import percent as in_percent

if TYPE_CHECKING:
    from rdfia_keras.runs.record import Record
    from rdfia_keras.runs.run import Run

Data = Mapping[str, Any]
Row = dict[str, str]
# A format string that names fields of the data, or a function.
Column = str | Callable[[Data], str]
# More settings than this share one column: terminals are not as wide.
MAX_SETTINGS = 5
# Names of runs that are longer together are replaced by numbers in headings.
MAX_HEADING = 90
# The published accuracies of the two kernels that can draw a circle (part 2.2), at the best C.
PUBLISHED_KERNELS = {("rbf", None): 0.95, ("poly", 2): 0.955}


class _DashFormatter(string.Formatter):
    """`str.format` with a dash for a value that is None, empty, or a part of None, and our format of percentages."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Data) -> Any:
        try:
            return super().get_field(field_name, args, kwargs)
        except TypeError:
            return None, field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None or value == "":
            return "-"
        is_percent = format_spec.endswith("%")
        return in_percent(value, int(format_spec[1:-1])) if is_percent else super().format_field(value, format_spec)


def cell(row: Data, column: Column) -> str:
    """Return a cell: `{best[test_accuracy]:.2%}` gives 81.10 %, and a dash where there is no value."""
    return _DashFormatter().vformat(column, (), row) if isinstance(column, str) else column(row)


def make_table(rows: Iterable[Data], columns: Mapping[str, Column]) -> list[Row]:
    """Return rows of data as rows of text, with the columns by their headings."""
    return [{heading: cell(row, column) for heading, column in columns.items()} for row in rows]


def percent(accuracy: float | None) -> str:
    """Return a fraction as text; a dash where there is none."""
    return "-" if accuracy is None else in_percent(accuracy, 2)


def published(claim: Data) -> str:
    """Return the published value in the report's words, or else as a number; a dash where there is none.

    Args:
        claim: The fields of a `ReportClaim`, or a row that has them.
    """
    at_end = " (last epoch)" if claim["published_at_end"] else ""
    return (claim.get("comment") or percent(claim["published"])) + at_end


# --- one run ----------------------------------------------------------------------------------------------------------


def run_result(run: "Run") -> Result:
    """Return the answer of a command that trains one run."""
    record, resume = run.result, f"rdfia resume {shlex.quote(str(run.folder))}"
    model, averaged = record.details.get("best_model"), record.details.get("tta_test_accuracy")
    lines = [f"best.keras holds epoch {model['epoch']}, which has the highest {model['chosen_by']}"] if model else []
    lines += [f"final test accuracy with test-time augmentation: {averaged:.2%}"] if averaged else []
    return Result(
        data=record.to_dict(),
        table=run_table(record),
        lines=lines,
        paths=[*sorted(run.folder.glob("*.gif")), run.folder],
        hint=f"interrupted; resume it with: {resume}" if record.status == "interrupted" else "",
        quick=record.quick,
        exit_code=run.exit_code or 0,
    )


def run_table(record: "Record") -> Table:
    """Return the result table of a run, whatever its section."""
    if record.section == "svm":
        return _svm(record)
    rows: list[dict[str, Any]] = [dict(vars(record))]
    columns: dict[str, Column] = {"experiment": "{experiment}", "status": "{status}", "epochs": "{epochs}"}
    if record.section == "mlp":
        shown = {"manual": "L-BFGS"} if getattr(record.config, "lbfgs", False) else {}
        rows = [{"name": shown.get(name, name), **scores} for name, scores in record.details["implementations"].items()]
        columns = {"implementation": "{name}"}
    columns |= {"best test": "{best[test_accuracy]:.2%}", "at epoch": "{best[epoch]}"}
    if record.selected:
        columns |= {
            "selected test": "{selected[test_accuracy]:.2%}",
            "at validation": "{selected[validation_accuracy]:.2%}",
            "in epoch": "{selected[epoch]}",
        }
    columns |= {"final test": "{final[test_accuracy]:.2%}"}
    columns |= {"test loss": "{final[test_loss]:.4f}"} if record.section == "mlp" else {}
    return make_table(rows, columns | {"published": lambda row: published(record.report)})


def summary(record: "Record") -> Row:
    """Return a run as one row of a table of all sections; a smoke test without the published value."""
    columns: dict[str, Column] = {
        "section": "{section}",
        "experiment": "{experiment}",
        "data": "{dataset[name]}",
        "status": "{status}",
        "best test": "{best[test_accuracy]:.2%}",
        "last test": "{final[test_accuracy]:.2%}",
        "published": lambda row: published(row["report"]),
        "seconds": "{seconds:.1f}",
    }
    if record.quick:
        del columns["published"]
    return make_table([vars(record)], columns)[0]


def _svm(record: "Record") -> list[Row]:
    """Return a row for every machine, then one for the best C of each kernel in the sweep."""
    rows = [{**row, "chosen": None, "published": None} for row in record.details["scores"]]
    groups: dict[tuple[str, int | None], list[dict[str, Any]]] = {}
    for row in record.details["sweep"]:
        groups.setdefault((row["kernel"], row["degree"]), []).append(row)
    for key, group in groups.items():
        value = PUBLISHED_KERNELS.get(key) if record.report["published"] else None
        best = max(group, key=lambda row: row["test_accuracy"])
        rows.append({**best, "chosen": f"best of {len(group)} values of C", "published": value})
    columns: dict[str, Column] = {
        "kernel": lambda row: row["kernel"] if row["degree"] is None else f"{row['kernel']} degree {row['degree']}",
        "C": "{C:.4g}",
        "chosen": "{chosen}",
        "train": "{train_accuracy:.2%}",
        "test": "{test_accuracy:.2%}",
        "support vectors": "{support_vectors}",
        "published": "{published:.2%}",
    }
    return make_table(rows, columns)


# --- experiments and figures ------------------------------------------------------------------------------------------


def comparison(rows: Sequence[Data]) -> list[Row]:
    """Return the rows of `published.compare_with_published` as text."""
    columns: dict[str, Column] = {
        "figure": "{figure}",
        "experiment": "{experiment}",
        "published": published,
        "reference, best (seed 0)": "{reference:.2%}",
        "yours, best": lambda row: percent(row["best"]) + ("" if row["status"] == "ok" else " (diverged)"),
        "at epoch": "{best_epoch}",
        "last": "{final:.2%}",
        "step before": "{base_best:.2%}",
        "epochs": "{epochs}",
        "seed": "{seed}",
        "precision": "{precision}",
        "data": "{dataset}",
    }
    return make_table(rows, columns)


def figure_rows(rows: Sequence[Data]) -> list[Row]:
    """Return the rows of `figures.row` as text."""
    columns: dict[str, Column] = {
        "figure": "{figure}",
        "panel": "{panel}",
        "published": published,
        "reference, best (seed 0)": "{reference:.2%}",
        "yours, best": "{best:.2%}",
        "at epoch": "{best_epoch}",
        "last": "{final:.2%}",
        "drawn from": lambda row: f"{row['source']} ({row['data']})" if row["data"] else row["source"],
    }
    return make_table(rows, columns)


# --- several runs -----------------------------------------------------------------------------------------------------


def _epochs(row: Data) -> str:
    """Return the finished epochs, of how many where some are missing: `3/30`."""
    done, asked = row["epochs"], row["epochs_asked"]
    return "-" if not asked else str(done) if done >= asked else f"{done}/{asked}"


def _at_epoch(name: str) -> Column:
    """Return a column of an accuracy and its epoch: `81.10 % (36)`."""
    with_epoch = f"{{{name}:.2%}} ({{{name}_epoch}})"
    return lambda row: percent(row[name]) if row[f"{name}_epoch"] is None else cell(row, with_epoch)


# The result of a run; a smoke test is marked.
_OUTCOME: dict[str, Column] = {
    "status": lambda row: f"{row['status']} (quick)" if row["quick"] else row["status"],
    "epochs": _epochs,
    "best": _at_epoch("best"),
    "selected": _at_epoch("selected"),
    "final": "{final:.2%}",
    "final test loss": "{loss:.4f}",
    "seconds": "{seconds:.1f}",
    "parameters": "{parameters:,}",
}


def runs(groups: Sequence[Sequence[Data]], differing: Sequence[str], sorted_by: str | None = None) -> list[Row]:
    """Return groups of rows of `Run.summary` as text, a row each, with the settings that differ and the sort key."""
    rows = [row for group in groups for row in group]
    hidden = {"final test loss", "parameters", *_without_values(rows)}
    hidden -= {"final test loss" if sorted_by == "loss" else sorted_by or ""}
    columns: dict[str, Column] = {"run": "{run}", "experiment": "{experiment}", "seed": "{seed}"}
    columns |= {name: column for name, column in _OUTCOME.items() if name not in hidden}
    pairs = {(row["settings"].get("dataset"), row["data_digest"]) for row in rows if row["data_digest"]}
    if len(pairs) > len({dataset for dataset, _ in pairs}):
        columns["data"] = "{data_digest:.8}"
    columns |= _setting_columns(differing)
    return [_of_seeds(group, columns) for group in groups]


def _of_seeds(rows: Sequence[Data], columns: Mapping[str, Column]) -> Row:
    """Return runs that differ only by their seed as one row of text."""
    from rdfia_keras.analysis.seeds import Statistics

    text = make_table(rows[:1], columns)[0]
    if len(rows) == 1:
        return text
    text["seed"] = ranges(row["seed"] for row in rows)
    for name in ("best", "selected", "final", "loss", "seconds"):
        heading = "final test loss" if name == "loss" else name
        if heading in text and (statistics := Statistics.of(row[name] for row in rows)):
            is_accuracy = name in ("best", "selected", "final")
            text[heading] = statistics.percents() if is_accuracy else cell({name: statistics.mean}, columns[heading])
    return text


def ranges(numbers: Iterable[int]) -> str:
    """Return whole numbers as text: `0-2, 5`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def run_comparison(rows: Sequence[Data], differing: Sequence[str]) -> list[Row]:
    """Return rows of `Run.summary` side by side, a column for each: the settings that differ, then the results."""
    headings = [str(number) for number in range(1, len(rows) + 1)] if numbered(rows) else [row["run"] for row in rows]
    lines = {name: _setting(name) for name in differing}
    lines |= {name: line for name, line in _OUTCOME.items() if name not in _without_values(rows)}
    lines |= {"weights digest": "{weights_digest:.8}"}
    return [
        {"": name} | {heading: cell(row, line) for heading, row in zip(headings, rows, strict=True)}
        for name, line in lines.items()
    ]


def numbered(rows: Sequence[Data]) -> list[str]:
    """Return the names of runs with a number before each, where they are too long to be headings."""
    if sum(len(row["run"]) for row in rows) <= MAX_HEADING:
        return []
    return [f"{number}  {row['run']}" for number, row in enumerate(rows, start=1)]


def _without_values(rows: Sequence[Data]) -> set[str]:
    """Return the columns without any value: the epoch selected on a validation set, if no run has one."""
    return {"selected"} if all(row["selected"] is None for row in rows) else set()


def _setting(name: str) -> Column:
    return lambda row: setting_text(row["settings"][name]) if name in row["settings"] else "-"


def _setting_columns(names: Sequence[str]) -> dict[str, Column]:
    """Return a column for each setting, or one column for all if there are too many."""
    if len(names) <= MAX_SETTINGS:
        return {name: _setting(name) for name in names}

    def changed(row: Data) -> str:
        values = row["settings"]
        defaults = CONFIGS[row["section"]]().resolve().to_dict() if values else {}
        names_changed = [name for name in names if name in values and values[name] != defaults[name]]
        return " ".join(f"{name}={setting_text(values[name])}" for name in names_changed) or "-"

    return {"settings": changed}
