"""Experiments: frozen declarations of everything that decides a run, with the homework's figure and published value.

A new experiment is one `replace(...)` line in the registry below; a figure of the report is one line in `FIGURES`.
"""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class MlpExperiment:
    """A perceptron with one hidden layer (homework part 2.1).

    Attributes:
        figure: Of the report.
        question: Of the report: a number of its parts 3 to 5, `T11` of its theory, `2.1` and `2.2` of those parts.
        published: Test accuracy in the report, as a fraction.
        reported: What the report says of it in words, where it gives no number.
        dataset: `circles`, `digits` or `mnist`.
        hidden: n_h, the number of hidden units.
        std: Standard deviation of the initial weights.
        lr: eta, the learning rate of plain SGD.
    """

    name: str
    figure: int | None = None
    question: int | str | None = None
    published: float | None = None
    reported: str = ""
    dataset: str = "circles"
    hidden: int = 10
    std: float = 0.3
    epochs: int = 150
    batch_size: int = 10
    lr: float = 0.07
    seed: int = 0

    section = "mlp"


@dataclass(frozen=True)
class Setting:
    """What decides a support vector machine.

    Attributes:
        kernel: One of `svm.KERNELS`.
        C: How much a point on the wrong side of its margin costs; above 0.
        degree: Of the polynomial; the other kernels ignore it.
    """

    kernel: str
    C: float
    degree: int = 3

    @property
    def label(self) -> str:
        """For a title, such as `poly degree 2, C 100`."""
        name = f"poly degree {self.degree}" if self.kernel == "poly" else self.kernel
        return f"{name}, C {self.C:.3g}"


@dataclass(frozen=True)
class SvmExperiment:
    """Which machines are fitted (homework part 2.2).

    Attributes:
        settings: Each becomes a row of the table; the first four, or the only one, a panel too.
        sweep: Settings of the curves over C.
        published: Best test accuracy in the report, as a fraction.
    """

    name: str
    dataset: str
    settings: tuple[Setting, ...]
    sweep: tuple[Setting, ...]
    seed: int = 0
    figure: int | None = None
    question: int | str | None = None
    published: float | None = None
    reported: str = ""

    section = "svm"


@dataclass(frozen=True)
class CnnExperiment:
    """A convolutional network on images (homework parts 4 and 5).

    Attributes:
        figure, question, published, reported: As of `MlpExperiment`; published is the best test accuracy.
        others: Lowest and highest best test accuracy of other students' public runs, where known.
        base: The experiment that this one changes in one respect.
        model: `cifar` (the homework's network), `lenet` or `dense` (the two of figure 6).
        normalize: Subtract the training set's mean and divide by its standard deviation, per channel.
        whiten: `zca` or `pca` instead of that (question 21); empty for none.
        epsilon: Added to the variances before whitening divides by their root.
        augment: Random transformations of the training images, in order: names of `cnn.TRANSFORMATIONS`.
        dropout: Probability of dropping a unit between fc4 and fc5; 0 for none.
        schedule: `constant`, `exponential`, `step` or `inverse`, applied once an epoch.
    """

    name: str
    figure: int | None = None
    question: int | str | None = None
    published: float | None = None
    reported: str = ""
    others: tuple[float, float] | None = None
    base: str | None = None
    dataset: str = "cifar10"
    model: str = "cifar"
    epochs: int = 30
    batch_size: int = 128
    lr: float = 0.1
    normalize: bool = False
    whiten: str = ""
    epsilon: float = 0.01
    augment: tuple[str, ...] = ()
    dropout: float = 0.0
    batch_norm: bool = False
    optimizer: str = "sgd"
    schedule: str = "constant"
    precision: str = "float32"
    seed: int = 0

    section = "cnn"


Experiment = MlpExperiment | SvmExperiment | CnnExperiment


def variant(base: CnnExperiment, name: str, **changes) -> CnnExperiment:
    """`base` with one thing changed; figure, question and published value are its own or none."""
    own = {"figure": None, "question": None, "published": None, "reported": "", "others": None}
    return replace(base, **{**own, "name": name, "base": base.name, **changes})


# --- part 2.1, the perceptron on the circles --------------------------------------------------------------------------

CIRCLES = MlpExperiment("circles", figure=1, question="2.1", published=0.94)
LR_2 = replace(
    CIRCLES, name="lr-2", figure=2, question="2.1", published=None, reported="pretty good scores, very unstable", lr=2.0
)
BATCH_1 = replace(CIRCLES, name="batch-1", figure=3, published=None, reported="fast and unstable", batch_size=1)
BATCH_50 = replace(BATCH_1, name="batch-50", reported="takes very long to converge", batch_size=50)

# --- part 2.2, support vector machines --------------------------------------------------------------------------------

# The homework's figure 4, (a) to (d).
FIGURE_4 = (Setting("linear", 0.01), Setting("sigmoid", 0.1), Setting("rbf", 0.01), Setting("poly", 100.0, degree=2))
# Figure 5 has these for C. Its axis is not described in the homework: six decades show both ends of each curve.
SWEEP_C = tuple(10 ** (half / 2) for half in range(-6, 7))
FIGURE_5 = tuple(Setting(kernel, C, degree=2) for kernel in ("poly", "rbf") for C in SWEEP_C)
_MORE_KERNELS = (Setting("linearsvc", 0.01), *(Setting("poly", 1.0, degree) for degree in range(1, 6)))
SVM_KERNELS = SvmExperiment(
    "kernels", "circles", (*FIGURE_4, *_MORE_KERNELS), FIGURE_5, figure=4, question="2.2", published=0.955
)

# --- part 4, the convnet ----------------------------------------------------------------------------------------------

MNIST_DENSE = CnnExperiment(
    "mnist-dense", figure=6, question=13, published=0.949, dataset="mnist", model="dense", epochs=10
)
MNIST_LENET = replace(MNIST_DENSE, name="mnist-lenet", published=0.989, model="lenet")
BASELINE = CnnExperiment("baseline", figure=7, question=15, published=0.70, others=(0.66, 0.73))
BATCH_32 = variant(BASELINE, "batch-32", figure=8, question=16, reported="unstable, accuracy stays bad", batch_size=32)
BATCH_512 = variant(BASELINE, "batch-512", figure=9, question=16, reported="far too slow to converge", batch_size=512)
LR_1 = variant(BASELINE, "lr-1", figure=10, question=16, reported="does not converge", lr=1.0)

# --- part 5, the ladder: each rung on top of the one before -----------------------------------------------------------

NORMALIZE = variant(BASELINE, "normalize", figure=11, question=19, published=0.758, others=(0.73, 0.76), normalize=True)
AUGMENT = variant(
    NORMALIZE,
    "augment",
    figure=12,
    question=22,
    published=0.80,
    others=(0.79, 0.81),
    augment=("crop", "flip"),
    epochs=50,
)
SCHEDULE = variant(
    AUGMENT, "schedule", figure=18, question=26, published=0.81, others=(0.76, 0.82), schedule="exponential"
)
DROPOUT = variant(SCHEDULE, "dropout", figure=22, question=29, published=0.82, others=(0.82, 0.84), dropout=0.5)
BATCH_NORM = variant(
    DROPOUT, "batch-norm", figure=23, question=34, published=0.85, others=(0.83, 0.85), batch_norm=True
)
LADDER = (BASELINE, NORMALIZE, AUGMENT, SCHEDULE, DROPOUT, BATCH_NORM)

# --- part 5, the bonus ------------------------------------------------------------------------------------------------

# Question 21: other ways of normalising.
ZCA = variant(NORMALIZE, "zca", question=21, normalize=False, whiten="zca")
PCA = variant(NORMALIZE, "pca", question=21, normalize=False, whiten="pca")
# Question 23: a mirrored cat is a cat, a mirrored 2 is nothing.
FLIP = variant(NORMALIZE, "flip", question=23, augment=("flip",))
MNIST_FLIP = variant(MNIST_LENET, "mnist-flip", question=23, augment=("flip",))


def _transformed(name: str, *transformations: str, **report) -> CnnExperiment:
    """Question 25: further transformations after crop and flip."""
    return variant(AUGMENT, name, question=25, epochs=30, augment=(*AUGMENT.augment, *transformations), **report)


INTENSITY_HUE = _transformed("intensity-hue", "intensity", "hue", figure=13, reported="poor, hue worst of all")
INTENSITY_CONTRAST = _transformed(
    "intensity-contrast", "intensity", "contrast", figure=14, reported="better than hue, much worse than crop and flip"
)
AFFINE = _transformed("affine", "affine", figure=15, reported="pretty bad")
PERSPECTIVE = _transformed("perspective", "perspective", figure=16, reported="best of these, similar to crop and flip")
BLUR = _transformed("blur", "blur", figure=17, published=0.74)
ROTATION = _transformed("rotation", "rotation", reported="part of affine")
VFLIP = _transformed("vertical-flip", "vertical-flip", reported="similar to the horizontal flip")
# Question 28: other schedules and optimizers.
STEP = variant(AUGMENT, "step", figure=19, question=28, reported="decreases too fast", schedule="step", epochs=30)
INVERSE = variant(AUGMENT, "inverse", question=28, schedule="inverse", epochs=30)
RMSPROP = variant(
    AUGMENT, "rmsprop", figure=20, question=28, reported="worse than SGD", optimizer="rmsprop", lr=0.001, epochs=30
)
ADAM = variant(AUGMENT, "adam", figure=21, question=28, published=0.81, optimizer="adam", lr=0.001, epochs=30)
# At the ladder's learning rate a momentum of 0.9 makes steps ten times as long; at a tenth of it, equally long ones.
MOMENTUM_01 = variant(AUGMENT, "momentum-lr-0.1", question=28, optimizer="momentum", epochs=30)
MOMENTUM = variant(AUGMENT, "momentum", question=28, optimizer="momentum", lr=0.01, epochs=30)
NESTEROV = variant(AUGMENT, "nesterov", question=28, optimizer="nesterov", lr=0.01, epochs=30)

STUDIED = (BATCH_32, BATCH_512, LR_1)
TRANSFORMED = (INTENSITY_HUE, INTENSITY_CONTRAST, AFFINE, PERSPECTIVE, BLUR, ROTATION, VFLIP)
OPTIMIZED = (STEP, INVERSE, RMSPROP, ADAM, MOMENTUM_01, MOMENTUM, NESTEROV)
BONUS = (*STUDIED, *TRANSFORMED, *OPTIMIZED, ZCA, PCA, FLIP, MNIST_DENSE, MNIST_LENET, MNIST_FLIP)

REGISTRY: dict[str, Experiment] = {e.name: e for e in (CIRCLES, LR_2, BATCH_1, BATCH_50, SVM_KERNELS, *LADDER, *BONUS)}


@dataclass(frozen=True)
class Figure:
    """A figure of the report, made again from kept records.

    Attributes:
        number: In the report, or 0 for one of ours.
        caption: What it shows.
        panels: Name of an experiment and its label, from left to right.
        kind: `curves`, `implementations`, `kernels` or `sweep`.
    """

    number: int
    caption: str
    panels: tuple[tuple[str, str], ...]
    kind: str = "curves"

    @property
    def title(self) -> str:
        return f"Figure {self.number}" if self.number else "Extra figure"

    @property
    def file(self) -> str:
        """Its name without folder and ending."""
        return f"figure-{self.number:02d}" if self.number else "figure-" + self.caption.replace(" ", "-")


def _figure(number: int, caption: str, *names: str, labels: tuple[str, ...] = (), kind: str = "curves") -> Figure:
    return Figure(number, caption, tuple(zip(names, labels or names, strict=True)), kind)


# By what `rdfia figure` calls them: the report's number, or the caption of one of ours.
FIGURES = {
    str(figure.number or figure.caption): figure
    for figure in (
        _figure(1, "the perceptron written four ways", "circles", kind="implementations"),
        _figure(2, "a learning rate of 2", "lr-2"),
        _figure(
            3,
            "the size of a batch",
            *("batch-1", "circles", "batch-50"),
            labels=("(a) batch 1", "(b) batch 10", "(c) batch 50"),
        ),
        _figure(4, "four kernels", "kernels", kind="kernels"),
        _figure(5, "accuracy against C", "kernels", kind="sweep"),
        _figure(
            6,
            "fully-connected and LeNet-5",
            "mnist-dense",
            "mnist-lenet",
            labels=("(a) fully-connected", "(b) LeNet-5"),
        ),
        _figure(7, "the baseline", "baseline"),
        _figure(8, "batches of 32", "batch-32"),
        _figure(9, "batches of 512", "batch-512"),
        _figure(10, "a learning rate of 1", "lr-1"),
        _figure(11, "normalised", "normalize"),
        _figure(12, "crop and flip", "augment"),
        _figure(13, "intensity and hue", "intensity-hue"),
        _figure(14, "intensity and contrast", "intensity-contrast"),
        _figure(15, "affine transformations", "affine"),
        _figure(16, "perspective", "perspective"),
        _figure(17, "blur", "blur"),
        _figure(18, "a learning-rate schedule", "schedule"),
        _figure(19, "step decay", "step"),
        _figure(20, "RMSprop", "rmsprop"),
        _figure(21, "Adam", "adam"),
        _figure(22, "dropout", "dropout"),
        _figure(23, "batch-norm", "batch-norm"),
        _figure(
            0,
            "flips",
            *("mnist-lenet", "mnist-flip", "normalize", "flip"),
            labels=("MNIST", "MNIST flipped", "CIFAR-10", "CIFAR-10 flipped"),
        ),
    )
}


@dataclass(frozen=True)
class Study:
    """One setting of the perceptron over several values, each over several seeds (part 2.1 and theory 10 and 11).

    Attributes:
        field: Of `MlpExperiment`; `optimizer` for how the steps are taken.
        values: What it is set to.
        question: Which the study answers.
        label: Of the axis.
    """

    name: str
    field: str
    values: tuple[float | str, ...]
    question: str
    label: str


STUDIES = {
    study.name: study
    for study in (
        Study(
            "learning-rate",
            "lr",
            (0.003, 0.01, 0.03, 0.07, 0.2, 0.5, 1.0, 2.0, 5.0),
            "T11, 2.1",
            "learning rate η",
        ),
        Study("batch-size", "batch_size", (1, 5, 10, 20, 50, 200), "T10, 2.1", "batch size"),
        Study("init", "std", (0.0, 0.01, 0.1, 0.3, 1.0, 3.0), "2.1", "standard deviation of the initial weights"),
        Study("hidden", "hidden", (1, 2, 3, 4, 6, 10, 30, 100), "T4", "hidden units n_h"),
        Study("lbfgs", "optimizer", ("SGD", "L-BFGS"), "28", "method"),
    )
}

# What may differ between a run and the declared experiment whose published value it stands beside.
_NOT_COMPARED = (
    *("name", "figure", "question", "published", "reported", "others", "base"),
    *("seed", "epochs", "precision"),
)

# How long a run is that repeats no declaration.
_EPOCHS = {"circles": 150, "mnist": 10, "digits": 30}
_OTHER_EPOCHS = 30


def identify(experiment: MlpExperiment | CnnExperiment, epochs: int | None) -> MlpExperiment | CnnExperiment:
    """Complete what the options say: name, figure and published value of the declaration that it repeats.

    Only seed, precision and the number of epochs may differ from a declaration. Without one, the name is made of the
    options and nothing published stands beside the run.

    Args:
        experiment: With any name, figure, question, published value and epochs: they are set here.
        epochs: What the user asked for; None for the declaration's, or for what suits the data set.
    """
    for known in REGISTRY.values():
        if same_settings(known, experiment):
            return replace(known, seed=experiment.seed, epochs=epochs or known.epochs, **_precision(experiment))
    own = {field: None for field in ("figure", "question", "published", "others", "base") if hasattr(experiment, field)}
    return replace(
        experiment,
        name=describe(experiment),
        reported="",
        epochs=epochs or _EPOCHS.get(experiment.dataset, _OTHER_EPOCHS),
        **own,
    )


def _precision(experiment: MlpExperiment | CnnExperiment) -> dict:
    return {"precision": experiment.precision} if isinstance(experiment, CnnExperiment) else {}


def same_settings(one: Experiment, other: Experiment) -> bool:
    """Whether two experiments differ at most in name, seed, precision, number of epochs, and what was published."""
    return type(one) is type(other) and _settings(one) == _settings(other)


def _settings(experiment: Experiment) -> dict:
    values = {key: value for key, value in asdict(experiment).items() if key not in _NOT_COMPARED}
    if not values.get("whiten"):
        values.pop("epsilon", None)
    return values


def describe(experiment: MlpExperiment | CnnExperiment) -> str:
    """A folder name made of what differs from the section's first experiment: `digits-normalize-augment-dropout`."""
    default = CIRCLES if isinstance(experiment, MlpExperiment) else BASELINE
    words = []
    for key, value in _settings(experiment).items():
        if value == getattr(default, key):
            continue
        if key == "dataset":
            words.append(re.sub(r"[^\w.-]+", "-", Path(value).name) or "images")
        elif key == "augment":
            words += ["augment"] if value == AUGMENT.augment else value
        elif isinstance(value, str):
            words.append(value)
        elif isinstance(value, bool):
            words.append(key.replace("_", "-"))
        elif key == "dropout" and value == DROPOUT.dropout:
            words.append("dropout")
        else:
            words.append(f"{key.replace('_', '-')}-{value:g}")
    if isinstance(experiment, CnnExperiment) and words and not experiment.normalize and _on_a_rung(experiment):
        words.append("no-normalize")
    name = "-".join(words) or default.name
    return f"{name}-other" if name in REGISTRY else name


def _on_a_rung(experiment: CnnExperiment) -> bool:
    """Whether a rung above normalize is on: the homework has none of them without it."""
    rungs = (experiment.augment, experiment.dropout, experiment.batch_norm, experiment.schedule != "constant")
    return any(rungs) and not experiment.whiten
