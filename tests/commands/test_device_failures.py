"""A computation that fails on the device: its error in a sentence, and the run that stays."""

import json
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from keras import layers, ops

from rdfia_keras.models import convnet


@keras.saving.register_keras_serializable("tests")
class Faulty(layers.Layer):
    """The identity, until `fault` says how the device is to fail."""

    fault = None

    def call(self, x):
        if self.fault == "memory":
            row = ops.sin(x[:1, :1] + ops.reshape(ops.arange(2**23, dtype="float32"), (1, -1)))
            x += ops.stop_gradient(ops.sum(ops.sort(ops.matmul(ops.transpose(row), row))))
        if self.fault == "shape":
            size = 4 + tf.cast(tf.reduce_sum(x) * 0, "int32")
            x += tf.reduce_sum(tf.reshape(x, (size, size)))
        return x


@pytest.fixture
def faulty(monkeypatch):
    """Put the layer into the fully-connected network; a function that lets it fail, or work again."""
    dense = convnet.NETWORKS["dense"]

    def network(x, n_y, config):
        x = layers.Flatten(name="rows")(x)
        return dense(Faulty(name="faulty", dtype="float32")(x), n_y, config)

    monkeypatch.setitem(convnet.NETWORKS, "dense", network)
    return lambda fault: monkeypatch.setattr(Faulty, "fault", fault)


def fails(done, *words: str) -> None:
    """The command ended with 1 and one sentence, which has some words."""
    assert (done.returncode, done.stdout) == (1, "")
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert error == done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    for word in words:
        assert word in error, error


FAULTS = {
    "memory": (
        [],
        "there was not enough memory in the layer faulty (batch size 8, float32): OOM when allocating tensor ",
        "; start a new run with a smaller --batch-size; ",
    ),
    "shape": (
        [],
        "a training step failed in the layer faulty (batch size 8, float32): Input to reshape is a tensor with ",
        "; --debug shows all of it; ",
    ),
    "shape of bfloat16": (
        ["--precision", "mixed_bfloat16", "--xla", "off"],
        "a training step failed in the layer faulty (batch size 8, mixed_bfloat16): Input to reshape is a tensor with ",
        "; start a new run with --precision float32; ",
    ),
    "shape of bfloat16 under XLA": (
        ["--precision", "mixed_bfloat16", "--xla", "on"],
        "a training step failed in the layer faulty (batch size 8, mixed_bfloat16): Input to reshape is a tensor with ",
        "; start a new run with --xla off or --precision float32; ",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_step_that_fails_on_the_device_is_reported_in_a_sentence(rdfia_here, image_folder, faulty, name):
    options, what, remedy = FAULTS[name]
    faulty(name.split()[0])
    done = rdfia_here("cnn", "--dataset", image_folder, "--network", "dense", "--batch-size", 8, *options)
    (metrics,) = Path("results").glob("cnn/*/metrics.json")
    fails(done, f"error: {what}", remedy, f"; rdfia resume {metrics.parent} tries again from epoch 1")
    record = json.loads(metrics.read_text())
    assert (record["status"], record["epochs"]) == ("failed", 0)
    assert record["reason"].startswith(what) and record["reason"] in done.stderr
    assert "\n" not in record["reason"] and "[Op:" not in record["reason"]


def test_a_run_that_failed_on_the_device_keeps_its_epochs_and_resumes(rdfia_here, image_folder, faulty):
    cnn = ("cnn", "--dataset", image_folder, "--network", "dense", "--batch-size", 8)
    assert rdfia_here(*cnn, "--epochs", 1).returncode == 0
    (folder,) = (path.parent for path in Path("results").glob("cnn/*/metrics.json"))
    kept = {path: path.read_bytes() for path in (folder / "checkpoints").iterdir()}
    history = (folder / "history.csv").read_bytes()

    faulty("memory")
    fails(rdfia_here("resume", folder, "--epochs", 2), "tries again from epoch 2")
    record = json.loads((folder / "metrics.json").read_text())
    assert (record["status"], record["epochs"], record["final"]["epoch"]) == ("failed", 1, 1)
    assert {path: path.read_bytes() for path in (folder / "checkpoints").iterdir()} == kept
    assert (folder / "history.csv").read_bytes() == history

    faulty(None)
    assert rdfia_here("resume", folder).returncode == 0
    record = json.loads((folder / "metrics.json").read_text())
    assert (record["status"], record["reason"], record["epochs"]) == ("ok", None, 2)


def test_with_debug_the_traceback_of_the_device_is_shown(rdfia_here, image_folder, faulty):
    faulty("shape")
    done = rdfia_here("cnn", "--dataset", image_folder, "--network", "dense", "--batch-size", 8, "--debug")
    assert done.returncode == 1 and "InvalidArgumentError: Graph execution error:" in done.stderr


def test_an_error_that_the_device_did_not_cause_stays_unexpected(rdfia_here, image_folder, faulty, monkeypatch):
    def broken(self, x):
        raise ValueError("a bug")

    monkeypatch.setattr(Faulty, "call", broken)
    faulty("any")
    done = rdfia_here("cnn", "--dataset", image_folder, "--network", "dense")
    assert done.returncode == 1 and "error: unexpected ValueError: " in done.stderr
