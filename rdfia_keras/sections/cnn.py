"""Section cnn: one network on one image data set, with any rungs of the ladder."""

import math
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np

from rdfia_keras import checkpoints, plots, records, runtime, training
from rdfia_keras.cnn import build_cnn, crop_size
from rdfia_keras.data import Dataset
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import CnnExperiment
from rdfia_keras.interrupt import StopRequest
from rdfia_keras.progress import Progress, note
from rdfia_keras.sections import QUICK_EXAMPLES, Options, Result, Unfinished, confusion

QUICK_EPOCHS = 2
# Pooling three times, or LeNet's unpadded convolution, leaves nothing of smaller images.
SMALLEST_IMAGE = 16


@dataclass
class _Training:
    """What the steps of one run share."""

    experiment: CnnExperiment
    options: Options
    dataset: Dataset
    model: keras.Model
    run: records.Run
    device: str
    state: training.State


def run(experiment: CnnExperiment, dataset: Dataset, options: Options, unfinished: Unfinished | None = None) -> Result:
    """Train, record and plot; after each epoch the folder holds all that was learnt so far.

    Args:
        unfinished: The run to go on with instead of beginning one.

    Raises:
        RdfiaError: When the images, the device or the output folder cannot be used, or the disk fills up.
    """
    if options.quick:
        dataset = dataset.take(QUICK_EXAMPLES)
    if options.quick and not unfinished:
        experiment = replace(experiment, epochs=min(experiment.epochs, QUICK_EPOCHS))
    check_images(experiment, dataset)
    device = runtime.check_device(options.device)
    if warning := runtime.precision_warning(experiment.precision, device):
        note(f"warning: {warning}")
    model = build_model(experiment, dataset)
    state = training.State()
    if unfinished:
        run = unfinished.run
        state = _load_state(run, model)
        run.update_epochs(experiment.epochs)
    else:
        config = {
            "section": "cnn",
            "experiment": asdict(experiment),
            "dataset": dataset.describe() | {"source": dataset.source},
            "parameters": model.count_params(),
            "device": device,
            **options.config(),
        }
        run = records.Run.create(options.out, "cnn", experiment.name, config, overwrite=options.overwrite)
    note(
        f"{experiment.name}: {settings(experiment)}; {len(dataset.train):,} training images; "
        + (f"going on after epoch {len(state.history)} in {run.folder}" if unfinished else f"into {run.folder}")
    )
    return _train(_Training(experiment, options, dataset, model, run, device, state))


def _load_state(run: records.Run, model: keras.Model) -> training.State:
    """Where the run stands, checked against the model that its settings give now."""
    arrays, meta = checkpoints.load_last(run.folder)
    state = training.State.from_arrays(arrays, meta.get("history", []))
    shapes = [value.shape for value in state.weights]
    if shapes and shapes != [tuple(weight.shape) for weight in model.weights]:
        raise RdfiaError(f"--resume {run.folder}: its checkpoint is of another network than its settings give now")
    return state


def check_images(experiment: CnnExperiment, dataset: Dataset) -> None:
    """Refuse images that the network would pool away to nothing.

    Raises:
        RdfiaError: With the size that is needed.
    """
    smallest = min(dataset.train.x.shape[1:3])
    smallest = crop_size(smallest) if "crop" in experiment.augment else smallest
    if smallest < SMALLEST_IMAGE:
        raise RdfiaError(
            f"{dataset.name}: the network would see images of {smallest} pixels; it needs at least {SMALLEST_IMAGE}"
        )


def build_model(experiment: CnnExperiment, dataset: Dataset) -> keras.Model:
    """The compiled model, with its initial weights drawn from the experiment's seed."""
    keras.utils.set_random_seed(experiment.seed)
    mean, std = training.channel_statistics(dataset.train.x)
    model = build_cnn(experiment, dataset.train.x.shape[1:], len(dataset.classes), mean, std)
    if experiment.whiten:
        layer = model.get_layer("whiten")
        layer.adapt(*training.principal_axes(dataset.train.x, layer.input.shape[1]))
    training.compile_model(model, experiment)
    return model


def settings(experiment: CnnExperiment) -> str:
    """What decides the run, in one line."""
    words = [f"{experiment.optimizer} lr {experiment.lr:g} {experiment.schedule}", f"batch {experiment.batch_size}"]
    words += ["normalize"] if experiment.normalize else []
    words += [f"{experiment.whiten} epsilon {experiment.epsilon:g}"] if experiment.whiten else []
    words += ["+".join(experiment.augment)] if experiment.augment else []
    words += [f"dropout {experiment.dropout:g}"] if experiment.dropout else []
    words += ["batch-norm"] if experiment.batch_norm else []
    return ", ".join([*words, experiment.precision, f"seed {experiment.seed}"])


def _train(job: _Training) -> Result:
    """Run the epochs, then save, draw and answer, however they ended."""
    batches = math.ceil(len(job.dataset.train) / job.experiment.batch_size)
    done = len(job.state.history)
    status, reason = "ok", None
    with StopRequest() as stop, Progress(job.experiment.name, job.experiment.epochs, batches, done) as progress:

        def save_epoch(state: training.State) -> None:
            _save_state(job)
            progress.epoch(state.history[-1])

        try:
            training.fit(
                job.model,
                job.experiment,
                job.dataset.train,
                job.dataset.test,
                job.state,
                stop,
                save_epoch,
                progress.batch,
            )
        except training.Diverged as error:
            status, reason = "failed", f"training diverged: {error}; try a smaller --lr (now {job.experiment.lr:g})"
        if stop:
            status = "interrupted"
    record = _finish(job, status, reason)
    if reason:
        kept = "the last finite model is kept" if job.state.history else "no epoch was finished, so no model is kept"
        note(f"error: {reason}; {kept} in {job.run.folder}")
    return Result(record, job.run.folder, stop.exit_code({"ok": 0, "failed": 1}.get(status)))


def _save_state(job: _Training) -> None:
    """After an epoch: the checkpoint first, then the tables that repeat its history."""
    checkpoints.save_next(job.run.folder, job.state.arrays(), {"history": job.state.history})
    job.run.write_history(job.state.history)


def _finish(job: _Training, status: str, reason: str | None) -> dict:
    """Write the record, the models and the pictures of whatever has been trained."""
    history = job.state.history
    record = records.metrics(
        status,
        "cnn",
        asdict(job.experiment),
        reason=reason,
        quick=job.options.quick,
        dataset=job.dataset.describe(),
        best=records.milestone(records.best_row(history)),
        final=records.milestone(history[-1] if history else None),
        epochs=len(history),
        seed=job.experiment.seed,
        precision=job.experiment.precision,
        device=job.device,
        parameters=job.model.count_params(),
        weights_digest=checkpoints.digest({str(i): w for i, w in enumerate(job.state.weights)}) if history else None,
        seconds=round(sum(row["seconds"] for row in history), 1),
    )
    job.run.write_history(history)
    if history:
        training.set_variables(job.model, job.state.best_weights)
        save_model(job.model, job.run.folder / "best.keras")
        training.set_variables(job.model, job.state.weights)
        save_model(job.model, job.run.folder / "model.keras")
        _draw(job, record)
    # The record comes last: a run whose status is ok has all its files.
    job.run.write_json("metrics.json", record)
    return record


def save_model(model: keras.Model, path: Path) -> None:
    """Write a `.keras` archive, atomically and without the optimizer: what it takes to predict."""
    part = path.with_name(f".{path.stem}.{os.getpid()}.part.keras")
    try:
        keras.Model(model.input, model.output, name=model.name).save(part)
        records.write_atomic(path, part.read_bytes())
    except OSError as error:
        raise RdfiaError(
            f"cannot write {path}: {error.strerror or error}; make room or choose another --out"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _draw(job: _Training, record: dict) -> None:
    """curves.png, confusion.png, mistakes.png and, where there is augmentation, augmented.png."""
    folder, quick, test = job.run.folder, job.options.quick, job.dataset.test
    title = f"{job.experiment.name} on {job.dataset.name}, seed {job.experiment.seed}"
    if record["figure"]:
        title += f" (figure {record['figure']})"
    figure = plots.learning_curves(job.state.history, title, published=record["published"], quick=quick)
    plots.save(figure, folder / "curves.png")
    probabilities = training.predict(job.model, test)
    counts = confusion(probabilities, test.y)
    figure = plots.confusion_matrix(counts, job.dataset.classes, f"{title}: test images", quick=quick)
    plots.save(figure, folder / "confusion.png")
    images, captions = worst_mistakes(probabilities, test.x, test.y, job.dataset.classes)
    if len(images):
        figure = plots.image_grid(images, captions, 6, f"{title}: worst mistakes (true → predicted)", quick=quick)
        plots.save(figure, folder / "mistakes.png")
    originals = job.dataset.train.x[:6]
    training.seed_epoch(job.model, job.experiment.seed, 0)
    versions = training.augmented(job.model, originals, 7)
    if versions is not None:
        figure = plots.augmentation_grid(originals, versions, f"{title}: augmented training images", quick=quick)
        plots.save(figure, folder / "augmented.png")


def worst_mistakes(
    probabilities: np.ndarray, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], most: int = 24
) -> tuple[np.ndarray, list[str]]:
    """The misclassified images whose true class got the least probability, worst first, with captions."""
    predicted = probabilities.argmax(axis=1)
    truth = probabilities[np.arange(len(labels)), labels]
    order = np.argsort(truth, kind="stable")
    wrong = order[predicted[order] != labels[order]][:most]
    captions = [f"{classes[labels[i]]} → {classes[predicted[i]]}\n{probabilities[i].max():.0%}" for i in wrong]
    return images[wrong], captions
