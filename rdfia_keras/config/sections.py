"""Everything that decides a run, declared once: names, types, defaults, help texts and rules.

`MlpConfig`, `SvmConfig` and `CnnConfig` are frozen dataclasses that check themselves, so that an invalid one cannot be
made, from Python or from the command line. The options of `rdfia mlp`, `rdfia svm` and `rdfia cnn` and the records
follow from their fields. Only the standard library is imported: `rdfia --help` needs this module.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from rdfia_keras.config.setting import (
    AT_LEAST_1,
    DEGREE,
    NOT_NEGATIVE,
    POSITIVE,
    RATE,
    SEED,
    SIZE,
    Excludes,
    Ignores,
    Requires,
    Switch,
    check,
    setting,
    settings,
)
from rdfia_keras.errors import ConfigError, in_any_case

# --- names ------------------------------------------------------------------------------------------------------------
# What implements them stands in a dictionary under each name; a test compares the two.

VECTOR_DATASETS = ("circles", "digits", "mnist")
IMAGE_DATASETS = ("cifar10", "mnist", "digits")
# How a file of points ends that stands for a data set of vectors.
POINTS_SUFFIX = ".csv"
# Epochs of a run whose settings repeat no registered experiment.
EPOCHS = {"circles": 150, "mnist": 10}
OTHER_EPOCHS = 30

IMPLEMENTATIONS = ("manual", "tape", "layers", "optimizer")
KERNELS = ("linear", "sigmoid", "rbf", "poly", "linearsvc")
NETWORKS = ("cifar", "lenet", "dense", "blocks", "wide-blocks")
BLOCKS = ("blocks", "wide-blocks")
ACTIVATIONS = ("relu", "gelu", "silu")
AUGMENTATIONS = (
    *("crop", "flip", "vertical-flip", "intensity", "contrast", "hue"),
    *("affine", "rotation", "perspective", "blur", "alternating-flip", "translation", "cutout"),
)
WHITENINGS = ("zca", "pca")
# With the learning rate of each where none is given.
OPTIMIZERS = {"sgd": 0.1, "momentum": 0.1, "nesterov": 0.1, "rmsprop": 0.001, "adam": 0.001}
SCHEDULES = ("constant", "exponential", "step", "step-iteration", "inverse", "triangular")
# Those with decoupled weight decay, a running average of the weights and a rate of their own for some biases.
MODERN_OPTIMIZERS = ("nesterov",)
FRAMEWORKS = ("pytorch", "keras")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
DEVICES = ("auto", "cpu", "gpu")
XLA = ("auto", "on", "off")
# How a run ended; unfinished: its process died or still trains; unreadable: its record is damaged.
STATUSES = ("ok", "failed", "interrupted", "unfinished", "unreadable")


def dataset_name(value: str) -> str:
    """Return a folder's or a CSV file's whole path, so that a resumed run finds it, or the name of a data set."""
    # Unlike `Path.is_dir`, `isdir` answers for a name that is too long for any folder.
    is_path = value not in IMAGE_DATASETS and (value.lower().endswith(POINTS_SUFFIX) or os.path.isdir(value))  # noqa: PTH112
    return str(Path(value).resolve()) if is_path else in_any_case(value, IMAGE_DATASETS)


def named_files(config: "Config") -> dict[str, Path]:
    """Return the files that a config names, by setting."""
    values = {name: (getattr(config, name), setting) for name, setting in settings(config).items() if setting.suffix}
    return {name: Path(value) for name, (value, setting) in values.items() if value and value not in setting.choices}


# --- settings that several configs have -------------------------------------------------------------------------------


def _batch_size(default: int) -> Any:
    return setting(default, "Mini-batch size.", panel="Training", check=AT_LEAST_1)


def _epochs(shown_default: str) -> Any:
    help = "Passes over the training set."
    return setting(
        None, help, panel="Training", check=AT_LEAST_1, shown_default=shown_default, defines_experiment=False
    )


def _seed(what: str, panel: str = "Training") -> Any:
    return setting(0, f"Seed of {what}.", panel=panel, check=SEED, defines_experiment=False)


def _validation() -> Any:
    help = "Fraction of the training set held out for choosing the best epoch."
    return setting(0.0, help, panel="Training", check=RATE, shown_default="none: the test set chooses")


def _train_examples() -> Any:
    help = "Number of training examples to use: a stratified sample, drawn with the seed."
    return setting(None, help, panel="Data", check=AT_LEAST_1, shown_default="all")


# --- configs ----------------------------------------------------------------------------------------------------------


class Config:
    """What the configs of all sections share; each of them is a frozen dataclass.

    Attributes:
        section: The section whose runs it decides.
        rules: Rules between settings, checked in this order.
        dataset: Name of the data set.
        seed: Seed of everything random.
        epochs: Passes over the training set; None for the usual number, and for what has no epochs.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    section: ClassVar[str] = ""
    rules: ClassVar[tuple[Requires | Excludes, ...]] = ()

    dataset: str
    seed: int
    epochs: int | None

    def __post_init__(self) -> None:
        check(self)

    def resolve(self) -> Self:
        """Return the config with each default that depends on other settings filled in."""
        return self

    def identity(self) -> dict[str, Any]:
        """Return the resolved settings that define the experiment."""
        resolved = self.resolve()
        return {name: getattr(resolved, name) for name, setting in settings(self).items() if setting.defines_experiment}

    @property
    def epochs_shape_it(self) -> bool:
        """Whether a training over more epochs differs from the first epoch on, so that a run cannot be made longer."""
        return False

    def experiment_key(self) -> str:
        """Return as text what all runs of one experiment have in common, whatever seed, length, precision and data."""
        return json.dumps([self.section, self.identity()], sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values by field, for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a config from what `to_dict` returned.

        Raises:
            ConfigError: When a value is not allowed, or a setting does not exist.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ConfigError(f"{cls.section} has no setting {', '.join(unknown)}", tuple(unknown))
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class MlpConfig(Config):
    """A perceptron with one hidden layer, trained by plain SGD (homework part 2.1)."""

    section: ClassVar[str] = "mlp"
    rules: ClassVar[tuple[Requires | Excludes, ...]] = (
        Requires("lbfgs", "implementation", ("manual", "all")),
        Ignores("lbfgs", "lr"),
        Ignores("lbfgs", "batch_size"),
    )

    dataset: str = setting(
        "circles",
        "Data set of vectors, or a CSV file of points: columns x1, x2, class and, if you want, split (train or test).",
        panel="Data",
        choices=VECTOR_DATASETS,
        suffix=POINTS_SUFFIX,
    )
    train_examples: int | None = _train_examples()
    implementation: str = setting(
        "all",
        "Implementation to train: backprop by hand, GradientTape, Keras layers, Keras optimizer, or all four.",
        panel="Model",
        choices=(*IMPLEMENTATIONS, "all"),
        defines_experiment=False,
    )
    hidden_units: int = setting(10, "Hidden units, n_h.", panel="Model", check=SIZE)
    init_std: float = setting(0.3, "Standard deviation of the initial weights.", panel="Model", check=NOT_NEGATIVE)
    init: str | None = setting(
        None,
        "JSON file with the initial weights W_h, b_h, W_y and b_y.",
        panel="Model",
        suffix=".json",
        shown_default="drawn",
    )
    batch_size: int = _batch_size(10)
    lr: float = setting(0.07, "Learning rate, eta.", panel="Training", check=POSITIVE)
    lbfgs: bool = setting(
        False,
        "Train with SciPy's L-BFGS on the hand-written gradients instead of SGD, one iteration per epoch.",
        panel="Training",
    )
    epochs: int | None = _epochs(
        "150 on points of a plane, 10 on mnist, 30 on digits; or those of the experiment in rdfia list"
    )
    validation: float = _validation()
    seed: int = _seed("the weights and of the order")

    def resolve(self) -> Self:
        """Return the config with whole paths and the usual number of epochs."""
        paths: dict[str, Any] = {name: str(path.resolve()) for name, path in named_files(self).items()}
        usual = EPOCHS["circles"] if "dataset" in paths else EPOCHS.get(self.dataset, OTHER_EPOCHS)
        return replace(self, **paths, epochs=self.epochs or usual)

    @property
    def implementations(self) -> tuple[str, ...]:
        """Names of the implementations that are trained, in order."""
        if self.lbfgs:
            return ("manual",)
        return IMPLEMENTATIONS if self.implementation == "all" else (self.implementation,)


@dataclass(frozen=True, kw_only=True)
class SvmConfig(Config):
    """Support vector machines: the homework's panels and sweep, or one kernel and its sweep (homework part 2.2)."""

    section: ClassVar[str] = "svm"
    rules: ClassVar[tuple[Requires | Excludes, ...]] = (
        Requires("C", "kernel"),
        Requires("degree", "kernel", ("poly",)),
    )
    epochs: ClassVar[None] = None  # type: ignore[misc]

    dataset: str = setting("circles", "Data set of vectors.", panel="Data", choices=VECTOR_DATASETS)
    kernel: str | None = setting(
        None,
        "Kernel to fit at one C and to sweep over C.",
        panel="Model",
        choices=KERNELS,
        shown_default="the homework's panels and sweep",
    )
    C: float | None = setting(
        None,
        "Penalty of margin violations.",
        panel="Model",
        flag="--C",
        check=POSITIVE,
        shown_default="1 with --kernel",
    )
    degree: int | None = setting(
        None, "Degree of the polynomial kernel.", panel="Model", check=DEGREE, shown_default="2 with --kernel poly"
    )
    seed: int = _seed("linearsvc's coordinate order", panel="Model")

    def resolve(self) -> Self:
        """Return the config with the usual C and degree of its kernel."""
        if self.kernel is None:
            return self
        degree = (self.degree or 2) if self.kernel == "poly" else None
        return replace(self, C=self.C or 1.0, degree=degree)


@dataclass(frozen=True, kw_only=True)
class CnnConfig(Config):
    """A convolutional network on images (homework parts 4 and 5)."""

    section: ClassVar[str] = "cnn"
    rules: ClassVar[tuple[Requires | Excludes, ...]] = (
        Requires("batch_norm", "network", ("cifar", *BLOCKS)),
        Requires("activation", "network", BLOCKS),
        Requires("whitening_conv", "network", BLOCKS),
        Requires("dirac", "network", BLOCKS),
        Requires("fast_batch_norm", "batch_norm"),
        Requires("weight_decay", "optimizer", MODERN_OPTIMIZERS),
        Requires("lookahead", "optimizer", MODERN_OPTIMIZERS),
        Requires("fast_batch_norm", "optimizer", MODERN_OPTIMIZERS),
        Requires("whitening_epsilon", "whitening"),
        Excludes("whitening", "normalize"),
    )

    dataset: str = setting(
        "cifar10",
        "cifar10, mnist, digits, or a folder with train/CLASS/*.png and test/CLASS/*.png.",
        panel="Data",
    )
    train_examples: int | None = _train_examples()
    network: str = setting(
        "cifar",
        "The homework's convnet, LeNet-5, one fully-connected hidden layer, or 3x3 blocks, narrow or wide.",
        panel="Model",
        choices=NETWORKS,
    )
    normalize: bool | None = setting(
        None,
        "Standardize each channel with the training set's mean and standard deviation.",
        panel="Ladder",
        shown_default="on with augmentations, a schedule, dropout or batch-norm; off with whitening",
    )
    augmentations: tuple[str, ...] = setting(
        (),
        "Random transformation of the training images; repeat it for several, in order.",
        panel="Ladder",
        choices=AUGMENTATIONS,
        switch=Switch("--augment", ("crop", "flip"), "Random crop and horizontal flip of the training images."),
    )
    schedule: str = setting("constant", "Learning-rate schedule.", panel="Ladder", choices=SCHEDULES)
    dropout_rate: float = setting(
        0.0,
        "Probability of dropping a unit.",
        panel="Ladder",
        check=RATE,
        switch=Switch("--dropout", 0.5, "Dropout before the last layer."),
        shown_default="0.5 with --dropout",
    )
    batch_norm: bool = setting(False, "Batch normalization after every convolution.", panel="Ladder")
    whitening: str | None = setting(None, "Whitening in place of --normalize.", panel="Ladder", choices=WHITENINGS)
    whitening_epsilon: float | None = setting(
        None,
        "Regularization of --whitening, added to the variances.",
        panel="Ladder",
        check=POSITIVE,
        shown_default="0.01 with --whitening",
    )
    activation: str | None = setting(
        None, "Activation of the blocks.", panel="Modern", choices=ACTIVATIONS, shown_default="relu"
    )
    whitening_conv: bool = setting(
        False, "Make the first convolution of the blocks whiten 2x2 patches of the training images.", panel="Modern"
    )
    label_smoothing: float = setting(
        0.0, "Fraction of each target that is spread evenly over all classes.", panel="Modern", check=RATE
    )
    dirac: bool = setting(False, "Start the blocks' kernels as the identity (Dirac).", panel="Modern")
    fast_batch_norm: bool = setting(
        False,
        "Batch normalization without scale, with a momentum of 0.6 and biases that learn 64 times as fast.",
        panel="Modern",
    )
    lookahead: bool = setting(False, "Pull the weights back to their running average every 5 steps.", panel="Modern")
    weight_decay: float = setting(
        0.0, "Each update subtracts this, times the learning rate, times the weight.", panel="Modern", check=RATE
    )
    framework_defaults: str = setting(
        "pytorch",
        "Framework whose defaults are used for initial weights, batch-norm, RMSprop and Adam; the report used PyTorch.",
        panel="Model",
        choices=FRAMEWORKS,
    )
    optimizer: str = setting("sgd", "Optimizer.", panel="Training", choices=tuple(OPTIMIZERS))
    lr: float | None = setting(
        None,
        "Learning rate.",
        panel="Training",
        check=POSITIVE,
        shown_default="0.1; 0.001 for adam and rmsprop",
    )
    batch_size: int = _batch_size(128)
    epochs: int | None = _epochs("30, 10 on mnist; or those of the experiment in rdfia list")
    validation: float = _validation()
    precision: str = setting(
        "float32", "Mixed-precision policy.", panel="Training", choices=PRECISIONS, defines_experiment=False
    )
    tta: bool | None = setting(
        None,
        "Also record the final test accuracy with predictions averaged over flips and one-pixel shifts of an image.",
        panel="Modern",
        shown_default="on with the blocks",
        defines_experiment=False,
    )
    xla: str = setting(
        "auto",
        "What XLA compiles. on: the training step; off: nothing; auto: the training step on a GPU and on JAX, else "
        "the augmentation.",
        panel="Run",
        choices=XLA,
        defines_experiment=False,
    )
    steps_per_execution: int | None = setting(
        None,
        "Training steps in one call; the loss and Ctrl-C are checked after each call.",
        panel="Run",
        check=AT_LEAST_1,
        shown_default="32 on a GPU, else 8",
        defines_experiment=False,
    )
    seed: int = _seed("weights, order, augmentation and dropout")

    @property
    def has_improvements(self) -> bool:
        """Whether an improvement above normalization is on: the homework has none of them without it."""
        return bool(self.augmentations or self.dropout_rate or self.batch_norm or self.schedule != "constant")

    @property
    def epochs_shape_it(self) -> bool:
        """Whether a schedule or an average goes by the whole training."""
        return self.schedule == "triangular" or self.lookahead

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a config from what `to_dict` returned; runs from before a choice of defaults have Keras's."""
        return super().from_dict({"framework_defaults": "keras", **values})

    def resolve(self) -> Self:
        """Return the config with what follows from its improvements, optimizer and data set."""
        normalize = self.has_improvements and self.whitening is None
        return replace(
            self,
            normalize=normalize if self.normalize is None else self.normalize,
            whitening_epsilon=(self.whitening_epsilon or 0.01) if self.whitening else None,
            lr=self.lr or OPTIMIZERS[self.optimizer],
            activation=(self.activation or "relu") if self.network in BLOCKS else None,
            tta=self.network in BLOCKS if self.tta is None else self.tta,
            epochs=self.epochs or EPOCHS.get(self.dataset, OTHER_EPOCHS),
        )


CONFIGS: dict[str, type[Config]] = {kind.section: kind for kind in (MlpConfig, SvmConfig, CnnConfig)}


# --- how a run is carried out -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How and where a command works, whatever its config.

    Attributes:
        until: The last epoch that a convnet is trained, where a schedule goes by all of them; no option.
    """

    until: int | None = None
    out: Path = setting(Path("results"), "Folder for results.")
    data_dir: Path | None = setting(
        None, "Folder with circles.mat, mnist.npz or cifar-10-batches-py/.", panel="Data", envvar="RDFIA_DATA"
    )
    quick: bool = setting(
        False,
        "Smoke test: at most 500 examples and 2 epochs (mlp: 2,000 and 20 epochs), even with --epochs; at most 3 "
        "seeds. All output is marked QUICK.",
    )
    overwrite: bool = setting(False, "Replace an earlier run's folder instead of numbering a new one.")
    device: str = setting("auto", "Device to compute on.", choices=DEVICES)
    deterministic: bool = setting(False, "Use only operations that are deterministic on every device; may be slower.")
    tensorboard: bool = setting(False, "Write TensorBoard logs into the run's folder; needs the extra 'tensorboard'.")

    def __post_init__(self) -> None:
        check(self)
