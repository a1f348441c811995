"""The report's figures, drawn from records: of your runs where there are some, else of the package's reference."""

import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np

from rdfia_keras import plots
from rdfia_keras.analysis.published import reference_run
from rdfia_keras.config import SvmConfig
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import REGISTRY, Experiment, ReportFigure
from rdfia_keras.experiments.figures import FIGURE_KINDS
from rdfia_keras.models.svm import machines
from rdfia_keras.registry import Registry
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.records import EpochRow, Run, test_accuracy

# The report gives a number for two kernels, each at its best C (part 2.2).
PUBLISHED_KERNELS = "published, at the best C: rbf 95 %, poly of degree 2 95.5 %"


@dataclass(frozen=True)
class Panel:
    """What one panel of a figure is drawn from.

    Attributes:
        label: Above it.
        experiment: Which it shows.
        run: The run that it is drawn from.
        is_reference: Whether that came with the package.
    """

    label: str
    experiment: Experiment
    run: Run
    is_reference: bool

    @property
    def whose(self) -> str:
        return "reference" if self.is_reference else "yours"


Draw = Callable[[ReportFigure, Sequence[Panel]], matplotlib.figure.Figure]
# By kind: draws a figure from its panels.
KINDS: Registry[Draw] = Registry("kind of figure", FIGURE_KINDS, declared_in="experiments.figures.FIGURE_KINDS")


def draw(figure: ReportFigure, panels: Sequence[Panel], out: Path, quick: bool = False) -> Path:
    """Draw a figure into `figures/` of the results folder; a smoke test never replaces the picture of a real run."""
    path = make_folder(out / "figures") / f"{figure.file}{'-quick' if quick else ''}.png"
    plots.save(KINDS[figure.kind](figure, panels), path, smoke_test=quick)
    return path


def row(figure: ReportFigure, panel: Panel) -> dict[str, Any]:
    """What the report has, the reference, and your run where the panel is drawn from one."""
    reference, record = panel.experiment.reference, panel.run.record
    shipped = panel.run if panel.is_reference else reference_run(panel.experiment)
    best = None if panel.is_reference else record.best
    final = None if panel.is_reference else record.final
    return {
        "figure": figure.title,
        "panel": panel.label,
        "experiment": panel.experiment.name,
        "published": reference.published,
        "published_at_end": reference.published_at_end,
        "comment": reference.comment,
        "reference": shipped and test_accuracy(shipped.record.best),
        "best": test_accuracy(best),
        "best_epoch": best and best.get("epoch"),
        "final": test_accuracy(final),
        "source": "the reference" if panel.is_reference else str(panel.run.folder),
    }


def _caption(figure: ReportFigure, panels: Sequence[Panel]) -> str:
    """Number, subject, and, for a single experiment, its result beside what was published."""
    first = panels[0]
    words = [f"{figure.title}: {figure.caption}, {_distinct(p.run.record.dataset['name'] for p in panels)}"]
    if first.experiment.section != "svm":
        words.append(f"seed {_distinct(panel.run.config.seed for panel in panels)}")
    if first.experiment.section == "cnn":
        words[-1] += f", {_distinct(getattr(panel.run.config, 'precision', '') for panel in panels)}"
    if len(panels) == 1 and first.experiment.section != "svm":
        words.append(_against_published(first))
    return "; ".join(words)


def _distinct(values: Iterable[object]) -> str:
    """Each value once, in order."""
    return " and ".join(map(str, dict.fromkeys(values)))


def _against_published(panel: Panel) -> str:
    record, reference = panel.run.record, panel.experiment.reference
    if record.best is None:
        ours = f"{panel.whose}: diverged at once"
    else:
        shown, when = (record.final, " in the last epoch") if reference.published_at_end else (record.best, "")
        ours = f"{panel.whose} {100 * (test_accuracy(shown) or 0):.1f} %{when}"
        ours += f", diverged after epoch {record.epochs}" if record.status == "failed" else ""
    if reference.published is not None:
        return f"{ours}, published {100 * reference.published:.1f} %"
    return f"{ours}; the report: {reference.comment}" if reference.comment else ours


def _numbers(figure: ReportFigure, panel: Panel) -> str:
    """The result and what the report gives for this very figure, short enough for a narrow panel."""
    best, reference = panel.run.record.best, panel.experiment.reference
    ours = f"best test {100 * best['test_accuracy']:.1f} %" if best else "diverged"
    if reference.published is None or str(reference.figure) != figure.key:
        return ours
    return f"{ours}\n(published {100 * reference.published:.1f} %)"


def _first_history(run: Run) -> list[EpochRow]:
    """The history of the only network, or of the first of several implementations."""
    rows = run.history()
    return [row for row in rows if row.get("implementation") == rows[0].get("implementation")]


@KINDS.register("curves")
def _curves(figure: ReportFigure, panels: Sequence[Panel]) -> matplotlib.figure.Figure:
    histories = {panel.label: _first_history(panel.run) for panel in panels}
    title = _caption(figure, panels)
    if not all(histories.values()):
        return plots.notice(title, "The training diverged in its first epoch: there is no curve to draw.")
    if len(panels) == 1:
        published = panels[0].experiment.reference.published
        return plots.learning_curves(histories[panels[0].label], title, published=published)
    with_numbers = {f"{panel.label}\n{_numbers(figure, panel)}": histories[panel.label] for panel in panels}
    return plots.implementations(with_numbers, title)


@KINDS.register("implementations")
def _implementations(figure: ReportFigure, panels: Sequence[Panel]) -> matplotlib.figure.Figure:
    histories: dict[str, list[EpochRow]] = {}
    for one in panels[0].run.history():
        histories.setdefault(one["implementation"], []).append(one)
    return plots.implementations(histories, _caption(figure, panels))


@KINDS.register("kernels")
def _kernels(figure: ReportFigure, panels: Sequence[Panel]) -> matplotlib.figure.Figure:
    run = panels[0].run
    path = run.folder / "panels.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            decisions, axis, points, labels = (arrays[key] for key in ("decisions", "axis", "points", "labels"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RdfiaError(f"cannot read {path}: {error}; remove the folder to make it again") from error
    assert isinstance(run.config, SvmConfig)
    parameters, _ = machines(run.config)
    drawn = [
        {
            "title": one.label,
            "accuracy": score["test_accuracy"],
            "grid_x": axis,
            "grid_y": axis,
            "decision": decision,
            "points": points,
            "labels": labels,
        }
        for one, score, decision in zip(parameters, run.record.details["scores"], decisions, strict=False)
    ]
    return plots.svm_panels(drawn, title=f"{_caption(figure, panels)}; {PUBLISHED_KERNELS}")


@KINDS.register("sweep")
def _sweep(figure: ReportFigure, panels: Sequence[Panel]) -> matplotlib.figure.Figure:
    rows = panels[0].run.record.details["sweep"]
    return plots.svm_sweep(rows, f"{_caption(figure, panels)}; {PUBLISHED_KERNELS}")


def experiments_of(figure: ReportFigure) -> list[tuple[Experiment, str]]:
    """The experiments that a figure shows, with their labels."""
    return [(REGISTRY[name], label) for name, label in figure.panels]
