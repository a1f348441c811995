"""Time this package beside the references, in turn (A B C A B C ...), and print medians and ratios.

    make bench
    python benchmarks/run.py [--only mlp cnn loop evaluation scaling process] [-n 5] [--without bfloat16]
                             [--out results/benchmarks]

Every contender runs in a process of its own that stays alive and waits between its turns, so that each repetition of
all of them sees the same state of a shared machine. Writes benchmarks.json and benchmarks.png.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from contenders import CONTENDERS

from rdfia_keras.runs.records import environment
from rdfia_keras.system.backend import precision_warning

HERE = Path(__file__).parent
UNITS = {
    "mlp": "µs/step",
    "cnn": "images/s",
    "loop": "images/s",
    "evaluation": "images/s",
    "scaling": "images/s",
    "process": "s",
}
# Numerator, denominator, target: ratios of rates where the unit is images/s, else of times. A pair is a range.
TARGETS = {
    "mlp": [
        *((f"ours: {name}", "PyTorch by hand", 0.35) for name in ("manual", "tape", "layers", "optimizer")),
        *((f"ours: {name}", "PyTorch nn + optim", 0.06) for name in ("manual", "tape", "layers", "optimizer")),
        ("ours: manual", "NumPy by hand", None),
        ("ours: manual", "Keras fit", None),
    ],
    "cnn": [
        ("ours: float32", "PyTorch float32", 1.05),
        ("ours: float32", "Keras fit", None),
        ("ours: mixed_bfloat16", "PyTorch float32", 1.9),
        ("ours: mixed_bfloat16", "PyTorch bfloat16", 1.05),
        ("ours: float32, crop + flip", "PyTorch float32, crop + flip", None),
        ("ours: float32, crop + flip", "ours: float32", 1.0),
        ("ours: mixed_bfloat16, crop + flip", "PyTorch float32, crop + flip", 1.5),
        ("ours: mixed_bfloat16, crop + flip", "ours: mixed_bfloat16", 1.0),
        ("ours: mixed_bfloat16, crop + flip", "PyTorch bfloat16, crop + flip", None),
        ("ours: float32", "matrix product float32", None),
        ("ours: mixed_bfloat16", "matrix product bfloat16", 0.7),
    ],
    "loop": [
        (f"fit, {rung}, {precision}", f"train_on_batch, {rung}, {precision}", 0.98)
        for precision in ("float32", "mixed_bfloat16")
        for rung in ("baseline", "batch-norm")
    ],
    "evaluation": [
        ("ours: float32", "PyTorch float32", 1.05),
        ("ours: mixed_bfloat16", "PyTorch bfloat16", 1.05),
    ],
    "scaling": [
        (f"ours: 50,000 images, {precision}", f"ours: 5,000 images, {precision}", (0.95, 1.05))
        for precision in ("float32", "mixed_bfloat16")
    ],
    "process": [
        ("rdfia mlp", "import tensorflow", 3.0),
        ("rdfia --help", "import typer", 4.0),
    ],
}
MAX_MEMORY_MB = 1600
COMMANDS = {
    "rdfia mlp": ["-m", "rdfia_keras", "mlp", "--overwrite"],
    "import tensorflow": ["-c", "import tensorflow"],
    "rdfia --help": ["-m", "rdfia_keras", "--help"],
    "import typer": ["-c", "import typer"],
}


def time_workers(group: str, n: int, without: str | None = None) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Microseconds a step, or images a second, of every contender that can start here, and its peak memory in MB."""
    workers, results, peak = {}, {}, {}
    for name in CONTENDERS[group]:
        if without and without in name:
            continue
        command = [sys.executable, str(HERE / "worker.py"), group, name]
        worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        while (line := worker.stdout.readline()) and line != "ready\n":
            pass
        if line:
            workers[name] = worker
            results[name] = []
        else:
            print(f"{name}: cannot start here (is its framework installed?)", file=sys.stderr)
    for _ in range(n):
        for name, worker in workers.items():
            worker.stdin.write("go\n")
            worker.stdin.flush()
            answer = json.loads(worker.stdout.readline())
            one = answer["seconds"] / answer["units"]
            peak[name] = answer["peak_mb"]
            results[name].append(one * 1e6 if group == "mlp" else 1 / one)
    for worker in workers.values():
        worker.communicate("")
    return results, peak


def time_processes(n: int) -> dict[str, list[float]]:
    """Wall-clock seconds of whole processes, after one that is not counted."""
    results = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for repetition in range(n + 1):
            for name, arguments in COMMANDS.items():
                begin = time.perf_counter()
                subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=True)
                if repetition:
                    results[name].append(time.perf_counter() - begin)
    return results


def report(group: str, results: dict[str, list[float]]) -> list[dict]:
    """Print a group's medians and ratios; return the ratios, each with its target."""
    print(f"\n{group}, {UNITS[group]}")
    for name, values in results.items():
        print(f"  {name:36} median {median(values):9.3f}   min {min(values):9.3f}   max {max(values):9.3f}")
    rows = []
    for ours, other, target in TARGETS[group]:
        if ours in results and other in results:
            ratio = median(a / b for a, b in zip(results[ours], results[other], strict=True))
            goal, met = judge(ratio, target, UNITS[group] == "images/s")
            rows.append({"of": ours, "to": other, "ratio": round(ratio, 4), "target": target, "met": met})
            print(f"  {ours} / {other}: {ratio:.3f}" + (f"   target {goal}: {met}" if goal else ""))
    return rows


def judge(ratio: float, target: float | tuple[float, float] | None, more_is_better: bool) -> tuple[str, bool | None]:
    """A ratio's target in words, and whether it is met."""
    if target is None:
        return "", None
    if isinstance(target, tuple):
        return f"{target[0]} to {target[1]}", target[0] <= ratio <= target[1]
    return (f">= {target}", ratio >= target) if more_is_better else (f"<= {target}", ratio <= target)


def report_memory(peak: dict[str, int]) -> dict:
    """Peak resident memory of training on as many images as CIFAR-10 has."""
    for name, megabytes in peak.items():
        print(f"  {name}: peak {megabytes} MB   target <= {MAX_MEMORY_MB}: {megabytes <= MAX_MEMORY_MB}")
    return {"peak_mb": peak, "target": MAX_MEMORY_MB}


def draw(everything: dict[str, dict[str, list[float]]], path: Path) -> None:
    """One panel a group: medians as bars, every repetition as a point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.3 * sum(map(len, everything.values())) + 1.2 * len(everything)), layout="constrained")
    heights = [len(results) + 1 for results in everything.values()]
    for axes, (group, results) in zip(
        figure.subplots(len(everything), 1, squeeze=False, height_ratios=heights)[:, 0], everything.items(), strict=True
    ):
        names = list(results)[::-1]
        colours = ["#0077bb" if name.startswith(("ours", "rdfia")) else "#bbbbbb" for name in names]
        axes.barh(names, [median(results[name]) for name in names], color=colours)
        for name in names:
            axes.plot(results[name], [name] * len(results[name]), "k.", markersize=3)
        better = "more" if UNITS[group] == "images/s" else "less"
        axes.set_xlabel(f"{group}: {UNITS[group]}, {better} is better" + (", log scale" if group == "mlp" else ""))
        if group == "mlp":
            axes.set_xscale("log")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*UNITS], default=[*UNITS])
    parser.add_argument("-n", type=int, default=5, help="counted repetitions")
    parser.add_argument("--without", help="leave out contenders whose names hold this, such as bfloat16")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    options = parser.parse_args()
    if options.without is None and precision_warning("mixed_bfloat16", "cpu"):
        print(
            "this CPU has no bfloat16 instructions: those rows are left out (--without '' runs them)", file=sys.stderr
        )
        options.without = "bfloat16"
    everything, ratios, memory = {}, {}, {}
    for group in options.only:
        if group == "process":
            everything[group] = time_processes(options.n)
        else:
            everything[group], peak = time_workers(group, options.n, options.without)
        ratios[group] = report(group, everything[group])
        if group == "scaling":
            memory = report_memory(peak)
    options.out.mkdir(parents=True, exist_ok=True)
    record = {**environment(), "n": options.n, "values": everything, "ratios": ratios, "memory": memory}
    (options.out / "benchmarks.json").write_text(json.dumps(record, indent=1))
    draw(everything, options.out / "benchmarks.png")
    print(f"\n{options.out}")


if __name__ == "__main__":
    main()
