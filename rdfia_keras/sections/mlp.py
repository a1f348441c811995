"""Section mlp: the perceptron four ways, on one data set, from the same weights and in the same order (figure 1)."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np

from rdfia_keras import mlp, plots, records, runtime
from rdfia_keras.data import Dataset, one_hot
from rdfia_keras.experiments import MlpExperiment
from rdfia_keras.interrupt import StopRequest
from rdfia_keras.progress import Progress
from rdfia_keras.sections import Options, Result, confusion, percent
from rdfia_keras.training import epoch_order

COLUMNS = ("implementation", *records.HISTORY_COLUMNS)
QUICK_EPOCHS = 20
QUICK_EXAMPLES = 2000


def run(experiment: MlpExperiment, implementations: tuple[str, ...], dataset: Dataset, options: Options) -> Result:
    """Train, record and plot the chosen implementations.

    Raises:
        RdfiaError: When the device or the output folder cannot be used.
    """
    if options.quick:
        dataset = dataset.take(QUICK_EXAMPLES)
        experiment = replace(experiment, epochs=min(experiment.epochs, QUICK_EPOCHS))
    device = runtime.check_device(options.device)
    run = records.Run.create(
        options.out,
        "mlp",
        experiment.name,
        {
            "section": "mlp",
            "experiment": asdict(experiment),
            "implementations": list(implementations),
            "quick": options.quick,
            "dataset": dataset.describe(),
            "device": device,
        },
        overwrite=options.overwrite,
    )
    begin = time.perf_counter()
    histories, networks = {}, {}
    with StopRequest() as stop:
        for name in implementations:
            if stop:
                break
            with Progress(name, experiment.epochs) as progress:
                networks[name], histories[name] = train(name, experiment, dataset, stop, progress.epoch)
    status = "interrupted" if stop else "ok"
    if not all(np.isfinite(value).all() for network in networks.values() for value in network.weights().values()):
        status = "failed"
    record = _record(status, experiment, dataset, options, device, histories, time.perf_counter() - begin)
    _save(run, record, histories, networks, dataset, options)
    return Result(record, run.folder, table(record), {"ok": 0, "failed": 1}.get(status, 128 + (stop.signum or 0)))


def check_gradients(experiment: MlpExperiment, dataset: Dataset) -> tuple[list[dict], float]:
    """The gradients by hand against GradientTape and finite differences, on the first examples of the data set.

    Returns:
        A row a parameter, and the largest relative error of all.
    """
    batch = dataset.train.take(50)
    params = init(experiment, dataset)
    rows = mlp.check_gradients(params, batch.x, one_hot(batch.y, len(dataset.classes)))
    return rows, max(max(row["tape"], row["finite_differences"]) for row in rows)


def init(experiment: MlpExperiment, dataset: Dataset) -> dict[str, np.ndarray]:
    """The initial weights of every implementation."""
    return mlp.init_params(
        dataset.train.x.shape[1], experiment.hidden, len(dataset.classes), experiment.std, experiment.seed
    )


def train(
    implementation: str, experiment: MlpExperiment, dataset: Dataset, stop: object, on_epoch: Callable[[dict], None]
) -> tuple[mlp.Manual | mlp.Layers, list[dict]]:
    """Train one implementation; the history has a row for each finished epoch.

    Training loss and accuracy are measured over the whole training set after the epoch, as the test ones are.
    """
    network = mlp.IMPLEMENTATIONS[implementation](init(experiment, dataset), experiment.lr)
    take_epoch = mlp.compile_epoch(network, experiment.batch_size)
    evaluate = mlp.compile_evaluate(network)
    splits = {
        name: mlp.tensors(split.x, one_hot(split.y, len(dataset.classes)))
        for name, split in (("train", dataset.train), ("test", dataset.test))
    }
    history = []
    for epoch in range(experiment.epochs):
        if stop:
            break
        begin = time.perf_counter()
        order = epoch_order(experiment.seed, epoch, len(dataset.train))
        take_epoch(*splits["train"], mlp.tensors(order.astype(np.int32))[0])
        row = {"implementation": implementation, "epoch": epoch + 1, "lr": experiment.lr}
        for name, split in splits.items():
            loss, accuracy = evaluate(*split)
            row |= {f"{name}_loss": float(loss), f"{name}_accuracy": float(accuracy)}
        row["seconds"] = round(time.perf_counter() - begin, 6)
        history.append(row)
        on_epoch(row)
        if not np.isfinite(row["train_loss"]):
            break
    return network, history


def _record(
    status: str,
    experiment: MlpExperiment,
    dataset: Dataset,
    options: Options,
    device: str,
    histories: dict[str, list[dict]],
    seconds: float,
) -> dict:
    finished = {name: rows for name, rows in histories.items() if rows}
    scores = {
        name: {"best": records.milestone(records.best_row(rows)), "final": records.milestone(rows[-1])}
        for name, rows in finished.items()
    }
    first = next(iter(scores.values()), {"best": None, "final": None})
    return records.metrics(
        status,
        "mlp",
        asdict(experiment),
        quick=options.quick,
        dataset=dataset.describe(),
        **first,
        implementations=scores,
        largest_difference=_largest_difference(list(finished.values())),
        seed=experiment.seed,
        precision="float64",
        device=device,
        seconds=round(seconds, 3),
    )


def _largest_difference(histories: list[list[dict]]) -> float | None:
    """The largest gap between any two implementations' curves, loss or accuracy, train or test."""
    if len(histories) < 2:
        return None
    keys = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    length = min(map(len, histories))
    curves = np.array([[[row[key] for key in keys] for row in rows[:length]] for rows in histories])
    return float(np.ptp(curves, axis=0).max())


def _save(
    run: records.Run,
    record: dict,
    histories: dict[str, list[dict]],
    networks: dict,
    dataset: Dataset,
    options: Options,
) -> None:
    run.write_history([row for rows in histories.values() for row in rows], COLUMNS)
    run.write_json("metrics.json", record)
    finished = {name: rows for name, rows in histories.items() if rows}
    if not finished:
        return
    title = f"Perceptron on {dataset.name} (figure 1)" if record["figure"] else f"Perceptron on {dataset.name}"
    plots.save(plots.implementations(finished, title, quick=options.quick), run.folder / "curves.png")
    finished = {name: networks[name] for name in finished}
    if dataset.train.x.shape[1] == 2:
        panels = [_decision_panel(name, network, dataset) for name, network in finished.items()]
        plots.save(
            plots.decision_map(panels, dataset.classes, title=title, quick=options.quick),
            run.folder / "decision-map.png",
        )
    else:
        name, network = next(iter(finished.items()))
        counts = confusion(mlp.predict(network, dataset.test.x), dataset.test.y)
        figure = plots.confusion_matrix(counts, dataset.classes, f"{dataset.name}, {name}", quick=options.quick)
        plots.save(figure, run.folder / "confusion.png")


def _decision_panel(name: str, network: mlp.Manual | mlp.Layers, dataset: Dataset) -> dict:
    """The probability of class 1 over [-2, 2]², every 0.1, with the test points."""
    axis = np.linspace(-2, 2, 41)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    probability = mlp.predict(network, grid.reshape(-1, 2))[:, 1].reshape(grid.shape[:2])
    return {
        "title": name,
        "grid_x": axis,
        "grid_y": axis,
        "probability": probability,
        "points": dataset.test.x,
        "labels": dataset.test.y,
    }


def table(record: dict) -> list[dict[str, str]]:
    """The result table of a record."""
    return [
        {
            "implementation": name,
            "best test": percent(score["best"]["test_accuracy"]),
            "at epoch": str(score["best"]["epoch"]),
            "final test": percent(score["final"]["test_accuracy"]),
            "test loss": f"{score['final']['test_loss']:.4f}",
            "published": percent(record["published"]),
        }
        for name, score in record["implementations"].items()
    ]
