"""Callbacks in the `fit` of any model, schedules, batches and evaluation."""

import math
import os
import signal

import keras
import numpy as np
import pytest
from scipy.special import softmax
from trainings import Doing, assert_equal_training, numbers

from rdfia_keras.config import CnnConfig
from rdfia_keras.data import Split
from rdfia_keras.result import percent
from rdfia_keras.runs.history import read_history
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
    set_variables,
    variables_by_path,
)
from rdfia_keras.training.fit import compile_model, evaluate, predict
from rdfia_keras.training.schedules import SCHEDULES, IterationDecay, Triangular

# --- callbacks in the fit of a plain model ----------------------------------------------------------------------------

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


class Streams(keras.callbacks.Callback):
    """Note the states of the random streams as each epoch begins."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        states = [variable for variable in self.model.variables if variable.name == "seed_generator_state"]
        self.seen.append([tuple(np.asarray(keras.ops.convert_to_numpy(state)).tolist()) for state in states])


def test_epoch_seeds_make_streams_a_function_of_seed_and_epoch(plain):
    seen = []
    for advanced, seed, first in ((0, 7, 0), (3, 7, 0), (0, 8, 0), (0, 7, 1)):
        streams = Streams()
        for _ in range(advanced):
            plain(X, training=True)
        plain_fit(plain, EpochSeeds(seed), streams, epochs=3, initial_epoch=first)
        seen.append(streams.seen)
    whole, advanced, other, late = seen
    assert len(whole[0]) == 1 and len({tuple(states) for states in whole}) == 3
    assert whole == advanced and whole[1:] == late
    assert not set(map(tuple, whole)) & set(map(tuple, other))


def test_epoch_seeds_give_an_order_for_each_epoch(plain):
    """As the docstring has it, with batches in the callback's order."""
    seeds, seen = EpochSeeds(seed=3), []

    def order(count):
        seen.append(seeds.order(count))
        return seen[-1]

    plain.fit(batches(Split(X, Y), 4, order), epochs=2, shuffle=False, verbose=0, callbacks=[seeds])
    assert [list(rows) for rows in seen] == [list(epoch_order(3, 0, 12)), list(epoch_order(3, 1, 12))]


def test_every_seed_and_epoch_has_an_order_of_its_own():
    orders = [tuple(epoch_order(seed, epoch, 50)) for seed, epoch in ((0, 0), (0, 1), (0, 2), (1, 2))]
    assert len(set(orders)) == 4 and all(sorted(order) == list(range(50)) for order in orders)
    assert tuple(EpochSeeds(1, epoch=2).order(50)) == orders[3]


def test_a_stop_ends_fit_after_the_batch_and_leaves_no_half_epoch():
    """Asked for by Ctrl-C, in the middle of the second epoch."""
    history, interrupt = EpochHistory(), Doing(2, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
    model = plain_model()
    with StopRequest() as stop, pytest.raises(StopTraining):
        plain_fit(model, history, interrupt, StopOnRequest(stop), epochs=3, validation_data=(X_TEST, Y_TEST))
    assert interrupt.now == (2, 2)
    assert [row["epoch"] for row in history.rows] == [1]
    assert [len(values) for values in model.history.history.values()] == [1] * 4


@pytest.mark.parametrize(("steps", "batch", "reported"), [(1, 1, 2), (2, 2, 3)])
def test_a_loss_that_is_not_finite_is_reported_with_epoch_and_batch(steps, batch, reported):
    """With several steps a call, at the end of the call; the last one is shorter here."""
    history, model = EpochHistory(), plain_model(steps=steps)
    spoil = Doing(2, batch, lambda: model.layers[-1].bias.assign([math.nan] * 3))
    with pytest.raises(Diverged, match=rf"^the loss stopped being a finite number in epoch 2, batch {reported}$"):
        plain_fit(model, spoil, StopOnDivergence(), history, epochs=3)
    assert [row["epoch"] for row in history.rows] == [1]


def test_a_weight_that_is_not_finite_is_reported_at_the_end_of_its_epoch(plain):
    """After the last batch no loss shows it any more."""
    history = EpochHistory()
    spoil = Doing(2, 3, lambda: plain.layers[-1].bias.assign([math.inf] * 3))
    with pytest.raises(Diverged, match="the loss or a weight stopped being a finite number in epoch 2"):
        plain_fit(plain, spoil, StopOnDivergence(), history, epochs=3)
    assert [row["epoch"] for row in history.rows] == [1]


def test_epoch_history_has_what_fit_returns(plain):
    history = EpochHistory()
    returned = plain_fit(plain, history, validation_data=(X_TEST, Y_TEST)).history
    assert [row["epoch"] for row in history.rows] == [1, 2]
    names = {"train_loss": "loss", "train_accuracy": "accuracy", "test_loss": "val_loss"}
    for name, keras_name in (names | {"test_accuracy": "val_accuracy"}).items():
        assert [row[name] for row in history.rows] == returned[keras_name]
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
    assert f"validation {percent(last['validation_accuracy'], 2)}" in capsys.readouterr().err
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
    """With momentum and dropout; the resumed model has other weights at first, and no optimizer variables yet."""

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
    last = history.rows[1]
    assert f"plain  epoch 2/2  test {percent(last['test_accuracy'], 2)}  loss {last['train_loss']:.4f}" in err


RATES = {
    "constant": lambda epoch: 0.1,
    "exponential": lambda epoch: 0.1 * 0.95**epoch,
    "step": lambda epoch: 0.1 * 0.1 ** (epoch // 10),
    # Three batches an epoch.
    "step-iteration": lambda epoch: 0.1 * 0.998 ** (3 * epoch),
    "inverse": lambda epoch: 0.1 / (1 + 0.1 * epoch),
}
WITHIN_EPOCHS = ("step-iteration", "triangular")


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name not in WITHIN_EPOCHS])
def test_a_schedules_own_number_is_in_the_history_and_its_float32_in_the_optimizer(plain, name):
    """Exactly: the optimizer's variable would give 0.10000000149 for 0.1."""
    schedule, history, used = SCHEDULES[name](0.1), EpochHistory(), []
    plain.optimizer.learning_rate = 0.9
    assert schedule.rate(0) == 0.1
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: used.append(float(plain.optimizer.learning_rate))
    )
    logged = plain_fit(plain, schedule, history, note, epochs=12, initial_epoch=8).history["learning_rate"]
    expected = [RATES[name](epoch) for epoch in range(8, 12)]
    assert [row["lr"] for row in history.rows] == logged == expected
    assert used == [float(np.float32(rate)) for rate in expected]
    assert all(type(row["lr"]) is float for row in history.rows)


def test_a_decay_by_iterations_is_followed_within_epochs_by_several_steps_a_call():
    schedule, history, used = IterationDecay(0.1), EpochHistory(), []
    model = plain_model(lr=schedule.initial, steps=2)
    note = Doing(2, 2, lambda: used.append(float(model.optimizer.learning_rate)))
    plain_fit(model, schedule, history, note, epochs=3)
    assert [row["lr"] for row in history.rows] == [RATES["step-iteration"](epoch) for epoch in range(3)]
    # Three batches of the first epoch and two of the second.
    assert used == [pytest.approx(0.1 * 0.998**5, rel=1e-6)]
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1 * 0.998**9, rel=1e-6)


@pytest.mark.parametrize("lr", [0.1, IterationDecay(0.2).initial], ids=["a number", "another schedule"])
@pytest.mark.parametrize("schedule", [IterationDecay(0.1), Triangular(0.1, steps=9)])
def test_a_schedule_by_iterations_refuses_an_optimizer_that_would_not_follow(lr, schedule):
    with pytest.raises(ValueError, match=r"made with its `initial`: compile the model with .*SGD\(schedule\.initial\)"):
        plain_fit(plain_model(lr=lr), schedule)


def test_a_decay_by_iterations_takes_the_steps_of_its_rates():
    """Plain SGD on one weight whose gradient is 1 moves it by the sum of the rates."""
    schedule = IterationDecay(0.1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(schedule.initial), loss=lambda y, out: out)
    model.fit(np.ones((4, 1)), np.ones((4, 1)), batch_size=1, epochs=2, verbose=0, callbacks=[schedule])
    moved = -float(model.get_weights()[0][0, 0])
    assert moved == pytest.approx(sum(0.1 * 0.998**t for t in range(8)), rel=1e-5)


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
    plain, pipeline = _Batches(SPLIT, 4, order), list(batches(SPLIT, 4, order))
    assert len(plain) == len(pipeline) == 3
    for i, (x, y) in enumerate(pipeline):
        np.testing.assert_array_equal(plain[i][0], x.numpy())
        np.testing.assert_array_equal(plain[i][1], y.numpy())


def test_evaluation_is_numpys_over_all_examples():
    """Over 1,100 of them, of which the last batch has 100."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2, 2, 3), dtype="uint8"), keras.layers.Flatten(), keras.layers.Dense(3)])
    split = Split(RNG.integers(0, 4, (1100, 2, 2, 3)).astype(np.uint8), RNG.integers(0, 3, 1100))
    compile_model(model, CnnConfig().resolve())
    kernel, bias = model.get_weights()
    logits = split.x.reshape(1100, -1) @ kernel.astype(np.float64) + bias
    probabilities = softmax(logits, axis=1)
    loss, accuracy = evaluate(model, split)
    assert loss == pytest.approx(-np.log(probabilities[np.arange(1100), split.y]).mean(), rel=1e-5)
    assert accuracy == pytest.approx(np.mean(logits.argmax(axis=1) == split.y), abs=1e-6)
    predicted = predict(model, split)
    np.testing.assert_allclose(predicted, probabilities, rtol=1e-4)
    assert predicted.dtype == np.float64 and predicted.sum(axis=1) == pytest.approx(np.ones(1100))


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
