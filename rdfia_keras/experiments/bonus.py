"""Parts 4 and 5 beside the ladder: other networks, learning rates, augmentations, optimizers and whitening.

An experiment is one declaration here: `rdfia improve NAME` runs it, `rdfia list` shows it, and a run whose options
repeat it takes its name and stands beside its published value.
"""

from typing import Any

from rdfia_keras.config import CnnConfig
from rdfia_keras.experiments.base import REGISTRY, Experiment, declare, on
from rdfia_keras.experiments.ladder import AUGMENT, BASELINE, BATCH_NORM_PYTORCH, DROPOUT_PYTORCH, LADDER, NORMALIZE

# Part 4: the two networks of figure 6, and the settings of question 16.
MNIST_DENSE = declare(
    "mnist-dense", CnnConfig(dataset="mnist", network="dense"), figure=6, question="13", published=0.949
)
MNIST_LENET = declare(
    "mnist-lenet", CnnConfig(dataset="mnist", network="lenet"), figure=6, question="13", published=0.989
)
on(BASELINE, "batch-32", {"batch_size": 32}, figure=8, question="16", comment="unstable, accuracy stays pretty bad")
on(BASELINE, "batch-512", {"batch_size": 512}, figure=9, question="16", comment="takes way too long to converge")
LR_1 = on(BASELINE, "lr-1", {"lr": 1.0}, figure=10, question="16", comment="does not converge")

# Question 21: other ways of normalizing.
ZCA = on(NORMALIZE, "zca", {"normalize": False, "whitening": "zca"}, question="21")
PCA = on(NORMALIZE, "pca", {"normalize": False, "whitening": "pca"}, question="21")

# Question 23: a mirrored cat is a cat, a mirrored 2 is nothing.
FLIP = on(NORMALIZE, "flip", {"augmentations": ("flip",)}, question="23")
MNIST_FLIP = on(MNIST_LENET, "mnist-flip", {"normalize": False, "augmentations": ("flip",)}, question="23")


def _augmented(name: str, *augmentations: str, **reference: Any) -> Experiment:
    """Question 25: further augmentations after crop and flip."""
    changes = {"augmentations": ("crop", "flip", *augmentations), "epochs": 30}
    return on(AUGMENT, name, changes, question="25", **reference)


_augmented("intensity-hue", "intensity", "hue", figure=13, comment="poor performance")
_augmented(
    "intensity-contrast",
    *("intensity", "contrast"),
    figure=14,
    comment="better than hue, much worse than crop and flip",
)
_augmented("affine", "affine", figure=15, comment="performs pretty badly")
_augmented("perspective", "perspective", figure=16, comment="the best one tested, similar to crop and flip")
BLUR = _augmented("blur", "blur", figure=17, published=0.74)
_augmented("rotation", "rotation", comment="can be done in affine")
_augmented("vertical-flip", "vertical-flip", comment="similar to the horizontal flip")


def _optimized(name: str, changes: dict[str, Any], **reference: Any) -> Experiment:
    """Question 28: other schedules and optimizers."""
    return on(AUGMENT, name, {"epochs": 30, **changes}, question="28", **reference)


# The report's "learning rate 0.1 and step size 0.002"; a tenth every 10 epochs is ours.
_optimized("step-iteration", {"schedule": "step-iteration"}, figure=19, comment="decreases too fast")
_optimized("step", {"schedule": "step"})
_optimized("inverse", {"schedule": "inverse"})
_optimized("rmsprop", {"optimizer": "rmsprop", "lr": 0.001}, figure=20, comment="less efficient than SGD")
ADAM = _optimized("adam", {"optimizer": "adam", "lr": 0.001}, figure=21, published=0.81)
# At the ladder's learning rate a momentum of 0.9 makes steps ten times as long; at a tenth of it, equally long ones.
_optimized("momentum-lr-0.1", {"optimizer": "momentum"})
_optimized("momentum", {"optimizer": "momentum", "lr": 0.01})
_optimized("nesterov", {"optimizer": "nesterov", "lr": 0.01})

# The last two rungs with Keras's defaults.
DROPOUT = on(
    DROPOUT_PYTORCH,
    "dropout",
    {"framework_defaults": "keras"},
    question="29",
    published=DROPOUT_PYTORCH.reference.published,
)
BATCH_NORM = on(
    BATCH_NORM_PYTORCH,
    "batch-norm",
    {"framework_defaults": "keras"},
    question="34",
    published=BATCH_NORM_PYTORCH.reference.published,
)


def bonus_experiments() -> tuple[Experiment, ...]:
    """Every registered convnet that is not a rung of the ladder."""
    return tuple(known for known in REGISTRY.values() if known.section == "cnn" and known not in LADDER)
