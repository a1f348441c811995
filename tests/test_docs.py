"""The documentation: every question answered, every command exists, every table and picture is what the records say."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click import Context
from documented import DOCUMENTS, PARSED_ONLY, ROOT, RUN_ELSEWHERE, TEXTS, a_selection, commands, words
from test_cli import ANSWERS
from typer.main import get_command

from rdfia_keras.commands._app import app
from rdfia_keras.config import CONFIGS, CnnConfig, RunOptions, flag, settings
from rdfia_keras.experiments import FIGURES, LADDER, REGISTRY, declare_sweep
from rdfia_keras.runs.store import REFERENCE_FOLDER, reference_store
from tools import docs

QUESTIONS = TEXTS["questions.md"]
STARRED = {"T1", "T4", "T11", "T12", "T17", "2", "3", "4", "10", "14", "16", "18"}


def answers() -> dict[str, str]:
    """The text of each question by its number."""
    parts = re.split(r"^\*\*(T?[\d.]+?)\.?\*\*", QUESTIONS, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_question_is_answered_once():
    numbers = re.findall(r"^\*\*(T?[\d.]+?)\.?\*\*", QUESTIONS, flags=re.MULTILINE)
    theory = [f"T{number}" for number in range(1, 18)]
    assert numbers == [*theory, "2.1", "2.2", *map(str, range(1, 35))]


@pytest.mark.parametrize("number", answers())
def test_every_answer_begins_with_its_question_says_something_and_names_a_command(number):
    answer = answers()[number]
    assert re.match(r"( ★)? \*[A-Z][^*]+\?\*\n\n\S", answer) and len(answer.split()) >= 8
    assert "`rdfia " in answer


def test_the_starred_questions_are_those_of_the_homework():
    assert {number for number, answer in answers().items() if answer.startswith(" ★")} == STARRED
    # The star of part 5 asks for each method's principle, and why it helps.
    (methods,) = re.findall(r"^★ .*?(?=^\*\*19)", QUESTIONS, flags=re.MULTILINE | re.DOTALL)
    assert methods.count("\n- **") == len(LADDER) - 1


COMMANDS = get_command(app)


def parsed(command: str) -> tuple[str, Context | None]:
    """The name of a command, and its arguments as the command line parses them."""
    arguments = words(command)
    group, name = COMMANDS, "rdfia"
    while arguments and hasattr(group, "commands"):
        if arguments[0].startswith("-"):
            return name, None
        name = arguments.pop(0)
        assert name in group.commands, f"{command}: there is no {name}"
        group = group.commands[name]
    if hasattr(group, "commands") or "--help" in arguments:
        return name, None
    return name, group.make_context(name, arguments) if arguments else None


def is_a_mention(command: str) -> bool:
    """Whether a command stands in the text by its bare name, and lacks the argument or the command that it needs."""
    group, arguments = COMMANDS, words(command)
    for word in arguments:
        if word.startswith("-") or not hasattr(group, "commands"):
            return False
        group = group.commands[word]
    return group.no_args_is_help or any(param.required for param in group.params)


EXECUTABLE = [one for one in commands() if one not in PARSED_ONLY and not is_a_mention(one)]
# By tests/commands.
EXECUTED = a_selection(EXECUTABLE, [*RUN_ELSEWHERE, *(f"rdfia {command}" for command in ANSWERS)])


@pytest.mark.parametrize("command", commands())
def test_every_command_exists(command):
    name, context = parsed(command)
    if context:
        for figure in context.params.get("numbers") or ():
            assert figure in (*FIGURES, "all")
        for experiment in (context.params.get("names") or ()) if name == "improve" else ():
            assert experiment in REGISTRY
        if name == "sweep":
            declare_sweep(context.params["names"], context.params["assignments"] or [], 1)


def test_what_cannot_be_executed_is_documented():
    assert set(PARSED_ONLY) <= set(commands())
    assert len(EXECUTABLE) > 140
    assert all((ROOT / place).is_file() for place in RUN_ELSEWHERE.values())


def anchors(text: str) -> set[str]:
    """What a link can point at in a document: its headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> list[tuple[Path, str]]:
    link = re.compile(r"""\]\(([^)]+)\)|(?:src|href)="([^"]+)\"""")
    return [(path, one or other) for path in DOCUMENTS for one, other in link.findall(TEXTS[path.name])]


@pytest.mark.parametrize("document, link", links(), ids=lambda value: getattr(value, "name", value))
def test_what_is_linked_exists(document, link):
    """Pages of others cannot be asked here; that they are public addresses can."""
    if "://" in link:
        assert re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]+(/\S*)?", link)
        return
    file, _, anchor = link.partition("#")
    path = document.parent / file if file else document
    assert path.exists(), link
    if anchor:
        assert anchor in anchors(path.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("name", docs.documents())
def test_a_document_is_what_its_template_gives(name):
    assert docs.render(name) == TEXTS[name], "run make docs"


def test_a_claim_that_does_not_hold_stops_the_rendering(tmp_path, monkeypatch):
    monkeypatch.setattr(docs, "TEMPLATES", tmp_path)
    (tmp_path / "a.md.j2").write_text("{% do claim(1 < 2) %}\n{{ 0.5 | percent }}\n")
    assert docs.render("a.md").endswith("\n50.0 %\n")
    (tmp_path / "a.md.j2").write_text("{% do claim(2 < 1) %}\n")
    with pytest.raises(ValueError, match="does not hold"):
        docs.render("a.md")


def test_every_option_of_choices_exists():
    sections = (*CONFIGS.values(), RunOptions)
    options = {flag(name, setting) for section in sections for name, setting in settings(section).items()}
    named = set(re.findall(r"`(--[a-zA-Z-]+)", TEXTS["choices.md"]))
    assert len(named) > 15 and named <= options


SHIPPED = ("digits", "cifar10")


def test_every_reference_run_is_of_a_registered_experiment():
    """But for the two that ship as networks, and one with a validation set: a registered one with less data."""
    runs = list(reference_store().runs())
    assert len(runs) >= 34
    (other,) = (run for run in runs if run.record.experiment not in REGISTRY and run.folder.name not in SHIPPED)
    whole = replace(other.config, validation=CnnConfig().validation)
    assert other.config.validation == 0.1
    assert whole.experiment_key() == REGISTRY["batch-norm-keras"].config.experiment_key()


def test_every_figure_has_its_picture():
    for figure in FIGURES.values():
        path = ROOT / "results" / "figures" / f"{figure.file}.png"
        assert path.stat().st_size < 150_000


def test_reference_records_name_no_machine():
    for path in REFERENCE_FOLDER.glob("*/*/metrics.json"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'"/|\\\\|/tmp|/home|/root', text), path
        record = json.loads(text)
        assert re.fullmatch(r"Linux-[\d.]+-x86_64-with-glibc[\d.]+", record["environment"]["platform"]), path
        assert record["schema"] == 2


def test_the_reference_is_small():
    sizes = {path: path.stat().st_size for path in REFERENCE_FOLDER.rglob("*") if path.is_file()}
    networks = {path: size for path, size in sizes.items() if path.suffix == ".keras"}
    assert {path.parent.name for path in networks} == set(SHIPPED) and sum(networks.values()) < 700_000
    predictions = sum(size for path, size in sizes.items() if path.name == "predictions.npy")
    assert sum(sizes.values()) - sum(networks.values()) - predictions < 1_400_000


def test_the_tests_that_the_documentation_names_exist():
    named = {name for text in TEXTS.values() for name in re.findall(r"`(test_\w+)`", text)}
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    assert named and named <= {name for text in sources for name in re.findall(r"def (test_\w+)", text)}
