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

from rdfia_keras.analysis.run_sweep import run_sweep
from rdfia_keras.analysis.seeds import Statistics, paired_difference
from rdfia_keras.config import MAX_NAME, Config, RunOptions, setting_text, short_name
from rdfia_keras.data import Dataset, load_vectors
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments import LADDER, REGISTRY, SWEEPS, Sweep, declare_sweep
from rdfia_keras.experiments.registry import AUGMENT, BASELINE, CIRCLES
from rdfia_keras.runs.locks import lock_wanted
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import RunStore
from rdfia_keras.training import trials
from rdfia_keras.training.get_or_train import Resources

pytestmark = pytest.mark.usefixtures("unrendered")
EVERY_NAME = [name for name, experiment in REGISTRY.items() if experiment.section != "svm"]


def other_circles(_config: Config) -> Dataset:
    circles = load_vectors("circles")
    return replace(circles, train=replace(circles.train, x=circles.train.x + 0.01))


def names(sweep: Sweep) -> list[str]:
    return [experiment.name for experiment in sweep.configurations()]


# --- what is declared -------------------------------------------------------------------------------------------------


def test_a_sweep_is_every_combination_in_the_order_of_the_words():
    declared = declare_sweep(["circles", "batch-1"], ["lr=0.03,0.07", "hidden-units=3,10"], seeds=2)
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
        (["circles"], ["lr="], "give one value or several"),
        (["circles"], ["lr"], "give one value or several"),
        (["circles"], ["lr=0.1,,0.2"], "needs a value"),
        (["circles"], ["seed=1,2"], "--seeds"),
        (["circles"], ["lr=1", "lr=2"], "given twice"),
        (["lenet"], [], "did you mean mnist-lenet?"),
        (["circles", "lbfgs"], [], "lbfgs is a sweep of its own: name it alone"),
        (["mnist-lenet"], ["batch_norm=true"], "needs network"),
        (["circles", "baseline"], ["dropout=0.5"], "mlp has no setting"),
    ],
)
def test_what_cannot_be_swept_is_one_sentence(rdfia_here, tmp_path, words, assignments, sentence):
    done = rdfia_here("sweep", *words, *(f"--set={text}" for text in assignments))
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


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
    result = train(declare_sweep(["circles"], ["epochs=2,3", "implementation=manual"], 1), options)
    assert [(row["settings"]["epochs"], row["n"]) for row in result.data["rows"]] == [(2, 1), (3, 1)]
    assert sorted(run.config.epochs for run in RunStore(tmp_path).runs("mlp")) == [2, 3]


def test_a_trial_that_diverges_is_a_row_and_the_others_go_on(rdfia_here, tmp_path):
    words = ("sweep", "circles", "--set", "lr=1000000,0.07", "--set", "epochs=3", "--seeds", "2")
    done = rdfia_here(*words)
    assert done.returncode == 1 and "2 trials failed" in done.stderr
    rows = json.loads((tmp_path / "results" / "sweeps" / "circles-lr-epochs" / "sweep.json").read_text())["rows"]
    assert [(row["n"], row["failed"]) for row in rows] == [(0, 2), (2, 0)] and rows[0]["final"] is None
    assert rdfia_here(*words).returncode == 1


def test_a_dry_run_lists_and_trains_nothing(rdfia_here, tmp_path):
    digest = Resources(RunOptions()).prepared(CIRCLES.config).digest
    store(tmp_path / "results", change(CIRCLES, seed=1), name="elsewhere", digest=digest)
    before = sorted(tmp_path.rglob("*"))
    done = rdfia_here("sweep", "circles", "--set", "lr=0.07,0.5", "--seeds", "2", "--dry-run")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "4 trials: 1 finished, 3 missing"
    assert "results/mlp/elsewhere" in done.stdout and sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_needs_no_data(rdfia_here, tmp_path):
    done = rdfia_here("sweep", "baseline", "normalize", "--seeds", "2", "--dry-run", "--data-dir", str(tmp_path))
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith("4 trials: 4 missing; about ")


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
    first = replace(first, query=replace(first.query, data=resources.prepared(first.query.config).digest))
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
        and Statistics.of([0.5]).percents() == "50.00 %"
    )


def test_a_gain_is_paired_by_seed():
    before, after = {0: 0.70, 1: 0.72, 2: 0.71}, {2: 0.74, 0: 0.73, 1: 0.755, 9: 0.1}
    gain = paired_difference(before, after)
    assert gain.n == 3 and gain.mean == pytest.approx(0.095 / 3)
    half = 4.302652729911275 * statistics.stdev([0.03, 0.035, 0.03]) / math.sqrt(3)
    assert gain.interval == pytest.approx((gain.mean - half, gain.mean + half))
    assert (
        paired_difference({0: 0.7}, {0: 0.8}) == paired_difference({0: 0.7, 5: 0.1}, {0: 0.8})
        and paired_difference({0: 1}, {0: 2}).interval is None
    )
    assert paired_difference({0: 0.7}, {1: 0.8}) is None


# --- names and settings as text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*EVERY_NAME, "ladder", "bonus", "mlp", "cnn", *SWEEPS])
def test_whatever_is_listed_can_be_swept(name, options):
    sweep = declare_sweep([name], [], 1)
    assert sweep.name == name and sweep.trials == len(sweep.configurations()) > 0
    listed = run_sweep(sweep, Resources(options, data_gone), True, trials.train_in_turn)
    assert len(listed.data["trials"]) == sweep.trials and {row["state"] for row in listed.table} == {"missing"}


def test_many_names_make_a_short_folder_name():
    title = declare_sweep(EVERY_NAME, ["lr=0.1"], 1).name
    assert len(title.encode()) <= MAX_NAME and title.startswith(f"{EVERY_NAME[0]}-{EVERY_NAME[1]}")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.sampled_from([*EVERY_NAME, "é" * 60, "lr"]), min_size=1).map("-".join), unique=True))
def test_folder_names_are_short_and_unique(texts):
    made = [short_name(text) for text in texts]
    assert len(set(made)) == len(made) and all(len(name.encode()) <= MAX_NAME for name in made)


@pytest.mark.parametrize("value", ["0,3", " 0,5", "0,03", "0,01,0,03"])
def test_a_decimal_comma_is_asked_about(value):
    with pytest.raises(ConfigError, match=r"a comma separates two values; write 0\.\d+ for the number"):
        declare_sweep(["mlp"], [f"init_std={value}"], 1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(["init_std", "lr", "hidden_units", "dropout_rate", "augmentations", "batch_norm"]),
    st.text("0123456789.,-+e truflsnocipx", min_size=1, max_size=8),
)
def test_a_setting_as_text_round_trips_or_is_refused_in_one_sentence(field, text):
    name = "cnn" if field in {"dropout_rate", "augmentations", "batch_norm"} else "mlp"
    try:
        sweep = declare_sweep([name], [f"{field}={text}"], 1)
    except ConfigError as error:
        assert "\n" not in str(error) and field in str(error)
        return
    again = declare_sweep([name], [f"{field}={','.join(map(setting_text, sweep.grid[field]))}"], 1)
    assert again.grid == sweep.grid


# --- tables that stay ------------------------------------------------------------------------------------------------


def test_fewer_seeds_or_other_data_never_replace_a_table(options, tmp_path):
    def table(path):
        return [row["n"] for row in json.loads((path / "sweep.json").read_text())["rows"]]

    train(short(2, epochs=1), options)
    (shorter,) = train(short(1, epochs=1), options).paths
    assert train(short(1, epochs=1), options).paths == [shorter]
    (other,) = train(short(2, epochs=1), options, other_circles).paths
    assert [path.name for path in (shorter, other)] == ["circles-epochs-2", "circles-epochs-3"]
    assert [table(path) for path in (tmp_path / "sweeps/circles-epochs", shorter, other)] == [[2], [1], [2]]
    (longer,) = train(short(3, epochs=1), options).paths
    assert (longer.name, table(longer)) == ("circles-epochs", [3])
    runs = [row["runs"] for path in (longer, other) for row in json.loads((path / "sweep.json").read_text())["rows"]]
    assert not set(runs[0]) & set(runs[1]), "no run on other data is averaged"
