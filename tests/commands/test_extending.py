"""docs/extending.md at its word: its code is put into a copy of the package, which then trains with all of it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rdfia_keras

# So long, in seconds, a process may take on a machine that does other things as well.
PATIENCE = 150
PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
BLOCK = re.compile(r"```(python|diff)\n# (rdfia_keras/[\w/]+\.py)(?:: (\w+))?\n(.*?)```", re.DOTALL)


def insert(text: str, place: str, code: str) -> str:
    """Put code into `NAME = (...)` or `NAME = {...}`, at the end of a class's fields, or before a module's table."""
    if place == "CnnConfig":
        return text.replace(
            "    @property\n    def has_improvements", f"    {code}\n    @property\n    def has_improvements"
        )
    if place:
        return re.sub(rf"^({place}(?:: .+)? = [({{])", rf"\g<1>{code.strip()}, ", text, flags=re.MULTILINE)
    table = re.search(r"^(# .*\n)*(LAYERS|SCHEDULES): ", text, flags=re.MULTILINE)
    end = table.start() if table else len(text)
    return f"{text[:end]}\n\n{code}\n\n{text[end:]}"


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A folder with the extended package."""
    folder = tmp_path_factory.mktemp("extended")
    package = Path(rdfia_keras.__file__).parent
    shutil.copytree(package, folder / "rdfia_keras", ignore=shutil.ignore_patterns("__pycache__"))
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 15
    for kind, name, place, code in blocks:
        path = folder / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if kind == "diff":
            old, new = (line[1:] for line in code.splitlines())
            changed = text.replace(old, new)
        else:
            changed = insert(text, place, code)
        assert changed != text, f"{name}: {code}"
        path.write_text(changed, encoding="utf-8")
    return folder


# Commands one after another in one process, which spares the seconds that TensorFlow takes to start.
COMMANDS = """
import json, sys
from pathlib import Path
from typer.testing import CliRunner
from rdfia_keras.commands._app import app

def rdfia(*words):
    done = CliRunner().invoke(app, words)
    print(json.dumps([words, done.exit_code, done.stdout, done.stderr]))

rungs = "--augmentations shade --schedule root --optimizer lion --fc4-units 20".split()
rdfia("cnn", "--dataset", "stripes", *rungs, "--batch-size", "32", "--epochs", "3", "--json")
rdfia("figure", "two-momenta", "--json")
rdfia("list", "--json")
rdfia("explain", "pooling", "--width", "28", "--json")
rdfia("improve", "batch-64", "--dataset", "stripes", "--quick", "--json")
# A saved model may hold the new layer.
from rdfia_keras.models.saving import load_model
(path,) = Path("results").glob("cnn/*shade*/model.keras")
print(json.dumps(["load", 0, str(load_model(path).count_params()), ""]))
"""


@pytest.fixture(scope="module")
def answers(extended, tmp_path_factory) -> tuple[Path, list[subprocess.CompletedProcess]]:
    """The folder in which the commands ran, and what came of each."""
    folder = tmp_path_factory.mktemp("answers")
    env = {**os.environ, "PYTHONPATH": str(extended)}
    command = [sys.executable, "-c", COMMANDS]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return folder, [subprocess.CompletedProcess(*json.loads(line)) for line in done.stdout.splitlines()]


def test_a_run_uses_the_new_augmentation_setting_optimizer_schedule_and_data(answers):
    results, (done, figure, *_, loaded) = answers
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    config = record["config"]
    assert (config["augmentations"], config["schedule"], config["optimizer"]) == (["shade"], "root", "lion")
    assert config["fc4_units"] == 20 and config["lr"] == 0.0003 and record["details"]["parameters"] < 200_000
    assert record["dataset"]["name"] == "stripes" and record["final"]["test_accuracy"] > 0.9
    folder = results / "results" / "cnn" / record["experiment"]
    assert {"stripes", "shade", "root", "lion", "fc4"} <= set(folder.name.split("-"))
    rates = [float(line.split(",")[1]) for line in (folder / "history.csv").read_text().splitlines()[1:]]
    assert rates == pytest.approx([0.0003, 0.0003 / 2**0.5, 0.0003 / 3**0.5])
    assert [row["panel"] for row in json.loads(figure.stdout)["figures"]] == ["(a) plain", "(b) Nesterov"]
    assert int(loaded.stdout) == record["details"]["parameters"]


def test_the_new_experiment_is_listed_and_trained(answers):
    *_, listed, explained, done, _ = answers[1]
    rows = json.loads(listed.stdout)["experiments"]
    assert [row["command"] for row in rows if row["name"] == "batch-64"] == ["rdfia improve batch-64"]
    assert json.loads(explained.stdout) == {"width": 14}
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert row["experiment"] == "stripes-augment-batch-size-64" and row["best"] is not None
