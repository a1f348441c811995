"""The commands go on doing what they did: exit codes, what they print, leave and record.

After an intended change write `tests/expected/commands.json` anew with `python tests/commands/test_commands_stay.py`,
and read the difference.
"""

import json
import os
import re
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

EXPECTED = Path(__file__).resolve().parents[1] / "expected" / "commands.json"
COMMANDS = [
    ["mlp", "--epochs", "3"],
    ["mlp", "--implementation", "tape", "--epochs", "3", "--seed", "2", "--lr", "0.03", "--hidden", "4"],
    ["mlp", "--dataset", "digits", "--implementation", "manual", "--epochs", "2", "--batch-size", "50"],
    ["mlp", "--check-gradients"],
    ["svm"],
    ["svm", "--kernel", "poly", "--degree", "4", "--C", "1"],
    ["svm", "--dataset", "digits", "--kernel", "linearsvc", "--quick"],
    ["cnn", "--dataset", "digits", "--model", "dense", "--epochs", "2"],
    ["cnn", "--dataset", "digits", "--augment", "--dropout", "--quick", "--model", "lenet"],
    ["figure", "4", "5"],
    ["study", "lbfgs", "--seeds", "2", "--quick"],
    ["augment-preview", "hue", "blur", "--dataset", "digits"],
    ["explain", "conv", "--x", "224", "--y", "224"],
    ["explain", "layers"],
    ["explain", "receptive-field"],
    ["explain", "dense-as-conv", "--dataset", "digits"],
    ["explain", "bow-svm"],
    ["explain", "start", "--dataset", "digits", "--seeds", "1"],
    ["explain", "dropout"],
    ["explain", "loss"],
    ["explain", "backprop-cost", "--quick"],
    ["list", "--section", "improve"],
    ["demo", "--nonsense"],
    ["cnn", "--model", "lenet", "--batch-norm"],
    ["figure", "24"],
    ["mlp", "--data-dir", "missing"],
]
NUMBER = re.compile(r"\d[\d,.]*(e[+-]\d+)?")


def observe(args: list[str], folder: Path) -> dict:
    """Run a command in an empty folder; numbers in its output count only by being there."""
    from rdfia_keras.cli import app

    os.chdir(folder)
    done = CliRunner().invoke(app, args)
    lines = [re.sub(r" +", " ", NUMBER.sub("#", line)).strip() for line in done.stdout.splitlines()]
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {
        "exit_code": done.exit_code,
        "stdout": lines,
        # Locks are hidden files; how many checkpoints the perceptron leaves depends on the time that it took.
        "files": sorted(str(path) for path in files if not re.search(r"/\.|/checkpoints/", f"/{path}")),
        "recorded": recorded(folder),
    }


def recorded(folder: Path) -> dict:
    """Best and final accuracy of each run that was left."""
    records = {path.parent.name: json.loads(path.read_text()) for path in folder.rglob("metrics.json")}
    return {
        name: {key: record[key]["test_accuracy"] for key in ("best", "final") if record.get(key)}
        for name, record in sorted(records.items())
    }


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_a_command_does_what_it_did(args, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RDFIA_DATA", raising=False)
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))[" ".join(args)]
    seen = observe(args, tmp_path)
    numbers, expected_numbers = seen.pop("recorded"), expected.pop("recorded")
    assert seen == expected
    # Another processor rounds otherwise: the perceptron and the kernels are float64, a convnet's two epochs are not.
    tolerance = 0.1 if args[0] in ("cnn", "improve") else 0.02
    assert numbers.keys() == expected_numbers.keys()
    for name, values in expected_numbers.items():
        assert numbers[name] == pytest.approx(values, abs=tolerance)


if __name__ == "__main__":
    written = {}
    for words in COMMANDS:
        with tempfile.TemporaryDirectory() as empty:
            written[" ".join(words)] = observe(words, Path(empty).resolve())
    EXPECTED.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
