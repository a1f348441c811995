"""What each part of the package imports, and what each command."""

import json
import subprocess
import sys

from made_data import write_cifar, write_mnist

import rdfia_keras

BACK_ENDS = "tensorflow keras jax"
HEAVY = f"{BACK_ENDS} numpy matplotlib sklearn scipy"
DATA_SETS = " ".join(f"rdfia_keras.data.{name}" for name in ("circles", "digits", "mnist", "cifar10"))
# One process does this in turn, from the lightest part on; each with what must not be imported by then.
PARTS = [
    ("import rdfia_keras", "numpy keras tensorflow typer"),
    ("rdfia('--help')", HEAVY),
    ("rdfia('--version')", HEAVY),
    ("rdfia('mlp --help')", HEAVY),
    ("rdfia('cnn --lr nonsense')", HEAVY),
    ("rdfia('cnn --dropout-rate 7')", HEAVY),
    ("rdfia('runs --reference')", f"{BACK_ENDS} matplotlib sklearn scipy"),
    ("import rdfia_keras.data as data", f"keras tensorflow pooch requests sklearn scipy PIL {DATA_SETS}"),
    ("data.load_images('mnist', Path()); data.load_images('cifar10', Path())", "keras tensorflow pooch requests"),
    (
        "from rdfia_keras.learn.exercises import EXERCISES; from rdfia_keras.learn.causes import Reference\n"
        "assert all(Reference(one, 0).expected for one in EXERCISES.values() if not one.uses_keras)",
        "keras tensorflow matplotlib sklearn scipy",
    ),
    (
        "from rdfia_keras import plots\n"
        "row = dict(epoch=1, train_loss=1, test_loss=1, train_accuracy=1, test_accuracy=1)\n"
        "plots.png._png(plots.learning_curves([row], 'title'), 50)",
        "keras tensorflow matplotlib.pyplot",
    ),
    ("rdfia('svm --kernel rbf --quick')", BACK_ENDS),
]
DO = """
import contextlib, io, json, sys
from pathlib import Path

def rdfia(words):
    from rdfia_keras.commands._app import main
    sys.argv = ["rdfia", *words.split()]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()

for code, absent in json.loads(sys.argv[1]):
    exec(code)
    print(code, [name for name in absent.split() if name in sys.modules])
"""


def test_no_part_and_no_command_imports_a_library_that_it_does_not_need(tmp_path):
    write_mnist(tmp_path / "mnist.npz")
    write_cifar(tmp_path / "cifar-10-batches-py")
    command = [sys.executable, "-c", DO, json.dumps(PARTS)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == "\n".join(f"{code} []" for code, _ in PARTS).splitlines(), done.stderr
    assert {"train", "load_run", "LoadedRun"} <= set(dir(rdfia_keras))
