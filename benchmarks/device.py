"""The device that is measured: the CPU, or the first NVIDIA GPU, whose installation is checked before anything else."""

import subprocess
from dataclasses import dataclass
from importlib import metadata

from benchmarks.package import precision_warning, run_python

TRAINING = ["-m", "rdfia_keras", "cnn", "--dataset", "digits", "--quick", "--device", "gpu"]


@dataclass(frozen=True)
class Card:
    """A GPU as nvidia-smi describes it."""

    name: str
    driver: str
    memory: str
    capability: float

    def __str__(self) -> str:
        return f"{self.name}, {self.memory}, compute capability {self.capability}, driver {self.driver}"


class NoCard(Exception):
    """There is no GPU to be used: what was found, and what to do."""


def find_card() -> Card:
    """Return the first GPU.

    Raises:
        NoCard: If there is none, or its driver does not answer.
    """
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        fix = "on Colab, choose a GPU runtime; with an NVIDIA card, install its driver from nvidia.com and restart"
        raise NoCard(f"there is no NVIDIA driver, for there is no nvidia-smi; {fix}") from None
    except subprocess.TimeoutExpired:
        raise NoCard("nvidia-smi does not answer; restart the machine") from None
    first = (done.stdout + done.stderr).strip().partition("\n")[0]
    try:
        name, driver, memory, capability = (value.strip() for value in first.split(","))
        return Card(name, driver, memory, float(capability))
    except ValueError:
        fix = "restart the machine; if that does not help, install a newer driver"
        raise NoCard(f"nvidia-smi says: {first or 'nothing'}; {fix}") from None


def precisions(card: Card | None) -> tuple[str, ...]:
    """Return the precisions that a GPU, or without one the CPU, has instructions for; the fastest comes last."""
    if card is None:
        return ("float32",) if precision_warning("mixed_bfloat16", "cpu") else ("float32", "mixed_bfloat16")
    if card.capability < 8:  # Older than Ampere.
        return ("float32", "mixed_float16")
    return ("float32", "tf32", "mixed_float16", "mixed_bfloat16")


def check_installation(card: Card) -> None:
    """Print the parts of the installation, up to a training on the GPU.

    Raises:
        SystemExit: If that fails, with what to do.
    """
    print(f"Driver: OK, {card}")
    cudnn = sorted({package.name for package in metadata.distributions() if package.name.startswith("nvidia-cudnn-cu")})
    if len(cudnn) > 1:
        print(f"cuDNN: {' and '.join(cudnn)} write into one folder; if a training fails, install PyTorch elsewhere")
    try:
        run_python(TRAINING)
    except SystemExit as error:
        fix = "see docs/gpu.md, When it fails; --device cpu measures the CPU"
        raise SystemExit(f"{error}\nNo GPU can be used, so nothing was measured: {fix}") from None
    print("A training on the GPU: OK", flush=True)
