"""Everything that decides a run, declared once: types, defaults, help texts and rules.

`MlpConfig`, `SvmConfig` and `CnnConfig` are frozen dataclasses that check themselves, so that an invalid one cannot be
made, from Python or from the command line. The options of `rdfia mlp`, `rdfia svm` and `rdfia cnn`, the records and the
checks of a resume follow from their fields. Only the standard library is imported: `rdfia --help` needs this module.
"""

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from rdfia_keras.errors import ConfigError, did_you_mean

# --- names ------------------------------------------------------------------------------------------------------------
# What implements a name registers itself under it; a name without an implementation fails a test.

VECTOR_DATASETS = ("circles", "digits", "mnist")
IMAGE_DATASETS = ("cifar10", "mnist", "digits")
# Of a file of points that stands for a data set of vectors.
POINTS_SUFFIX = ".csv"
# How long a run is whose settings repeat no registered experiment.
EPOCHS = {"circles": 150, "mnist": 10}
OTHER_EPOCHS = 30

IMPLEMENTATIONS = ("manual", "tape", "layers", "optimizer")
KERNELS = ("linear", "sigmoid", "rbf", "poly", "linearsvc")
NETWORKS = ("cifar", "lenet", "dense")
AUGMENTATIONS = (
    *("crop", "flip", "vertical-flip", "intensity", "contrast", "hue"),
    *("affine", "rotation", "perspective", "blur"),
)
WHITENINGS = ("zca", "pca")
# With the learning rate of each where none is given.
OPTIMIZERS = {"sgd": 0.1, "momentum": 0.1, "nesterov": 0.1, "rmsprop": 0.001, "adam": 0.001}
SCHEDULES = ("constant", "exponential", "step", "step-iteration", "inverse")
FRAMEWORKS = ("keras", "pytorch")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
DEVICES = ("auto", "cpu", "gpu")
XLA = ("auto", "on", "off")
# How a run ended; unfinished: its process died or still trains; unreadable: its record is damaged.
STATUSES = ("ok", "failed", "interrupted", "unfinished", "unreadable")
EXPLANATIONS = (
    *("conv", "dense-as-conv", "receptive-field", "layers", "bow-svm", "start", "whitening", "dropout", "loss"),
    *("backprop-cost", "softmax", "likelihood"),
)

# --- one setting ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """A condition on one value, and what an error says when it does not hold."""

    says: str
    holds: Callable[[Any], bool]
    example: Any


POSITIVE = Check("must be a finite number above 0", lambda value: value > 0 and math.isfinite(value), 0.5)
NOT_NEGATIVE = Check("must be a finite number, at least 0", lambda value: value >= 0 and math.isfinite(value), 0.5)
RATE = Check("must be between 0 and 1 (0: none)", lambda value: 0 <= value < 1, 0.25)
FRACTION = Check("must be between 0 and 1", lambda value: 0 <= value <= 1, 0.5)
AT_LEAST_1 = Check("must be at least 1", lambda value: value >= 1, 3)
AT_LEAST_2 = Check("must be at least 2", lambda value: value >= 2, 3)
PIXELS = Check("must be at least 0", lambda value: value >= 0, 3)
DEGREE = Check("must be between 1 and 10", lambda value: 1 <= value <= 10, 4)
SEED = Check("must be between 0 and 4294967295", lambda value: 0 <= value < 2**32, 7)


@dataclass(frozen=True)
class Switch:
    """A flag without a value that stands for a usual one: `--dropout` for a rate of 0.5."""

    flag: str
    value: Any
    help: str


@dataclass(frozen=True)
class Setting:
    """What is known of a setting besides its type and default.

    Attributes:
        help: One line for `--help`.
        panel: Of the help page.
        flag: What people type; by default `--` and the field's name.
        choices: The values that it may take, or each value of a tuple.
        suffix: Of a file that it may name, beside its choices: `.csv`.
        check: A condition on its value, or on each value of a tuple.
        switch: A flag that sets it to a usual value. A tuple's own flag then appends to that value; any other needs it.
        shown_default: The default in words, where it depends on other settings.
        identity: Whether it makes another experiment. Two runs that differ in other settings only are runs of one
            experiment.
        envvar: An environment variable that may give the value.
    """

    help: str
    panel: str = "Run"
    flag: str = ""
    choices: tuple[str, ...] = ()
    suffix: str = ""
    check: Check | None = None
    switch: Switch | None = None
    shown_default: str = ""
    identity: bool = True
    envvar: str = ""


def setting(default: Any, help: str, **facts: Any) -> Any:
    """A dataclass field with its `Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(help, **facts)})


def settings(config: Any) -> dict[str, Setting]:
    """The `Setting` of each field of a config, or of its class."""
    return {field.name: field.metadata["setting"] for field in fields(config) if "setting" in field.metadata}


def dataset_name(value: str) -> str:
    """A folder's or a CSV file's whole path, so that a resumed run finds it from anywhere; another name as it is."""
    is_path = value not in IMAGE_DATASETS and (value.endswith(POINTS_SUFFIX) or Path(value).is_dir())
    return str(Path(value).resolve()) if is_path else value


def named_files(config: "Config") -> dict[str, Path]:
    """The files that a config names, by setting."""
    values = {name: getattr(config, name) for name, known in settings(config).items() if known.suffix}
    return {
        name: Path(value) for name, value in values.items() if value and value not in settings(config)[name].choices
    }


def flag(name: str, known: Setting) -> str:
    """What people type for a setting."""
    return known.flag or "--" + name.replace("_", "-")


def value_type(annotation: Any) -> tuple[type, bool, bool]:
    """Of `int | None`, `tuple[str, ...]` and the like: the type of one value, whether None may stand, whether many."""
    kinds = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    optional = type(None) in kinds
    kind = next(kind for kind in kinds if kind is not type(None))
    if typing.get_origin(kind) is tuple:
        return typing.get_args(kind)[0], optional, True
    return kind, optional, False


# --- rules between settings -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Requires:
    """One setting that is only possible with certain values of another, or with any value that is set."""

    field: str
    other: str
    values: tuple[str, ...] = ()

    def is_broken_by(self, config: "Config") -> bool:
        value = getattr(config, self.other)
        return is_set(config, self.field) and (value not in self.values if self.values else value is None)

    def says(self, config: "Config | type[Config]") -> str:
        values = f" {' or '.join(self.values)}" if self.values else ""
        return f"{label(config, self.field)} needs {label(config, self.other)}{values}"


@dataclass(frozen=True)
class Excludes:
    """Two settings that do not go together."""

    field: str
    other: str

    def is_broken_by(self, config: "Config") -> bool:
        return is_set(config, self.field) and is_set(config, self.other)

    def says(self, config: "Config | type[Config]") -> str:
        return f"{label(config, self.field)} and {label(config, self.other)} exclude each other: leave one out"


def is_set(config: "Config", name: str) -> bool:
    """Whether a setting is anything but off: None, False, 0 and an empty tuple are."""
    return bool(getattr(config, name))


def label(config: Any, name: str) -> str:
    """A setting as errors name it, for those who write Python and those who type options."""
    return f"{name} ({flag(name, settings(config)[name])})"


def check(config: Any) -> None:
    """Check each value by itself, then the rules between them.

    Raises:
        ConfigError: On the first that does not hold.
    """
    check_values(config, {name: getattr(config, name) for name in settings(config)})
    for rule in getattr(config, "rules", ()):
        if rule.is_broken_by(config):
            raise ConfigError(rule.says(config), (rule.field, rule.other))


def check_values(config: Any, values: Mapping[str, Any]) -> None:
    """Check some values of a config's settings, each by itself.

    Raises:
        ConfigError: On the first that is not allowed.
    """
    for field in fields(config):
        if field.name in values:
            value, known = values[field.name], field.metadata["setting"]
            check_value(label(config, field.name), field.name, field.type, value, known)


def check_value(named: str, name: str, annotation: Any, value: Any, known: Setting) -> None:
    """Check one value against its type and its `Setting`.

    Raises:
        ConfigError: With `named` as its subject.
    """
    kind, optional, many = value_type(annotation)
    if value is None and optional:
        return
    if many and not isinstance(value, tuple):
        raise ConfigError(f"{named} must be a tuple or a list, not {value!r}", (name,))
    for one in value if many else (value,):
        if not _is_a(kind, one):
            raise ConfigError(f"{named} must be {_TYPE_NAMES.get(kind, kind.__name__)}, not {one!r}", (name,))
        if (known.choices or known.suffix) and not _is_named(one, known):
            raise ConfigError(f"{named} must be {_names(known)}, not {one!r}", (name,))
        if known.check and not known.check.holds(one):
            raise ConfigError(f"{named} {known.check.says}, not {one}", (name,))


def _is_named(value: str, known: Setting) -> bool:
    return value in known.choices or bool(known.suffix and value.endswith(known.suffix))


def _names(known: Setting) -> str:
    """The values that may be named, in words."""
    file = f"a {known.suffix} file" if known.suffix else ""
    choices = f"one of {', '.join(known.choices)}" if known.choices else ""
    return ", or ".join(words for words in (choices, file) if words)


_TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _is_a(kind: type, value: Any) -> bool:
    if kind in (int, float):
        return isinstance(value, numbers.Integral if kind is int else numbers.Real) and not isinstance(value, bool)
    return isinstance(value, kind)


# --- settings as text -------------------------------------------------------------------------------------------------


def parse_setting(config: "type[Config]", text: str) -> tuple[str, Any]:
    """A field and its value from `FIELD=VALUE`: `("lr", 0.1)` from `lr=0.1`.

    Args:
        config: The class that has the field.
        text: FIELD as in `parse_field`, VALUE as in `parse_value`.

    Raises:
        ConfigError: When it is no such text, no such field, or a value that the field does not take.
    """
    typed, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{text!r} gives no value: write FIELD=VALUE, such as seed=1")
    name = parse_field(config, typed)
    return name, parse_value(config, name, value)


def parse_field(config: "type[Config]", text: str) -> str:
    """The field that people mean by its own name, its flag or its switch: `hidden_units`, `hidden`, `--dropout`.

    Raises:
        ConfigError: With the closest name when there is no such field.
    """
    names: dict[str, str] = {}
    for name, known in settings(config).items():
        flags = (flag(name, known), known.switch.flag if known.switch else name)
        names |= {_plain_name(typed): name for typed in (name, *flags)}
    if (wanted := _plain_name(text)) in names:
        return names[wanted]
    typed = text.strip()
    raise ConfigError(f"{config.section} has no setting {typed!r}: {did_you_mean(wanted, settings(config))}", (typed,))


def parse_value(config: "type[Config]", name: str, text: str) -> Any:
    """The value of a field from text, in the type of its annotation, checked by itself.

    Args:
        name: The field.
        text: `true` or `false` for a bool; `none` where None or an empty tuple may stand; `crop+flip` for a tuple.

    Raises:
        ConfigError: When the field does not take it.
    """
    known, annotation = settings(config)[name], config.__dataclass_fields__[name].type
    kind, optional, many = value_type(annotation)
    named, text = label(config, name), text.strip()
    if not text:
        raise ConfigError(f"{named} needs a value, as in {name}=VALUE", (name,))
    value: Any
    if text.lower() == "none" and (optional or many):
        value = () if many else None
    elif many:
        value = tuple(_parse_one(kind, one.strip()) for one in text.split("+"))
    else:
        value = _parse_one(kind, text)
    check_value(named, name, annotation, value, known)
    return value


def setting_text(value: Any) -> str:
    """A value as `parse_value` reads it."""
    if isinstance(value, tuple | list):
        return "+".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else str(value)


def _plain_name(text: str) -> str:
    """A field or flag, however it is written."""
    return text.strip().removeprefix("--").replace("-", "_").lower()


def _parse_one(kind: type, text: str) -> Any:
    """A text as one value; what is no such value stays as it is, for `check_value` to refuse."""
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return kind(text)
    except ValueError:
        return text


# --- settings that several configs have -------------------------------------------------------------------------------


def _batch_size(default: int) -> Any:
    return setting(default, "Mini-batch size.", panel="Training", check=AT_LEAST_1)


def _epochs(shown_default: str) -> Any:
    help = "Passes over the training set."
    return setting(None, help, panel="Training", check=AT_LEAST_1, shown_default=shown_default, identity=False)


def _seed(what: str, panel: str = "Training") -> Any:
    return setting(0, f"Seed of {what}.", panel=panel, check=SEED, identity=False)


def _validation() -> Any:
    help = "Part of the training set to hold out; the epoch is selected on it."
    return setting(0.0, help, panel="Training", check=RATE, shown_default="none: selected on the test set")


def _train_examples() -> Any:
    help = "Training examples to use, N, drawn from the seed in proportion to the classes."
    return setting(None, help, panel="Data", check=AT_LEAST_1, shown_default="all")


def _vectors() -> Any:
    return setting("circles", "Data set of vectors.", panel="Data", choices=VECTOR_DATASETS)


# --- configs ----------------------------------------------------------------------------------------------------------


class Config:
    """What the configs of all sections share; each of them is a frozen dataclass.

    Attributes:
        section: The section whose runs it decides.
        rules: Between settings, checked in this order.
        dataset: Name of the data set.
        seed: Of everything random.
        epochs: Passes over the training set; None for the usual number, and for what has no epochs.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    section: ClassVar[str] = ""
    rules: ClassVar[tuple[Requires | Excludes, ...]] = ()

    dataset: str
    seed: int
    epochs: int | None

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(value := getattr(self, field.name), list):
                object.__setattr__(self, field.name, tuple(value))
        check(self)
        for name, known in self.__dataclass_fields__.items():
            kind, _, many = value_type(known.type)
            # JSON knows no other numbers, such as NumPy's.
            if kind in (int, float) and not many and (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, kind(value))

    def resolve(self) -> Self:
        """The same config with each default that depends on other settings filled in."""
        return self

    def identity(self) -> dict[str, Any]:
        """What tells experiments apart: the resolved settings, without those that only tell runs of one apart."""
        resolved = self.resolve()
        return {name: getattr(resolved, name) for name, known in settings(self).items() if known.identity}

    def with_epochs(self, epochs: int) -> Self:
        """The same over another number of epochs."""
        return replace(self, epochs=epochs)

    def with_seed(self, seed: int) -> Self:
        """The same from another seed."""
        return replace(self, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by field, for JSON."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A config from what `to_dict` gave.

        Raises:
            ConfigError: When a value is not allowed, or a setting is not known.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ConfigError(f"{cls.section} has no setting {', '.join(unknown)}", tuple(unknown))
        return cls(**values)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, kw_only=True)
class MlpConfig(Config):
    """A perceptron with one hidden layer, trained by plain SGD (homework part 2.1)."""

    section: ClassVar[str] = "mlp"
    rules: ClassVar[tuple[Requires | Excludes, ...]] = (Requires("lbfgs", "implementation", ("manual", "all")),)

    dataset: str = setting(
        "circles",
        "Data set of vectors, or a CSV file of points: columns x1, x2, class, and split (train or test).",
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
        identity=False,
    )
    hidden_units: int = setting(10, "Hidden units, n_h.", panel="Model", flag="--hidden", check=AT_LEAST_1)
    init_std: float = setting(
        0.3, "Standard deviation of the initial weights.", panel="Model", flag="--std", check=NOT_NEGATIVE
    )
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
        "Train with SciPy's L-BFGS, on the gradients by hand, in place of SGD: an iteration for each epoch.",
        panel="Training",
    )
    epochs: int | None = _epochs("150 on points of a plane, 10 on mnist, 30 on digits; a registered experiment's own")
    validation: float = _validation()
    seed: int = _seed("the weights and of the order")

    def resolve(self) -> Self:
        paths: dict[str, Any] = {name: str(path.resolve()) for name, path in named_files(self).items()}
        usual = EPOCHS["circles"] if "dataset" in paths else EPOCHS.get(self.dataset, OTHER_EPOCHS)
        return replace(self, **paths, epochs=self.epochs or usual)

    @property
    def implementations(self) -> tuple[str, ...]:
        """Names of what is trained, in order."""
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

    dataset: str = _vectors()
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
        if self.kernel is None:
            return self
        degree = (self.degree or 2) if self.kernel == "poly" else None
        return replace(self, C=self.C or 1.0, degree=degree)


@dataclass(frozen=True, kw_only=True)
class CnnConfig(Config):
    """A convolutional network on images (homework parts 4 and 5)."""

    section: ClassVar[str] = "cnn"
    rules: ClassVar[tuple[Requires | Excludes, ...]] = (
        Requires("batch_norm", "network", ("cifar",)),
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
        "The homework's convnet, LeNet-5, or one fully-connected hidden layer.",
        panel="Model",
        flag="--model",
        choices=NETWORKS,
    )
    normalize: bool | None = setting(
        None,
        "Standardize each channel with the training set's mean and standard deviation.",
        panel="Ladder",
        shown_default="on with any other rung",
    )
    augmentations: tuple[str, ...] = setting(
        (),
        "Random transformation of the training images; repeat it for several.",
        panel="Ladder",
        flag="--transform",
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
    whitening: str | None = setting(
        None, "Whitening in place of --normalize.", panel="Ladder", flag="--whiten", choices=WHITENINGS
    )
    whitening_epsilon: float | None = setting(
        None,
        "Regularization of --whiten, added to the variances.",
        panel="Ladder",
        flag="--epsilon",
        check=POSITIVE,
        shown_default="0.01 with --whiten",
    )
    framework_defaults: str = setting(
        "keras",
        "Whose defaults initial weights, batch normalization, RMSprop and Adam have; the report used PyTorch.",
        panel="Model",
        flag="--defaults",
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
    epochs: int | None = _epochs("30, 10 on mnist; a registered experiment's own")
    validation: float = _validation()
    precision: str = setting("float32", "Mixed-precision policy.", panel="Training", choices=PRECISIONS, identity=False)
    xla: str = setting(
        "auto",
        "Compile the training step with XLA; auto: on a GPU and on JAX, and only the augmentation on a CPU.",
        panel="Run",
        choices=XLA,
        identity=False,
    )
    steps_per_execution: int | None = setting(
        None,
        "Training steps in one call; the loss and Ctrl-C are looked at after each call.",
        panel="Run",
        check=AT_LEAST_1,
        shown_default="32 on a GPU, else 8",
        identity=False,
    )
    seed: int = _seed("weights, order, augmentation and dropout")

    @property
    def on_a_rung(self) -> bool:
        """Whether a rung of the ladder above normalization is on: the homework has none of them without it."""
        return bool(self.augmentations or self.dropout_rate or self.batch_norm or self.schedule != "constant")

    def resolve(self) -> Self:
        normalize = self.on_a_rung and self.whitening is None
        return replace(
            self,
            normalize=normalize if self.normalize is None else self.normalize,
            whitening_epsilon=(self.whitening_epsilon or 0.01) if self.whitening else None,
            lr=self.lr or OPTIMIZERS[self.optimizer],
            epochs=self.epochs or EPOCHS.get(self.dataset, OTHER_EPOCHS),
        )


CONFIGS: dict[str, type[Config]] = {kind.section: kind for kind in (MlpConfig, SvmConfig, CnnConfig)}


# --- how a run is carried out -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How and where a command works, whatever it works on."""

    out: Path = setting(Path("results"), "Folder for results.")
    data_dir: Path | None = setting(
        None, "Folder with circles.mat, mnist.npz or cifar-10-batches-py/.", panel="Data", envvar="RDFIA_DATA"
    )
    quick: bool = setting(False, "Smoke test: few examples and epochs, a minute at most; all output is marked QUICK.")
    overwrite: bool = setting(False, "Replace an earlier run's folder instead of numbering a new one.")
    device: str = setting("auto", "Device to compute on.", choices=DEVICES)
    deterministic: bool = setting(False, "Use only operations that are deterministic on every device; may be slower.")
    tensorboard: bool = setting(False, "Write TensorBoard logs into the run's folder; needs the extra 'tensorboard'.")

    def __post_init__(self) -> None:
        check(self)
