"""The fit of a convnet: Keras's own, on every device and back end, with the callbacks of this package.

Everything random in an epoch is a function of (seed, epoch), so a training that was cut off and resumed from its last
finished epoch ends with the same weights as one that never stopped.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from scipy.special import softmax

from rdfia_keras.config import CnnConfig
from rdfia_keras.data import Dataset, Split
from rdfia_keras.errors import RdfiaError
from rdfia_keras.models.convnet import augmentation_of
from rdfia_keras.system.backend import has_gpu
from rdfia_keras.training.batches import batches
from rdfia_keras.training.callbacks import EpochHistory, EpochSeeds, StopOnDivergence, Validation
from rdfia_keras.training.losses import cross_entropy
from rdfia_keras.training.optimizers import make_optimizer
from rdfia_keras.training.schedules import SCHEDULES, LearningRateSchedule

EVALUATION_BATCH = 500
# Callbacks look at the loss after each call, for which a GPU stands still; on a CPU a call costs as much as a small
# network's step.
STEPS_PER_EXECUTION_ON_GPU, STEPS_PER_EXECUTION_ON_CPU = 32, 8


def fit(
    model: keras.Model,
    data: Dataset,
    config: CnnConfig,
    history: EpochHistory,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    until: int | None = None,
) -> None:
    """Train from the first epoch that `history` does not hold up to `until`, or to the last one.

    Args:
        model: A model compiled by `compile_model`; `Checkpoint.restore` brings it and `history` to where a run was.
        data: Training, test and, if there is one, validation images.
        config: A config with every default filled in.
        history: The rows of the epochs; each epoch adds one.
        callbacks: More callbacks, which act after `history` at the end of an epoch, in their order.
        until: The last epoch to train; schedules go by `config.epochs` all the same.

    Raises:
        Diverged: If the loss or a weight is not finite; `history` and checkpoints end with the epoch before.
        StopTraining: If a callback ends the training.
    """
    done = len(history.rows)
    if config.epochs is None or config.lr is None or done >= config.epochs:
        return
    seeds = EpochSeeds(config.seed, done)
    validation = [Validation(batches(data.validation, EVALUATION_BATCH))] if data.validation else []
    model.fit(
        batches(data.train, config.batch_size, seeds.order),
        validation_data=batches(data.test, EVALUATION_BATCH),
        initial_epoch=done,
        epochs=until or config.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[seeds, schedule_of(config, data), StopOnDivergence(), *validation, history, *callbacks],
    )


def schedule_of(config: CnnConfig, data: Dataset | None) -> LearningRateSchedule:
    """Return the learning-rate schedule of a training on data; without them, of a model that is not trained."""
    config = config.resolve()
    per_epoch = math.ceil(len(data.train) / config.batch_size) if data else 1
    return SCHEDULES[config.schedule](config.lr or 0.0, per_epoch * (config.epochs or 1))


def compile_model(model: keras.Model, config: CnnConfig, data: Dataset | None = None) -> None:
    """Attach optimizer, loss and accuracy, and choose what XLA compiles.

    With `auto` that is the whole step on accelerators and, on a CPU, the augmentation only: convolutions are two to
    three times slower with it there.

    Args:
        model: The model.
        config: Its settings.
        data: What it will be trained on, for what follows the iterations; None if it is not trained.

    Raises:
        RdfiaError: If XLA is asked for and Keras turns it off.
    """
    schedule = schedule_of(config, data)
    optimizer = make_optimizer(config, schedule.initial, schedule.steps)
    if config.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale")
    steps = STEPS_PER_EXECUTION_ON_GPU if has_gpu() else STEPS_PER_EXECUTION_ON_CPU
    model.compile(
        optimizer,
        cross_entropy(config.label_smoothing),
        metrics=["accuracy"],
        steps_per_execution=config.steps_per_execution or steps,
        jit_compile={"on": True, "off": False, "auto": _xla_where_it_helps()}[config.xla],
        # It looks at the policy of the model, which is float32: only its layers have another.
        auto_scale_loss=False,
    )
    optimizer.build(model.trainable_variables)
    augmentation = augmentation_of(model)
    if augmentation and config.xla != "off" and not has_gpu():
        augmentation.jit_compile = keras.backend.backend() == "tensorflow"
    if config.xla == "on" and not model.jit_compile:
        raise RdfiaError("--xla on: a layer or a deterministic operation cannot be compiled; use --xla auto")


def what_xla_compiles(model: keras.Model) -> str:
    """Return what XLA compiles of a training step: `the whole step`, `the augmentation` or `nothing`."""
    if model.jit_compile:
        return "the whole step"
    augmentation = augmentation_of(model)
    return "the augmentation" if augmentation and augmentation.jit_compile else "nothing"


def _xla_where_it_helps() -> str | bool:
    return "auto" if has_gpu() or keras.backend.backend() == "jax" else False


def evaluate(model: keras.Model, split: Split) -> tuple[float, float]:
    """Return loss and accuracy over a split."""
    logs = model.evaluate(batches(split, EVALUATION_BATCH), verbose=0, return_dict=True)
    return float(logs["loss"]), float(logs["accuracy"])


def predict(model: keras.Model, split: Split) -> np.ndarray:
    """Return class probabilities (N, n_y), float64; NaN where a logit is infinite."""
    with np.errstate(invalid="ignore"):
        return softmax(predict_logits(model, split), axis=1)


def predict_logits(model: keras.Model, split: Split) -> np.ndarray:
    """Return logits (N, n_y), float64."""
    return model.predict(batches(split, EVALUATION_BATCH), verbose=0).astype(np.float64)


def predict_averaged(model: keras.Model, split: Split) -> np.ndarray:
    """Return logits (N, n_y), float64, averaged over six views of each image: test-time augmentation.

    The views are the image and the image moved by one pixel towards two opposite corners, each as it is and mirrored;
    the image itself counts as much as both moves together (Jordan 2024, arXiv 2404.00498, section 3.5).
    """
    height, width = split.x.shape[1:3]
    edge = np.pad(split.x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    views = {0.5: [split.x], 0.25: [edge[:, :height, :width], edge[:, 2:, 2:]]}
    logits = np.zeros((len(split), model.output_shape[-1]))
    for weight, moved in views.items():
        for view in moved:
            for images in (view, view[:, :, ::-1]):
                logits += weight / 2 * predict_logits(model, Split(np.ascontiguousarray(images), split.y))
    return logits


def predict_images(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return class probabilities (N, n_y), float64, of images without labels, uint8 (N, H, W, C).

    Raises:
        RdfiaError: See `check_finite`.
    """
    logits = predict_logits(model, Split(images, np.zeros(len(images), np.int64)))
    check_finite(logits)
    return softmax(logits, axis=1)


def check_finite(outputs: np.ndarray) -> None:
    """Refuse a network with so large weights that its outputs are infinite, or not numbers.

    Raises:
        RdfiaError: If an output is.
    """
    if not np.isfinite(outputs).all():
        raise RdfiaError(
            "the network's weights are so large that its outputs are not finite; train it with a smaller --lr"
        )
