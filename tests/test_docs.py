"""The documentation: every question answered, every command exists, every table and picture is what the records say."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from typer.main import get_command

from rdfia_keras.cli import app
from rdfia_keras.config import CnnConfig
from rdfia_keras.experiments import FIGURES, LADDER, REGISTRY, Experiment
from rdfia_keras.experiments.base import same_identity
from rdfia_keras.report.comparison import reference_run
from rdfia_keras.report.docs import TABLES, updated
from rdfia_keras.report.spread import paired_gain
from rdfia_keras.runs.reference import FOLDER, reference_store
from rdfia_keras.runs.store import Query

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    FOLDER / "questions.md",
]
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
QUESTIONS = TEXTS["questions.md"]
STARRED = {"T1", "T4", "T11", "T12", "T17", "2", "3", "4", "10", "14", "16", "18"}
COMMAND = r"(?:^|`)(?:\.venv/bin/)?(rdfia (?:[a-z-]+|--\w+)[^`\n#]*)"


def commands() -> list[str]:
    """Every command that stands in backquotes or at the start of a line of a code block."""
    # tests/faults/test_extending.py runs what extending.md adds.
    texts = [text for name, text in TEXTS.items() if name != "extending.md"]
    found = {match.strip() for text in texts for match in re.findall(COMMAND, text, flags=re.MULTILINE)}
    return sorted(found)


def answers() -> dict[str, str]:
    """The text of each question by its number."""
    parts = re.split(r"^\*\*(T?[\d.]+?)\.?\*\*", QUESTIONS, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_question_is_answered_once():
    numbers = re.findall(r"^\*\*(T?[\d.]+?)\.?\*\*", QUESTIONS, flags=re.MULTILINE)
    theory = [f"T{number}" for number in range(1, 18)]
    assert numbers == [*theory, "2.1", "2.2", *map(str, range(1, 35))]


@pytest.mark.parametrize("number", answers())
def test_every_answer_says_something_and_names_a_command(number):
    answer = answers()[number]
    assert len(answer.split()) >= 8
    assert "`rdfia " in answer


def test_the_starred_questions_are_those_of_the_homework():
    assert {number for number, answer in answers().items() if answer.startswith(" ★")} == STARRED
    # The star of part 5 asks for each method's principle, and why it helps.
    (methods,) = re.findall(r"^★ .*?(?=^\*\*19)", QUESTIONS, flags=re.MULTILINE | re.DOTALL)
    assert methods.count("\n- **") == len(LADDER) - 1


def test_the_readme_has_its_commands():
    assert len(commands()) > 60


@pytest.mark.parametrize("command", commands())
def test_every_command_exists(command):
    """Parsed as the command line would parse it, without running anything."""
    command = re.sub(r"\b(N|NUMBER)\b", "7", command).replace("NAME", "adam").replace("...", "")
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
        for experiment in (context.params.get("names") or ()) if name == "improve" else ():
            assert experiment in REGISTRY


def test_every_figure_of_the_report_is_named():
    named = set(re.findall(r"rdfia figure (\w+)", QUESTIONS))
    asked = {*("1", "2", "3", "4", "5", "6", "7", "11", "12", "18", "22", "23"), "flips"}
    assert asked <= named <= set(FIGURES) | {"N"}


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_is_left_to_be_filled_in(name):
    assert not re.search(r"TODO|XXX|@@|\?\?\?", TEXTS[name])


def test_pictures_and_files_that_are_linked_exist():
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (document.parent / link).exists(), f"{document.name}: {link}"


@pytest.mark.parametrize("name", ["README.md", "results.md"])
def test_tables_are_what_the_records_say(name):
    assert any(f"<!-- {table} -->" in TEXTS[name] for table in TABLES)
    assert updated(TEXTS[name]) == TEXTS[name], "run make docs"


def claims_a_figure(experiment: Experiment) -> bool:
    return experiment.reference.figure is not None


@pytest.mark.parametrize("experiment", list(filter(claims_a_figure, REGISTRY.values())), ids=lambda e: e.name)
def test_an_experiment_that_claims_a_figure_has_a_whole_reference_run(experiment):
    run = reference_run(experiment)
    assert run is not None and run.record.status == "ok" and not run.record.quick
    assert run.record.experiment == experiment.name and run.config.seed == 0
    if experiment.config.epochs:
        assert run.record.epochs >= experiment.config.epochs
        rows = [row for row in run.history() if row.get("implementation", "manual") == "manual"]
        assert len(rows) == run.record.epochs
        best = max(rows, key=lambda row: row["test_accuracy"])
        assert run.record.best["test_accuracy"] == best["test_accuracy"] and run.record.best["epoch"] == best["epoch"]


def test_every_reference_run_is_of_a_registered_experiment():
    """But for the one with a validation set, which is a registered one with less to train on."""
    runs = list(reference_store().runs())
    assert len(runs) >= 34
    (other,) = (run for run in runs if run.record.experiment not in REGISTRY)
    whole = replace(other.config, validation=CnnConfig().validation)
    assert other.config.validation == 0.1 and same_identity(whole, REGISTRY["batch-norm"].config)


def test_reference_runs_say_of_the_report_what_the_registry_says():
    for run in reference_store().runs():
        if run.record.selected:  # The report has no validation set.
            assert run.record.reference["published"] is None
            continue
        claims, reference = run.record.reference, REGISTRY[run.record.experiment].reference
        assert (claims["published"], claims["comment"]) == (reference.published, reference.comment), run.folder


def test_a_pause_of_the_machine_counts_in_no_duration():
    """One epoch of the batch-norm run lasted two hours: the machine was asleep."""
    run = reference_store().find_finished(Query(config=REGISTRY["batch-norm"].config))
    assert max(row["seconds"] for row in run.history()) > 6000
    assert run.record.seconds < 60 * 100


def test_what_bfloat16_costs_is_said_with_its_interval():
    rows = re.findall(r"^\| (\d) \| ([\d.]+) %.*? \| ([\d.]+) %", TEXTS["performance.md"], flags=re.MULTILINE)
    assert [seed for seed, _, _ in rows] == ["0", "1", "2"]
    float32, bfloat16 = ({int(row[0]): float(row[column]) for row in rows} for column in (1, 2))
    gain = paired_gain(float32, bfloat16)
    low, high = gain.interval
    said = " ".join(TEXTS["performance.md"].split())
    assert f"{gain.mean:+.2f} points for bfloat16, its 95 % interval goes from {low:.2f} to {high:+.2f}" in said
    assert f"leave {low:.1f} to {high:+.1f} points open" in " ".join(TEXTS["gpu.md"].split())


def test_every_figure_has_its_picture():
    for figure in FIGURES.values():
        path = ROOT / "results" / "figures" / f"{figure.file}.png"
        assert path.stat().st_size < 150_000


def test_reference_records_name_no_machine():
    for path in FOLDER.glob("*/*/metrics.json"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'"/|\\\\|/tmp|/home|/root', text), path
        assert json.loads(text)["schema"] == 2


def test_the_reference_is_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 1_200_000
