"""What is decided before a back end is imported, and which of its devices is used: each in a process of its own."""

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

NO_JAX = importlib.util.find_spec("jax") is None


def python(text: str, *, cwd, **env) -> str:
    """Run some Python in a new process; what it prints."""
    unset = ("CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH", "XLA_PYTHON_CLIENT_PREALLOCATE", "RDFIA_DATA")
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

    def watched(network, batch_size):
        compiled = compile_epochs(network, batch_size)

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


def test_the_perceptron_trains_on_the_cpu_though_another_device_is_the_default(tmp_path):
    printed = python(
        SECOND_DEVICE
        + """
    from rdfia_keras.sections import mlp

    with tf.device("CPU:1"):
        mlp.run(MlpConfig(epochs=2), options, animate=True)
    print(used)
    """,
        cwd=tmp_path,
    )
    assert printed == "{'CPU:0'}\n"


def test_a_study_trains_on_the_cpu_though_another_device_is_the_default(tmp_path):
    printed = python(
        SECOND_DEVICE
        + """
    from rdfia_keras.experiments import STUDIES
    from rdfia_keras.sections import study

    with tf.device("CPU:1"):
        study.run(STUDIES["lbfgs"], "circles", 1, options)
    print(used)
    """,
        cwd=tmp_path,
    )
    assert printed == "{'CPU:0'}\n"


@pytest.mark.parametrize(("device", "hidden"), [("auto", "-1"), ("cpu", "-1"), ("gpu", None)])
def test_mlp_hides_the_gpu_from_the_back_end_unless_it_is_asked_for(tmp_path, device, hidden):
    printed = python(
        f"""
    import os
    from rdfia_keras.config import MlpConfig, RunOptions
    from rdfia_keras.errors import RdfiaError
    from rdfia_keras.sections import mlp

    try:
        mlp.run(MlpConfig(epochs=1, implementation="manual"), RunOptions(quick=True, device={device!r}))
    except RdfiaError as error:
        print(str(error).split(";")[0])
    print(os.environ.get("CUDA_VISIBLE_DEVICES"))
    """,
        cwd=tmp_path,
    )
    refused = "--device gpu: the tensorflow back end sees no GPU\n" if device == "gpu" else ""
    assert printed == f"{refused}{hidden}\n"
