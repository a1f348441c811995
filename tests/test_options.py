"""The options of commands are made from the settings, each once, and what is typed becomes the config."""

import re
from dataclasses import fields, replace

import pytest
import typer
from command_line import argv, config_of
from made_data import write_mnist

from rdfia_keras.commands._app import app
from rdfia_keras.config import CONFIGS, CnnConfig, RunOptions, SvmConfig, flag, settings
from rdfia_keras.experiments import REGISTRY, match_registered
from rdfia_keras.training.job import QUICK_EPOCHS, QUICK_EXAMPLES

COMMANDS = typer.main.get_command(app).commands
# What no setting stands for.
OWN = {"mlp": {"check_gradients", "animate"}, "svm": set(), "cnn": set()}
RUN_OPTIONS = {
    "mlp": {"out", "data_dir", "quick", "overwrite", "device", "deterministic"},
    "svm": {"out", "data_dir", "quick", "overwrite"},
    "cnn": {"out", "data_dir", "quick", "overwrite", "device", "deterministic", "tensorboard"},
}
SETTINGS = [(section, kind, name) for section, kind in CONFIGS.items() for name in settings(kind)]
SHARED = [(section, RunOptions, name) for section in CONFIGS for name in sorted(RUN_OPTIONS[section])]


def params(section: str) -> list:
    return [param for param in COMMANDS[section].params if param.name != "help"]


def test_the_help_of_quick_gives_the_numbers_of_a_smoke_test():
    help = settings(RunOptions)["quick"].help
    assert QUICK_EXAMPLES["svm"] == QUICK_EXAMPLES["cnn"]
    assert f"at most {QUICK_EXAMPLES['cnn']:,} examples and {QUICK_EPOCHS['cnn']} epochs" in help
    assert f"(mlp: {QUICK_EXAMPLES['mlp']:,} and {QUICK_EPOCHS['mlp']} epochs)" in help


def every_option(group=None, path=()):
    for name, command in (group or COMMANDS).items():
        if hasattr(command, "commands"):
            yield from every_option(command.commands, (*path, name))
        else:
            yield from ((f"{' '.join((*path, name))} {param.name}", param) for param in command.params)


OPTIONS = dict(every_option())


# --- the options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("section", "kind", "name"), SETTINGS + SHARED)
def test_a_setting_has_one_option_with_its_help_text_and_panel(section, kind, name):
    setting = settings(kind)[name]
    (option,) = [param for param in params(section) if flag(name, setting) in param.opts]
    assert option.name == name and option.opts == [flag(name, setting)]
    assert option.help.startswith(setting.help) and option.rich_help_panel == setting.panel
    assert (option.envvar or "") == setting.envvar
    if setting.switch:
        (switch,) = [param for param in params(section) if setting.switch.flag in param.opts]
        assert switch.is_flag and (switch.help, switch.rich_help_panel) == (setting.switch.help, setting.panel)
    if setting.choices:
        assert all(choice in f"{option.help} {option.metavar}" for choice in setting.choices)
        assert setting.suffix in option.metavar and len(option.metavar) <= 22
        completed = {item.value for item in option.shell_complete(None, setting.choices[-1][:2])}
        assert setting.choices[-1] in completed and completed <= set(setting.choices)


@pytest.mark.parametrize("section", CONFIGS)
def test_a_command_has_no_option_beside_its_settings_and_its_own(section):
    kind = CONFIGS[section]
    switches = {setting.switch.flag.removeprefix("--") for setting in settings(kind).values() if setting.switch}
    expected = {*settings(kind), *switches, *RUN_OPTIONS[section], *OWN[section], "json", "debug"}
    assert sorted(param.name for param in params(section)) == sorted(expected)
    flags = [option for param in params(section) for option in (*param.opts, *param.secondary_opts)]
    assert len(flags) == len(set(flags))


def test_every_option_and_argument_of_every_command_is_explained():
    assert len(OPTIONS) > 100 and [name for name, param in OPTIONS.items() if not (param.help or "").strip()] == []


@pytest.mark.parametrize(
    ("section", "panels"),
    [
        ("mlp", ["Options", "Data", "Model", "Training", "Run"]),
        ("svm", ["Options", "Data", "Model", "Run"]),
        ("cnn", ["Options", "Data", "Model", "Ladder", "Modern", "Training", "Run"]),
    ],
)
def test_a_help_page_shows_the_panels_in_order_and_every_option(rdfia_here, wide, section, panels):
    done = rdfia_here(section, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert re.findall(r"^╭─ (\w+) ─", done.stdout, re.M) == panels
    for option in (option for param in params(section) for option in param.opts):
        assert re.search(rf"^│ +{option} ", done.stdout, re.M), option
    text = " ".join(done.stdout.replace("│", " ").split())
    for setting in settings(CONFIGS[section]).values():
        if setting.shown_default:
            assert f"[default: ({setting.shown_default})]" in text
    assert re.search(r"--seed .*\[default: 0\]", done.stdout)


# --- from what is typed to the config ---------------------------------------------------------------------------------


@pytest.mark.parametrize("experiment", REGISTRY.values(), ids=lambda e: e.name)
def test_every_registered_experiment_can_be_typed(experiment):
    config = experiment.config
    changed = {f.name: value for f in fields(config) if (value := getattr(config, f.name)) != f.default}
    typed = config_of(type(config), *argv(config, changed))
    assert typed == config
    assert match_registered(replace(typed, seed=5)).name == experiment.name


@pytest.mark.parametrize(
    ("words", "config"),
    [
        ("--optimizer ADAM --augmentations Flip", CnnConfig(optimizer="adam", augmentations=("flip",))),
        ("--augment", CnnConfig(augmentations=("crop", "flip"))),
        ("--augmentations hue --augmentations blur", CnnConfig(augmentations=("hue", "blur"))),
        ("--augment --augmentations blur --augmentations blur", CnnConfig(augmentations=("crop", "flip", "blur"))),
        ("--augmentations flip --augment", CnnConfig(augmentations=("crop", "flip"))),
        ("--dropout", CnnConfig(dropout_rate=0.5)),
        ("--dropout-rate 0.3", CnnConfig(dropout_rate=0.3)),
        ("--dropout-rate 0", CnnConfig()),
        ("--no-normalize --batch-norm", CnnConfig(normalize=False, batch_norm=True)),
        ("--kernel poly --C 3", SvmConfig(kernel="poly", C=3.0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_typed_becomes_the_config(words, config):
    assert config_of(type(config), *words.split()) == config


def test_rdfia_data_names_the_data_folder(rdfia_here, offline, monkeypatch, tmp_path):
    write_mnist(tmp_path / "mine" / "mnist.npz", 40)
    monkeypatch.setenv("RDFIA_DATA", str(tmp_path / "mine"))
    args = ("mlp", "--dataset", "mnist", "--check-gradients")
    assert rdfia_here(*args).returncode == 0
    monkeypatch.setenv("RDFIA_DATA", str(tmp_path / "nowhere"))
    assert "nowhere does not exist" in rdfia_here(*args).stderr
    # What is typed counts more.
    assert rdfia_here(*args, "--data-dir", tmp_path / "mine").returncode == 0
    assert "elsewhere does not exist" in rdfia_here(*args, "--data-dir", "elsewhere").stderr


def test_without_arguments_there_is_help_and_no_traceback(rdfia_here, wide):
    done = rdfia_here()
    text = done.stdout + done.stderr
    assert done.returncode in (0, 2) and "Usage" in text and "Traceback" not in text
    for name in COMMANDS:
        assert re.search(rf"^│ {name} ", text, re.M), name
    explain = rdfia_here("explain")
    assert explain.returncode in (0, 2) and "receptive-field" in explain.stdout + explain.stderr


@pytest.mark.parametrize(
    ("command", "parameter", "begun", "name"),
    [
        ("improve", "names", "ad", "adam"),
        ("sweep", "names", "lad", "ladder"),
        ("figure", "numbers", "2", "23"),
        ("predict", "model", "cnn/", "cnn/mine"),
        ("hint", "name", "softm", "softmax"),
    ],
)
def test_names_complete(tmp_path, monkeypatch, command, parameter, begun, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "cnn" / "mine").mkdir(parents=True)
    (tmp_path / "results" / "cnn" / "mine" / "config.json").write_text("{}")
    (param,) = [param for path, param in OPTIONS.items() if path.split()[-2:] == [command, parameter]]
    assert name in {item.value for item in param.shell_complete(None, begun)}


def test_no_choice_is_broken_and_no_flag_has_a_type_at_80_columns(rdfia_here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    for section, kind in CONFIGS.items():
        page = rdfia_here(section, "--help").stdout
        assert "<bool>" not in page
        for setting in settings(kind).values():
            assert all(re.search(rf"(?<![\w-]){choice}(?![\w])", page) for choice in setting.choices)
