"""Section cnn: one network on one image data set, with any rungs of the ladder."""

import math
import shlex
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rdfia_keras.config import CnnConfig, RunOptions, dataset_name, label
from rdfia_keras.data import Dataset, load_images
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.experiments import Experiment, match_registered
from rdfia_keras.report.result import Result
from rdfia_keras.runs import checkpoints
from rdfia_keras.runs.folder import Run
from rdfia_keras.runs.records import Record, best_model, duration, milestones
from rdfia_keras.sections.common import (
    Finished,
    begin_resume,
    create_run,
    make_record,
    prepare,
    save_figure,
    shorten,
)
from rdfia_keras.sections.predictions import confusion, worst_mistakes
from rdfia_keras.system.backend import (
    check_device,
    compute_capability,
    device_kind,
    precision_warning,
    set_up_backend,
    uses_tf32,
)
from rdfia_keras.system.device_errors import DeviceError, device_error
from rdfia_keras.system.signals import StopRequest
from rdfia_keras.system.terminal import Progress, note

if TYPE_CHECKING:
    import keras

    from rdfia_keras.training.callbacks import Checkpoint


def run(config: CnnConfig, options: RunOptions) -> Result:
    """Train a network, record and draw it.

    Raises:
        RdfiaError: When the data, the device or the output folder cannot be used, or the disk fills up.
    """
    if config.xla == "on" and options.deterministic:
        raise ConfigError(f"{label(config, 'xla')} on and --deterministic exclude each other: leave one out", ("xla",))
    # Data first: a missing or broken file is told before the seconds that TensorFlow takes to load.
    config = replace(config, dataset=dataset_name(config.dataset))
    data = prepare(load_images(config.dataset, options.data_dir), config, options.quick)
    set_up_backend(options.device, options.deterministic)
    return train(match_registered(config), data, options).result()


def train(experiment: Experiment, data: Dataset, options: RunOptions, resumed: Run | None = None) -> Finished:
    """Train an experiment from its beginning, or from where a run was cut off, and conclude it.

    Args:
        experiment: With the epochs that are asked for.
        resumed: The run to resume.
    """
    from rdfia_keras.models.convnet import build_convnet
    from rdfia_keras.training.callbacks import Checkpoint, EpochHistory
    from rdfia_keras.training.fit import compile_model

    if options.quick and not resumed:
        experiment = shorten(experiment)
    config = experiment.config
    assert isinstance(config, CnnConfig)
    data = prepare(data, config, options.quick)
    device = check_device(options.device)
    if warning := precision_warning(config.precision, device, compute_capability()):
        note(f"warning: {warning}")
    model = build_convnet(config, data)
    compile_model(model, config)
    run = resumed or create_run(experiment, data, options, device, parameters=model.count_params())
    with run:
        history = EpochHistory()
        checkpoint = Checkpoint(run.folder, history, _where(model, config, device))
        done = checkpoint.restore(model)
        if resumed:
            begin_resume(run, config, done)
        where = f"resuming after epoch {done} in {run.folder}" if resumed else f"into {run.folder}"
        images = f"{len(data.train):,} training images"
        images += f" and {len(data.validation):,} for validation" if data.validation else ""
        note(f"{experiment.name}: {settings_line(config)}; {images}; {where}")
        try:
            outcome, exit_code = _fit(model, data, experiment, run, checkpoint, options)
        except Exception as error:
            failed = device_error(error)
            if failed is None:
                raise
            reason, remedy = explain(failed, model, config)
            # Nothing is computed any more, not even predictions for a plot: the device may be of no use.
            run.write_history(history.rows)
            outcome = {"status": "failed", "reason": reason}
            run.write_record(_record(model, data, experiment, run, checkpoint, options, True, **outcome, device=device))
            again = f"rdfia resume {shlex.quote(str(run.folder))} tries again from epoch {len(history.rows) + 1}"
            raise RdfiaError(f"{reason}; {remedy}; {again}") from error
        record = _conclude(model, data, experiment, run, checkpoint, options, **outcome, device=device)
    return Finished(record, run.folder, exit_code)


def explain(failed: DeviceError, model: "keras.Model", config: CnnConfig) -> tuple[str, str]:
    """Why a training failed on its device, and what to try instead."""
    layer = failed.layer([layer.name for layer in model.layers])
    where = f" in the layer {layer}" if layer else ""
    what = "there was not enough memory" if failed.out_of_memory else "a training step failed"
    reason = f"{what}{where} (batch size {config.batch_size}, {config.precision}): {failed.said}"
    if failed.out_of_memory:
        return reason, "start a new run with a smaller --batch-size"
    compiled = model.jit_compile or any(getattr(layer, "jit_compile", False) for layer in model.layers)
    other = ["--xla off"] if compiled else []
    other += ["--precision float32"] if config.precision != "float32" else []
    return reason, f"start a new run with {' or '.join(other)}" if other else "--debug shows all of it"


def _where(model: "keras.Model", config: CnnConfig, device: str) -> dict[str, Any]:
    """What a resumed training must share with its beginning to end with the same bits."""
    import keras

    from rdfia_keras.training.fit import what_xla_compiles

    return {
        "back end": keras.backend.backend(),
        "device": device_kind(device),
        "precision": config.precision,
        "what XLA compiles": what_xla_compiles(model),
    }


def settings_line(config: CnnConfig) -> str:
    """What decides the run, in one line."""
    words = [f"{config.optimizer} lr {config.lr:g} {config.schedule}", f"batch {config.batch_size}"]
    words += ["normalize"] if config.normalize else []
    words += [f"{config.whitening} epsilon {config.whitening_epsilon:g}"] if config.whitening else []
    words += ["+".join(config.augmentations)] if config.augmentations else []
    words += [f"dropout {config.dropout_rate:g}"] if config.dropout_rate else []
    words += ["batch-norm"] if config.batch_norm else []
    words += [f"{config.framework_defaults}'s defaults"] if config.framework_defaults != "keras" else []
    words += [f"validation {config.validation:g}"] if config.validation else []
    return ", ".join([*words, config.precision, f"seed {config.seed}"])


def _fit(
    model: "keras.Model",
    data: Dataset,
    experiment: Experiment,
    run: Run,
    checkpoint: "Checkpoint",
    options: RunOptions,
) -> tuple[dict[str, str | None], int]:
    """Train; after each epoch the folder holds all that was learnt so far.

    Returns:
        Status and the reason of a failure, for the record, and the exit code.
    """
    from rdfia_keras.training.callbacks import Diverged, HistoryFile, ProgressReport, StopOnRequest, StopTraining
    from rdfia_keras.training.fit import fit

    config, history = experiment.config, checkpoint.history
    assert isinstance(config, CnnConfig)
    batches, epochs = math.ceil(len(data.train) / config.batch_size), config.epochs or 0
    with ExitStack() as around:
        stop = around.enter_context(StopRequest())
        progress = around.enter_context(Progress(experiment.name, epochs, batches, len(history.rows)))
        # The checkpoint comes first: the history file repeats what it holds.
        callbacks = [checkpoint, HistoryFile(run.folder / "history.csv", history), ProgressReport(progress, history)]
        callbacks += _tensorboard(run.folder) if options.tensorboard else []
        try:
            fit(model, data, config, history, [*callbacks, StopOnRequest(stop)])
        except StopTraining:
            return {"status": "interrupted", "reason": None}, stop.exit_code(0)
        except Diverged as error:
            reason = f"training diverged: {error}; try a smaller --lr (now {config.lr:g})"
            saved = "the last finite model is saved" if history.rows else "no epoch was finished, so no model is saved"
            note(f"error: {reason}; {saved} in {run.folder}")
            return {"status": "failed", "reason": reason}, stop.exit_code(1)
        # A stop in the last epoch's evaluation cuts nothing, but nothing more is wanted after it.
        return {"status": "ok", "reason": None}, stop.exit_code(0)


def _tensorboard(folder: Path) -> list["keras.callbacks.Callback"]:
    """Keras's own callback, for those who have TensorBoard."""
    import importlib.util

    import keras

    if importlib.util.find_spec("tensorboard") is None:
        raise RdfiaError("--tensorboard: TensorBoard is not installed; run pip install 'rdfia-keras[tensorboard]'")
    return [keras.callbacks.TensorBoard(folder / "tensorboard")]


def _conclude(
    model: "keras.Model",
    data: Dataset,
    experiment: Experiment,
    run: Run,
    checkpoint: "Checkpoint",
    options: RunOptions,
    **outcome: Any,
) -> Record:
    """Write the models, the pictures and, last, the record of whatever has been trained."""
    from rdfia_keras.models.saving import save_model
    from rdfia_keras.training.callbacks import set_variables

    rows = checkpoint.history.rows
    record = _record(model, data, experiment, run, checkpoint, options, **outcome)
    run.write_history(rows)
    if rows:
        set_variables(model.weights, checkpoint.best_weights)
        save_model(model, run.folder / "best.keras")
        set_variables(model.weights, checkpoint.weights)
        save_model(model, run.folder / "model.keras")
        _draw(model, data, run, record, rows)
    run.write_record(record)
    return record


def _record(
    model: "keras.Model",
    data: Dataset,
    experiment: Experiment,
    run: Run,
    checkpoint: "Checkpoint",
    options: RunOptions,
    failed_on_device: bool = False,
    **outcome: Any,
) -> Record:
    """The record of whatever has been trained."""
    from rdfia_keras.training.fit import what_xla_compiles

    rows = checkpoint.history.rows
    return make_record(
        run,
        experiment,
        data,
        options,
        **outcome,
        **milestones(rows),
        epochs=len(rows),
        seconds=duration(rows),
        details={
            "parameters": model.count_params(),
            "tf32": uses_tf32(),
            "failed_on_device": failed_on_device,
            "compiled_by_xla": what_xla_compiles(model),
            "best_model": best_model(rows) if rows and not failed_on_device else None,
            "weights_digest": checkpoints.digest(checkpoint.weights) if rows else None,
        },
    )


def _draw(model: "keras.Model", data: Dataset, run: Run, record: Record, rows: list[Any]) -> None:
    """curves.png, confusion.png, mistakes.png and, where there is augmentation, augmented.png."""
    from rdfia_keras import plots
    from rdfia_keras.training.fit import predict

    test, quick, reference = data.test, record.quick, record.reference
    title = f"{record.experiment} on {data.name}, seed {record.config.seed}"
    title += f" (figure {reference['figure']})" if reference["figure"] else ""
    save_figure(run, "curves.png", plots.learning_curves(rows, title, published=reference["published"]), quick)
    probabilities = predict(model, test)
    counts = confusion(probabilities, test.y)
    save_figure(run, "confusion.png", plots.confusion_matrix(counts, data.classes, f"{title}: test images"), quick)
    images, captions, _ = worst_mistakes(probabilities, test.x, test.y, data.classes)
    if len(images):
        figure = plots.image_grid(images, captions, 6, f"{title}: worst mistakes (true → predicted)")
        save_figure(run, "mistakes.png", figure, quick)
    originals = data.train.x[:6]
    versions = augmented(model, originals, 7, record.config.seed)
    if versions is not None:
        figure = plots.augmentation_grid(originals, versions, f"{title}: augmented training images")
        save_figure(run, "augmented.png", figure, quick)


def augmented(model: "keras.Model", images: np.ndarray, times: int, seed: int) -> np.ndarray | None:
    """Training versions of some images, (N, times, H, W, C) with pixels 0..255, or None without augmentation."""
    from rdfia_keras.models.convnet import augmentation_of
    from rdfia_keras.training.callbacks import set_random_streams

    augmentation = augmentation_of(model)
    if augmentation is None:
        return None
    set_random_streams(model, seed, 0)
    return np.stack([np.asarray(augmentation(images, training=True), np.float32) for _ in range(times)], axis=1)
