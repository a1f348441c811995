"""Every named experiment, with what the report says of it, in one table; and which experiment a config is.

An experiment is one declaration: `rdfia improve NAME` and `rdfia sweep NAME` train it, `rdfia list` shows it, and a run
whose settings repeat it takes its name and is shown next to its published value. Only the standard library is imported.
"""

import re
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from rdfia_keras.config import BLOCKS, CnnConfig, Config, MlpConfig, SvmConfig, flag, setting_text, settings, short_name
from rdfia_keras.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ReportClaim:
    """What the report says of an experiment.

    Attributes:
        figure: The figure's number.
        question: The question's number in parts 3 to 5, `T11` of the theory, `2.1` and `2.2` of those parts.
        published: Test accuracy in the report, a fraction: the best one, or the one at the end of the training.
        published_at_end: Whether `published` is the one at the end.
        comment: The report's words, if it gives no number or not an exact one.
    """

    figure: int | None = None
    question: str = ""
    published: float | None = None
    published_at_end: bool = False
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A named config, and what it is compared with.

    Attributes:
        name: Folder name of its runs.
        config: All settings, with every default filled in.
        report: What the report says of it.
        base: Name of the experiment that this one changes in one respect.
    """

    name: str
    # A `Config`. Each section's training names its own class.
    config: Any
    report: ReportClaim = field(default_factory=ReportClaim)
    base: str | None = None

    @property
    def section(self) -> str:
        """The section of its settings."""
        return str(self.config.section)


REGISTRY: dict[str, Experiment] = {}
# The same by what defines them: `rdfia --help` has no time to compare each with all others.
_BY_KEY: dict[str, Experiment] = {}


def declare(name: str, config: Config, base: str | None = None, **report: Any) -> Experiment:
    """Register an experiment under its name; `report` are the fields of a `ReportClaim`.

    Raises:
        ValueError: If another experiment has this name or these settings.
    """
    experiment = Experiment(name=name, config=config.resolve(), base=base, report=ReportClaim(**report))
    key = experiment.config.experiment_key()
    if other := REGISTRY.get(name) or _BY_KEY.get(key):
        raise ValueError(f"the experiment {name} is already registered, as {other.name}")
    REGISTRY[name] = _BY_KEY[key] = experiment
    return experiment


def on(base: Experiment, name: str, changes: dict[str, Any], **report: Any) -> Experiment:
    """Register `base` with some settings changed: `on(SCHEDULE, "dropout", {"dropout_rate": 0.5})`."""
    return declare(name, replace(base.config, **changes), base=base.name, **report)


# --- part 2.1: the perceptron on the circles --------------------------------------------------------------------------

CIRCLES = declare(
    "circles", MlpConfig(), figure=1, question="2.1", published=0.94, published_at_end=True, comment="around 94 %"
)
LR_2 = on(CIRCLES, "lr-2", {"lr": 2.0}, figure=2, question="2.1", comment="pretty good scores, very unstable")
BATCH_1 = on(CIRCLES, "batch-1", {"batch_size": 1}, figure=3, question="2.1", comment="very fast, pretty unstable")
BATCH_50 = on(CIRCLES, "batch-50", {"batch_size": 50}, figure=3, question="2.1", comment="takes very long to converge")

# --- part 2.2: support vector machines on the circles -----------------------------------------------------------------

SVM_KERNELS = declare("kernels", SvmConfig(), figure=4, question="2.2", published=0.955)

# --- parts 4 and 5: the convnet and the ladder of improvements, each step on top of the one before ------------------

BASELINE = declare("baseline", CnnConfig(), figure=7, question="15", published=0.70, comment="around 70 %")
NORMALIZE = on(BASELINE, "normalize", {"normalize": True}, figure=11, question="19", published=0.758)
AUGMENT = on(
    NORMALIZE,
    "augment",
    {"augmentations": ("crop", "flip"), "epochs": 50},
    figure=12,
    question="22",
    published=0.80,
    comment="about 80 %",
)
SCHEDULE = on(
    AUGMENT,
    "schedule",
    {"schedule": "exponential"},
    figure=18,
    question="26",
    published=0.81,
    comment="about 80 %, + 1",
)
DROPOUT = on(
    SCHEDULE, "dropout", {"dropout_rate": 0.5}, figure=22, question="29", published=0.82, comment="around 82 %"
)
BATCH_NORM = on(
    DROPOUT, "batch-norm", {"batch_norm": True}, figure=23, question="34", published=0.85, comment="a maximum of 85 %"
)
LADDER = (BASELINE, NORMALIZE, AUGMENT, SCHEDULE, DROPOUT, BATCH_NORM)

# --- the bonus of parts 4 and 5 ---------------------------------------------------------------------------------------

# The ladder with Keras's defaults. All that follows has them as well.
KERAS_LADDER = tuple(
    on(step, f"{step.name}-keras", {"framework_defaults": "keras"}, question=step.report.question) for step in LADDER
)
BASELINE_KERAS, NORMALIZE_KERAS, AUGMENT_KERAS, *_ = KERAS_LADDER

# Part 4: the two networks of figure 6, and the settings of question 16.
MNIST = CnnConfig(dataset="mnist", framework_defaults="keras")
MNIST_DENSE = declare("mnist-dense", replace(MNIST, network="dense"), figure=6, question="13", published=0.949)
MNIST_LENET = declare("mnist-lenet", replace(MNIST, network="lenet"), figure=6, question="13", published=0.989)
on(
    BASELINE_KERAS,
    "batch-32",
    {"batch_size": 32},
    figure=8,
    question="16",
    comment="unstable, accuracy stays pretty bad",
)
on(BASELINE_KERAS, "batch-512", {"batch_size": 512}, figure=9, question="16", comment="takes way too long to converge")
LR_1 = on(BASELINE_KERAS, "lr-1", {"lr": 1.0}, figure=10, question="16", comment="does not converge")

# Question 21: other ways of normalizing.
ZCA = on(NORMALIZE_KERAS, "zca", {"normalize": False, "whitening": "zca"}, question="21")
PCA = on(NORMALIZE_KERAS, "pca", {"normalize": False, "whitening": "pca"}, question="21")

# Question 23: a mirrored cat is a cat, a mirrored 2 is nothing.
FLIP = on(NORMALIZE_KERAS, "flip", {"augmentations": ("flip",)}, question="23")
MNIST_FLIP = on(MNIST_LENET, "mnist-flip", {"normalize": False, "augmentations": ("flip",)}, question="23")


def _augmented(name: str, *augmentations: str, **report: Any) -> Experiment:
    """Question 25: further augmentations after crop and flip."""
    changes = {"augmentations": ("crop", "flip", *augmentations), "epochs": 30}
    return on(AUGMENT_KERAS, name, changes, question="25", **report)


_augmented("intensity-hue", "intensity", "hue", figure=13, comment="poor performance")
_augmented(
    "intensity-contrast",
    *("intensity", "contrast"),
    figure=14,
    comment="better than hue, much worse than crop and flip",
)
_augmented("affine", "affine", figure=15, comment="performs pretty badly")
_augmented("perspective", "perspective", figure=16, comment="the best one tested, similar to crop and flip")
BLUR = _augmented("blur", "blur", figure=17, published=0.74, comment="around 74 %")
_augmented("rotation", "rotation", comment="can be done in affine")
_augmented("vertical-flip", "vertical-flip", comment="similar to the horizontal flip")


def _optimized(name: str, changes: dict[str, Any], **report: Any) -> Experiment:
    """Question 28: other schedules and optimizers."""
    return on(AUGMENT_KERAS, name, {"epochs": 30, **changes}, question="28", **report)


# The report's "learning rate 0.1 and step size 0.002"; `step`, a tenth every 10 epochs, is our choice.
_optimized("step-iteration", {"schedule": "step-iteration"}, figure=19, comment="decreases too fast")
_optimized("step", {"schedule": "step"})
_optimized("inverse", {"schedule": "inverse"})
_optimized("rmsprop", {"optimizer": "rmsprop", "lr": 0.001}, figure=20, comment="less efficient than SGD")
ADAM = _optimized("adam", {"optimizer": "adam", "lr": 0.001}, figure=21, published=0.81, comment="almost 81 %")
# At the ladder's learning rate a momentum of 0.9 makes steps ten times as long; at a tenth of it, equally long ones.
_optimized("momentum-lr-0.1", {"optimizer": "momentum"})
_optimized("momentum", {"optimizer": "momentum", "lr": 0.01})
_optimized("nesterov", {"optimizer": "nesterov", "lr": 0.01})


# --- after the report: a second ladder, from the batch-norm step to 94 % ----------------------------------------------

# The recipe of cifar10-airbench (Jordan 2024, arXiv 2404.00498), an ingredient a step, over 12 epochs each. With a
# momentum of 0.9, as Keras counts it, its learning rate of 11.5 and its weight decay of 0.0153 are these.
AIRBENCH = {"optimizer": "nesterov", "schedule": "triangular", "batch_size": 1024, "lr": 1.0, "weight_decay": 0.013}
# In bfloat16, which takes less than half of the time where the processor computes in it.
MODERN_BLOCKS = on(
    BATCH_NORM,
    "modern-blocks",
    {"network": "blocks", "dropout_rate": 0.0, "epochs": 12, "precision": "mixed_bfloat16", "tta": None},
)
MODERN_WHITENING = on(MODERN_BLOCKS, "modern-whitening", {"whitening_conv": True})
MODERN_SILU = on(MODERN_WHITENING, "modern-silu", {"activation": "silu"})
MODERN_SCHEDULE = on(MODERN_SILU, "modern-schedule", AIRBENCH)
MODERN_SMOOTHING = on(MODERN_SCHEDULE, "modern-smoothing", {"label_smoothing": 0.2})
MODERN_DIRAC = on(MODERN_SMOOTHING, "modern-dirac", {"dirac": True})
MODERN_BATCH_NORM = on(MODERN_DIRAC, "modern-batch-norm", {"fast_batch_norm": True})
MODERN_LOOKAHEAD = on(MODERN_BATCH_NORM, "modern-lookahead", {"lookahead": True})
MODERN_FAST = on(MODERN_LOOKAHEAD, "modern-fast", {"augmentations": ("alternating-flip", "translation")})
MODERN_94 = on(MODERN_FAST, "modern-94", {"network": "wide-blocks", "epochs": 40})
MODERN_LADDER = (
    *(MODERN_BLOCKS, MODERN_WHITENING, MODERN_SILU, MODERN_SCHEDULE, MODERN_SMOOTHING),
    *(MODERN_DIRAC, MODERN_BATCH_NORM, MODERN_LOOKAHEAD, MODERN_FAST, MODERN_94),
)


def bonus_experiments() -> tuple[Experiment, ...]:
    """Return every registered convnet that is on no ladder."""
    ladders = (*LADDER, *KERAS_LADDER, *MODERN_LADDER)
    return tuple(one for one in REGISTRY.values() if one.section == "cnn" and one not in ladders)


# --- the experiment of a config ---------------------------------------------------------------------------------------


def match_registered(config: Config) -> Experiment:
    """Return the registered experiment whose settings a config repeats, or else one named for its settings.

    Args:
        config: As the user gave it. Without epochs it takes the registered experiment's, or those that suit the data.

    Returns:
        An experiment whose config is `config` with every default filled in.
    """
    asked = config.resolve()
    experiment = _BY_KEY.get(asked.experiment_key())
    if experiment is None:
        return Experiment(name=describe(asked), config=asked)
    if experiment.config.epochs is None:
        return replace(experiment, config=asked)
    return replace(experiment, config=replace(asked, epochs=config.epochs or experiment.config.epochs))


def describe(config: Config) -> str:
    """Return a folder name made of the settings that are not usual: `digits-augment-dropout`, `modern-fast-no-dirac`.

    The usual settings are the defaults. For a network of the second ladder they are those of the nearest step.
    """
    config = config.resolve()
    start = _nearest_step(config)
    usual = start.config if start else type(config)()
    words: dict[str, list[str]] = {"dataset": [], "step": [start.name] if start else []}
    for name, setting in settings(config).items():
        value = getattr(config, name)
        if setting.defines_experiment and value != _default(config, name, getattr(usual, name)):
            words[name] = _words(name, value, setting.switch and setting.switch.value, flag(name, setting))
    name = short_name("-".join(chain(*words.values())) or str(config.section))
    if other := REGISTRY.get(name):
        return f"{name}-other" if other.section == config.section else f"{config.section}-{name}"
    return name


def _nearest_step(config: Config) -> Experiment | None:
    """Return the step of the second ladder with the fewest other settings; None for other networks."""
    if getattr(config, "network", None) not in BLOCKS:
        return None
    names = [name for name, setting in settings(config).items() if setting.defines_experiment]

    def distance(step: Experiment) -> int:
        return sum(getattr(step.config, name) != getattr(config, name) for name in names)

    return min(MODERN_LADDER, key=distance)


def _default(config: Config, name: str, usual: object) -> object:
    """Return what a setting would be, had it been left out."""
    try:
        return getattr(replace(config, **{name: usual}).resolve(), name)
    except ConfigError:  # Another setting needs this one.
        return usual


def _words(name: str, value: object, switched: object, flag: str) -> list[str]:
    """Return a setting in a folder's name: a name as it is, a number after its option, a switch by its flag."""
    option = flag.removeprefix("--")
    if name == "dataset":
        return [_file_word(value) or "images"]
    if name == "init":
        return ["init", _file_word(value)]
    if isinstance(value, tuple):
        return ["augment"] if value == switched else list(value) or ["no-augment"]
    if isinstance(value, bool):
        return [option if value else f"no-{option}"]
    if isinstance(value, str):
        return [value]
    if switched is not None:
        option = option.removesuffix("-rate")
    return [option if value == switched else f"{option}-{setting_text(value)}"]


def _file_word(value: object) -> str:
    """Return the last part of a path, without what no folder's name should have."""
    return re.sub(r"[^\w.-]+", "-", Path(str(value)).name.removesuffix(".csv").removesuffix(".json"))


def on_dataset(experiment: Experiment, dataset: str) -> Experiment:
    """Return the experiment on other data: nothing published stands beside it."""
    if experiment.config.dataset == dataset:
        return experiment
    return match_registered(replace(experiment.config, dataset=dataset))
