"""The runs of the page: the table, and for each run settings, provenance, curves, pictures and damage."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rdfia_keras.analysis.run_list import differing, read_runs
from rdfia_keras.analysis.tables import percent
from rdfia_keras.config import CONFIGS, setting_text
from rdfia_keras.experiments import REGISTRY, figures_of
from rdfia_keras.plots.charts import run_curves
from rdfia_keras.runs.run import UNREADABLE_ERRORS, Run
from rdfia_keras.runs.store import reference_store
from rdfia_keras.web.report.plotly_charts import PlotlyChart, rounded, to_plotly
from rdfia_keras.web.report.sources import Sources

# The pictures of a run's folder that come first; others follow under their names.
PICTURES = {
    "confusion.png": "Confusion matrix on the test set",
    "mistakes.png": "Worst mistakes on the test set: true class, predicted class, probability",
    "augmented.png": "Training images as augmentation changes them",
    "decision-map.png": "Decision map of the last epoch",
    "inspect-classes.png": "Recall and precision of each class",
    "inspect-calibration.png": "Reliability diagram: accuracy against confidence",
    "inspect-filters.png": "Filters of the first convolution",
    "inspect-mistakes.png": "Worst mistakes: Grad-CAM for the predicted and the true class, and occlusion",
    "inspect-robustness.png": "Test accuracy under blur and shift of growing strength",
}
# Pictures of charts that the page draws itself.
DRAWN_HERE = ("curves.png",)
# The number of decision maps by epoch: those of the runs that come first.
MAX_MAPS = 12
# Columns of the table; the settings come after them.
COLUMNS = (
    *("run", "experiment", "seed", "status", "epochs", "best", "best_epoch", "final", "loss", "seconds"),
    "parameters",
)


def run_details(sources: Sources) -> dict[str, Any]:
    """Return the table of the runs, yours first, then the package's, and the details of each run."""
    runs = [*sources.runs, *read_runs(reference_store())]
    rows = [run.summary() for run in runs]
    names = differing(rows)
    defaults = {section: config().resolve().to_dict() for section, config in CONFIGS.items()}
    return {
        "columns": COLUMNS,
        "settings": names,
        "defaults": {
            section: {name: setting_text(values[name]) for name in names if name in values}
            for section, values in defaults.items()
        },
        "runs": [_run(run, values, sources) for run, values in zip(runs, rows, strict=True)],
    }


def _run(run: Run, values: dict[str, Any], sources: Sources) -> dict[str, Any]:
    if run.status == "unreadable":
        sources.troubles.setdefault(run.name, "its config.json or metrics.json is damaged or cut off")
    has_room = run.name in sources.maps or len(sources.maps) < MAX_MAPS
    base, changed = _changed(run)
    return {
        **{name: values[name] for name in COLUMNS},
        **{name: rounded(values[name], 6) for name in ("best", "final", "loss", "seconds")},
        "section": run.section,
        "quick": run.quick,
        "epochs_asked": run.epochs_asked,
        "figures": figures_of(run.experiment),
        "settings": {name: setting_text(value) for name, value in values["settings"].items()},
        "base": base,
        "changed": changed,
        "provenance": _provenance(run, sources),
        "charts": _curves(run, sources),
        "inspection": _inspection(run, sources),
        "pictures": list(_pictures(run, sources)),
        "map": has_room and sources.keeps_map(run),
    }


def _changed(run: Run) -> tuple[str, list[list[str]]]:
    """Return the name of the base that settings are compared with, and those that differ: name, value, base value."""
    if run.status == "unreadable":
        return "", []
    experiment = REGISTRY.get(run.experiment)
    base = REGISTRY.get(experiment.base or "") if experiment else None
    if base and base.section == run.section:
        base_name, base_values = base.name, base.config.to_dict()
    else:
        base_name, base_values = f"the defaults of rdfia {run.section}", CONFIGS[run.section]().resolve().to_dict()
    values = run.config.resolve().to_dict()
    different = [name for name, value in values.items() if value != base_values.get(name)]
    return base_name, [[name, setting_text(values[name]), setting_text(base_values.get(name))] for name in different]


def _provenance(run: Run, sources: Sources) -> list[list[str]]:
    """Return versions, device and data, as name and text."""
    facts: dict[str, Any] = {}
    with sources.reading(run.name):
        if record := run.record:
            environment = record.environment
            counts = record.dataset.get("counts") or {}
            facts = {
                "data": record.dataset.get("name"),
                "examples": ", ".join(f"{count:,} {split}" for split, count in counts.items()),
                "data digest": record.dataset.get("digest"),
                "weights digest": run.summary()["weights_digest"],
                "device": record.device,
                "processor": environment.get("cpu"),
                "Python": environment.get("python"),
                **(environment.get("versions") or {}),
                "system": environment.get("platform"),
                "threads": environment.get("threads"),
                "resumed": "; ".join(map(_resumed, environment.get("resumed", []))),
                "reason": record.reason,
            }
    return [[name, str(value)] for name, value in facts.items() if value]


def _resumed(change: Mapping[str, Any]) -> str:
    """Return the environment changes of a resume as text."""
    changed = ", ".join(f"{name} {value}" for name, value in change.items() if name != "after_epoch")
    return f"after epoch {change['after_epoch']} with {changed}"


def _curves(run: Run, sources: Sources) -> list[PlotlyChart]:
    """Return the charts of loss and accuracy, if the history can be read."""
    rows = run.curve()
    if not rows:
        if run.epochs:
            sources.troubles.setdefault(run.name, "its history.csv is missing or damaged")
        return []
    experiment = REGISTRY.get(run.experiment)
    published = experiment.report.published if experiment else None
    return [to_plotly(chart) for chart in run_curves(rows, published=published)]


def _inspection(run: Run, sources: Sources) -> list[list[str]]:
    """Return the results of `rdfia inspect` as name and text; an empty list if the run was not inspected."""
    path = run.folder / "inspection.json"
    if not path.is_file():
        return []
    with sources.reading(run.name):
        facts = json.loads(path.read_text(encoding="utf-8"))
        return [
            ["model", str(facts["model"])],
            ["test accuracy", percent(facts["accuracy"])],
            ["mean confidence", percent(facts["mean_confidence"])],
            ["expected calibration error", percent(facts["expected_calibration_error"])],
            *([f"recall of {row['class']}", percent(row["recall"])] for row in facts["classes"]),
            *([f"accuracy under blur {row['sigma']:g}", percent(row["accuracy"])] for row in facts["blur"]),
            *([f"accuracy under shift {row['pixels']}", percent(row["accuracy"])] for row in facts["shift"]),
        ]
    return []


def _pictures(run: Run, sources: Sources) -> Iterator[dict[str, Any]]:
    """Yield the pictures of a run's folder, with data URIs as long as there is room in the page."""
    others = (path.name for path in sorted(run.folder.glob("*.png")) if path.name not in (*PICTURES, *DRAWN_HERE))
    for name in (*PICTURES, *others):
        with suppress(*UNREADABLE_ERRORS):
            content = (run.folder / name).read_bytes()
            if not content.startswith(b"\x89PNG\r\n"):
                continue
            uri = None
            if len(content) <= sources.picture_bytes:
                sources.picture_bytes -= len(content)
                uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
            alt = PICTURES.get(name, Path(name).stem.replace("-", " "))
            yield {"file": str(run.folder / name), "alt": alt, "uri": uri}
