"""The options of mlp, svm and cnn are made from the settings, each once, and what is typed becomes the config."""

import json
import os
import re
import shutil
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import typer
from rdfia_keras.commands._app import app
from rdfia_keras.cli.command import LATEST
from rdfia_keras.cli.options import collect
from rdfia_keras.runs.records import read_record
from rdfia_keras.sections.common import create_run
from typer.testing import CliRunner

from rdfia_keras.config import CONFIGS, CnnConfig, MlpConfig, RunOptions, SvmConfig, flag, settings
from rdfia_keras.data import load_vectors
from rdfia_keras.experiments import REGISTRY, match_registered
from rdfia_keras.runs.run import Run

COMMANDS = typer.main.get_command(app).commands
# What no setting stands for.
OWN = {"mlp": {"check_gradients", "animate", "resume"}, "svm": set(), "cnn": {"resume"}}
RUN_OPTIONS = {
    "mlp": {"out", "data_dir", "quick", "overwrite", "device", "deterministic"},
    "svm": {"out", "data_dir", "quick", "overwrite"},
    "cnn": {"out", "data_dir", "quick", "overwrite", "device", "deterministic", "tensorboard"},
}
SETTINGS = [(section, name) for section, kind in CONFIGS.items() for name in settings(kind)]
SHARED = [(section, name) for section in CONFIGS for name in sorted(RUN_OPTIONS[section])]


def params(section: str) -> list:
    return [one for one in COMMANDS[section].params if one.name != "help"]


def config_of(section: str, *words: str):
    """The config that a command would be given."""
    context = COMMANDS[section].make_context(section, list(words))
    values, _ = collect(CONFIGS[section], dict(context.params), set())
    return CONFIGS[section](**values)


def words_of(config) -> list[str]:
    """What one types to get a config, without what is as usual."""
    words = []
    for field in fields(config):
        value, known = getattr(config, field.name), settings(config)[field.name]
        typed = flag(field.name, known)
        if value == field.default:
            continue
        if isinstance(value, bool):
            words.append(typed if value else f"--no-{typed.removeprefix('--')}")
        elif isinstance(value, tuple):
            words += [word for one in value for word in (typed, one)]
        else:
            words += [*([known.switch.flag] if known.switch else ()), typed, str(value)]
    return words


# --- the options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("section", "name"), SETTINGS + SHARED)
def test_a_setting_has_one_option_with_its_help_text_and_panel(section, name):
    known = settings(RunOptions if (section, name) in SHARED else CONFIGS[section])[name]
    (option,) = [one for one in params(section) if flag(name, known) in one.opts]
    assert option.name == name and option.opts == [flag(name, known)]
    assert (option.help, option.rich_help_panel) == (known.help, known.panel)
    assert (option.envvar or "") == known.envvar
    if known.switch:
        (switch,) = [one for one in params(section) if known.switch.flag in one.opts]
        assert switch.is_flag and (switch.help, switch.rich_help_panel) == (known.switch.help, known.panel)
    if known.choices:
        file = [f"FILE{known.suffix}"] if known.suffix else []
        assert option.metavar == "|".join([*known.choices, *file])
        completed = {item.value for item in option.shell_complete(None, known.choices[-1][:2])}
        assert known.choices[-1] in completed and completed <= set(known.choices)


@pytest.mark.parametrize("section", CONFIGS)
def test_a_command_has_no_option_beside_its_settings_and_its_own(section):
    kind = CONFIGS[section]
    switches = {
        known.switch.flag.removeprefix("--") for name, known in settings(kind).items() if known.switch is not None
    }
    expected = {*settings(kind), *switches, *RUN_OPTIONS[section], *OWN[section], "json", "debug"}
    names = [one.name for one in params(section)]
    assert sorted(names) == sorted(expected)
    flags = [typed for one in params(section) for typed in (*one.opts, *one.secondary_opts)]
    assert len(flags) == len(set(flags))
    assert all(one.help for one in params(section))


def every_option(group=None, path=()):
    for name, one in (group or COMMANDS).items():
        if hasattr(one, "commands"):
            yield from every_option(one.commands, (*path, name))
        else:
            yield from (((*path, name), param) for param in one.params)


@pytest.mark.parametrize(
    ("path", "param"), every_option(), ids=lambda one: " ".join(one) if type(one) is tuple else one.name
)
def test_every_option_and_argument_of_every_command_is_explained(path, param):
    assert param.help and param.help.strip()


@pytest.mark.parametrize(
    ("section", "panels"),
    [
        ("mlp", ["Options", "Data", "Model", "Training", "Run"]),
        ("svm", ["Options", "Data", "Model", "Run"]),
        ("cnn", ["Options", "Data", "Model", "Ladder", "Training", "Run"]),
    ],
)
def test_a_help_page_shows_the_panels_in_order_and_every_option(rdfia_here, monkeypatch, section, panels):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    done = rdfia_here(section, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert re.findall(r"^╭─ (\w+) ─", done.stdout, re.M) == panels
    for one in params(section):
        for typed in one.opts:
            assert re.search(rf"^│ +{typed} ", done.stdout, re.M), typed
    text = " ".join(done.stdout.replace("│", " ").split())
    for known in settings(CONFIGS[section]).values():
        if known.shown_default:
            assert f"[default: ({known.shown_default})]" in text
    assert re.search(r"--seed .*\[default: 0\]", done.stdout)


# --- from what is typed to the config ---------------------------------------------------------------------------------


@pytest.mark.parametrize("section", CONFIGS)
def test_a_command_without_options_has_the_defaults(section):
    assert config_of(section) == CONFIGS[section]()


@pytest.mark.parametrize("known", REGISTRY.values(), ids=lambda e: e.name)
def test_every_registered_experiment_can_be_typed(known):
    typed = config_of(known.section, *words_of(known.config))
    assert typed == known.config
    assert match_registered(replace(typed, seed=5)).name == known.name


@pytest.mark.parametrize(
    ("words", "config"),
    [
        (["--optimizer", "adam"], CnnConfig(optimizer="adam")),
        (["--augment"], CnnConfig(augmentations=("crop", "flip"))),
        (["--transform", "hue", "--transform", "blur"], CnnConfig(augmentations=("hue", "blur"))),
        (
            ["--augment", "--transform", "blur", "--transform", "blur"],
            CnnConfig(augmentations=("crop", "flip", "blur")),
        ),
        (["--transform", "flip", "--augment"], CnnConfig(augmentations=("crop", "flip"))),
        (["--dropout"], CnnConfig(dropout_rate=0.5)),
        (["--dropout", "--dropout-rate", "0.3"], CnnConfig(dropout_rate=0.3)),
        (["--dropout", "--dropout-rate", "0"], CnnConfig()),
        (["--normalize"], CnnConfig(normalize=True)),
        (["--no-normalize", "--batch-norm"], CnnConfig(normalize=False, batch_norm=True)),
        (["--whiten", "zca", "--epsilon", "0.1"], CnnConfig(whitening="zca", whitening_epsilon=0.1)),
        (["--model", "lenet", "--dataset", "mnist"], CnnConfig(network="lenet", dataset="mnist")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_typed_becomes_the_config(words, config):
    assert config_of("cnn", *words) == config
    assert config_of("cnn", *words).resolve() == config.resolve()


def test_other_sections_too():
    assert config_of("mlp", "--hidden", "4", "--std", "0.1") == MlpConfig(hidden_units=4, init_std=0.1)
    assert config_of("svm", "--kernel", "poly", "--C", "3") == SvmConfig(kernel="poly", C=3.0)


def test_a_dropout_rate_needs_dropout(rdfia_here):
    done = rdfia_here("cnn", "--dropout-rate", "0.3")
    sentence = "error: dropout_rate (--dropout-rate) needs --dropout\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_rdfia_data_names_the_data_folder(rdfia_here, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 28, 28)).astype(np.uint8), np.arange(40) % 10
    (tmp_path / "mine").mkdir()
    np.savez(tmp_path / "mine" / "mnist.npz", x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20])
    monkeypatch.setenv("RDFIA_DATA", str(tmp_path / "mine"))
    args = ("mlp", "--dataset", "mnist", "--implementation", "manual", "--epochs", "1")
    done = rdfia_here(*args, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dataset"]["counts"] == {"train": 40, "test": 20}
    monkeypatch.setenv("RDFIA_DATA", str(tmp_path / "nowhere"))
    assert "nowhere does not exist" in rdfia_here(*args).stderr
    # What is typed counts more.
    assert rdfia_here(*args, "--check-gradients", "--data-dir", tmp_path / "mine").returncode == 0
    assert "elsewhere does not exist" in rdfia_here(*args, "--data-dir", "elsewhere").stderr


def test_without_arguments_there_is_help_and_no_traceback(rdfia):
    done = rdfia()
    assert done.returncode in (0, 2)
    text = done.stdout + done.stderr
    assert "Usage" in text and "Traceback" not in text
    for name in COMMANDS:
        assert re.search(rf"^│ {name} ", text, re.M), name
    explain = rdfia("explain")
    assert explain.returncode in (0, 2) and "Traceback" not in explain.stdout + explain.stderr
    assert "receptive-field" in explain.stdout + explain.stderr


# --- resume -----------------------------------------------------------------------------------------------------------

MLP = ("mlp", "--implementation", "manual", "--lr", "0.1")
NAME = "lr-0.1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of so many epochs, trained once."""
    folders: dict[int, Path] = {}

    def train(epochs: int) -> Path:
        if epochs not in folders:
            out = tmp_path_factory.mktemp("trained")
            done = CliRunner().invoke(app, [*MLP, "--epochs", str(epochs), "--out", str(out)])
            assert done.exit_code == 0, done.stderr
            folders[epochs] = out / "mlp" / NAME
        return folders[epochs]

    return train


@pytest.fixture
def cut_off(tmp_path, trained):
    """A run of four epochs as a process leaves it that was killed after the second one."""

    def make(out: str = "results", name: str = NAME) -> Path:
        folder = tmp_path / out / "mlp" / name
        shutil.copytree(trained(2), folder)
        with Run.open(folder) as run:
            run.lengthen(4)
        (folder / "metrics.json").unlink()
        return folder

    return make


def outcome(folder: Path) -> tuple:
    """All that a training computes."""
    stored = read_record(folder)
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in stored.history()]
    return stored.record.status, stored.record.epochs, stored.record.details["weights_digest"], rows


@pytest.mark.parametrize(
    "words",
    [
        ["resume"],
        ["resume", "results/mlp/lr-0.1"],
        ["mlp", "--resume"],
        ["mlp", "--resume", "results/mlp/lr-0.1", "--lr", "0.1", "--implementation", "manual"],
    ],
    ids=" ".join,
)
def test_a_resumed_run_ends_as_one_that_was_never_interrupted(rdfia_here, cut_off, trained, words):
    folder = cut_off()
    done = rdfia_here(*words)
    assert done.returncode == 0, done.stderr
    assert folder.name == NAME and outcome(folder) == outcome(trained(4))
    assert "other bits" not in done.stderr and "resumed" not in read_record(folder).record.environment
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [NAME]


def test_a_resume_with_another_number_of_threads_is_told_and_recorded(rdfia_here, cut_off):
    folder = cut_off()
    facts = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(facts | {"threads": 99}))
    done = rdfia_here("resume")
    now = facts["threads"]
    assert done.returncode == 0, done.stderr
    assert f"note: results/mlp/{NAME} is resumed with threads {now} instead of 99: it may end with other" in done.stderr
    assert read_record(folder).record.environment["resumed"] == [{"after_epoch": 2, "threads": now}]


@pytest.mark.parametrize(
    ("words", "same"),
    [
        (["--resume", "--json"], ["--json", "--resume"]),
        (["--resume=RUN"], ["--resume", "RUN"]),
        (["--resume", "--epochs", "4"], ["--epochs", "4", "--resume"]),
        (["--json", "--resume", "RUN"], ["--resume", "RUN", "--json"]),
    ],
    ids=" ".join,
)
def test_resume_can_stand_anywhere(words, same):
    one, other = (COMMANDS["mlp"].make_context("mlp", list(line)).params for line in (words, same))
    assert one == other and one["resume"] == ("RUN" if "RUN" in same else LATEST)


def test_a_finished_run_is_told_of_and_can_be_made_longer(rdfia_here, tmp_path, trained):
    folder = tmp_path / "run"
    shutil.copytree(trained(2), folder)
    before = (folder / "metrics.json").read_bytes()
    again = rdfia_here("resume", folder)
    assert again.returncode == 0 and "is finished already; --epochs makes it longer" in again.stderr
    assert (folder / "metrics.json").read_bytes() == before
    longer = rdfia_here("resume", folder, "--epochs", "4")
    assert longer.returncode == 0, longer.stderr
    assert outcome(folder) == outcome(trained(4))
    assert json.loads((folder / "config.json").read_text())["config"]["epochs"] == 4


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--epochs", "3"], 1, "epochs (--epochs) was 4 and can only grow, not become 3"),
        (["--epochs", "0"], 2, "epochs (--epochs) must be at least 1, not 0"),
        (["--epochs", "-1"], 2, "epochs (--epochs) must be at least 1, not -1"),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", [["resume"], ["mlp", "--resume"]], ids=" ".join)
def test_a_run_cannot_be_made_shorter(rdfia_here, cut_off, form, words, code, sentence):
    folder = cut_off()
    done = rdfia_here(*form, "results/mlp/lr-0.1", *words)
    assert (done.returncode, done.stdout) == (code, "") and sentence in done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not (folder / "metrics.json").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--lr", "0.2"], "lr (--lr) was 0.1 and is now 0.2"),
        (["--implementation", "tape"], "implementation (--implementation) was manual and is now tape"),
        (["--dataset", "digits"], "dataset (--dataset) was circles and is now digits"),
        (["--seed", "1"], "seed (--seed) was 0 and is now 1"),
        (["--hidden", "10", "--std", "0.5"], "init_std (--std) was 0.3 and is now 0.5"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_run_goes_on_as_it_was_begun(rdfia_here, cut_off, words, sentence):
    folder = cut_off()
    done = rdfia_here("mlp", "--resume", *words)
    assert (done.returncode, done.stdout) == (1, "") and sentence in done.stderr
    assert "so leave the option out or start a new run" in done.stderr and done.stderr.count("\n") == 1
    assert not (folder / "metrics.json").exists()


@pytest.mark.parametrize(
    ("words", "sentence"), [(["--lr", "0"], "lr (--lr) must be"), (["--dataset", "x"], "dataset (--dataset) must be")]
)
def test_a_wrong_option_of_a_resume_is_a_wrong_option(rdfia_here, cut_off, words, sentence):
    cut_off()
    done = rdfia_here("mlp", "--resume", *words)
    assert (done.returncode, done.stdout) == (2, "") and sentence in done.stderr


def test_resume_takes_the_latest_unfinished_run_of_any_section_in_out(rdfia_here, cut_off):
    older, newer = cut_off("here", "older"), cut_off("here", "newer")
    elsewhere = cut_off("elsewhere")
    os.utime(older / "config.json", (10**9, 10**9))
    done = rdfia_here("resume", "--out", "here", "--json")
    assert done.returncode == 0, done.stderr
    assert (newer / "metrics.json").exists()
    assert not (older / "metrics.json").exists() and not (elsewhere / "metrics.json").exists()
    assert rdfia_here("resume", "--out", "here").returncode == 0 and (older / "metrics.json").exists()
    assert "there is no unfinished run in here;" in rdfia_here("resume", "--out", "here").stderr


def test_a_resume_of_another_section_is_refused(rdfia_here, cut_off):
    cut_off()
    assert "there is no unfinished run in results/cnn" in rdfia_here("cnn", "--resume").stderr
    done = rdfia_here("cnn", "--resume", "results/mlp/lr-0.1")
    sentence = "error: cannot resume results/mlp/lr-0.1: this is a run of rdfia mlp, not of rdfia cnn\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


@pytest.mark.parametrize("words", [["resume"], ["mlp", "--resume"], ["cnn", "--resume"]], ids=" ".join)
def test_without_an_unfinished_run_resume_says_so(rdfia_here, words):
    done = rdfia_here(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: there is no unfinished run in results") and done.stderr.count("\n") == 1


def test_a_kernel_machine_is_refused_and_not_the_latest_run(rdfia_here, tmp_path):
    experiment = replace(match_registered(SvmConfig()), name="kernels")
    create_run(experiment, load_vectors("circles"), RunOptions(), "cpu").close()
    done = rdfia_here("resume", "results/svm/kernels")
    sentence = "cannot resume results/svm/kernels: this is a run of rdfia svm, which cannot be resumed; run it again"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {sentence}\n")
    assert "there is no unfinished run in results;" in rdfia_here("resume").stderr


@pytest.mark.parametrize("content", [None, "{", "[]", '{"section": "mlp"}'], ids=str)
def test_a_folder_that_is_no_run_is_refused(rdfia_here, tmp_path, content):
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / "folder" / "config.json").write_text(content)
    done = rdfia_here("resume", "folder")
    sentence = "error: folder is not a run's folder: config.json is missing or damaged\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


def test_resume_leaves_what_was_typed_alone(tmp_path, monkeypatch, cut_off):
    """`--resume` may stand alone, which must not show in `sys.argv` nor in a run's `config.json`."""
    monkeypatch.chdir(tmp_path)
    folder = cut_off()
    for words in (["mlp", "--resume", "--epochs", "5"], [*MLP, "--epochs", "1"]):
        monkeypatch.setattr(sys, "argv", ["rdfia", *words])
        assert app(standalone_mode=False) == 0
        assert sys.argv == ["rdfia", *words]
    assert json.loads((folder / "config.json").read_text())["config"]["epochs"] == 5
    new = json.loads((folder.with_name(f"{NAME}-2") / "config.json").read_text())
    assert new["argv"] == [*MLP, "--epochs", "1"]
