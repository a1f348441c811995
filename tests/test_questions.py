"""docs/questions.md: every question is there, and every command in it exists with the options that it is given."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.main import get_command

from rdfia_keras.cli import app
from rdfia_keras.experiments import FIGURES, REGISTRY, SvmExperiment
from rdfia_keras.sections import Options, figures
from rdfia_keras.sections.kept import Wanted

DOCS = Path(__file__).resolve().parents[1]
TEXT = (DOCS / "docs" / "questions.md").read_text(encoding="utf-8")
README = (DOCS / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`(?:\.venv/bin/)?(rdfia [^`]+)`", TEXT + README)))


def answers() -> dict[str, str]:
    """The text of each question by its number."""
    parts = re.split(r"^\*\*(T?[\d.]+?)\.?\*\*", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_question_is_answered_once():
    numbers = re.findall(r"^\*\*(T?[\d.]+?)\.?\*\*", TEXT, flags=re.MULTILINE)
    theory = [f"T{number}" for number in range(1, 18)]
    assert numbers == [*theory, "2.1", "2.2", *map(str, range(1, 35))]


@pytest.mark.parametrize("number", answers())
def test_every_answer_says_something_and_names_a_command(number):
    answer = answers()[number]
    assert len(answer.split()) >= 8
    assert "`rdfia " in answer or number in ("T6", "T8", "T9")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command):
    """Parsed as the command line would parse it, without running anything."""
    if command.endswith("N") or "..." in command:
        command = command.replace(" N", " 7").replace(" ...", "")
    words = shlex.split(command)[1:]
    group, name = get_command(app), "rdfia"
    while words and hasattr(group, "commands"):
        name = words.pop(0)
        if name.startswith("-"):
            return
        assert name in group.commands, f"{command}: there is no {name}"
        group = group.commands[name]
    # A command's bare name is only a mention of it.
    if words and not hasattr(group, "commands") and "--help" not in words:
        context = group.make_context(name, words)
        for figure in context.params.get("numbers") or ():
            assert figure in (*FIGURES, "all")


def test_every_figure_of_the_report_is_named():
    named = set(re.findall(r"rdfia figure (\w+)", TEXT))
    asked = {*("1", "2", "3", "4", "5", "6", "7", "11", "12", "18", "22", "23"), "flips"}
    assert asked <= named <= set(FIGURES) | {"N"}


def test_nothing_is_left_to_be_filled_in():
    assert not re.search(r"\{|\}|TODO|XXX|@@", TEXT)
    assert "@@" not in README


def test_pictures_and_files_that_are_linked_exist():
    for document in (DOCS / "README.md", *(DOCS / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_table_of_the_readme_is_what_the_records_say():
    row = r"^\| [^|]+ \| `([\w.-]+)` \| [^|]+ \| ([\d.]+) % \((\d+)\) \| ([\d.]+) % \| [^|]+ \| (\d+) \| 0 \|"
    rows = re.findall(row, README, re.MULTILINE)
    assert {name for name, *_ in rows} == {name for name, e in REGISTRY.items() if not isinstance(e, SvmExperiment)}
    for name, best, epoch, last, epochs in rows:
        record = json.loads(next((DOCS / "results").glob(f"*/{name}/metrics.json")).read_text(encoding="utf-8"))
        assert f"{100 * record['best']['test_accuracy']:.2f}" == best and record["best"]["epoch"] == int(epoch)
        assert f"{100 * record['final']['test_accuracy']:.2f}" == last and record["final"]["epoch"] == int(epochs)
        assert record["quick"] is False and record["seed"] == 0


def test_records_in_the_repository_name_no_machine():
    for path in (DOCS / "results").glob("*/*/metrics.json"):
        assert not re.search(r'"/|\\\\|/tmp|/home|/root', path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("number", FIGURES)
def test_a_clone_draws_every_kept_figure_without_training(number, tmp_path):
    assert (DOCS / "results" / "figures" / f"{FIGURES[number].file}.png").exists()
    for section in ("mlp", "svm", "cnn"):
        shutil.copytree(DOCS / "results" / section, tmp_path / section)

    def no_data(*names):
        raise AssertionError("a kept figure loads no data")

    def wanted(experiment):
        return Wanted(0, getattr(experiment, "epochs", 0), None, False)

    drawn = figures.make(FIGURES[number], wanted, Options(tmp_path), no_data)
    assert len(drawn.rows) == len(FIGURES[number].panels) and drawn.path.stat().st_size < 150_000
