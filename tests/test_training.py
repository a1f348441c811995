"""Training: the callbacks in anybody's `fit`, and the convnet's own, which a cut and a resume leave bit-equal."""

import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from rdfia_keras.config import CnnConfig, RunOptions
from rdfia_keras.data import Dataset, Split
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import Experiment
from rdfia_keras.experiments.ladder import BASELINE, BATCH_NORM
from rdfia_keras.models.convnet import build_convnet
from rdfia_keras.models.saving import load_model
from rdfia_keras.runs import checkpoints
from rdfia_keras.runs.files import to_json
from rdfia_keras.runs.records import read_history
from rdfia_keras.sections import cnn
from rdfia_keras.system.signals import StopRequest
from rdfia_keras.system.terminal import Progress
from rdfia_keras.training.batches import _Batches, batches
from rdfia_keras.training.callbacks import (
    Checkpoint,
    Diverged,
    EpochHistory,
    EpochSeeds,
    HistoryFile,
    ProgressReport,
    StopOnDivergence,
    StopOnRequest,
    StopTraining,
    Validation,
    epoch_order,
    set_random_streams,
    set_variables,
    variables_by_path,
)
from rdfia_keras.training.fit import compile_model, evaluate, fit, predict
from rdfia_keras.training.optimizers import OPTIMIZERS, make_optimizer
from rdfia_keras.training.schedules import SCHEDULES, ExponentialDecay, IterationDecay

# --- callbacks in a plain fit of a model that is not ours -------------------------------------------------------------

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 4)).astype(np.float32), np.arange(12) % 3
X_TEST, Y_TEST = RNG.normal(size=(6, 4)).astype(np.float32), np.arange(6) % 3


def plain_model(seed: int = 0, lr: float = 0.1, name: str = "momentum", steps: int = 1) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu", name="hidden"),
            keras.layers.Dropout(0.5, seed=seed, name="dropout"),
            keras.layers.Dense(3, name="out"),
        ],
        name="plain",
    )
    optimizer = keras.optimizers.SGD(lr, momentum=0.9, name=name)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], steps_per_execution=steps)
    return model


@pytest.fixture(scope="module")
def traced() -> tuple[keras.Model, list[np.ndarray]]:
    model = plain_model()
    return model, model.get_weights()


@pytest.fixture
def plain(traced) -> keras.Model:
    """A plain model for tests that need no bits: `fit` traces its step once for all of them."""
    model, weights = traced
    model.set_weights(weights)
    model.optimizer.learning_rate = 0.1
    return model


def plain_fit(model: keras.Model, *callbacks: keras.callbacks.Callback, epochs: int = 2, **options):
    return model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks), **options)


class Doing(keras.callbacks.Callback):
    """Call a function after a batch of an epoch, both counted from 1."""

    def __init__(self, epoch: int, batch: int, function):
        super().__init__()
        self.when, self.function, self.now = (epoch, batch), function, (0, 0)

    def on_epoch_begin(self, epoch, logs=None):
        self.now = (epoch + 1, 0)

    def on_train_batch_end(self, batch, logs=None):
        self.now = (self.now[0], batch + 1)
        if self.now == self.when:
            self.function()


class Streams(keras.callbacks.Callback):
    """Note the states of the random streams as each epoch begins."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        states = [variable for variable in self.model.variables if variable.name == "seed_generator_state"]
        self.seen.append([tuple(np.asarray(keras.ops.convert_to_numpy(state)).tolist()) for state in states])


def test_epoch_seeds_make_streams_a_function_of_seed_and_epoch():
    seen, weights = [], []
    for advanced, seed, first in ((0, 7, 0), (3, 7, 0), (0, 8, 0), (0, 7, 1)):
        model, streams = plain_model(), Streams()
        for _ in range(advanced):
            model(X, training=True)
        plain_fit(model, EpochSeeds(seed), streams, epochs=3, initial_epoch=first)
        seen.append(streams.seen)
        weights.append(model.get_weights())
    whole, advanced, other, late = seen
    assert len(whole[0]) == 1 and len({tuple(states) for states in whole}) == 3
    assert whole == advanced and whole[1:] == late
    assert not set(map(tuple, whole)) & set(map(tuple, other))
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not np.array_equal(weights[0][0], weights[2][0])


def test_epoch_seeds_give_an_order_for_each_epoch():
    """As the docstring has it, with batches in the callback's order."""
    seeds, seen = EpochSeeds(seed=3), []

    def order(count):
        seen.append(seeds.order(count))
        return seen[-1]

    model = plain_model()
    model.fit(batches(Split(X, Y), 4, order), epochs=2, shuffle=False, verbose=0, callbacks=[seeds])
    assert [list(rows) for rows in seen] == [list(epoch_order(3, 0, 12)), list(epoch_order(3, 1, 12))]
    by_hand = plain_model()
    for epoch in range(2):
        set_random_streams(by_hand, 3, epoch)
        for rows in np.split(epoch_order(3, epoch, 12), 3):
            by_hand.train_on_batch(X[rows], Y[rows])
    for one, other in zip(model.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_first_epoch_can_be_given_before_fit_tells_it():
    assert list(EpochSeeds(3, epoch=5).order(12)) == list(epoch_order(3, 5, 12))


def test_every_epoch_has_an_order_of_its_own():
    orders = [tuple(epoch_order(0, epoch, 50)) for epoch in range(5)]
    assert len(set(orders)) == 5
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[3] == tuple(epoch_order(0, 3, 50))
    assert orders[3] != tuple(epoch_order(1, 3, 50))


def test_a_stop_ends_fit_after_the_batch_and_leaves_no_half_epoch():
    """Asked for by Ctrl-C, in the middle of the second epoch."""
    history, interrupt = EpochHistory(), Doing(2, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
    model = plain_model()
    with StopRequest() as stop, pytest.raises(StopTraining):
        plain_fit(model, history, interrupt, StopOnRequest(stop), epochs=3, validation_data=(X_TEST, Y_TEST))
    assert interrupt.now == (2, 2)
    assert [row["epoch"] for row in history.rows] == [1]
    assert [len(values) for values in model.history.history.values()] == [1] * 4


def test_without_a_request_nothing_stops(plain):
    assert len(plain_fit(plain, StopOnRequest(False)).epoch) == 2


@pytest.mark.parametrize(("steps", "batch", "told"), [(1, 1, 2), (2, 2, 3)])
def test_a_loss_that_is_no_number_is_told_with_epoch_and_batch(steps, batch, told):
    """With several steps a call, at the end of the call; the last one is shorter here."""
    history, model = EpochHistory(), plain_model(steps=steps)
    spoil = Doing(2, batch, lambda: model.layers[-1].bias.assign([math.nan] * 3))
    with pytest.raises(Diverged, match=rf"^the loss stopped being a finite number in epoch 2, batch {told}$"):
        plain_fit(model, spoil, StopOnDivergence(), history, epochs=3)
    assert [row["epoch"] for row in history.rows] == [1]


def test_a_weight_that_is_no_number_is_told_at_the_end_of_its_epoch(plain):
    """After the last batch no loss shows it any more."""
    history = EpochHistory()
    spoil = Doing(2, 3, lambda: plain.layers[-1].bias.assign([math.inf] * 3))
    with pytest.raises(Diverged, match="the loss or a weight stopped being a finite number in epoch 2"):
        plain_fit(plain, spoil, StopOnDivergence(), history, epochs=3)
    assert [row["epoch"] for row in history.rows] == [1]


def test_a_training_that_does_not_diverge_goes_on(plain):
    assert len(plain_fit(plain, StopOnDivergence()).epoch) == 2


def test_epoch_history_has_what_fit_returns(plain):
    history = EpochHistory()
    returned = plain_fit(plain, history, validation_data=(X_TEST, Y_TEST)).history
    assert [row["epoch"] for row in history.rows] == [1, 2]
    names = {"train_loss": "loss", "train_accuracy": "accuracy", "test_loss": "val_loss"}
    for ours, keras_name in (names | {"test_accuracy": "val_accuracy"}).items():
        assert [row[ours] for row in history.rows] == returned[keras_name]
    assert all(type(value) is float for row in history.rows for key, value in row.items() if key != "epoch")
    assert all(row["lr"] == float(np.float32(0.1)) and 0 <= row["seconds"] < 60 for row in history.rows)


def test_epoch_history_without_test_data_has_no_test_numbers(plain, tmp_path):
    history = EpochHistory()
    plain_fit(plain, history, HistoryFile(tmp_path / "history.csv", history))
    assert len(history.rows) == 2 and all(math.isnan(row["test_loss"]) for row in history.rows)
    assert all(math.isnan(row["test_accuracy"]) and row["train_loss"] > 0 for row in history.rows)
    assert math.isnan(read_history((tmp_path / "history.csv").read_text())[1]["test_accuracy"])


def test_a_validation_set_is_measured_and_changes_nothing_else(capsys):
    x, y = X[:5], Y[:5]
    alone, plain = plain_model(), EpochHistory()
    plain_fit(alone, EpochSeeds(0), plain, validation_data=(X_TEST, Y_TEST))
    model, history = plain_model(), EpochHistory()
    with Progress("plain", epochs=2) as progress:
        callbacks = [EpochSeeds(0), Validation(batches(Split(x, y), 2)), history, ProgressReport(progress, history)]
        plain_fit(model, *callbacks, validation_data=(X_TEST, Y_TEST))
    for one, other in zip(alone.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    measured = model.evaluate(x, y, verbose=0, return_dict=True)
    last = history.rows[-1]
    assert last["validation_accuracy"] == pytest.approx(measured["accuracy"])
    assert last["validation_loss"] == pytest.approx(measured["loss"], rel=1e-5)
    assert f"validation {last['validation_accuracy']:6.2%}" in capsys.readouterr().err
    for row in history.rows:
        del row["validation_loss"], row["validation_accuracy"]
    assert numbers(history) == numbers(plain)


def test_the_history_file_is_whole_after_each_epoch(plain, tmp_path):
    path, history, seen = tmp_path / "history.csv", EpochHistory(), []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(read_history(path.read_text())))
    plain_fit(plain, history, HistoryFile(path, history), note, validation_data=(X_TEST, Y_TEST))
    assert path.read_text().startswith("epoch,lr,train_loss,train_accuracy,test_loss,test_accuracy,seconds\n1,")
    assert seen == [history.rows[:1], history.rows]
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]


def test_a_checkpoint_in_a_plain_fit_ends_bit_equal(tmp_path):
    """With momentum and dropout; the model that goes on has other weights at first, and no optimizer variables yet."""

    def train(folder, epochs, seed=0):
        history, model = EpochHistory(), plain_model(seed)
        checkpoint = Checkpoint(folder, history)
        done = checkpoint.restore(model)
        seeds = EpochSeeds(seed=0)
        plain_fit(
            model, seeds, history, checkpoint, epochs=epochs, initial_epoch=done, validation_data=(X_TEST, Y_TEST)
        )
        return done, model, history

    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    _, whole, rows = train(tmp_path / "whole", 4)
    assert train(tmp_path / "cut", 2)[0] == 0
    done, resumed, again = train(tmp_path / "cut", 4, seed=1)
    assert done == 2
    assert_equal_training(whole, rows, resumed, again)
    assert {path.name for path in (tmp_path / "cut" / "checkpoints").iterdir()} == {"last.ckpt", "previous.ckpt"}


def test_a_progress_report_prints_the_epochs(plain, capsys):
    history = EpochHistory()
    with Progress("plain", epochs=2, batches=3) as progress:
        plain_fit(plain, history, ProgressReport(progress, history), validation_data=(X_TEST, Y_TEST))
    err = capsys.readouterr().err
    assert f"plain  epoch 2/2  loss {history.rows[1]['train_loss']:.4f}" in err
    assert f"test {history.rows[1]['test_accuracy']:6.2%}" in err


RATES = {
    "constant": lambda epoch: 0.1,
    "exponential": lambda epoch: 0.1 * 0.95**epoch,
    "step": lambda epoch: 0.1 * 0.1 ** (epoch // 10),
    # Three batches an epoch.
    "step-iteration": lambda epoch: 0.1 * 0.998 ** (3 * epoch),
    "inverse": lambda epoch: 0.1 / (1 + 0.1 * epoch),
}
WITHIN_EPOCHS = ("step-iteration",)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name not in WITHIN_EPOCHS])
def test_a_schedules_own_number_is_in_the_history_and_its_float32_in_the_optimizer(plain, name):
    """Exactly: the optimizer's variable would give 0.10000000149 for 0.1."""
    schedule, history, used = SCHEDULES[name](0.1), EpochHistory(), []
    plain.optimizer.learning_rate = 0.9
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: used.append(float(plain.optimizer.learning_rate))
    )
    logged = plain_fit(plain, schedule, history, note, epochs=12, initial_epoch=8).history["learning_rate"]
    expected = [RATES[name](epoch) for epoch in range(8, 12)]
    assert [row["lr"] for row in history.rows] == logged == expected
    assert used == [float(np.float32(rate)) for rate in expected]
    assert all(type(row["lr"]) is float for row in history.rows)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0.1, 0.1]), ("exponential", [0.1, 0.1 * 0.95**10]), ("step", [0.1, 0.01]), ("inverse", [0.1, 0.05])],
)
def test_schedules(schedule, expected):
    assert [SCHEDULES[schedule](0.1).rate(epoch) for epoch in (0, 10)] == pytest.approx(expected)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_decay_by_iterations_is_followed_within_epochs_however_many_steps_a_call_has(steps):
    schedule, history, used = IterationDecay(0.1), EpochHistory(), []
    model = plain_model(lr=schedule.initial, steps=steps)
    note = Doing(2, 2, lambda: used.append(float(model.optimizer.learning_rate)))
    plain_fit(model, schedule, history, note, epochs=3)
    assert [row["lr"] for row in history.rows] == [RATES["step-iteration"](epoch) for epoch in range(3)]
    # Three batches of the first epoch and two of the second.
    assert used == [pytest.approx(0.1 * 0.998**5, rel=1e-6)]
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1 * 0.998**9, rel=1e-6)


def test_a_decay_by_iterations_takes_the_steps_of_its_rates():
    """Plain SGD on one weight whose gradient is 1 moves it by the sum of the rates."""
    schedule = IterationDecay(0.1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(schedule.initial), loss=lambda y, out: out)
    model.fit(np.ones((4, 1)), np.ones((4, 1)), batch_size=1, epochs=2, verbose=0, callbacks=[schedule])
    moved = -float(model.get_weights()[0][0, 0])
    assert moved == pytest.approx(sum(0.1 * 0.998**t for t in range(8)), rel=1e-5)


def test_a_training_with_a_decay_by_iterations_resumes_bit_equal(tiny_images, tmp_path):
    config = replace(SMALL, schedule="step-iteration", epochs=3)
    whole, rows = train(config, tiny_images)
    train(replace(config, epochs=1), tiny_images, tmp_path)
    resumed, again = train(config, tiny_images, tmp_path)
    assert_equal_training(whole, rows, resumed, again)
    assert [row["lr"] for row in again.rows] == [0.01 * 0.998 ** (3 * epoch) for epoch in range(3)]


def test_a_schedule_also_works_alone(plain):
    assert plain_fit(plain, ExponentialDecay(0.1)).history["learning_rate"] == [0.1, 0.1 * 0.95]


# --- batches, evaluation ----------------------------------------------------------------------------------------------

SPLIT = Split(RNG.integers(0, 256, (10, 2, 2, 3)).astype(np.uint8), np.arange(10))


def test_batches_are_read_in_order_and_the_last_may_be_smaller():
    data = batches(SPLIT, 4)
    assert int(data.cardinality()) == 3
    read = [(x.numpy(), y.numpy()) for x, y in data]
    assert [len(y) for _, y in read] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in read]), SPLIT.x)
    np.testing.assert_array_equal(np.concatenate([y for _, y in read]), SPLIT.y)
    assert read[0][0].dtype == np.uint8
    assert int(batches(SPLIT, 100).cardinality()) == 1


def test_batches_have_an_order_for_each_pass():
    orders = iter([np.arange(10)[::-1], np.roll(np.arange(10), 3)])
    data = batches(SPLIT, 4, lambda count: next(orders))
    for expected in (np.arange(10)[::-1], np.roll(np.arange(10), 3)):
        read = [(x.numpy(), y.numpy()) for x, y in data]
        np.testing.assert_array_equal(np.concatenate([y for _, y in read]), expected)
        np.testing.assert_array_equal(np.concatenate([x for x, _ in read]), SPLIT.x[expected])


def test_other_back_ends_read_the_same_batches():
    order = lambda count: np.roll(np.arange(count), 3)  # noqa: E731
    ours, theirs = _Batches(SPLIT, 4, order), list(batches(SPLIT, 4, order))
    assert len(ours) == len(theirs) == 3
    for i, (x, y) in enumerate(theirs):
        np.testing.assert_array_equal(ours[i][0], x.numpy())
        np.testing.assert_array_equal(ours[i][1], y.numpy())


def test_evaluation_is_numpys_over_all_examples():
    """Over 1,100 of them, of which the last batch has 100."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2, 2, 3), dtype="uint8"), keras.layers.Flatten(), keras.layers.Dense(3)])
    split = Split(RNG.integers(0, 4, (1100, 2, 2, 3)).astype(np.uint8), RNG.integers(0, 3, 1100))
    compile_model(model, CnnConfig().resolve())
    kernel, bias = model.get_weights()
    logits = split.x.reshape(1100, -1) @ kernel.astype(np.float64) + bias
    e = np.exp(logits)
    probabilities = e / e.sum(axis=1, keepdims=True)
    loss, accuracy = evaluate(model, split)
    assert loss == pytest.approx(-np.log(probabilities[np.arange(1100), split.y]).mean(), rel=1e-5)
    assert accuracy == pytest.approx(np.mean(logits.argmax(axis=1) == split.y), abs=1e-6)
    predicted = predict(model, split)
    np.testing.assert_allclose(predicted, probabilities, rtol=1e-4)
    assert predicted.dtype == np.float64 and predicted.sum(axis=1) == pytest.approx(np.ones(1100))


# --- the convnet's own fit --------------------------------------------------------------------------------------------

# Augmentation, dropout, batch-norm and the schedule, whose streams and states must all be as they were.
FULL = replace(BATCH_NORM.config, optimizer="momentum", lr=0.01, epochs=3, batch_size=16, seed=5, steps_per_execution=1)
SMALL = CnnConfig(
    network="dense", batch_size=16, epochs=2, lr=0.01, dropout_rate=0.5, seed=5, steps_per_execution=1
).resolve()
HERE = {"back end": "tensorflow", "device": "cpu", "precision": "float32", "what XLA compiles": "nothing"}


def build(config: CnnConfig, data: Dataset) -> keras.Model:
    model = build_convnet(config, data)
    compile_model(model, config)
    return model


def train(config, data, folder=None, *callbacks, facts=HERE):
    """Train from where the folder's checkpoint stands: the model and its history."""
    model, history = build(config, data), EpochHistory()
    kept = []
    if folder:
        folder.mkdir(exist_ok=True)
        kept = [Checkpoint(folder, history, facts)]
        kept[0].restore(model)
    fit(model, data, config, history, [*kept, *callbacks])
    return model, history


def numbers(history: EpochHistory):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history.rows]


def assert_equal_training(model, history, other, other_history):
    assert numbers(history) == numbers(other_history)
    for variables in (lambda m: m.weights, lambda m: m.optimizer.variables):
        one, again = variables_by_path(variables(model)), variables_by_path(variables(other))
        assert one.keys() == again.keys()
        for path, value in one.items():
            np.testing.assert_array_equal(again[path], value, err_msg=path)


@pytest.fixture(scope="module")
def full(tiny_images, tmp_path_factory):
    """A training of everything at once that nothing interrupted: model, history and folder."""
    folder = tmp_path_factory.mktemp("full")
    build(FULL, tiny_images)  # The model that follows is the second of its kind in the process.
    return *train(FULL, tiny_images, folder), folder


# The states of every optimizer's kind, and of float16's loss scale; once with a validation set.
CUT = {
    "everything, momentum": FULL,
    "sgd": replace(SMALL, epochs=3),
    "adam, validation": replace(SMALL, optimizer="adam", validation=0.25, epochs=3),
    "momentum, float16": replace(
        SMALL, augmentations=("crop", "flip"), xla="off", optimizer="momentum", precision="mixed_float16", epochs=3
    ),
}


@pytest.mark.parametrize("name", CUT)
def test_a_training_that_was_cut_in_mid_epoch_ends_bit_equal(tiny_images, tmp_path, request, name):
    config = CUT[name]
    tiny_images = tiny_images.hold_out(config.validation, config.seed)
    whole, rows, *_ = request.getfixturevalue("full") if config is FULL else train(config, tiny_images)
    cut: list[int] = []
    stop = Doing(2, 2, lambda: cut.append(1))
    with pytest.raises(StopTraining):
        train(config, tiny_images, tmp_path, stop, StopOnRequest(cut))
    arrays, meta = checkpoints.load_last(tmp_path)
    assert stop.now == (2, 2) and [row["epoch"] for row in meta["history"]] == [1]
    assert {name.split("/")[0] for name in arrays} == {"model", "optimizer", "best"}
    if config.precision == "mixed_float16":
        assert any(name.startswith("optimizer/loss_scale/") for name in arrays)
        assert 1 <= arrays["optimizer/loss_scale/dynamic_scale"] < np.inf
    resumed, again = train(config, tiny_images, tmp_path)
    assert_equal_training(whole, rows, resumed, again)
    assert len(again.rows) == 3
    assert all(("validation_loss" in row) == bool(config.validation) for row in again.rows)


# What a GPU gets: the whole step compiled by XLA, several steps a call.
ACCELERATED = {"xla": "on", "steps_per_execution": 2}


def test_on_the_path_of_a_gpu_a_cut_training_ends_bit_equal(tiny_images, tmp_path):
    """Three batches of 16 are a call of two steps and one of a single step."""
    config = replace(SMALL, optimizer="momentum", epochs=3, **ACCELERATED)
    whole, rows = train(config, tiny_images)
    assert whole.jit_compile is True and whole.steps_per_execution == 2
    cut: list[int] = []
    stop = Doing(2, 2, lambda: cut.append(1))
    with pytest.raises(StopTraining):
        train(config, tiny_images, tmp_path, stop, StopOnRequest(cut))
    assert stop.now == (2, 2)  # The request was answered at the end of its call.
    resumed, again = train(config, tiny_images, tmp_path)
    assert_equal_training(whole, rows, resumed, again)
    assert len(again.rows) == 3


def test_several_steps_a_call_take_the_steps_of_single_ones(tiny_images):
    config = replace(SMALL, augmentations=("crop", "flip"), xla="off", dropout_rate=0.0)
    (one, rows), (several, same) = (train(replace(config, steps_per_execution=steps), tiny_images) for steps in (1, 2))
    assert_equal_training(one, rows, several, same)


def test_several_steps_a_call_measure_and_predict_the_same(tiny_images):
    one, several = (build(replace(SMALL, steps_per_execution=steps), tiny_images) for steps in (1, 7))
    split = Split(np.tile(tiny_images.train.x, (25, 1, 1, 1)), np.tile(tiny_images.train.y, 25))
    assert evaluate(one, split) == pytest.approx(evaluate(several, split))
    np.testing.assert_allclose(predict(one, split), predict(several, split), atol=1e-6)
    assert predict(several, split).shape == (1200, 3)


def test_a_training_that_is_made_longer_ends_bit_equal(tiny_images, tmp_path):
    config = replace(SMALL, optimizer="adam", schedule="exponential")
    whole, rows = train(config, tiny_images)
    train(replace(config, epochs=1), tiny_images, tmp_path)
    resumed, again = train(config, tiny_images, tmp_path)
    assert_equal_training(whole, rows, resumed, again)
    model, history = train(config, tiny_images, tmp_path)  # Nothing is left to do.
    assert_equal_training(whole, rows, model, history)


def test_one_seed_gives_equal_runs_and_another_differs(tiny_images):
    config = replace(SMALL, augmentations=("crop", "flip"), xla="off")
    (first, rows), (again, same), (_, other) = (train(replace(config, seed=s), tiny_images) for s in (5, 5, 6))
    assert_equal_training(first, rows, again, same)
    assert numbers(rows) != numbers(other)


def test_fit_sees_the_batches_streams_and_rates_of_a_loop_by_hand(tiny_images, full):
    model, history, _ = full
    by_hand, measured = build(FULL, tiny_images), []
    for epoch in range(3):
        streams = [variable for variable in by_hand.variables if variable.name == "seed_generator_state"]
        assert len(streams) == 3  # Of the crop, the flip and the dropout.
        for number, stream in enumerate(streams):
            stream.assign(np.random.SeedSequence([5, epoch, number]).generate_state(2).astype(stream.dtype))
        by_hand.optimizer.learning_rate = 0.01 * 0.95**epoch
        order = np.random.default_rng([5, epoch]).permutation(48)
        logs = [
            by_hand.train_on_batch(tiny_images.train.x[rows], tiny_images.train.y[rows], return_dict=True)
            for rows in np.split(order, 3)
        ]
        tested = by_hand.test_on_batch(tiny_images.test.x, tiny_images.test.y, return_dict=True)
        measured.append([*(np.mean([log[key] for log in logs]) for key in ("loss", "accuracy")), *tested.values()])
    for one, other in zip(model.weights, by_hand.weights, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-3, atol=1e-5, err_msg=one.path)
    for row, (train_loss, train_accuracy, accuracy, loss) in zip(history.rows, measured, strict=True):
        assert row["train_loss"] == pytest.approx(train_loss, rel=1e-4)
        assert row["train_accuracy"] == pytest.approx(train_accuracy, rel=1e-4)
        assert (row["test_accuracy"], row["test_loss"]) == pytest.approx((accuracy, loss), rel=1e-4)


def test_the_history_has_the_schedules_learning_rate_exactly(tiny_images):
    model, history = train(replace(SMALL, schedule="exponential", lr=0.1), tiny_images)
    assert [row["lr"] for row in history.rows] == [0.1, 0.1 * 0.95]
    assert float(model.optimizer.learning_rate) == float(np.float32(0.1 * 0.95))


def test_a_stop_leaves_no_half_epoch(tiny_images, tmp_path):
    with pytest.raises(StopTraining):
        train(SMALL, tiny_images, tmp_path, StopOnRequest(True))
    assert list(tmp_path.iterdir()) == []


def test_divergence_is_told_and_keeps_the_last_finite_epoch(tiny_images, tmp_path):
    train(replace(SMALL, epochs=1), tiny_images, tmp_path)
    wild, seen = replace(SMALL, lr=1e30, epochs=3), []
    with pytest.raises(Diverged, match=r"epoch 2, batch [23]"):
        train(wild, tiny_images, tmp_path, keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(1)))
    arrays, meta = checkpoints.load_last(tmp_path)
    assert len(meta["history"]) == 1 and seen == []
    assert all(np.isfinite(array).all() for array in arrays.values())


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_takes_finite_steps(tiny_images, precision):
    model, history = train(replace(FULL, precision=precision, epochs=1), tiny_images)
    assert np.isfinite(history.rows[0]["train_loss"])
    assert not np.array_equal(model.get_weights()[0], build(FULL, tiny_images).get_weights()[0])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_take_steps(tiny_images, optimizer):
    before = build(SMALL, tiny_images).get_weights()[0]
    model, _ = train(replace(SMALL, optimizer=optimizer, lr=0.001, epochs=1), tiny_images)
    assert np.isfinite(model.get_weights()[0]).all() and not np.array_equal(before, model.get_weights()[0])
    assert model.optimizer.name == optimizer


def torch_rmsprop(gradients: list[np.ndarray]) -> np.ndarray:
    """`torch.optim.RMSprop(lr=0.01)` from 0, as its documentation has it: epsilon outside the root."""
    w = v = np.zeros_like(gradients[0])
    for g in gradients:
        v = 0.99 * v + 0.01 * g * g
        w = w - 0.01 * g / (np.sqrt(v) + 1e-8)
    return w


def torch_adam(gradients: list[np.ndarray]) -> np.ndarray:
    """`torch.optim.Adam(lr=0.01)` from 0."""
    w = m = v = np.zeros_like(gradients[0])
    for t, g in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.01 * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


@pytest.mark.parametrize(("name", "expected"), [("rmsprop", torch_rmsprop), ("adam", torch_adam)])
def test_with_pytorchs_defaults_an_optimizer_takes_pytorchs_steps(name, expected):
    """A large gradient, one at which Keras's epsilon would show, and none. (PyTorch beside TensorFlow may crash.)"""
    gradients = [np.array([0.5 / step, 1e-5 * step, 0.0]) for step in range(1, 4)]
    weight = keras.Variable(np.zeros(3, np.float32))
    optimizer = make_optimizer(CnnConfig(optimizer=name, framework_defaults="pytorch"), 0.01)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [weight])
    np.testing.assert_allclose(np.asarray(weight), expected(gradients), rtol=0.04)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_kerass_defaults_an_optimizer_is_kerass_own(name):
    optimizer = make_optimizer(CnnConfig(optimizer=name), 0.01)
    usual = type(optimizer)(0.01, name=name).get_config()
    own = {"momentum", "nesterov"} if name in ("momentum", "nesterov") else set()
    assert {key: value for key, value in optimizer.get_config().items() if usual[key] != value}.keys() <= own


def test_it_learns(tiny_images):
    config = replace(BASELINE.config, normalize=True, lr=0.05, batch_size=8, epochs=6)
    _, history = train(config, tiny_images)
    assert max(row["test_accuracy"] for row in history.rows) > 0.9


# --- what a checkpoint holds and what it refuses ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_epoch(tiny_images, tmp_path_factory):
    """The folder of a training of one epoch; tests only read it."""
    folder = tmp_path_factory.mktemp("one-epoch")
    train(replace(SMALL, epochs=1), tiny_images, folder)
    return folder


@pytest.mark.parametrize(
    ("fact", "now"),
    [
        *(("back end", "jax"), ("device", "gpu"), ("precision", "mixed_float16")),
        ("what XLA compiles", "the whole step"),
    ],
)
def test_a_checkpoint_made_elsewhere_is_refused_with_what_differs(tiny_images, one_epoch, fact, now):
    model, history = build(SMALL, tiny_images), EpochHistory()
    before = variables_by_path(model.weights)
    with pytest.raises(RdfiaError, match=f"cannot resume .*: {fact} was {HERE[fact]} and is {now} now"):
        Checkpoint(one_epoch, history, {**HERE, fact: now}).restore(model)
    assert history.rows == []
    for path, value in variables_by_path(model.weights).items():
        np.testing.assert_array_equal(value, before[path])
    assert Checkpoint(one_epoch, history, HERE).restore(model) == 1


@pytest.mark.parametrize("other", [{"network": "lenet"}, {"optimizer": "momentum"}], ids=str)
def test_a_checkpoint_of_another_network_or_optimizer_is_refused(tiny_images, one_epoch, other):
    with pytest.raises(RdfiaError, match="of another network than its settings give now"):
        Checkpoint(one_epoch, EpochHistory(), HERE).restore(build(replace(SMALL, **other), tiny_images))


def test_a_checkpoint_of_other_shapes_is_refused(tiny_images, one_epoch):
    """The same names, for images of another size."""
    splits = (Split(split.x[:, :16, :16], split.y) for split in (tiny_images.train, tiny_images.test))
    smaller = Dataset("smaller", *splits, tiny_images.classes)
    with pytest.raises(RdfiaError, match="of another network than its settings give now"):
        Checkpoint(one_epoch, EpochHistory(), HERE).restore(build(SMALL, smaller))


def test_a_checkpoint_of_another_version_is_refused(tiny_images, one_epoch, tmp_path):
    arrays, meta = checkpoints.load_last(one_epoch)
    checkpoints.save_next(tmp_path, arrays, {**meta, "schema": 0})
    with pytest.raises(RdfiaError, match="another version of this package; start a new run"):
        Checkpoint(tmp_path, EpochHistory(), HERE).restore(build(SMALL, tiny_images))


def test_variables_are_stored_by_path(tiny_images, full):
    """A model and an optimizer that are the second of their kind in the process have the same paths."""
    model, _, folder = full
    arrays, meta = checkpoints.load_last(folder)
    assert {f"model/{variable.path}" for variable in model.weights} <= set(arrays)
    assert {"model/conv1/kernel", "model/batch_norm1/moving_mean", "model/fc5/bias", "best/conv1/kernel"} <= set(arrays)
    assert {"optimizer/momentum/learning_rate", "optimizer/momentum/conv1_kernel_momentum"} <= set(arrays)
    assert not any("seed_generator" in name for name in arrays)
    assert meta["facts"] == HERE
    again = build(FULL, tiny_images)
    assert Checkpoint(folder, EpochHistory(), HERE).restore(again) == 3
    np.testing.assert_array_equal(again.get_layer("conv1").kernel, arrays["model/conv1/kernel"])


def test_values_of_other_variables_are_refused():
    model = plain_model()
    values = variables_by_path(model.weights)
    set_variables(model.weights, {path: value + 1 for path, value in values.items()})
    assert all((np.asarray(variable) == values[variable.path] + 1).all() for variable in model.weights)
    for wrong in (
        {},
        {**values, "more": 0},
        {("x" if path.endswith("bias") else path): values[path] for path in values},
    ):
        with pytest.raises((KeyError, ValueError)):
            set_variables(model.weights, wrong)


# --- a whole run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("validated", [False, True], ids=["by-test", "by-validation"])
def test_best_keras_holds_the_weights_of_the_epoch_that_is_chosen(tiny_images, tmp_path, validated):
    """The labels to choose by are what the network says after two epochs, so that its accuracy is highest then."""
    config = replace(BASELINE.config, network="dense", lr=0.01, batch_size=16, epochs=4)
    early, _ = train(replace(config, epochs=2), tiny_images)
    labelled = Split(tiny_images.test.x, predict(early, tiny_images.test).argmax(axis=1))
    test, validation = (tiny_images.test, labelled) if validated else (labelled, None)
    data = Dataset("early", tiny_images.train, test, tiny_images.classes, validation=validation)
    finished = cnn.train(Experiment(name="early", config=config), data, RunOptions(out=tmp_path))
    record = finished.record
    chosen, by = (record.selected, "validation") if validated else (record.best, "test")
    assert (chosen["epoch"], chosen[f"{by}_accuracy"]) == (2, 1.0)
    assert record.final["epoch"] == 4 and record.final[f"{by}_accuracy"] < 1
    assert (record.selected is not None) == validated
    assert record.details["best_model"] == {"epoch": 2, "chosen_by": f"{by} accuracy"}
    assert finished.result().lines == [f"best.keras: epoch 2, of the highest {by} accuracy"]
    for file, milestone in (("best.keras", chosen), ("model.keras", record.final)):
        model = load_model(finished.folder / file)
        compile_model(model, config)
        loss, accuracy = evaluate(model, test)
        assert (accuracy, loss) == pytest.approx((milestone["test_accuracy"], milestone["test_loss"]), rel=1e-5)
    last = checkpoints.load_last(finished.folder)[0]
    weights = variables_by_path(model.weights)
    assert checkpoints.digest(weights) == record.details["weights_digest"]
    assert not np.array_equal(last["best/fc2/kernel"], last["model/fc2/kernel"])


def test_statistics_are_those_of_the_examples_that_are_trained_on(tiny_images, tmp_path):
    config = replace(SMALL, normalize=True, validation=0.5, epochs=1)
    finished = cnn.train(Experiment(name="half", config=config), tiny_images, RunOptions(out=tmp_path))
    split = tiny_images.hold_out(0.5, config.seed)
    mean, whole = ((images.x / 255).mean(axis=(0, 1, 2)) for images in (split.train, tiny_images.train))
    normalized = load_model(finished.folder / "model.keras").get_layer("normalize")
    np.testing.assert_allclose(np.ravel(normalized.mean), mean, rtol=1e-5)
    assert not np.allclose(mean, whole, rtol=1e-4)
    assert finished.record.dataset["counts"] == {"train": 24, "test": 24, "validation": 24}
    assert finished.record.dataset["validation_digest"] == split.validation.digest
    (row,) = finished.result().table
    assert row["selected test"] == f"{finished.record.selected['test_accuracy']:.2%}"


def test_numbers_that_json_does_not_have_become_null():
    assert json.loads(to_json({"a": float("nan"), "b": [float("inf"), 1.5]})) == {"a": None, "b": [None, 1.5]}


JAX = """
from dataclasses import replace
from pathlib import Path
import keras, numpy as np
from rdfia_keras.config import RunOptions
from rdfia_keras.data import Dataset, Split
from rdfia_keras.experiments.ladder import BATCH_NORM
from rdfia_keras.models.convnet import build_convnet
from rdfia_keras.training.callbacks import *
from rdfia_keras.training.callbacks import variables_by_path
from rdfia_keras.training.fit import compile_model, fit, predict

y = np.arange(50) % 3
x = (np.random.default_rng(0).integers(0, 60, (50, 32, 32, 3)) + 60 * y[:, None, None, None]).astype(np.uint8)
data = Dataset("made", Split(x, y), Split(x[:20], y[:20]), ("a", "b", "c")).hold_out(0.2, 5)
config = replace(BATCH_NORM.config, optimizer="momentum", lr=0.01, epochs=2, batch_size=16, seed=5)
config = replace(config, steps_per_execution=1)

def train(folder, stop=None):
    model, history = build_convnet(config, data), EpochHistory()
    compile_model(model, config)
    folder.mkdir(exist_ok=True)
    checkpoint = Checkpoint(folder, history)
    checkpoint.restore(model)
    cut = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: (len(history.rows), batch) == stop and cut.append(1)
    )
    try:
        fit(model, data, config, history, [checkpoint, note, StopOnRequest(cut)])
    except StopTraining:
        # What a run does with the model after it was stopped.
        set_variables(model.weights, checkpoint.weights)
        assert np.isfinite(predict(model, data.test)).all()
    return model, history

assert keras.backend.backend() == "jax"
whole, rows = train(Path("whole"))
_, half = train(Path("cut"), stop=(1, 1))
assert len(half.rows) == 1, half.rows
resumed, again = train(Path("cut"))
for row in rows.rows + again.rows:
    del row["seconds"]
assert rows.rows == again.rows and len(rows.rows) == 2
measured = whole.evaluate(data.validation.x, data.validation.y, verbose=0, return_dict=True)
assert abs(measured["accuracy"] - rows.rows[-1]["validation_accuracy"]) < 1e-6
for variables in (lambda m: m.weights, lambda m: m.optimizer.variables):
    one, other = variables_by_path(variables(whole)), variables_by_path(variables(resumed))
    assert one.keys() == other.keys() and len(one) > 2
    assert all(np.array_equal(one[path], other[path]) for path in one)
print("equal")
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_another_back_end_trains_is_cut_and_resumes_bit_equal(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", JAX],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["equal"], done.stderr
