"""The report's figures: which experiments each shows, and how it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rdfia_keras.errors import ConfigError, in_any_case
from rdfia_keras.experiments.registry import REGISTRY, Experiment

FigureKind = Literal["curves", "implementations", "kernels", "sweep"]


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report, drawn from records.

    Attributes:
        key: Argument of `rdfia figure`: the report's number, or the name of an extra figure.
        caption: What it shows.
        panels: Experiment and label, from left to right.
        kind: How it is drawn.
    """

    key: str
    caption: str
    panels: tuple[tuple[Experiment, str], ...]
    kind: FigureKind = "curves"

    @property
    def title(self) -> str:
        """How pictures and tables call it."""
        return f"Figure {self.key}" if self.key.isdigit() else "Extra figure"

    @property
    def file(self) -> str:
        """The file's name without folder and ending."""
        return f"figure-{int(self.key):02d}" if self.key.isdigit() else f"figure-{self.key}"


FIGURES: dict[str, ReportFigure] = {}


def _figure(
    key: str | int, caption: str, *names: str, labels: tuple[str, ...] = (), kind: FigureKind = "curves"
) -> None:
    """Register a figure.

    Raises:
        ValueError: When it is registered already.
        KeyError: When it shows an experiment that is not registered.
    """
    experiments = [REGISTRY[name] for name in names]
    figure = ReportFigure(str(key), caption, tuple(zip(experiments, labels or names, strict=True)), kind)
    if figure.key in FIGURES:
        raise ValueError(f"figure {key} is registered already")
    FIGURES[figure.key] = figure


_figure(1, "the perceptron written four ways", "circles", kind="implementations")
_figure(2, "a learning rate of 2", "lr-2")
_figure(
    3,
    "the mini-batch size",
    *("batch-1", "circles", "batch-50"),
    labels=("(a) batch 1", "(b) batch 10", "(c) batch 50"),
)
_figure(4, "four kernels", "kernels", kind="kernels")
_figure(5, "accuracy against C", "kernels", kind="sweep")
_figure(
    6,
    "fully-connected and LeNet-5",
    *("mnist-dense", "mnist-lenet"),
    labels=("(a) fully-connected", "(b) LeNet-5"),
)
_figure(7, "the baseline", "baseline")
_figure(8, "batches of 32", "batch-32")
_figure(9, "batches of 512", "batch-512")
_figure(10, "a learning rate of 1", "lr-1")
_figure(11, "normalized", "normalize")
_figure(12, "crop and flip", "augment")
_figure(13, "intensity and hue", "intensity-hue")
_figure(14, "intensity and contrast", "intensity-contrast")
_figure(15, "affine transformations", "affine")
_figure(16, "perspective", "perspective")
_figure(17, "blur", "blur")
_figure(18, "a learning-rate schedule", "schedule")
_figure(19, "step decay", "step-iteration")
_figure(20, "RMSprop", "rmsprop")
_figure(21, "Adam", "adam")
_figure(22, "dropout", "dropout")
_figure(23, "batch-norm", "batch-norm")
_figure(
    "flips",
    "flips",
    *("mnist-lenet", "mnist-flip", "normalize-keras", "flip"),
    labels=("MNIST", "MNIST flipped", "CIFAR-10", "CIFAR-10 flipped"),
)


def figure_keys(texts: Sequence[str]) -> list[str]:
    """Return the keys of the figures that texts name, `all` for every one.

    Raises:
        ConfigError: If one names none.
    """
    keys = [in_any_case(text, [*FIGURES, "all"]) for text in texts]
    if "all" in keys:
        return list(FIGURES)
    for key in keys:
        if key not in FIGURES:
            extra = ", ".join(name for name in FIGURES if not name.isdigit())
            raise ConfigError(f"there is no figure {key}; the report has 1 to 23, and {extra} beside them")
    return keys


def figures_of(name: str) -> list[str]:
    """Return the keys of the figures that show an experiment."""
    return [key for key, figure in FIGURES.items() if any(name == shown.name for shown, _ in figure.panels)]
