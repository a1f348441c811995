"""Sweeps: what is planned, what is trained, and what the seeds say together."""

import csv
import json
import math
import signal
import statistics
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_runs import change, data_gone, store

from rdfia_keras.analysis.seeds import Statistics, paired_difference
from rdfia_keras.commands.sweep import run_sweep
from rdfia_keras.config import RunOptions, setting_text
from rdfia_keras.data import load_vectors
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments import LADDER, REGISTRY, SWEEPS, Sweep, bonus_experiments, declare_sweep
from rdfia_keras.experiments.registry import AUGMENT, BASELINE, CIRCLES, MAX_NAME, folder_name
from rdfia_keras.runs.locks import lock_wanted
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import RunStore
from rdfia_keras.training import trials
from rdfia_keras.training.get_or_train import Resources


def names(sweep: Sweep) -> list[str]:
    return [experiment.name for experiment in sweep.configurations()]


# --- what is declared -------------------------------------------------------------------------------------------------


def test_a_sweep_is_every_combination_in_the_order_of_the_words():
    declared = declare_sweep(["circles", "batch-1"], ["lr=0.03,0.07", "hidden=3,10"], seeds=2)
    assert declared.trials == 16 and declared.name == "circles-batch-1-lr-hidden-units"
    configs = [experiment.config for experiment in declared.configurations()]
    assert [(c.batch_size, c.lr, c.hidden_units) for c in configs] == [
        (batch, lr, hidden) for batch in (10, 1) for lr in (0.03, 0.07) for hidden in (3, 10)
    ]
    assert names(declared)[3] == "circles"


def test_groups_sections_and_registered_names():
    assert names(declare_sweep(["ladder"], [], 1)) == [rung.name for rung in LADDER]
    assert names(declare_sweep(["cnn"], ["dataset=digits", "augmentations=none,crop+flip"], 1)) == [
        "digits",
        "digits-augment",
    ]
    assert names(declare_sweep(["augment", "augment"], [], 1)) == ["augment"]


def test_a_folder_of_images_is_known_by_its_whole_path(image_folder, monkeypatch):
    monkeypatch.chdir(image_folder.parent)
    (experiment,) = declare_sweep(["cnn"], [f"dataset={image_folder.name}"], 1).configurations()
    assert experiment.config.dataset == str(image_folder)


def test_what_was_left_to_its_default_follows_the_change():
    sweep = declare_sweep(["augment"], ["optimizer=sgd,adam"], 1)
    configs = [experiment.config for experiment in sweep.configurations()]
    assert [(config.lr, config.epochs, config.normalize) for config in configs] == [(0.1, 50, True), (0.001, 50, True)]


@pytest.mark.parametrize(
    ("words", "assignments", "sentence"),
    [
        (["nonsense"], [], "there is no experiment or sweep 'nonsense'"),
        (["kernels"], [], "see rdfia svm"),
        (["circles"], ["learning=1"], "no setting 'learning'"),
        (["circles"], ["lr="], "give one value or several"),
        (["circles"], ["lr"], "give one value or several"),
        (["circles"], ["lr=0.1,,0.2"], "needs a value"),
        (["circles"], ["lr=-1"], "must be a finite number above 0"),
        (["circles"], ["seed=1,2"], "--seeds"),
        (["circles"], ["lr=1", "lr=2"], "given twice"),
        (["lenet"], [], "did you mean mnist-lenet?"),
        (["circles", "lbfgs"], [], "lbfgs is a sweep of its own: name it alone"),
        (["mnist-lenet"], ["batch_norm=true"], "needs network"),
        (["circles", "baseline"], ["dropout=0.5"], "mlp has no setting"),
        (["mlp"], ["init_std=0,3"], "write init_std=0.3 for the number, or init_std=0.0,3 for the values"),
    ],
)
def test_what_cannot_be_swept_is_one_sentence(rdfia_here, tmp_path, words, assignments, sentence):
    done = rdfia_here("sweep", *words, *(f"--set={text}" for text in assignments))
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


SWEPT = [name for name, experiment in REGISTRY.items() if experiment.section != "svm"]


def test_every_experiment_and_sweep_can_be_swept():
    for name in SWEPT:
        assert names(declare_sweep([name])) == [name]
    assert names(declare_sweep(["bonus"])) == [experiment.name for experiment in bonus_experiments()]
    assert all(declare_sweep([name]).trials for name in SWEEPS)


@given(st.lists(st.sampled_from(SWEPT), min_size=1, max_size=40, unique=True), st.text("äb/-", max_size=300))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_folder_names_are_short_and_tell_sweeps_apart(experiments, text):
    name = declare_sweep(experiments).name
    assert len(name.encode()) <= MAX_NAME and name.startswith(experiments[0])
    assert name != declare_sweep([*experiments, "circles", "lr-2"][1:]).name
    assert len(folder_name(text).encode()) <= MAX_NAME
    assert folder_name(text) != folder_name(text + "b")


VALUES = st.one_of(
    st.floats(1e-6, 100).map(setting_text), st.integers(1, 50).map(str), st.text("0123456789.,-+e_x １", max_size=6)
)


@given(st.sampled_from(["lr", "init_std", "batch_size", "epochs", "hidden"]), st.lists(VALUES, min_size=1, max_size=3))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_text_is_refused_or_means_the_values_that_are_shown(field, values):
    try:
        sweep = declare_sweep(["circles"], [f"{field}={','.join(values)}"], 1)
    except ConfigError as error:
        assert "\n" not in str(error)
        return
    ((_, parsed),) = sweep.grid
    again = declare_sweep(
        ["circles"], [f"{field}={','.join([*map(setting_text, parsed), setting_text(parsed[0])])}"], 1
    )
    assert again.grid == sweep.grid and ", ".join(map(setting_text, parsed)) in sweep.in_words


def test_too_many_trials_are_refused():
    lrs = ",".join(f"{i / 1000}" for i in range(1, 102))
    with pytest.raises(ConfigError, match="10,100 trials; at most 10,000"):
        declare_sweep(["circles"], [f"lr={lrs}"], seeds=100)


# --- what is trained --------------------------------------------------------------------------------------------------


@pytest.fixture
def options(tmp_path):
    return RunOptions(out=tmp_path)


def short(seeds: int, *assignments: str, epochs: int = 3) -> Sweep:
    return declare_sweep(["circles"], [f"epochs={epochs}", *assignments], seeds)


def train(sweep: Sweep, options: RunOptions, load=None):
    return run_sweep(sweep, Resources(options, load), False, trials.train_in_turn)


def test_a_sweep_trains_ordinary_runs_once_and_more_seeds_add_to_it(options, tmp_path):
    first = train(short(1, "lr=0.03,0.07"), options)
    before = {path: path.read_bytes() for path in tmp_path.glob("mlp/*/*.*")}
    second = train(short(3, "lr=0.03,0.07"), options)
    folders = ["circles", "circles-seed-1", "circles-seed-2", "lr-0.03", "lr-0.03-seed-1", "lr-0.03-seed-2"]
    assert sorted(path.parent.name for path in tmp_path.glob("mlp/*/metrics.json")) == folders
    assert all(path.read_bytes() == content for path, content in before.items()), (
        "what is finished is not trained again"
    )
    assert [row["n"] for row in first.data["rows"]] == [1, 1] and [row["n"] for row in second.data["rows"]] == [3, 3]
    alone = Run(tmp_path / "mlp" / "lr-0.03-seed-2").result
    assert alone.config == replace(CIRCLES.config, lr=0.03, seed=2, epochs=3, implementation="manual")
    assert alone.details["weights_digest"]["manual"]


def test_a_table_is_replaced_only_by_one_that_has_all_of_it(options, tmp_path):
    def folder(sweep, load=None):
        return train(sweep, options, load).paths[0].name

    other = load_vectors("circles").take(100)
    assert folder(short(2)) == "circles-epochs"
    assert folder(short(1)) == "circles-epochs-2", "fewer seeds"
    assert folder(short(1), lambda config: other) == "circles-epochs-3", "other data"
    assert folder(short(2)) == "circles-epochs"
    (row,) = json.loads((tmp_path / "sweeps" / "circles-epochs-3" / "sweep.json").read_text())["rows"]
    assert row["data"] == other.digest and row["n"] == 1


def test_the_files_of_a_sweep_say_what_its_runs_say(options, tmp_path):
    result = train(short(3, "lr=0.03,2"), options)
    folder = tmp_path / "sweeps" / "circles-epochs-lr"
    assert result.paths == [folder] and result.exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["curves.png", "sweep.csv", "sweep.json", "sweep.png"]
    row = json.loads((folder / "sweep.json").read_text())["rows"][1]
    runs = [Run(tmp_path / "mlp" / f"lr-2{suffix}") for suffix in ("", "-seed-1", "-seed-2")]
    finals = [run.result.final["test_accuracy"] for run in runs]
    assert row["final"]["values"] == finals and row["settings"] == {"lr": 2.0}
    assert row["final"]["mean"] == pytest.approx(statistics.fmean(finals))
    assert row["final"]["std"] == pytest.approx(statistics.stdev(finals)), "the sample standard deviation"
    assert row["runs"] == ["mlp/lr-2", "mlp/lr-2-seed-1", "mlp/lr-2-seed-2"], "within the results folder"
    with (folder / "sweep.csv").open() as file:
        line = list(csv.DictReader(file))[1]
    assert line["lr"] == "2" and float(line["best_max"]) == max(run.result.best["test_accuracy"] for run in runs)
    assert [column for column in result.table[0] if column in ("lr", "epochs")] == ["lr"], "only what differs"


def test_longer_epochs_lengthen_and_shorter_ones_are_cut_from_the_longer_run(options, tmp_path):
    train(short(1), options)
    longer = train(short(1, epochs=5), options)
    again = train(short(1), options, data_gone)
    (run,) = RunStore(tmp_path).runs("mlp")
    assert run.result.epochs == 5
    rows = [row["test_accuracy"] for row in run.history()]
    assert longer.data["rows"][0]["final"]["values"] == [rows[4]]
    assert again.data["rows"][0]["final"]["values"] == [rows[2]]


def test_settings_that_make_no_other_experiment_are_swept_in_runs_of_their_own(options, tmp_path):
    result = train(declare_sweep(["circles"], ["epochs=2,3", "implementation=manual,tape"], 1), options)
    assert [(row["settings"], row["n"]) for row in result.data["rows"]] == [
        ({"epochs": epochs, "implementation": name}, 1) for epochs in (2, 3) for name in ("manual", "tape")
    ]
    configs = [run.config for run in RunStore(tmp_path).runs("mlp")]
    assert sorted((c.epochs, c.implementation) for c in configs) == [
        (2, "manual"), (2, "tape"), (3, "manual"), (3, "tape"),
    ]  # fmt: skip


def test_a_trial_that_diverges_is_a_row_and_the_others_go_on(rdfia_here, tmp_path):
    words = ("sweep", "circles", "--set", "lr=1000000,0.07", "--set", "epochs=3", "--seeds", "2")
    done = rdfia_here(*words)
    assert done.returncode == 1 and "2 trials failed" in done.stderr
    rows = json.loads((tmp_path / "results" / "sweeps" / "circles-lr-epochs" / "sweep.json").read_text())["rows"]
    assert [(row["n"], row["failed"]) for row in rows] == [(0, 2), (2, 0)] and rows[0]["final"] is None
    assert rdfia_here(*words).returncode == 1


def test_a_dry_run_lists_and_trains_nothing(rdfia_here, tmp_path):
    digest = Resources(RunOptions()).digest(CIRCLES.config)
    store(tmp_path / "results", change(CIRCLES, seed=1), name="elsewhere", digest=digest)
    before = sorted(tmp_path.rglob("*"))
    done = rdfia_here("sweep", "circles", "--set", "lr=0.07,0.5", "--seeds", "2", "--dry-run")
    assert (
        done.returncode == 0
        and done.stdout.splitlines()[-1] == "lr 0.07, 0.5 x 2 seeds = 4 trials: 1 finished, 3 missing"
    )
    assert "results/mlp/elsewhere" in done.stdout and sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_needs_no_data(rdfia_here, tmp_path):
    done = rdfia_here("sweep", "baseline", "normalize", "--seeds", "2", "--dry-run", "--data-dir", str(tmp_path))
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "2 experiments x 2 seeds = 4 trials: 4 missing"


def test_a_stop_between_two_trials_keeps_what_is_finished(options, monkeypatch):
    train_trial = trials.train_trial

    def then_stop(*args):
        result = train_trial(*args)
        signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(trials, "train_trial", then_stop)
    result = train(short(3), options)
    assert result.exit_code == 130 and result.data["rows"][0]["n"] == 1 and "2 of 3 trials are left" in result.hint


@pytest.mark.parametrize("folder", ["", trials.SWEEPS_FOLDER], ids=["training", "sweep"])
def test_a_trial_that_another_process_trains_comes_last_and_is_not_trained_twice(options, tmp_path, folder):
    """The other process locks the first trial, and has finished it when it lets go.

    It trains the trial itself, as a worker does whose driver has died, or it is a sweep whose worker does.
    """
    first, second = trials.plan(short(2), quick=False)
    resources = Resources(options)
    first = replace(first, query=first.query.with_data(resources.digest(first.query.config)))
    holds, may_end = threading.Event(), threading.Event()

    def other():
        with lock_wanted(tmp_path / folder, first.query):
            holds.set()
            may_end.wait(20)
            store(tmp_path, first.experiment, best=0.9, digest=first.query.data)

    thread = threading.Thread(target=other)
    thread.start()
    holds.wait(20)
    turn = trials.train_in_turn([first, second], resources)
    assert next(turn).trial == second
    may_end.set()
    (last,) = turn
    thread.join()
    assert last.trial == first and last.run.result.best["test_accuracy"] == 0.9
    assert len(list(tmp_path.glob("mlp/*/metrics.json"))) == 2


def test_a_quick_sweep_with_a_name_is_marked_and_short(rdfia_here, tmp_path):
    done = rdfia_here("sweep", "lbfgs", "--quick")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("QUICK") and lines[-1] == "results/sweeps/lbfgs-quick"
    rows = json.loads((tmp_path / lines[-1] / "sweep.json").read_text())["rows"]
    assert [(row["settings"]["lbfgs"], row["n"]) for row in rows] == [(False, 3), (True, 3)]
    assert rows[1]["final"]["mean"] > rows[0]["final"]["mean"] > 0.4


def test_a_sweep_of_convnets_reads_the_runs_that_are_there(options, tmp_path):
    for seed in range(2):
        store(tmp_path, change(BASELINE, seed=seed), best=0.7 + 0.02 * seed, name=f"baseline-{seed}")
        store(tmp_path, change(AUGMENT, seed=seed), best=0.8 + 0.02 * seed, epochs=60, name=f"augment-{seed}")
    result = train(declare_sweep(["baseline", "augment"], [], 2), options, data_gone)
    best = {row["experiment"]: row["best"] for row in result.data["rows"]}
    assert best["baseline"]["mean"] == pytest.approx(0.71)
    assert best["augment"]["max"] == pytest.approx(0.82 - 0.01 * 9), "the best of the 50 epochs that are asked for"
    assert result.data["rows"][0]["published"] == 0.70


# --- statistics -------------------------------------------------------------------------------------------------------


def test_a_spread_leaves_out_what_is_missing():
    spread = Statistics.of([0.5, None, 0.7, math.nan])
    assert (spread.n, spread.mean, spread.min, spread.max) == (2, pytest.approx(0.6), 0.5, 0.7)
    assert spread.std == pytest.approx(math.sqrt(2) / 10) and spread.percents() == "60.00 ± 14.14 %"
    assert (
        Statistics.of([None]) is None
        and Statistics.of([0.5]).std is None
        and Statistics.of([0.5]).percents() == "50.00%"
    )


def test_a_gain_is_paired_by_seed():
    before, after = {0: 0.70, 1: 0.72, 2: 0.71}, {2: 0.74, 0: 0.73, 1: 0.755, 9: 0.1}
    gain = paired_difference(before, after)
    assert gain.n == 3 and gain.mean == pytest.approx(0.095 / 3)
    half = 4.302652729911275 * statistics.stdev([0.03, 0.035, 0.03]) / math.sqrt(3)
    assert gain.interval == pytest.approx((gain.mean - half, gain.mean + half)) and gain.is_significant
    assert (
        paired_difference({0: 0.7}, {0: 0.8}) == paired_difference({0: 0.7, 5: 0.1}, {0: 0.8})
        and not paired_difference({0: 1}, {0: 2}).is_significant
    )
    assert paired_difference({0: 0.7}, {1: 0.8}) is None
