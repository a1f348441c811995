"""Keras's back end: which one, its settings, the device and what that can do. Imports no back end at the top."""

import gc
import importlib.util
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rdfia_keras.errors import RdfiaError
from rdfia_keras.system.native_logs import captured_native_logs
from rdfia_keras.system.signals import exit_on_interrupt

# Ampere's compute capability: the first GPUs that multiply bfloat16, and TF32.
AMPERE = (8, 0)
# Those that the tests train with.
BACK_ENDS = ("tensorflow", "jax")
# The CPU instructions that make a precision fast.
_CPU_FLAGS = {"mixed_bfloat16": ("avx512_bf16", "amx_bf16"), "mixed_float16": ("avx512_fp16", "amx_fp16")}


def set_up_backend(device: str, deterministic: bool = False) -> None:
    """Make the settings that a back end reads when it is imported, and import it.

    With `deterministic` only operations are used that give equal bits in every run on one machine.
    """
    if deterministic:
        os.environ["TF_DETERMINISTIC_OPS"] = "1"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
    # TensorFlow turns oneDNN on by itself only where it sees AVX-512; it doubles the convnet's speed on AVX2 as well.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    # Both back ends take most of a GPU's memory at once, which others may share. What the user has set stands; a
    # fraction of the memory asks JAX for just that part at once.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if "XLA_CLIENT_MEM_FRACTION" not in os.environ and "XLA_PYTHON_CLIENT_MEM_FRACTION" not in os.environ:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    _check_backend()
    with exit_on_interrupt(), captured_native_logs(), _no_garbage_collection():
        if device != "cpu" and backend_name() != "tensorflow":
            _hide_gpus_from_tensorflow()
        try:
            import keras
        except (ValueError, TypeError, AttributeError) as error:
            file = keras_home() / "keras.json"
            if not file.is_file():
                raise
            raise RdfiaError(f"{file} has a value that Keras refuses ({error}); correct or delete the file") from error
    # A keras.json of other work may hold other values, which would train another network.
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")


def _check_backend() -> None:
    """Refuse a back end that cannot train, before it is loaded: some end the process without a word.

    Raises:
        RdfiaError: With those that can.
    """
    name = backend_name()
    if name not in BACK_ENDS:
        raise RdfiaError(
            f"the Keras back end is {name!r}; rdfia works with {' and '.join(BACK_ENDS)}: set KERAS_BACKEND=tensorflow"
        )
    if importlib.util.find_spec(name) is None:
        raise RdfiaError(
            f"the Keras back end {name} is not installed; run pip install {name}, or set KERAS_BACKEND=tensorflow"
        )


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Leave what is made inside out of the garbage collector's rounds, now and later.

    TensorFlow's import makes 600,000 objects that stay; looking through them takes a quarter of its time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def _hide_gpus_from_tensorflow() -> None:
    """Leave the GPUs to another back end: `keras.utils.set_random_seed` imports TensorFlow beside it."""
    with suppress(ImportError, RuntimeError):  # Not installed, or in use already.
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")


def backend_name() -> str:
    """Return the Keras back end that is asked for, without importing it."""
    if backend := os.environ.get("KERAS_BACKEND"):
        return backend
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((keras_home() / "keras.json").read_text(encoding="utf-8"))["backend"])
    return "tensorflow"


def keras_home() -> Path:
    """Return the folder of Keras's settings and cached data sets, the one that Keras uses."""
    if home := os.environ.get("KERAS_HOME"):
        return Path(os.path.expanduser(home))  # noqa: PTH111
    home = os.path.expanduser("~")  # noqa: PTH111 (Path.home() raises where there is none)
    return Path(home if os.access(home, os.W_OK) else tempfile.gettempdir()) / ".keras"


def require_tensorflow(command: str) -> None:
    """Refuse another back end for what is written in TensorFlow itself.

    Raises:
        RdfiaError: If KERAS_BACKEND, or Keras's own settings, name another.
    """
    if backend_name() != "tensorflow":
        raise RdfiaError(
            f"{command} is written with TensorFlow and the Keras back end is {backend_name()}; "
            "set KERAS_BACKEND=tensorflow"
        )


def thread_count() -> int:
    """Count the CPU threads of an operation: what the user has set, or else the cores of this process."""
    setting = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if backend_name() == "tensorflow" and setting.isdecimal() and int(setting):
        return int(setting)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compiled_by_xla(function: Callable) -> Callable:
    """Compile a function of tensors by XLA, for TensorFlow: other back ends compile whole steps only."""
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


def has_gpu() -> bool:
    """Return whether the back end sees a GPU."""
    import keras

    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX raises where TensorFlow answers with an empty list.
        return False


def check_device(device: str) -> str:
    """Return the device that will be used, in words.

    Raises:
        RdfiaError: If a GPU was asked for and none is visible.
    """
    import keras

    backend = keras.backend.backend()
    if has_gpu() and device != "cpu":
        return f"gpu ({backend}: {', '.join(keras.distribution.list_devices('gpu'))})"
    if device == "gpu":
        raise RdfiaError(
            f"--device gpu: the {backend} back end sees no GPU; install the GPU build with pip install "
            "'.[gpu]' in a checkout and check the driver with nvidia-smi (--debug shows what the back end prints), or "
            "use --device cpu"
        )
    return f"cpu ({backend}, {os.cpu_count()} cores)"


def device_kind(device: str) -> str:
    """Return `cpu` or `gpu`, from what `check_device` returned."""
    return device.split(" ", 1)[0]


def cpu_unless_asked(device: str) -> str:
    """Choose the CPU, unless a GPU is asked for by name, for steps so small that starting them on a GPU costs more."""
    return "gpu" if device == "gpu" else "cpu"


@contextmanager
def placed_on(device: str) -> Iterator[None]:
    """Keep what is made and computed inside on a device of `check_device`; a GPU is the default otherwise."""
    import keras

    with keras.device(f"{device_kind(device)}:0"):
        yield


def compute_capability() -> tuple[int, int] | None:
    """Return NVIDIA's compute capability of the first GPU, (7, 5) for a T4; None without a GPU of NVIDIA's."""
    import keras

    if not has_gpu():
        return None
    if keras.backend.backend() == "jax":
        import jax

        return capability_of(getattr(jax.devices("gpu")[0], "compute_capability", None))
    import tensorflow as tf

    gpu = tf.config.get_visible_devices("GPU")[0]
    return capability_of(tf.config.experimental.get_device_details(gpu).get("compute_capability"))


def capability_of(value: object) -> tuple[int, int] | None:
    """Convert a compute capability as a back end writes it, (7, 5) or "7.5"; None for anything else."""
    numbers = re.fullmatch(r"(\d+)\.(\d+)", value if isinstance(value, str) else "")
    if numbers:
        return int(numbers[1]), int(numbers[2])
    return (value[0], value[1]) if isinstance(value, tuple) else None


def uses_tf32() -> bool | None:
    """Return whether a GPU multiplies float32 by TF32, which reads 11 of its 24 digits; None without a GPU.

    GPUs since Ampere do, unless TensorFlow, JAX or NVIDIA's libraries are set not to.
    """
    import keras

    if not has_gpu():
        return None
    if (compute_capability() or (0, 0)) < AMPERE or os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        return False
    if keras.backend.backend() == "jax":
        import jax

        return jax.config.jax_default_matmul_precision not in ("float32", "highest")
    import tensorflow as tf

    return bool(tf.config.experimental.tensor_float_32_execution_enabled())


def precision_warning(precision: str, device: str, capability: tuple[int, int] | None = None) -> str | None:
    """Return a warning when the device has no fast path for a precision, or None.

    `device` is as `check_device` returns it, `capability` as `compute_capability` does.
    """
    if precision == "float32":
        return None
    this, remedy = "this CPU", ""
    if device_kind(device) == "gpu":
        if precision != "mixed_bfloat16" or capability is None or capability >= AMPERE:
            return None
        this = f"this GPU (compute capability {'.'.join(map(str, capability))})"
        remedy = "; mixed_float16 suits it"
    else:
        with suppress(OSError):
            flags = Path("/proc/cpuinfo").read_text()
            if any(flag in flags for flag in _CPU_FLAGS[precision]):
                return None
    return f"{this} has no instructions for {precision}: expect it to be slower than float32, not faster{remedy}"
