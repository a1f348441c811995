"""The report's figures made again from kept records; what is not there yet is trained first."""

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rdfia_keras import plots
from rdfia_keras.data import Dataset
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import REGISTRY, CnnExperiment, Experiment, Figure
from rdfia_keras.progress import note
from rdfia_keras.records import make_folder
from rdfia_keras.sections import Options
from rdfia_keras.sections.kept import Kept, Wanted, obtain

# The report gives a number for two kernels, each at its best C (part 2.2).
PUBLISHED_KERNELS = "published, at the best C: rbf 95 %, poly of degree 2 95.5 %"


@dataclass(frozen=True)
class Drawn:
    """A figure on disk.

    Attributes:
        path: Of the PNG; None when the training that it needs was cut short.
        rows: One for each panel: what the report has and what is there now.
        exit_code: What the process should exit with.
    """

    path: Path | None
    rows: list[dict]
    exit_code: int = 0


def make(
    figure: Figure,
    wanted: Callable[[Experiment], Wanted],
    options: Options,
    load: Callable[[str, str], Dataset],
) -> Drawn:
    """Draw a figure into `figures/` of the results folder.

    Args:
        wanted: Which run of an experiment will do.
        load: Gives a data set by section and name.

    Raises:
        RdfiaError: When something must be trained and its data, device or output folder cannot be used.
    """
    panels = []
    for name, label in figure.panels:
        experiment = REGISTRY[name]
        section = experiment.section
        asked = wanted(experiment)
        if figure.kind == "implementations":
            asked = replace(asked, implementations=4)
        kept, result = obtain(experiment, asked, options, lambda data, section=section: load(section, data))
        if kept is None:
            return Drawn(None, [], result.exit_code)
        if result is None:
            note(f"{figure.title}: from {kept.folder}")
        panels.append((label, kept))
    # A taste never replaces the picture of a real run.
    path = make_folder(options.out / "figures") / f"{figure.file}{'-quick' if options.quick else ''}.png"
    plots.save(KINDS[figure.kind](figure, panels, options.quick), path)
    return Drawn(path, [_row(figure, label, kept) for label, kept in panels])


def _row(figure: Figure, label: str, kept: Kept) -> dict:
    best, experiment = kept.record["best"], kept.experiment
    return {
        "figure": figure.title,
        "panel": label,
        "experiment": experiment.name,
        "published": experiment.published,
        "reported": experiment.reported,
        "best": best and best["test_accuracy"],
        "best_epoch": best and best.get("epoch"),
        "final": kept.record["final"] and kept.record["final"]["test_accuracy"],
        "folder": str(kept.folder),
    }


def _caption(figure: Figure, panels: list[tuple[str, Kept]]) -> str:
    """Number, subject, and, for a single experiment, ours beside what was published."""
    kept = panels[0][1]
    runs = [kept for _, kept in panels]
    words = [f"{figure.title}: {figure.caption}, {_distinct(run.record['dataset']['name'] for run in runs)}"]
    if kept.experiment.section != "svm":
        words.append(f"seed {_distinct(run.experiment.seed for run in runs)}")
    if isinstance(kept.experiment, CnnExperiment):
        words[-1] += f", {_distinct(run.experiment.precision for run in runs)}"
    if len(panels) == 1 and kept.experiment.section != "svm":
        words.append(_against_published(kept))
    return "; ".join(words)


def _distinct(values: Iterable) -> str:
    """Each value once, in order."""
    return " and ".join(map(str, dict.fromkeys(values)))


def _against_published(kept: Kept) -> str:
    best, experiment = kept.record["best"], kept.experiment
    ours = f"ours {100 * best['test_accuracy']:.1f} %" if best else "ours: diverged in the first epoch"
    if kept.record["status"] == "failed" and best:
        ours += f", diverged after epoch {kept.epochs}"
    if experiment.published is not None:
        return f"{ours}, published {100 * experiment.published:.1f} %"
    return f"{ours}; the report: {experiment.reported}" if experiment.reported else ours


def _numbers(kept: Kept) -> str:
    """Ours and the published value, short enough for a narrow panel."""
    best, published = kept.record["best"], kept.experiment.published
    ours = f"best test {100 * best['test_accuracy']:.1f} %" if best else "diverged"
    return f"{ours}\n(published {100 * published:.1f} %)" if published is not None else ours


def _first_history(kept: Kept) -> list[dict]:
    """The history of the only network, or of the first of several implementations."""
    rows = kept.history()
    return [row for row in rows if row.get("implementation") == rows[0].get("implementation")]


def _curves(figure: Figure, panels: list[tuple[str, Kept]], quick: bool):
    histories = {label: _first_history(kept) for label, kept in panels}
    title = _caption(figure, panels)
    if not all(histories.values()):
        return plots.notice(title, "The training diverged in its first epoch: there is no curve to draw.", quick=quick)
    if len(panels) == 1:
        kept = panels[0][1]
        return plots.learning_curves(*histories.values(), title, published=kept.experiment.published, quick=quick)
    with_numbers = {f"{label}\n{_numbers(kept)}": histories[label] for label, kept in panels}
    return plots.implementations(with_numbers, title, quick=quick)


def _implementations(figure: Figure, panels: list[tuple[str, Kept]], quick: bool):
    histories: dict[str, list[dict]] = {}
    for row in panels[0][1].history():
        histories.setdefault(row["implementation"], []).append(row)
    return plots.implementations(histories, _caption(figure, panels), quick=quick)


def _kernels(figure: Figure, panels: list[tuple[str, Kept]], quick: bool):
    kept = panels[0][1]
    path = kept.folder / "panels.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            decisions, axis, points, labels = (arrays[key] for key in ("decisions", "axis", "points", "labels"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RdfiaError(f"cannot read {path}: {error}; remove the folder to make it again") from error
    drawn = [
        {
            "title": setting.label,
            "accuracy": score["test_accuracy"],
            "grid_x": axis,
            "grid_y": axis,
            "decision": decision,
            "points": points,
            "labels": labels,
        }
        for setting, score, decision in zip(
            kept.experiment.settings[: len(decisions)], kept.record["scores"], decisions, strict=False
        )
    ]
    title = f"{_caption(figure, panels)}; {PUBLISHED_KERNELS}"
    return plots.svm_panels(drawn, title=title, quick=quick)


def _sweep(figure: Figure, panels: list[tuple[str, Kept]], quick: bool):
    title = f"{_caption(figure, panels)}; {PUBLISHED_KERNELS}"
    return plots.svm_sweep(panels[0][1].record["sweep"], title, quick=quick)


KINDS = {"curves": _curves, "implementations": _implementations, "kernels": _kernels, "sweep": _sweep}
