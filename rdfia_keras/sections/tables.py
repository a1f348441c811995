"""Result tables from records: rows of column name to text. Imports nothing heavy."""

# What the report reached with the two kernels that can draw a circle (part 2.2), over all C.
PUBLISHED = {("rbf", None): 0.95, ("poly", 2): 0.955}


def percent(accuracy: float | None) -> str:
    """A fraction for people; a dash where there is none."""
    return "-" if accuracy is None else f"{accuracy:.2%}"


def table(record: dict) -> list[dict[str, str]]:
    """The result table of a record, whatever its section."""
    return {"mlp": _mlp, "svm": _svm, "cnn": _cnn}[record["section"]](record)


def summary(record: dict) -> list[dict[str, str]]:
    """A run in one row, to stand below other sections' rows."""
    best = record["best"]
    return [
        {
            "section": record["section"],
            "experiment": record["experiment"],
            "data": record["dataset"]["name"],
            "status": record["status"],
            "best test": percent(best and best["test_accuracy"]),
            "published": percent(record["published"]),
            "seconds": f"{record['seconds']:.1f}",
        }
    ]


def _mlp(record: dict) -> list[dict[str, str]]:
    return [
        {
            "implementation": name,
            "best test": percent(score["best"]["test_accuracy"]),
            "at epoch": str(score["best"]["epoch"]),
            "final test": percent(score["final"]["test_accuracy"]),
            "test loss": f"{score['final']['test_loss']:.4f}",
            "published": percent(record["published"]),
        }
        for name, score in record["implementations"].items()
    ]


def _svm(record: dict) -> list[dict[str, str]]:
    # Every setting, then the best C of each kernel in the sweep.
    rows = [_table_row(row) for row in record["scores"]]
    groups: dict[tuple, list[dict]] = {}
    for row in record["sweep"]:
        groups.setdefault((row["kernel"], row["degree"]), []).append(row)
    for key, group in groups.items():
        published = PUBLISHED.get(key) if record["published"] else None
        best = max(group, key=lambda row: row["test_accuracy"])
        rows.append({**_table_row(best), "of": f"best of {len(group)} C", "published": percent(published)})
    return rows


def _table_row(row: dict) -> dict[str, str]:
    return {
        "kernel": row["kernel"] if row["degree"] is None else f"{row['kernel']} degree {row['degree']}",
        "C": f"{row['C']:.4g}",
        "of": "-",
        "train": percent(row["train_accuracy"]),
        "test": percent(row["test_accuracy"]),
        "support vectors": "-" if row["support_vectors"] is None else str(row["support_vectors"]),
        "published": "-",
    }


def _cnn(record: dict) -> list[dict[str, str]]:
    best, final = record["best"], record["final"]
    return [
        {
            "experiment": record["experiment"],
            "status": record["status"],
            "epochs": str(record["epochs"]),
            "best test": percent(best and best["test_accuracy"]),
            "at epoch": str(best["epoch"]) if best else "-",
            "final test": percent(final and final["test_accuracy"]),
            "published": percent(record["published"]),
        }
    ]


def comparison(rows: list[dict]) -> list[dict[str, str]]:
    """The rows of `sections.improve.compare` as text."""
    return [
        {
            "figure": _dash(row["figure"]),
            "experiment": row["experiment"],
            "published": percent(row["published"]) if row["published"] is not None else _dash(row["reported"]),
            "ours, best": percent(row["best"]) + ("" if row["status"] == "ok" else " (diverged)"),
            "at epoch": _dash(row["best_epoch"]),
            "last": percent(row["final"]),
            "without": percent(row["base_best"]),
            "others": "-" if not row["others"] else f"{row['others'][0]:.0%} to {row['others'][1]:.0%}",
            "epochs": str(row["epochs"]),
            "seed": str(row["seed"]),
            "precision": row["precision"],
            "data": row["dataset"],
        }
        for row in rows
    ]


def _dash(value: object) -> str:
    return "-" if value in (None, "") else str(value)


def catalogue(rows: list[dict]) -> list[dict[str, str]]:
    """The rows of `catalogue.entries` as text."""
    return [
        {
            "experiment": row["name"],
            "section": row["section"],
            "figure": ", ".join(row["figures"]) or "-",
            "question": row["question"] or "-",
            "published": percent(row["published"]) if row["published"] is not None else _dash(row["reported"]),
            "epochs": _dash(row["epochs"]),
            "command": row["command"],
        }
        for row in rows
    ]


def figure_rows(rows: list[dict]) -> list[dict[str, str]]:
    """The rows of `sections.figures.make` as text."""
    return [
        {
            "figure": row["figure"],
            "panel": row["panel"],
            "published": percent(row["published"]) if row["published"] is not None else _dash(row["reported"]),
            "ours, best": percent(row["best"]),
            "at epoch": _dash(row["best_epoch"]),
            "last": percent(row["final"]),
        }
        for row in rows
    ]


def study(record: dict) -> list[dict[str, str]]:
    """Mean and standard deviation over the seeds of a study's record."""
    return [
        {
            "value": f"{row['value']:g}" if isinstance(row["value"], int | float) else row["value"],
            "test, last epoch": f"{100 * row['last_mean']:.2f} ± {100 * row['last_std']:.2f} %",
            "test, best epoch": f"{100 * row['best_mean']:.2f} ± {100 * row['best_std']:.2f} %",
            "epochs to 90 %": _dash(row["epochs_to_90"]),
        }
        for row in record["rows"]
    ]
