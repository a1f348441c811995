"""Check the installation for a GPU, then measure training on it.

    make bench-gpu
    python benchmarks/gpu.py [--device gpu|cpu] [--quick] [--only tensorflow jax torch] [--precisions float32 ...]
                             [--epochs 50] [--data-dir DIR] [--torch-python PYTHON] [--out results/benchmarks]

1. Installation: driver, libraries, devices and one training step, each with OK or with what to do.
2. Images a second of each rung of the ladder, in each precision, and their share of what large products reach.
3. The time of the batch-norm rung's epochs.

Each framework runs in processes of its own. Writes gpu.json; exits with 1 where no GPU can be used.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

import numpy as np
from gpu_worker import RUNGS, Job

from rdfia_keras.data import load_images
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.runs.environment import environment
from rdfia_keras.system.backend import precision_warning

HERE = Path(__file__).resolve().parent
FRAMEWORKS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch, compiled"}
# By the name in the tables: the Keras policy, and whether products of float32 may be computed in TF32.
PRECISIONS = {
    "float32": ("float32", False),
    "tf32": ("float32", True),
    "bfloat16": ("mixed_bfloat16", True),
    "float16": ("mixed_float16", True),
}
FASTEST_FIRST = ("bfloat16", "float16", "tf32", "float32")
# Multiply-adds counted as two, forward and backward, of the homework's network on one image of 32x32 and of 28x28.
FLOP_AN_IMAGE, FLOP_A_CROP = 134e6, 104e6
CROPPED = {rung for rung in RUNGS if "crop" in getattr(REGISTRY[rung].config, "augmentations", ())}
EPOCHS, SECONDS_ON_H100 = 50, 60
WHOLE_RUNG = "batch-norm"


@dataclass(frozen=True)
class Card:
    """What nvidia-smi says of the first GPU."""

    name: str
    driver: str
    memory: str
    capability: float

    @property
    def words(self) -> str:
        return f"{self.name}, {self.memory}, compute capability {self.capability}, driver {self.driver}"


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


# --- the installation -------------------------------------------------------------------------------------------------


def find_card() -> tuple[Card | None, str, str]:
    """The first card; where there is none, what was found instead, and what to do."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return None, "no NVIDIA driver: there is no nvidia-smi", (
            "on Colab, choose Runtime > Change runtime type > T4 GPU; on a computer with an NVIDIA card, install its "
            "driver from nvidia.com/drivers and restart"
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, "nvidia-smi does not answer", "restart the machine"
    said = (done.stdout + done.stderr).strip()
    first = said.splitlines()[0] if said else "nothing"
    try:
        name, driver, memory, capability = (value.strip() for value in first.split(","))
        return Card(name, driver, memory, float(capability)), "", ""
    except ValueError:
        return None, f"nvidia-smi says: {first}", "restart the machine; if that does not help, install a newer driver"


def check_driver(device: str) -> tuple[Card | None, list[dict[str, Any]]]:
    """The driver, and whether the pip packages of cuDNN stand in each other's way."""
    if device == "cpu":
        return None, [{"of": "driver", "check": "nvidia-smi", "ok": None, "says": "not needed with --device cpu"}]
    card, found, fix = find_card()
    checks: list[dict[str, Any]] = [
        {"of": "driver", "check": "nvidia-smi", "ok": card is not None, "says": card.words if card else found}
    ]
    if card is None:
        checks[0]["fix"] = fix
        return None, checks
    cudnn = sorted(d.name for d in metadata.distributions() if d.name.startswith("nvidia-cudnn-cu"))
    if len(set(cudnn)) > 1:
        # Both write nvidia/cudnn/lib/libcudnn.so.9.
        says = f"{' and '.join(cudnn)} are both installed, in one folder: one has overwritten the other"
        fix = "if a check below fails, install PyTorch in an environment of its own (--torch-python)"
        checks.append({"of": "driver", "check": "cuDNN", "ok": None, "says": says, "fix": fix})
    return card, checks


def show(check: dict[str, Any]) -> None:
    mark = {True: "OK", False: "FAILED", None: "-"}[check["ok"]]
    print(f"  {check['of']:11} {check['check']:18} {mark:7} {check['says']}")
    if "fix" in check:
        print(f"  {'':31}to do: {check['fix']}")


def check_frameworks(jobs: dict[str, Job], python: dict[str, str]) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Every framework's checks, and the TFLOP/s of its large products where all of them passed."""
    checks, speeds = [], {}
    for framework, job in jobs.items():
        for found in results(job, python[framework]):
            if "error" in found:
                found = {"check": "process", "ok": False, "says": found["error"], "fix": "see docs/gpu.md"}
            checks.append({"of": framework, **found})
            show(checks[-1])
            if "tflops" in found:
                speeds[framework] = found["tflops"]
    return checks, speeds


def results(job: Job, python: str) -> Iterator[dict[str, Any]]:
    """What a worker prints, line by line; where a check fails what its log says, and an `error` where it dies."""
    path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "KERAS_BACKEND": job.framework, "PYTHONPATH": path}
    command = [python, str(HERE / "gpu_worker.py"), json.dumps(asdict(job))]
    result: dict[str, Any] = {}
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True) as worker:
            assert worker.stdout
            for line in worker.stdout:
                if line.startswith("{"):
                    yield (result := json.loads(line))
        log.seek(0)
        lines = log.read().decode("utf-8", "replace").strip().splitlines()
        if result.get("ok") is False:
            said = [line for line in lines if any(word in line for word in ("dlopen", "CUDA", "cuDNN"))]
            yield from ({"check": "its log", "ok": None, "says": line[:300]} for line in said[-2:])
        if worker.returncode:
            yield {"error": f"its process ended with {worker.returncode}: {(lines or ['no message'])[-1][:300]}"}


# --- what is measured -------------------------------------------------------------------------------------------------


def why_not(precision: str, card: Card | None) -> str:
    """Why a precision is left out on this device, or an empty text."""
    policy, tf32 = PRECISIONS[precision]
    if card is None:
        return "a CPU has no TF32" if precision == "tf32" else precision_warning(policy, "cpu") or ""
    needs_ampere = tf32 and policy != "mixed_float16"
    if needs_ampere and card.capability < 8:
        return f"needs compute capability 8.0 (Ampere) or newer, and this card has {card.capability}"
    return ""


def cases_of(framework: str, quick: bool) -> tuple[tuple[str, str], ...]:
    """Pairs of a rung and an XLA setting."""
    rungs = [rung for rung in RUNGS if not quick or rung in ("baseline", WHOLE_RUNG)]
    if framework != "tensorflow":  # JAX compiles with XLA always, and PyTorch never.
        return tuple((rung, "auto") for rung in rungs)
    return (*((rung, "auto") for rung in rungs if rung != WHOLE_RUNG), (WHOLE_RUNG, "on"), (WHOLE_RUNG, "off"))


def images_a_second(row: dict[str, Any], count: int) -> float | None:
    """The median of the epochs after the first, in which everything is compiled."""
    later = row.get("seconds", [])[1:]
    return count / median(later) if later else None


def measure_rates(
    jobs: dict[str, Job], precisions: list[str], python: dict[str, str], peak: float
) -> list[dict[str, Any]]:
    """A row for each framework, precision, rung and XLA setting."""
    rows = []
    print(f"\nImages a second, and the share of {peak:,.2f} TFLOP/s\n")
    print("| framework | precision | rung | XLA | images/s | share |\n|---|---|---|---|---|---|")
    for framework, job in jobs.items():
        for name in precisions:
            policy, tf32 = PRECISIONS[name]
            for found in results(replace(job, precision=policy, tf32=tf32), python[framework]):
                row = {"framework": framework, "precision": name, **found}
                row["images_per_second"] = rate = images_a_second(row, job.images)
                if rate:
                    crops = row["rung"] in CROPPED
                    row["share_of_peak"] = rate * (FLOP_A_CROP if crops else FLOP_AN_IMAGE) / (peak * 1e12)
                rows.append(row)
                print(rate_line(row), flush=True)
    return rows


def rate_line(row: dict[str, Any]) -> str:
    rate = row["images_per_second"]
    numbers = f"{rate:,.0f} | {row['share_of_peak']:.3f}" if rate else f"{row.get('error', 'too few epochs')} | "
    cells = [FRAMEWORKS[row["framework"]], row["precision"], row.get("rung", ""), row.get("xla", "")]
    return f"| {' | '.join(cells)} | {numbers} |"


def measure_whole(jobs: dict[str, Job], precision: str, python: dict[str, str]) -> list[dict[str, Any]]:
    """The batch-norm rung from beginning to end, in each framework."""
    policy, tf32 = PRECISIONS[precision]
    rows = []
    epochs = next(iter(jobs.values())).epochs
    print(f"\nThe {WHOLE_RUNG} rung, {epochs} epochs with evaluation, {precision}\n")
    print("| framework | all, with compiling | an epoch, median |\n|---|---|---|")
    for framework, job in jobs.items():
        for found in results(replace(job, precision=policy, tf32=tf32), python[framework]):
            row = {"framework": framework, "precision": precision, "epochs": epochs, **found}
            later = row.get("seconds", [])[1:]
            row["epoch_seconds"] = median(later) if later else None
            rows.append(row)
            epoch = f"{row['epoch_seconds']:.3f} s" if later else "-"
            total = row.get("error") or f"{row['total']:.1f} s"
            print(f"| {FRAMEWORKS[framework]} | {total} | {epoch} |", flush=True)
    return rows


def judge(whole: list[dict[str, Any]], card: Card | None, epochs: int) -> list[dict[str, Any]]:
    """The two targets, each met, missed, or not judged (None) where it does not apply."""
    timed = {row["framework"]: row for row in whole if row.get("epoch_seconds")}
    ours = [timed[name] for name in ("tensorflow", "jax") if name in timed]
    targets = []
    for row in ours:
        applies = card is not None and "H100" in card.name and epochs == EPOCHS
        name = f"{row['framework']}: {EPOCHS} epochs on an H100 in less than {SECONDS_ON_H100} s"
        met = row["total"] < SECONDS_ON_H100 if applies else None
        targets.append({"target": name, "value": row["total"], "met": met})
        if "torch" in timed:
            ratio = timed["torch"]["epoch_seconds"] / row["epoch_seconds"]
            name = f"{row['framework']}: an epoch at least as fast as compiled PyTorch's (ratio >= 1)"
            targets.append({"target": name, "value": ratio, "met": ratio >= 1 if card else None})
    print()
    for target in targets:
        words = {True: "met", False: "missed", None: "not judged on this device or with these epochs"}[target["met"]]
        value = "" if target["met"] is None else f"{target['value']:.2f}, "
        print(f"{target['target']}: {value}{words}")
    return targets


# --- the command ------------------------------------------------------------------------------------------------------


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--quick", action="store_true", help="two rungs, 64 images, 2 epochs: whether it works")
    parser.add_argument("--only", nargs="+", choices=[*FRAMEWORKS], default=[*FRAMEWORKS], help="frameworks")
    parser.add_argument("--precisions", nargs="+", choices=[*PRECISIONS], default=[*PRECISIONS])
    parser.add_argument("--epochs", type=int, help=f"of the whole training; {EPOCHS} by default, 2 with --quick")
    parser.add_argument("--data-dir", type=Path, help="folder with CIFAR-10, in place of noise for the whole training")
    parser.add_argument("--torch-python", default=sys.executable, help="Python of an environment that has PyTorch")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    options = parser.parse_args(arguments)
    options.epochs = (2 if options.quick else EPOCHS) if options.epochs is None else options.epochs
    if options.epochs < 2:
        parser.error(f"--epochs must be at least 2, not {options.epochs}: the first compiles and is not counted")
    if not Path(options.torch_python).is_file():
        parser.error(f"--torch-python: there is no file {options.torch_python}; give the path of a Python")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out: cannot make the folder {options.out}: {error.strerror}; name another")
    options.data = None
    if options.data_dir:
        try:
            data = load_images("cifar10", options.data_dir)
            options.data = data.take(500) if options.quick else data
        except RdfiaError as error:
            parser.error(f"--data-dir: {error}")
    return options


def stored(data: Any, folder: str) -> str | None:
    """A file of the images, for workers in environments that cannot read the original."""
    if data is None:
        return None
    path = Path(folder) / "images.npz"
    np.savez(path, x=data.train.x, y=data.train.y, x_test=data.test.x, y_test=data.test.y)
    return str(path)


def measure(
    options: argparse.Namespace, jobs: dict[str, Job], python: dict[str, str], precisions: list[str], peak: float
) -> dict[str, list[dict[str, Any]]]:
    """Rates of the rungs, then the whole training, in every framework whose checks passed."""
    images, epochs = (64, 2) if options.quick else (200 * 128, 6)
    train = {name: replace(job, kind="train", images=images, test_images=500) for name, job in jobs.items()}
    rates = {name: replace(job, cases=cases_of(name, options.quick), epochs=epochs) for name, job in train.items()}
    rows = measure_rates(rates, precisions, python, peak)
    with tempfile.TemporaryDirectory() as folder:
        count, tests = (64, 500) if options.quick else (50_000, 10_000)
        settings: dict[str, Any] = {"images": count, "test_images": tests, "epochs": options.epochs, "checkpoint": True}
        settings |= {"cases": ((WHOLE_RUNG, "auto"),), "data": stored(options.data, folder)}
        wholes = {name: replace(job, **settings) for name, job in train.items()}
        return {"rates": rows, "whole": measure_whole(wholes, precisions[0], python)}


def main() -> int:
    options = parse()
    print("Installation\n")
    card, checks = check_driver(options.device)
    for check in checks:
        show(check)
    usable = [name for name in FASTEST_FIRST if not why_not(name, card)]
    precisions = [name for name in usable if name in options.precisions]
    left_out = {name: why_not(name, card) for name in options.precisions if name not in usable}
    size: dict[str, Any] = {
        "matrix": 256 if options.quick else 8192 if card else 2048,
        "batch_size": 32 if options.quick else 128,
    }
    python = {name: options.torch_python if name == "torch" else sys.executable for name in FRAMEWORKS}
    # Whatever is measured, the share is of what products reach in the fastest type of the device.
    jobs = {name: Job("check", name, options.device, PRECISIONS[usable[0]][0], **size) for name in options.only}
    speeds: dict[str, float] = {}
    if all(check["ok"] is not False for check in checks):
        found, speeds = check_frameworks(jobs, python)
        checks += found
    if not any(name in speeds for name in ("tensorflow", "jax")):
        gpu = options.device == "gpu"
        print("\nNo GPU can be used" if gpu else "\nNo back end of Keras works", end=": ", file=sys.stderr)
        print(f"nothing was measured{'; --device cpu measures the CPU' if gpu else ''}.", file=sys.stderr)
        return 1
    for name, reason in left_out.items():
        print(f"  {name} is left out: {reason}")
    if not precisions:
        print("\nNo precision is left to measure; name another with --precisions.", file=sys.stderr)
        return 1
    working = {name: job for name, job in jobs.items() if name in speeds}
    measured = measure(options, working, python, precisions, max(speeds.values()))
    record = {
        **environment(),
        "device": options.device,
        "card": asdict(card) if card else None,
        "quick": options.quick,
        "whole_data": "cifar10" if options.data else "noise",
        "checks": checks,
        "left_out": left_out,
        "peak_tflops": speeds,
        **measured,
        "targets": judge(measured["whole"], card, 0 if options.quick else options.epochs),
    }
    path = options.out / "gpu.json"
    path.write_text(json.dumps(record, indent=1), encoding="utf-8")
    print(f"\n{path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
