"""Every run, for the table and one by one: settings, provenance, curves, pictures; and what is damaged."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rdfia_keras.analysis.run_list import differing, read_runs
from rdfia_keras.analysis.tables import percent
from rdfia_keras.config import CONFIGS, Config, setting_text
from rdfia_keras.experiments import REGISTRY, figures_of
from rdfia_keras.plots.charts import run_curves
from rdfia_keras.runs.run import UNREADABLE_ERRORS, Run
from rdfia_keras.runs.store import reference_store
from rdfia_keras.web.report.plotly_charts import PlotlyChart, rounded, to_plotly
from rdfia_keras.web.report.sources import Sources

# What a run's folder may have, first; its other pictures follow under their names.
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
# Pictures of what the page draws itself.
DRAWN_HERE = ("curves.png",)
# Of all pictures in the page; the runs that come first have theirs, of the others the page names the files.
MAX_PICTURE_BYTES = 3_000_000
# Of all decision maps by epoch, in the same way.
MAX_MAPS = 12
# Columns of the table; the settings come after them.
COLUMNS = (
    "run",
    "experiment",
    "seed",
    "status",
    "epochs",
    "best",
    "best_epoch",
    "final",
    "loss",
    "seconds",
    "parameters",
)


def runs(sources: Sources) -> dict[str, Any]:
    """Return the table of the runs, yours first, then the package's, and the details of each."""
    listed = [*sources.listed, *read_runs(reference_store())]
    rows = [run.summary() for run in listed]
    budget = _Budget()
    names = differing(rows)
    return {
        "columns": COLUMNS,
        "settings": names,
        "defaults": {section: _texts(config().resolve(), names) for section, config in CONFIGS.items()},
        "runs": [_run(run, values, budget, sources) for run, values in zip(listed, rows, strict=True)],
    }


class _Budget:
    """How many bytes of pictures may still be put into the page."""

    def __init__(self) -> None:
        self.bytes = MAX_PICTURE_BYTES


def _run(run: Run, values: dict[str, Any], budget: _Budget, sources: Sources) -> dict[str, Any]:
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
        "pictures": list(_pictures(run, budget)),
        "map": has_room and sources.keeps_map(run.name, run.folder),
    }


def _texts(config: Config, names: list[str]) -> dict[str, str]:
    return {name: setting_text(getattr(config, name)) for name in names if hasattr(config, name)}


def _changed(run: Run) -> tuple[str, list[list[str]]]:
    """Return what a run's settings are compared with, and each that differs: name, value, value there."""
    if run.status == "unreadable":
        return "", []
    experiment = REGISTRY.get(run.experiment)
    base = REGISTRY.get(experiment.base or "") if experiment else None
    same_section = base is not None and base.section == run.section
    usual = base.config if base and same_section else CONFIGS[run.section]().resolve()
    own, there = run.config.resolve().to_dict(), usual.to_dict()
    different = [
        [name, setting_text(value), setting_text(there.get(name))]
        for name, value in own.items()
        if value != there.get(name)
    ]
    return base.name if base and same_section else f"the defaults of rdfia {run.section}", different


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
    """Return what changed when a run was resumed."""
    changed = ", ".join(f"{name} {value}" for name, value in change.items() if name != "after_epoch")
    return f"after epoch {change['after_epoch']} with {changed}"


def _curves(run: Run, sources: Sources) -> list[PlotlyChart]:
    """Return loss and accuracy, where the history can be read."""
    rows = run.curve()
    if not rows:
        if run.epochs:
            sources.troubles.setdefault(run.name, "its history.csv is missing or damaged")
        return []
    experiment = REGISTRY.get(run.experiment)
    published = experiment.reference.published if experiment else None
    return [to_plotly(chart) for chart in run_curves(rows, published=published)]


def _inspection(run: Run, sources: Sources) -> list[list[str]]:
    """Return the results of `rdfia inspect`, as name and text; nothing where the run was not inspected."""
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


def _pictures(run: Run, budget: _Budget) -> Iterator[dict[str, Any]]:
    """Yield the pictures of a run's folder: as a data URI, or without one where they would make the page too large."""
    others = (path.name for path in sorted(run.folder.glob("*.png")) if path.name not in (*PICTURES, *DRAWN_HERE))
    for name in (*PICTURES, *others):
        with suppress(*UNREADABLE_ERRORS):
            content = (run.folder / name).read_bytes()
            if not content.startswith(b"\x89PNG\r\n"):
                continue
            fits = len(content) <= budget.bytes
            budget.bytes -= len(content) if fits else 0
            uri = f"data:image/png;base64,{base64.b64encode(content).decode()}" if fits else None
            alt = PICTURES.get(name, Path(name).stem.replace("-", " "))
            yield {"file": str(run.folder / name), "alt": alt, "uri": uri}
