"""What one framework does on one device, in a process of its own: `python benchmarks/gpu_worker.py JOB`.

JOB is a `Job` in JSON. Every result is a line of JSON on stdout as soon as it is there, so that a process that dies
inside a native library loses only what would have followed.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rdfia_keras.config import CnnConfig
from rdfia_keras.data import Dataset, Split
from rdfia_keras.experiments import REGISTRY

# The ladder's networks, by the names of experiments with Keras's defaults: initial weights cost no time.
RUNGS = ("baseline", "normalize", "augment", "schedule", "dropout", "batch-norm")
INSTALL = "pip install 'rdfia-keras[gpu]' (in a checkout: pip install -e '.[gpu]')"


@dataclass(frozen=True)
class Job:
    """What a worker is asked for.

    Attributes:
        kind: `check` (the installation, and what the device can do at most) or `train`.
        framework: `tensorflow`, `jax` or `torch`.
        device: `gpu` or `cpu`.
        precision: A Keras policy.
        tf32: Whether products of float32 may be computed in TF32.
        cases: Pairs of a rung and an XLA setting.
        images, test_images: How many there are, of noise.
        data: An .npz file with x, y, x_test and y_test to train on instead of noise.
        epochs, batch_size: Of the training.
        checkpoint: Write a checkpoint after each epoch, as `rdfia cnn` does.
        matrix: Rows of the matrices whose product is timed.
    """

    kind: str
    framework: str
    device: str
    precision: str = "float32"
    tf32: bool = False
    cases: tuple[tuple[str, str], ...] = ()
    images: int = 256
    test_images: int = 256
    data: str | None = None
    epochs: int = 2
    batch_size: int = 128
    checkpoint: bool = False
    matrix: int = 256


class Fault(Exception):
    """A check that failed: what was found, and what to do."""

    def __init__(self, found: str, fix: str):
        super().__init__(found)
        self.fix = fix


def emit(**result: Any) -> None:
    print(json.dumps(result), flush=True)


def one_line(error: BaseException) -> str:
    """The first line of an error's message that says something, cut to a readable length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


# --- the installation -------------------------------------------------------------------------------------------------


def check(job: Job) -> None:
    """Each part of the installation in turn, up to the first fault; then the speed of a large product."""
    if find_spec(job.framework) is None:
        emit(check="installed", ok=None, says="not installed here")
        return
    framework = torch_framework() if job.framework == "torch" else keras_framework()
    looks = {
        "libraries": framework["libraries"],
        "devices": framework["devices"],
        "one training step": one_step,
        "matrix product": lambda job: product_speed(job, framework["product"]),
    }
    for name, look in looks.items():
        try:
            emit(check=name, ok=True, **look(job))
        except Fault as fault:
            emit(check=name, ok=False, says=str(fault), fix=fault.fix)
            return
        except Exception as error:
            emit(check=name, ok=False, says=one_line(error), fix=fix_for(str(error)))
            return


def fix_for(message: str) -> str:
    """What to do about an error of a framework."""
    lower = message.lower()
    if "out of memory" in lower or "resource_exhausted" in lower:
        return "another process may hold the GPU's memory: end what nvidia-smi lists, or use a smaller --batch-size"
    if "driver" in lower:
        return "update NVIDIA's driver, then restart the machine"
    if "cudnn" in lower or "dnn" in lower:
        return f"reinstall the CUDA libraries in a fresh environment: {INSTALL}"
    return "see docs/gpu.md, When it fails"


def one_step(job: Job) -> dict[str, str]:
    """The batch-norm rung, trained for one epoch of one batch."""
    small = replace(job, images=job.batch_size, test_images=8, epochs=1, data=None, checkpoint=False)
    begin = time.perf_counter()
    placed = TRAINERS[job.framework](small, "batch-norm", "auto")["placed"]
    if job.device == "gpu" and "cpu" in placed.lower():
        raise Fault(f"the weights are on {placed}", "see docs/gpu.md, When it fails")
    return {"says": f"the batch-norm rung on {placed}, {time.perf_counter() - begin:.1f} s with compiling"}


def product_speed(job: Job, timed: Callable[[Job, int], float]) -> dict[str, Any]:
    """Operations a second of large bfloat16 products, or float16 where there is no fast bfloat16."""
    times = 20
    seconds = min(timed(job, times) for _ in range(4))
    teraflops = times * 2 * job.matrix**3 / seconds / 1e12
    kind = product_type(job)
    return {"says": f"{teraflops:,.2f} TFLOP/s, {kind}, {job.matrix} x {job.matrix}", "tflops": teraflops, "type": kind}


def product_type(job: Job) -> str:
    return {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}.get(job.precision, "float32")


def keras_framework() -> dict[str, Callable[..., Any]]:
    return {"libraries": keras_libraries, "devices": keras_devices, "product": keras_product}


def torch_framework() -> dict[str, Callable[..., Any]]:
    import gpu_torch

    return {"libraries": gpu_torch.libraries, "devices": gpu_torch.devices, "product": gpu_torch.product}


def keras_libraries(job: Job) -> dict[str, str]:
    """The back end's version, and which CUDA it is built for or has a plug-in of."""
    from importlib import metadata

    set_up(job)
    version = metadata.version(job.framework)
    if job.framework == "jax":
        plugins = [f"{d.name} {d.version}" for d in metadata.distributions() if d.name.startswith("jax-cuda")]
        if job.device == "gpu" and not plugins:
            raise Fault(f"jax {version} without CUDA", "install JAX for CUDA: pip install 'jax[cuda12]'")
        return {"says": f"jax {version}, {', '.join(plugins) or 'no CUDA plug-in'}", "version": version}
    import tensorflow as tf

    built = tf.sysconfig.get_build_info()
    cuda = f"built for CUDA {built['cuda_version']}, cuDNN {built['cudnn_version']}" if "cuda_version" in built else ""
    if job.device == "gpu" and not cuda:
        raise Fault(f"tensorflow {version}, built without CUDA", "use Linux, WSL2 or Colab: elsewhere it has no CUDA")
    found = sorted(
        f"{d.name} {d.version}"
        for d in metadata.distributions()
        if d.name.startswith(("nvidia-cudnn", "nvidia-cuda-runtime"))
    )
    packages = f"pip packages: {', '.join(found) or 'none of cuDNN and the CUDA runtime'}"
    return {"says": f"tensorflow {version}, {cuda or 'built without CUDA'}; {packages}", "version": version}


def keras_devices(job: Job) -> dict[str, str]:
    import keras

    from rdfia_keras.system.backend import has_gpu

    if job.device == "cpu":
        return {"says": ", ".join(keras.distribution.list_devices("cpu"))}
    if not has_gpu():
        raise Fault(
            f"{job.framework} sees no GPU",
            f"install the CUDA libraries: {INSTALL}; if they are there, update NVIDIA's driver and look whether "
            "CUDA_VISIBLE_DEVICES hides the card",
        )
    return {"says": ", ".join(keras.distribution.list_devices("gpu"))}


def keras_product(job: Job, times: int) -> float:
    """Seconds of some products, one after the other, in one compiled call."""
    import keras

    # Of this size the entries neither grow nor shrink from product to product.
    a = np.random.default_rng(0).normal(0, 1 / np.sqrt(job.matrix), (job.matrix, job.matrix))
    a = keras.ops.cast(keras.ops.convert_to_tensor(a, "float32"), product_type(job))

    def chain(x):
        for _ in range(times):
            x = keras.ops.matmul(x, a)
        return keras.ops.sum(keras.ops.cast(x, "float32"))

    compiled = compiler(job.framework)(chain)
    float(compiled(a))
    begin = time.perf_counter()
    float(compiled(a))
    return time.perf_counter() - begin


def compiler(framework: str) -> Callable[[Callable], Callable]:
    if framework == "jax":
        import jax

        return jax.jit
    import tensorflow as tf

    return tf.function


# --- training ---------------------------------------------------------------------------------------------------------


def set_up(job: Job) -> None:
    """As `rdfia` sets the back end up, then TF32 as the job wants it."""
    from rdfia_keras.system.backend import set_up_backend

    set_up_backend(job.device)
    if job.framework == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if job.tf32 else "float32")
    else:
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(job.tf32)


def dataset(job: Job) -> Dataset:
    """The images of a job: noise of CIFAR-10's shape unless it names a file."""
    classes = tuple("0123456789")
    if job.data:
        with np.load(job.data) as a:
            return Dataset("images", Split(a["x"], a["y"]), Split(a["x_test"], a["y_test"]), classes)
    rng = np.random.default_rng(0)

    def noise(count: int) -> Split:
        return Split(rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, count))

    return Dataset("noise", noise(job.images), noise(job.test_images), classes)


def config_of(job: Job, rung: str, xla: str) -> CnnConfig:
    """The rung's settings, trained as the job says."""
    known = REGISTRY[rung].config
    assert isinstance(known, CnnConfig)
    changed: dict[str, Any] = {
        "precision": job.precision,
        "xla": xla,
        "epochs": job.epochs,
        "batch_size": job.batch_size,
    }
    return replace(known, **changed).resolve()


def train_keras(job: Job, rung: str, xla: str) -> dict[str, Any]:
    """One training as `rdfia cnn` does it: the seconds of each epoch, evaluation included, and of all of it."""
    import keras

    from rdfia_keras.models.convnet import build_convnet
    from rdfia_keras.training.callbacks import Checkpoint, EpochHistory
    from rdfia_keras.training.fit import compile_model, fit

    data, config, history = dataset(job), config_of(job, rung, xla), EpochHistory()
    keras.utils.clear_session()
    begin = time.perf_counter()
    model = build_convnet(config, data)
    compile_model(model, config)
    with tempfile.TemporaryDirectory() as folder:
        fit(model, data, config, history, [Checkpoint(Path(folder), history)] if job.checkpoint else [])
    # `fit` ends an epoch with the weights in the machine's memory, so that nothing is left to wait for.
    total = time.perf_counter() - begin
    placed = str(model.trainable_weights[0].value.device).rsplit("/", 1)[-1]
    return {"seconds": [row["seconds"] for row in history.rows], "total": total, "placed": placed}


def train_torch(job: Job, rung: str, xla: str) -> dict[str, Any]:
    import gpu_torch

    return gpu_torch.train(dataset(job), config_of(job, rung, "auto"), job.device, job.tf32)


TRAINERS = {"tensorflow": train_keras, "jax": train_keras, "torch": train_torch}


def train(job: Job) -> None:
    """Each case in turn; one that fails does not keep the others from being measured."""
    if job.framework != "torch":
        set_up(job)
    for rung, xla in job.cases:
        try:
            result = TRAINERS[job.framework](job, rung, xla)
        except Exception as error:
            result = {"error": one_line(error)}
        emit(rung=rung, xla=xla, **result)


if __name__ == "__main__":
    asked = Job(**json.loads(sys.argv[1]))
    {"check": check, "train": train}[asked.kind](asked)
