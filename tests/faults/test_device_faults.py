"""What is decided before a back end is imported, and which of its devices is used: each in a process of its own."""

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

NO_JAX = importlib.util.find_spec("jax") is None
GROWTH = ("TF_FORCE_GPU_ALLOW_GROWTH", "XLA_PYTHON_CLIENT_PREALLOCATE")


def python(text: str, *, cwd, **env) -> str:
    """Run some Python in a new process; what it prints."""
    unset = ("CUDA_VISIBLE_DEVICES", "RDFIA_DATA", *GROWTH)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        cwd=cwd,
        env={key: value for key, value in os.environ.items() if key not in unset} | env,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Of two logical CPUs the second one is the default here, as a GPU is wherever there is one.
SECOND_DEVICE = """
    import tensorflow as tf
    from rdfia_keras.config import MlpConfig, RunOptions
    from rdfia_keras.models import perceptron

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    used, compile_epochs = set(), perceptron.compile_epochs

    def watched(network, batch_size, bounds):
        compiled = compile_epochs(network, batch_size, bounds)

        def train(*arrays):
            measured = compiled(*arrays)
            values = list(getattr(network, "params", {}).values())
            for part in ("model", "sgd"):
                values += [variable.value for variable in getattr(getattr(network, part, None), "variables", [])]
            used.update(t.device.rsplit("/device:", 1)[1] for t in [measured, *arrays, *values])
            return measured

        return train

    perceptron.compile_epochs = watched
    options = RunOptions(quick=True)
"""


def test_the_perceptron_and_its_sweeps_train_on_the_cpu_though_another_device_is_the_default(tmp_path):
    printed = python(
        SECOND_DEVICE
        + """
    from rdfia_keras.commands.mlp import mlp
    from rdfia_keras.analysis.run_sweep import run_sweep
    from rdfia_keras.experiments import declare_sweep
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.trials import train_in_turn

    with tf.device("CPU:1"):
        mlp(MlpConfig(epochs=2, seed=1), options, animate=True)
        print(used)
        used.clear()
        run_sweep(declare_sweep(["lbfgs"], [], 1), Resources(options), False, train_in_turn)
        print(used)
    """,
        cwd=tmp_path,
    )
    assert printed == "{'CPU:0'}\n" * 2


# Ends the process where it would import Keras, and prints what the back end would find set then.
WATCH = f"""
    import os, sys

    class Watch:
        def find_spec(self, name, path=None, target=None):
            if name == "keras":
                print(*(os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", *{GROWTH})))
                os._exit(0)

    sys.meta_path.insert(0, Watch())
    sys.stdout.reconfigure(line_buffering=True)
"""


@pytest.mark.parametrize(("device", "hidden"), [("auto", "-1"), ("cpu", "-1"), ("gpu", "None")])
def test_mlp_hides_the_gpu_from_the_back_end_unless_it_is_asked_for(tmp_path, device, hidden):
    printed = python(
        WATCH
        + f"""
    from rdfia_keras.config import MlpConfig, RunOptions
    from rdfia_keras.commands.mlp import mlp

    mlp(MlpConfig(epochs=1, implementation="manual"), RunOptions(quick=True, device={device!r}))
    """,
        cwd=tmp_path,
    )
    assert printed.split()[0] == hidden


@pytest.mark.parametrize(
    ("set_before", "set_then"),
    [
        ({}, ("true", "false")),
        ({"TF_FORCE_GPU_ALLOW_GROWTH": "false"}, ("false", "false")),
        ({"XLA_PYTHON_CLIENT_PREALLOCATE": "true"}, ("true", "true")),
        ({"XLA_PYTHON_CLIENT_MEM_FRACTION": ".5"}, ("true", None)),
        ({"XLA_CLIENT_MEM_FRACTION": ".5"}, ("true", None)),
    ],
    ids=str,
)
def test_gpu_memory_grows_as_needed_unless_the_user_says_otherwise(tmp_path, set_before, set_then):
    printed = python(
        WATCH
        + """
    from rdfia_keras.system.backend import set_up_backend

    set_up_backend("auto")
    """,
        cwd=tmp_path,
        **set_before,
    )
    assert printed.split()[1:] == list(map(str, set_then))


@pytest.mark.skipif(NO_JAX, reason="JAX is not installed")
def test_tensorflow_does_not_take_the_gpu_beside_jax(tmp_path):
    """Keras imports TensorFlow beside JAX, to seed it. The GPU that TensorFlow is told of here is none."""
    printed = python(
        """
    import tensorflow as tf
    from tensorflow.python.eager import context

    context.context()._initialize_physical_devices()
    gpu = context.PhysicalDevice("/physical_device:GPU:0", "GPU")
    context.context()._physical_devices.append(gpu)
    context.context()._visible_device_list.append(gpu)
    assert tf.config.get_visible_devices("GPU") == [gpu]

    from rdfia_keras.config import CnnConfig, RunOptions
    from rdfia_keras.commands.cnn import cnn

    config = CnnConfig(network="dense", dataset="digits", epochs=1, augmentations=("crop",), dropout_rate=0.5)
    print(cnn(config, RunOptions(quick=True)).data["status"])
    print(tf.config.get_visible_devices("GPU"), [device.device_type for device in tf.config.list_logical_devices()])
    """,
        cwd=tmp_path,
        KERAS_BACKEND="jax",
    )
    assert printed == "ok\n[] ['CPU']\n"


@pytest.mark.skipif(NO_JAX, reason="JAX is not installed")
def test_a_step_that_fails_under_jax_is_reported_in_a_sentence(tmp_path):
    printed = python(
        """
    import json, pathlib
    from keras import layers, ops
    from rdfia_keras.config import CnnConfig, RunOptions
    from rdfia_keras.errors import RdfiaError
    from rdfia_keras.models import convnet
    from rdfia_keras.commands.cnn import cnn

    class Large(layers.Layer):
        def call(self, x):
            row = ops.sin(x[:1, :1] + ops.reshape(ops.arange(2**23, dtype="float32"), (1, -1)))
            return x + ops.stop_gradient(ops.sum(ops.sort(ops.matmul(ops.transpose(row), row))))

    dense = convnet.NETWORKS["dense"]
    convnet.NETWORKS["dense"] = lambda x, *more: dense(Large()(layers.Flatten(name="rows")(x)), *more)
    try:
        cnn(CnnConfig(network="dense", dataset="digits", epochs=1), RunOptions(quick=True))
    except RdfiaError as error:
        print(error)
    (record,) = pathlib.Path().glob("results/cnn/*/metrics.json")
    print(json.loads(record.read_text())["status"])
    """,
        cwd=tmp_path,
        KERAS_BACKEND="jax",
    )
    sentence, status = printed.splitlines()
    assert sentence.startswith("there was not enough memory (batch size 128, float32): Out of memory allocating ")
    assert "; start a new run with a smaller --batch-size; rdfia resume results/cnn/" in sentence
    assert status == "failed"
