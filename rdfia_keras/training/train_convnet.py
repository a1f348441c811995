"""The training of one network on images, from data to record (homework parts 4 and 5)."""

import importlib.util
import io
import math
import shlex
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from rdfia_keras import plots
from rdfia_keras.config import CnnConfig, RunOptions, settings
from rdfia_keras.data import Dataset
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import Experiment
from rdfia_keras.models.convnet import augmentation_of, build_convnet
from rdfia_keras.models.predictions import confusion, worst_mistakes
from rdfia_keras.models.saving import save_model
from rdfia_keras.runs.checkpoint import digest
from rdfia_keras.runs.history import chosen_row, duration, selected_row, summary_rows
from rdfia_keras.runs.run import Run
from rdfia_keras.system.backend import check_device, compute_capability, device_kind, precision_warning, uses_tf32
from rdfia_keras.system.device_errors import DeviceError, device_error
from rdfia_keras.system.signals import StopRequest
from rdfia_keras.system.terminal import Progress, note
from rdfia_keras.training.callbacks import (
    Checkpoint,
    Diverged,
    EpochHistory,
    HistoryFile,
    ProgressReport,
    StopOnRequest,
    StopTraining,
    set_random_streams,
    set_variables,
)
from rdfia_keras.training.fit import compile_model, fit, predict, predict_averaged, what_xla_compiles
from rdfia_keras.training.job import Job


def train_convnet(experiment: Experiment, data: Dataset, options: RunOptions, resumed: Run | None = None) -> Run:
    """Train one network and leave its run's folder complete.

    Args:
        experiment: The experiment, with the number of epochs that is asked for.
        data: Images, as `prepare_data` returns them.
        options: Device, results folder and the like.
        resumed: The run to resume, opened.

    Returns:
        The run. Its `exit_code` says whether it diverged or was interrupted.

    Raises:
        RdfiaError: If the device cannot be used or fails, or the folder cannot be written.
    """
    config = experiment.config
    device = check_device(options.device)
    check_tensorboard(options)
    if warning := precision_warning(config.precision, device, compute_capability()):
        note(f"warning: {warning}")
    model = build_convnet(config, data)
    compile_model(model, config, data)
    job = Job.start(experiment, data, options, device, resumed, parameters=model.count_params())
    with job.run as run:
        history = EpochHistory()
        checkpoint = Checkpoint(run.folder, history, facts_to_resume(model, job))
        done = checkpoint.restore(model)
        if resumed:
            job.report_environment_change(done)
        where = f"resuming after epoch {done} in {run.folder}" if resumed else f"into {run.folder}"
        note(f"{experiment.name}: {describe(job)}; {where}")
        ending = fit_until_stopped(model, job, checkpoint)
        run.write_history(history.rows)
        # After the device has failed nothing more is computed, not even predictions for a plot.
        if history.rows and not ending.device_error:
            save_models(model, checkpoint)
            draw(model, job, history)
        job.write_record(
            status=ending.status,
            reason=ending.reason,
            epochs=len(history.rows),
            seconds=duration(history.rows),
            **summary_rows(history.rows),
            details=details(model, checkpoint, ending) | averaged_accuracy(model, job, ending),
        )
    if ending.device_error:
        again = f"rdfia resume {shlex.quote(str(run.folder))} tries again from epoch {len(history.rows) + 1}"
        raise RdfiaError(f"{ending.reason}; {ending.remedy}; {again}") from ending.device_error
    run.exit_code = ending.exit_code
    return run


@dataclass(frozen=True)
class Ending:
    """The end of a training; after a failure of the device, with the back end's exception and what to try next."""

    status: str
    exit_code: int = 0
    reason: str | None = None
    remedy: str = ""
    device_error: Exception | None = None


def fit_until_stopped(model: keras.Model, job: Job, checkpoint: Checkpoint) -> Ending:
    """Train until all epochs are finished, Ctrl-C, divergence or a failure of the device."""
    config, history, folder = job.config, checkpoint.history, job.run.folder
    batches = math.ceil(len(job.data.train) / config.batch_size)
    with StopRequest() as stop, Progress(job.experiment.name, config.epochs, batches, len(history.rows)) as progress:
        # The checkpoint comes first: the history file repeats what it holds.
        callbacks = [checkpoint, HistoryFile(folder / "history.csv", history), ProgressReport(progress, history)]
        callbacks += [keras.callbacks.TensorBoard(folder / "tensorboard")] if job.options.tensorboard else []
        try:
            fit(model, job.data, config, history, [*callbacks, StopOnRequest(stop)], job.options.until)
        except StopTraining:
            return Ending("interrupted", stop.exit_code(0))
        except Diverged as error:
            reason = f"training diverged: {error}; try a smaller --lr (now {config.lr:g})"
            saved = "the last finite model is saved" if history.rows else "no epoch was finished, so no model is saved"
            note(f"error: {reason}; {saved} in {folder}")
            return Ending("failed", stop.exit_code(1), reason)
        except Exception as error:
            if failure := device_error(error):
                return Ending("failed", 1, *explain(failure, model, config), device_error=error)
            raise
        # A stop in the last epoch's evaluation interrupts nothing, but nothing more is wanted after it.
        return Ending("ok", stop.exit_code(0))


def explain(failure: DeviceError, model: keras.Model, config: CnnConfig) -> tuple[str, str]:
    """Return why a training failed on its device, and what to try instead."""
    layer = failure.layer([layer.name for layer in model.layers])
    where = f" in the layer {layer}" if layer else ""
    what = "there was not enough memory" if failure.out_of_memory else "a training step failed"
    reason = f"{what}{where} (batch size {config.batch_size}, {config.precision}): {failure.message}"
    if failure.out_of_memory:
        return reason, "start a new run with a smaller --batch-size"
    compiled = model.jit_compile or any(getattr(layer, "jit_compile", False) for layer in model.layers)
    other = ["--xla off"] if compiled else []
    other += ["--precision float32"] if config.precision != "float32" else []
    return reason, f"start a new run with {' or '.join(other)}" if other else "--debug shows all of it"


def facts_to_resume(model: keras.Model, job: Job) -> dict[str, Any]:
    """Return what must be the same in a resumed training for it to end with the same bits."""
    return {
        "back end": keras.backend.backend(),
        "device": device_kind(job.device),
        "precision": job.config.precision,
        "what XLA compiles": what_xla_compiles(model),
    }


def check_tensorboard(options: RunOptions) -> None:
    """Refuse `--tensorboard` where TensorBoard is not installed."""
    if options.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise RdfiaError("--tensorboard: TensorBoard is not installed; run pip install '.[tensorboard]' in a checkout")


def describe(job: Job) -> str:
    """Return the settings and the number of images, in one line."""
    config: CnnConfig = job.config
    words = [f"{config.optimizer} lr {config.lr:g} {config.schedule}", f"batch {config.batch_size}"]
    words += ["normalize"] if config.normalize else []
    words += [f"{config.whitening} epsilon {config.whitening_epsilon:g}"] if config.whitening else []
    words += ["+".join(config.augmentations)] if config.augmentations else []
    words += [f"dropout {config.dropout_rate:g}"] if config.dropout_rate else []
    words += ["batch-norm"] if config.batch_norm else []
    words += modern_words(config)
    words += ["Keras's defaults"] if config.framework_defaults != "pytorch" else []
    words += [f"validation {config.validation:g}"] if config.validation else []
    images = f"{len(job.data.train):,} training images"
    images += f" and {len(job.data.validation):,} for validation" if job.data.validation else ""
    return ", ".join([*words, config.precision, f"seed {config.seed}"]) + f"; {images}"


def modern_words(config: CnnConfig) -> list[str]:
    """Return the settings of the second ladder that are on, in words: `lookahead`, `label smoothing 0.2`."""
    values = {name: getattr(config, name) for name, setting in settings(config).items() if setting.panel == "Modern"}
    words = {name.replace("_", " "): value for name, value in values.items() if value}
    return [name if value is True else f"{name} {value}" for name, value in words.items()]


def save_models(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Write `best.keras` and `model.keras`; the model ends with the last epoch's weights."""
    set_variables(model.weights, checkpoint.best_weights)
    save_model(model, checkpoint.folder / "best.keras")
    set_variables(model.weights, checkpoint.weights)
    save_model(model, checkpoint.folder / "model.keras")


def details(model: keras.Model, checkpoint: Checkpoint, ending: Ending) -> dict[str, Any]:
    """Return what the record of a convnet holds besides that of any run."""
    rows = checkpoint.history.rows
    # After a failure of the device no model is saved.
    best = None if ending.device_error else chosen_row(rows)
    chosen_by = "validation accuracy" if selected_row(rows) else "test accuracy"
    return {
        "parameters": model.count_params(),
        "tf32": uses_tf32(),
        "failed_on_device": ending.device_error is not None,
        "compiled_by_xla": what_xla_compiles(model),
        "best_model": {"epoch": best["epoch"], "chosen_by": chosen_by} if best else None,
        "weights_digest": digest(checkpoint.weights) if rows else None,
    }


def averaged_accuracy(model: keras.Model, job: Job, ending: Ending) -> dict[str, float]:
    """Return the accuracies of the trained model with test-time augmentation, if it is on."""
    if not job.config.tta or ending.status != "ok" or job.options.quick:
        return {}
    splits = {"test": job.data.test, "validation": job.data.validation}
    return {
        f"tta_{name}_accuracy": float((predict_averaged(model, split).argmax(axis=1) == split.y).mean())
        for name, split in splits.items()
        if split
    }


def draw(model: keras.Model, job: Job, history: EpochHistory) -> None:
    """Draw curves.png, confusion.png, mistakes.png and, where there is augmentation, augmented.png.

    The predicted classes of the test set are kept as well, in predictions.npy, for paired tests by image.
    """
    data, title, published = job.data, job.title, job.experiment.report.published
    job.save_figure("curves.png", plots.learning_curves(history.rows, title, published=published))
    probabilities = predict(model, data.test)
    predictions = probabilities.argmax(axis=1).astype(np.min_scalar_type(len(data.classes) - 1))
    job.run.write("predictions.npy", npy_bytes(predictions))
    counts = confusion(probabilities, data.test.y)
    job.save_figure("confusion.png", plots.confusion_matrix(counts, data.classes, f"{title}: test images"))
    images, captions, _ = worst_mistakes(probabilities, data.test.x, data.test.y, data.classes)
    if len(images):
        heading = f"{title}: worst mistakes (true → predicted)"
        job.save_figure("mistakes.png", plots.image_grid(images, captions, 6, heading))
    originals = data.train.x[:6]
    versions = augmented(model, originals, 7, job.config.seed)
    if versions is not None:
        heading = f"{title}: augmented training images"
        job.save_figure("augmented.png", plots.augmentation_grid(originals, versions, heading))


def npy_bytes(array: np.ndarray) -> bytes:
    """Return the content of a `.npy` file."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def augmented(model: keras.Model, images: np.ndarray, times: int, seed: int) -> np.ndarray | None:
    """Return training versions of some images, (N, times, H, W, C), pixels 0..255; None without augmentation."""
    augmentation = augmentation_of(model)
    if augmentation is None:
        return None
    set_random_streams(model, seed, 0)
    return np.stack([np.asarray(augmentation(images, training=True), np.float32) for _ in range(times)], axis=1)
