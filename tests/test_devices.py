"""What a user sees of the device: its number formats, and the time that is left."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from tensorflow.python.framework.kernels import get_registered_kernels_for_op

from rdfia_keras.models.whitening import Whitening, two_parts
from rdfia_keras.runs import checkpoint as checkpoints
from rdfia_keras.system import backend
from rdfia_keras.system.backend import capability_of, compute_capability, precision_warning
from rdfia_keras.system.terminal import Progress
from rdfia_keras.training import train_convnet


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


ROW = {"train_loss": 1.0, "train_accuracy": 0.5, "test_loss": 1.0, "test_accuracy": 0.5}


def lines_of(capsys, epochs, batches, *, done=0, compilation=60.0, batch=1.0, evaluation=0.0):
    """The lines of a training whose first batch is compiled first, and whose every batch takes as long."""
    clock = Clock()
    with Progress("made", epochs, batches, done, clock=clock) as progress:
        clock.now += compilation
        for epoch in range(done, epochs):
            for count in range(batches):
                clock.now += batch
                progress.batch(count + 1)
            clock.now += evaluation
            progress.epoch({**ROW, "epoch": epoch + 1})
    return [line.split("  ")[-1] for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("epochs", "done", "lines"),
    [
        (3, 0, ["10.0 s an epoch, 20 s left", "10.0 s an epoch, 10 s left", "10.0 s an epoch, 0 s left"]),
        (5, 3, ["10.0 s an epoch, 10 s left", "10.0 s an epoch, 0 s left"]),
    ],
    ids=["new", "resumed"],
)
def test_the_time_left_does_not_count_the_compilation_of_the_first_step(capsys, epochs, done, lines):
    assert lines_of(capsys, epochs, 10, done=done) == lines


def test_the_evaluation_belongs_to_an_epoch(capsys):
    # After the first epoch two batches are missing, so the evaluation weighs a little more.
    assert lines_of(capsys, 3, 100, evaluation=20)[:2] == [
        "120.4 s an epoch, 4 min left",
        "120.0 s an epoch, 2 min left",
    ]


def test_without_batches_the_first_epoch_shows_no_time_left(capsys):
    clock = Clock()
    with Progress("made", 3, clock=clock) as progress:
        for epoch, seconds in enumerate((60, 2, 2)):
            clock.now += seconds
            progress.epoch({**ROW, "epoch": epoch + 1})
    lines = [line.rsplit("%", 1)[1].strip() for line in capsys.readouterr().err.splitlines()]
    assert lines == ["", "2.0 s an epoch, 2 s left", "2.0 s an epoch, 0 s left"]


def test_the_bars_time_left_does_not_count_the_compilation(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress("made", 3, 10, clock=clock) as progress:
        clock.now += 60
        for count in range(10):
            clock.now += 1
            progress.batch(count + 1)
        (task,) = progress.bar.tasks
        assert task.time_remaining == 20


def test_the_bar_fits_a_terminal_of_80_columns(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    with Progress("batch-norm-pytorch-and-more", 150, 10) as progress:
        progress.epoch({**ROW, "epoch": 149, "validation_accuracy": 0.5})
        console = progress.bar.console
        (line,) = console.render_lines(progress.bar.get_renderable(), pad=False)
    text = "".join(segment.text for segment in line)
    assert "epoch 149/150  test" in text and "%" in text.rpartition("test")[2] and "…" not in text.partition("epoch")[2]


GPU = "gpu (tensorflow: gpu:0)"
NO_INSTRUCTIONS = (
    "this GPU (compute capability {}) has no instructions for mixed_bfloat16: expect it to be slower than float32, not "
    "faster; mixed_float16 suits it"
)


@pytest.mark.parametrize(
    ("precision", "capability", "warned"),
    [
        *(("mixed_bfloat16", capability, True) for capability in ((6, 1), (7, 0), (7, 5))),
        *(("mixed_bfloat16", capability, False) for capability in ((8, 0), (9, 0), (12, 0), None)),
        *(("mixed_float16", (7, 5), False), ("float32", (7, 5), False), ("float32", None, False)),
    ],
)
def test_bfloat16_on_a_gpu_without_it_is_warned_of(precision, capability, warned):
    written = ".".join(map(str, capability or ()))
    assert precision_warning(precision, GPU, capability) == (NO_INSTRUCTIONS.format(written) if warned else None)


@pytest.mark.parametrize(
    ("described", "capability"), [((7, 5), (7, 5)), ("8.9", (8, 9)), ("gfx90a", None), (None, None)], ids=str
)
def test_the_capability_is_read_as_either_back_end_writes_it(described, capability):
    assert capability_of(described) == capability


def test_there_is_no_capability_without_a_gpu():
    assert tf.config.list_physical_devices("GPU") or compute_capability() is None


def test_the_warning_is_shown_before_training(rdfia_here, image_folder, monkeypatch):
    monkeypatch.setattr(train_convnet, "check_device", lambda device: GPU)
    monkeypatch.setattr(train_convnet, "compute_capability", lambda: (7, 5))
    monkeypatch.setattr(train_convnet, "uses_tf32", lambda: False)
    args = (
        "cnn",
        "--dataset",
        image_folder,
        "--network",
        "dense",
        "--precision",
        "mixed_bfloat16",
        "--quick",
        "--json",
    )
    done = rdfia_here(*args)
    assert f"warning: {NO_INSTRUCTIONS.format('7.5')}" in done.stderr.splitlines()[:2]
    assert json.loads(done.stdout)["details"]["tf32"] is False


def rounded_to_tf32(x):
    """What a GPU's tensor cores read of float32: a significand of 11 bits, to the nearest, ties to even."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0xFFF + (bits >> 13 & 1)) & 0xFFFFE000).view(np.float32)


def tf32_product(x, y):
    """A product of float32 as a GPU computes it by TF32: factors rounded, sums not."""
    return ops.convert_to_tensor(rounded_to_tf32(x).astype(np.float64) @ rounded_to_tf32(y), "float32")


def whitening(kind):
    """A layer for smooth images, as photographs are, the images, and what float64 makes of them."""
    rng = np.random.default_rng(0)
    waves = np.exp(-0.35 * np.abs(np.subtract.outer(np.arange(16), np.arange(16))))
    x = rng.normal(size=(2000, 16, 16, 1)).astype(np.float32)
    x = 0.5 + 0.2 * np.einsum("ij,njkc,kl->nilc", waves, x, waves).astype(np.float32) / 6
    flat = x.reshape(len(x), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov(flat.T))
    layer = Whitening(kind, epsilon=1e-5)
    layer.build(x.shape)
    layer.adapt(mean, variances, vectors)
    matrix = np.asarray(layer.matrix, np.float64)
    centred = np.asarray(ops.reshape(x, (len(x), -1)) - layer.mean, np.float64)
    return layer, x, (centred @ matrix).reshape(x.shape)


@pytest.mark.parametrize("kind", ["zca", "pca"])
def test_whitening_keeps_float32s_digits_where_products_are_tf32(monkeypatch, kind):
    layer, x, exact = whitening(kind)
    monkeypatch.setattr(ops, "matmul", tf32_product)
    centred = ops.reshape(x, (len(x), -1)) - layer.mean
    plain = np.asarray(tf32_product(centred, layer.matrix)).reshape(x.shape)
    assert np.abs(plain - exact).max() > 1e-2
    monkeypatch.setattr("rdfia_keras.models.whitening.uses_tf32", lambda: True)
    assert np.abs(np.asarray(layer(x)) - exact).max() < 1e-4


def test_whitening_is_the_plain_product_elsewhere():
    layer, x, _ = whitening("zca")
    plain = (ops.reshape(x, (len(x), -1)) - layer.mean) @ layer.matrix
    np.testing.assert_array_equal(layer(x), np.asarray(plain).reshape(x.shape))


def test_the_parts_of_a_factor_are_exact_with_and_without_xla():
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    for split in (two_parts, tf.function(two_parts), tf.function(two_parts, jit_compile=True)):
        high, low = (np.asarray(part) for part in split(tf.constant(x)))
        np.testing.assert_array_equal(rounded_to_tf32(high), high)
        np.testing.assert_array_equal(high + low, x)
        assert np.abs(rounded_to_tf32(low) - low).max() < 1e-6 and np.abs(low).max() > 1e-4


def test_the_parts_are_made_on_the_gpu():
    """Each operation has a kernel of a GPU for its type that keeps nothing in the host's memory."""
    graph = tf.function(two_parts).get_concrete_function(tf.TensorSpec((None, 3), "float32")).graph
    made = {op for op in graph.get_operations() if op.type in ("Bitcast", "BitwiseAnd", "Sub")}
    assert {op.type for op in made} == {"Bitcast", "BitwiseAnd", "Sub"}
    for op in made:
        kernels = [
            kernel
            for kernel in get_registered_kernels_for_op(op.type).kernel
            if kernel.device_type == "GPU"
            and all(op.node_def.attr[rule.name].type in rule.allowed_values.list.type for rule in kernel.constraint)
        ]
        assert kernels and not any(kernel.host_memory_arg for kernel in kernels), op


@pytest.mark.parametrize(
    ("gpu", "capability", "enabled", "override", "used"),
    [
        (False, None, True, None, None),
        (True, (8, 0), True, None, True),
        (True, (9, 0), True, "1", True),
        (True, (7, 5), True, None, False),
        (True, None, True, None, False),
        (True, (8, 0), False, None, False),
        (True, (8, 0), True, "0", False),
    ],
)
def test_tf32_is_used_on_a_gpu_that_has_it_unless_it_is_turned_off(
    monkeypatch, gpu, capability, enabled, override, used
):
    monkeypatch.setattr(backend, "has_gpu", lambda: gpu)
    monkeypatch.setattr(backend, "compute_capability", lambda: capability)
    if override is not None:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", override)
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(enabled)
    try:
        assert backend.uses_tf32() is used
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def test_a_run_begun_on_a_gpu_is_not_resumed_on_a_cpu(rdfia_here, image_folder, monkeypatch):
    monkeypatch.setattr(train_convnet, "uses_tf32", lambda: True)
    assert rdfia_here("cnn", "--dataset", image_folder, "--network", "dense", "--epochs", 1).returncode == 0
    (folder,) = (path.parent for path in Path("results").glob("cnn/*/metrics.json"))
    assert json.loads((folder / "metrics.json").read_text())["details"]["tf32"] is True
    arrays, meta = checkpoints.load_last(folder)
    checkpoints.save_next(folder, arrays, {**meta, "facts": {**meta["facts"], "device": "gpu"}})
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    sentence = (
        f"error: cannot resume {folder}: device was gpu and is cpu now, so it would not end with the same bits; resume "
        "it where it was started, or start a new run\n"
    )
    done = rdfia_here("resume", folder, "--epochs", 2)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.endswith(sentence)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == kept
