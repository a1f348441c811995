"""Trainings of the convnet: a training that was cut off or made longer ends bit-equal; checkpoints; whole runs."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from trainings import Doing, assert_equal_training

from rdfia_keras.analysis.tables import run_result
from rdfia_keras.config import CnnConfig, RunOptions
from rdfia_keras.data import Dataset, Split
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import Experiment
from rdfia_keras.experiments.registry import BASELINE, BASELINE_KERAS, BATCH_NORM, MODERN_FAST
from rdfia_keras.models.convnet import build_convnet
from rdfia_keras.models.saving import load_model
from rdfia_keras.result import percent
from rdfia_keras.runs import checkpoint
from rdfia_keras.training.callbacks import (
    Checkpoint,
    Diverged,
    EpochHistory,
    StopOnRequest,
    StopTraining,
    variables_by_path,
)
from rdfia_keras.training.fit import compile_model, evaluate, fit, predict
from rdfia_keras.training.optimizers import OPTIMIZERS, make_optimizer
from rdfia_keras.training.train_convnet import train_convnet

# --- the convnet's own fit --------------------------------------------------------------------------------------------

# Augmentation, dropout, batch-norm and the schedule, whose streams and states must all be as they were.
FULL = replace(BATCH_NORM.config, optimizer="momentum", lr=0.01, epochs=3, batch_size=16, seed=5, steps_per_execution=1)
SMALL = CnnConfig(
    network="dense", batch_size=16, epochs=2, lr=0.01, dropout_rate=0.5, seed=5, steps_per_execution=1
).resolve()
HERE = {"back end": "tensorflow", "device": "cpu", "precision": "float32", "what XLA compiles": "nothing"}


def build(config: CnnConfig, data: Dataset) -> keras.Model:
    model = build_convnet(config, data)
    compile_model(model, config, data)
    return model


def train(config, data, folder=None, *callbacks, facts=HERE):
    """Train from where the folder's checkpoint stands: the model and its history."""
    model, history = build(config, data), EpochHistory()
    if folder:
        folder.mkdir(exist_ok=True)
        saved = Checkpoint(folder, history, facts)
        saved.restore(model)
        callbacks = (saved, *callbacks)
    fit(model, data, config, history, callbacks)
    return model, history


@pytest.fixture(scope="module")
def full(tiny_images, tmp_path_factory):
    """A training of everything at once that nothing interrupted: model, history and folder."""
    folder = tmp_path_factory.mktemp("full")
    build(FULL, tiny_images)  # The model that follows is the second of its kind in the process.
    return *train(FULL, tiny_images, folder), folder


# The states of every kind of optimizer, and of float16's loss scale; once with a validation set; a schedule that counts
# iterations; and what a GPU gets, the whole step compiled by XLA, several steps a call: of three batches two and one.
CUT = {
    "everything, momentum": FULL,
    "sgd": replace(SMALL, schedule="step-iteration", epochs=3),
    "adam, validation": replace(SMALL, optimizer="adam", validation=0.25, epochs=3),
    "momentum, float16": replace(
        SMALL, augmentations=("crop", "flip"), xla="off", optimizer="momentum", precision="mixed_float16", epochs=3
    ),
    # Averaged weights, whose turn comes within an epoch, and flips that go by the epoch.
    "the second ladder": replace(MODERN_FAST.config, epochs=3, batch_size=16, seed=5, steps_per_execution=1),
    "momentum, the path of a GPU": replace(SMALL, optimizer="momentum", epochs=3, xla="on", steps_per_execution=2),
}


@pytest.mark.parametrize("name", CUT)
def test_a_training_that_was_cut_in_mid_epoch_ends_bit_equal(tiny_images, tmp_path, request, name):
    config = CUT[name]
    tiny_images = tiny_images.hold_out(config.validation, config.seed)
    whole, rows, *_ = request.getfixturevalue("full") if config is FULL else train(config, tiny_images)
    assert whole.jit_compile == (config.xla == "on")
    cut: list[int] = []
    # On the path of a GPU it is answered at the end of its call.
    stop = Doing(2, 2, lambda: cut.append(1))
    with pytest.raises(StopTraining):
        train(config, tiny_images, tmp_path, stop, StopOnRequest(cut))
    arrays, meta = checkpoint.load_last(tmp_path)
    assert stop.now == (2, 2) and [row["epoch"] for row in meta["history"]] == [1]
    assert {name.split("/")[0] for name in arrays} == {"model", "optimizer", "best"}
    if config.precision == "mixed_float16":
        assert any(name.startswith("optimizer/loss_scale/") for name in arrays)
        assert 1 <= arrays["optimizer/loss_scale/dynamic_scale"] < np.inf
    resumed, again = train(config, tiny_images, tmp_path)
    assert_equal_training(whole, rows, resumed, again)
    assert len(again.rows) == 3
    assert all(("validation_loss" in row) == bool(config.validation) for row in again.rows)
    if config.schedule == "step-iteration":
        assert [row["lr"] for row in again.rows] == [0.01 * 0.998 ** (3 * epoch) for epoch in range(3)]


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
    assert [row["lr"] for row in rows.rows] == [0.01, 0.01 * 0.95]
    train(replace(config, epochs=1), tiny_images, tmp_path)
    resumed, again = train(config, tiny_images, tmp_path)
    assert_equal_training(whole, rows, resumed, again)
    model, history = train(config, tiny_images, tmp_path)  # Nothing is left to do.
    assert_equal_training(whole, rows, model, history)


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


def test_divergence_is_reported_and_keeps_the_last_finite_epoch(tiny_images, tmp_path):
    train(replace(SMALL, epochs=1), tiny_images, tmp_path)
    wild, seen = replace(SMALL, lr=1e38, epochs=3), []
    with pytest.raises(Diverged, match=r"epoch 2, batch [23]"):
        train(wild, tiny_images, tmp_path, keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(1)))
    arrays, meta = checkpoint.load_last(tmp_path)
    assert len(meta["history"]) == 1 and seen == []
    assert all(np.isfinite(array).all() for array in arrays.values())


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
    optimizer = make_optimizer(CnnConfig(optimizer=name), 0.01)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [weight])
    np.testing.assert_allclose(np.asarray(weight), expected(gradients), rtol=0.04)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_kerass_defaults_an_optimizer_is_kerass_own(name):
    optimizer = make_optimizer(CnnConfig(optimizer=name, framework_defaults="keras"), 0.01)
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


def test_a_checkpoint_made_elsewhere_is_refused_with_what_differs(tiny_images, one_epoch):
    model, history = build(SMALL, tiny_images), EpochHistory()
    before = variables_by_path(model.weights)
    elsewhere = {
        "back end": "jax",
        "device": "gpu",
        "precision": "mixed_float16",
        "what XLA compiles": "the whole step",
    }
    for fact, now in elsewhere.items():
        with pytest.raises(RdfiaError, match=f"cannot resume .*: {fact} was {HERE[fact]} and is {now} now"):
            Checkpoint(one_epoch, history, {**HERE, fact: now}).restore(model)
    assert history.rows == []
    for path, value in variables_by_path(model.weights).items():
        np.testing.assert_array_equal(value, before[path])
    assert Checkpoint(one_epoch, history, HERE).restore(model) == 1


def test_a_checkpoint_of_another_network_optimizer_or_size_of_images_is_refused(tiny_images, one_epoch):
    splits = (Split(split.x[:, :16, :16], split.y) for split in (tiny_images.train, tiny_images.test))
    smaller = Dataset("smaller", *splits, tiny_images.classes)
    for config, data in (
        (replace(SMALL, network="lenet"), tiny_images),
        (replace(SMALL, optimizer="momentum"), tiny_images),
        (SMALL, smaller),
    ):
        with pytest.raises(RdfiaError, match="of another training than its settings describe"):
            Checkpoint(one_epoch, EpochHistory(), HERE).restore(build(config, data))


CHANGES = [
    lambda arrays, meta: meta.update(history={"epoch": 1}),
    lambda arrays, meta: meta.update(facts=[]),
    lambda arrays, meta: meta["history"][0].pop("test_loss"),
    lambda arrays, meta: arrays.pop(next(name for name in arrays if name.startswith("best/"))),
    lambda arrays, meta: arrays.update(weights=np.zeros(3)),
    lambda arrays, meta: meta.update(schema=0),
]


def test_a_whole_checkpoint_of_another_training_or_version_is_refused(tiny_images, one_epoch, tmp_path):
    model = build(SMALL, tiny_images)
    for number, change in enumerate(CHANGES):
        arrays, meta = checkpoint.load_last(one_epoch)
        change(arrays, meta)
        checkpoint.save_next(tmp_path / str(number), arrays, meta)
        is_version = meta["schema"] == 0
        sentence = "another version of this package" if is_version else "of another training than its settings describe"
        with pytest.raises(RdfiaError, match=sentence):
            Checkpoint(tmp_path / str(number), EpochHistory(), HERE).restore(model)


def test_variables_are_stored_by_path(tiny_images, full):
    """A model and an optimizer that are the second of their kind in the process have the same paths."""
    model, _, folder = full
    arrays, meta = checkpoint.load_last(folder)
    assert {f"model/{variable.path}" for variable in model.weights} <= set(arrays)
    assert {"model/conv1/kernel", "model/batch_norm1/moving_mean", "model/fc5/bias", "best/conv1/kernel"} <= set(arrays)
    assert {"optimizer/momentum/learning_rate", "optimizer/momentum/conv1_kernel_momentum"} <= set(arrays)
    assert not any("seed_generator" in name for name in arrays)
    assert meta["facts"] == HERE
    again = build(FULL, tiny_images)
    assert Checkpoint(folder, EpochHistory(), HERE).restore(again) == 3
    np.testing.assert_array_equal(again.get_layer("conv1").kernel, arrays["model/conv1/kernel"])


# --- a whole run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("validated", [False, True], ids=["by-test", "by-validation"])
def test_best_keras_holds_the_weights_of_the_epoch_that_is_chosen(tiny_images, tmp_path, validated):
    """The labels to choose by are what the network says after two epochs, so that its accuracy is highest then."""
    config = replace(BASELINE_KERAS.config, network="dense", lr=0.01, batch_size=16, epochs=4)
    early, _ = train(replace(config, epochs=2), tiny_images)
    labelled = Split(tiny_images.test.x, predict(early, tiny_images.test).argmax(axis=1))
    test, validation = (tiny_images.test, labelled) if validated else (labelled, None)
    data = Dataset("early", tiny_images.train, test, tiny_images.classes, validation=validation)
    run = train_convnet(Experiment(name="early", config=config), data, RunOptions(out=tmp_path))
    record = run.result
    chosen, by = (record.selected, "validation") if validated else (record.best, "test")
    assert (chosen["epoch"], chosen[f"{by}_accuracy"]) == (2, 1.0)
    assert record.final["epoch"] == 4 and record.final[f"{by}_accuracy"] < 1
    assert (record.selected is not None) == validated
    assert record.details["best_model"] == {"epoch": 2, "chosen_by": f"{by} accuracy"}
    assert run_result(run).lines == [f"best.keras holds epoch 2, which has the highest {by} accuracy"]
    for file, row in (("best.keras", chosen), ("model.keras", record.final)):
        model = load_model(run.folder / file)
        compile_model(model, config)
        loss, accuracy = evaluate(model, test)
        assert (accuracy, loss) == pytest.approx((row["test_accuracy"], row["test_loss"]), rel=1e-5)
    predictions = np.load(run.folder / "predictions.npy")
    np.testing.assert_array_equal(predictions, predict(model, test).argmax(axis=1))
    last = checkpoint.load_last(run.folder)[0]
    weights = variables_by_path(model.weights)
    assert checkpoint.digest(weights) == record.details["weights_digest"]
    assert not np.array_equal(last["best/fc2/kernel"], last["model/fc2/kernel"])


def test_statistics_are_those_of_the_examples_that_are_trained_on(tiny_images, tmp_path):
    config = replace(SMALL, normalize=True, validation=0.5, epochs=1)
    split = tiny_images.hold_out(0.5, config.seed)
    run = train_convnet(Experiment(name="half", config=config), split, RunOptions(out=tmp_path))
    mean, whole = ((images.x / 255).mean(axis=(0, 1, 2)) for images in (split.train, tiny_images.train))
    normalized = load_model(run.folder / "model.keras").get_layer("normalize")
    np.testing.assert_allclose(np.ravel(normalized.mean), mean, rtol=1e-5)
    assert not np.allclose(mean, whole, rtol=1e-4)
    assert run.result.dataset["counts"] == {"train": 24, "test": 24, "validation": 24}
    assert run.result.dataset["validation_digest"] == split.validation.digest
    (row,) = run_result(run).table
    assert row["selected test"] == percent(run.result.selected["test_accuracy"], 2)


JAX = """
from dataclasses import replace
from pathlib import Path
import keras, numpy as np
from rdfia_keras.config import RunOptions
from rdfia_keras.data import Dataset, Split
from rdfia_keras.experiments.registry import BATCH_NORM, MODERN_FAST
from rdfia_keras.models.convnet import build_convnet
from rdfia_keras.training.callbacks import *
from rdfia_keras.training.fit import compile_model, fit, predict

y = np.arange(50) % 3
x = (np.random.default_rng(0).integers(0, 60, (50, 32, 32, 3)) + 60 * y[:, None, None, None]).astype(np.uint8)
data = Dataset("made", Split(x, y), Split(x[:20], y[:20]), ("a", "b", "c")).hold_out(0.2, 5)
momentum = replace(BATCH_NORM.config, optimizer="momentum", lr=0.01)
config = {"BATCH_NORM": momentum, "MODERN_FAST": MODERN_FAST.config}[NAME]
config = replace(config, epochs=2, batch_size=16, seed=5, steps_per_execution=1)

def train(folder, stop=None):
    model, history = build_convnet(config, data), EpochHistory()
    compile_model(model, config, data)
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
@pytest.mark.parametrize("name", ["BATCH_NORM", "MODERN_FAST"])
def test_a_training_with_jax_is_cut_and_resumes_bit_equal(tmp_path, name):
    done = subprocess.run(
        [sys.executable, "-c", f"NAME = {name!r}\n{JAX}"],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["equal"], done.stderr
