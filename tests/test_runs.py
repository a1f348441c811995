"""Lists of runs and their comparison: `rdfia runs` and `rdfia compare`, on records that nothing trained."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from PIL import Image
from stored_runs import change, edit, history, store

from rdfia_keras.analysis.run_list import SORT_KEYS, Filter, list_runs
from rdfia_keras.commands._output import fitted, table_lines
from rdfia_keras.config import STATUSES, CnnConfig, MlpConfig, SvmConfig
from rdfia_keras.experiments import Experiment, match_registered
from rdfia_keras.experiments.registry import ADAM, AUGMENT, BASELINE, CIRCLES, DROPOUT, NORMALIZE
from rdfia_keras.runs.history import history_bytes
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import RunStore, find_run

SHORT = change(BASELINE, epochs=5)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results"


def begin(out, experiment, name=None, quick=False):
    """A run whose process died before its first epoch."""
    with Run.create(out, name or experiment.name, experiment.config, {"options": {"quick": quick}}) as run:
        return run.folder


def store_svm(out, accuracy=0.9):
    """A record of kernels, which have no epochs."""
    folder = store(out, Experiment(name="rbf", config=SvmConfig(kernel="rbf").resolve()), epochs=1)
    best = {"kernel": "rbf", "C": 1.0, "test_accuracy": accuracy}
    (folder / "history.csv").unlink()
    edit(folder / "metrics.json", best=best, final=None, epochs=0)


def rows_of(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["runs"]


def names_of(done):
    return [row["run"] for row in rows_of(done)]


# --- what is listed ---------------------------------------------------------------------------------------------------


def test_a_run_is_listed_with_what_came_of_it(rdfia_here, out):
    edit(store(out, SHORT, best=0.7) / "metrics.json", details={"parameters": 12, "weights_digest": "ab"})
    (row,) = rows_of(rdfia_here("runs", "--json"))
    assert row.pop("settings") == SHORT.config.to_dict()
    assert row == {
        "run": "cnn/baseline",
        "section": "cnn",
        "seed": 0,
        "folder": "results/cnn/baseline",
        "status": "ok",
        "experiment": "baseline",
        "quick": False,
        "epochs": 5,
        "epochs_asked": 5,
        "best": 0.7,
        "best_epoch": 4,
        "final": 0.69,
        "selected": None,
        "selected_epoch": None,
        "loss": 0.5,
        "seconds": 1.0,
        "parameters": 12,
        "weights_digest": "ab",
        "data_digest": None,
    }
    heading, line, count = rdfia_here("runs").stdout.splitlines()
    assert heading.split() == ["run", "experiment", "seed", "status", "epochs", "best", "final", "seconds"]
    assert line.split() == ["cnn/baseline", "baseline", "0", "ok", "5", "70.00", "%", "(4)", "69.00", "%", "1.0"]
    assert count == "1 run in results"


def test_every_way_in_which_a_run_can_end_is_listed(rdfia_here, out):
    store(out, SHORT, status="failed", epochs=2)
    store(out, change(SHORT, seed=1), name="interrupted", status="interrupted", epochs=3)
    store(out, change(SHORT, seed=2), name="smoke", quick=True)
    begin(out, change(SHORT, seed=3), "begun")
    shutil.copy(out / "cnn" / "baseline" / "history.csv", begin(out, change(SHORT, seed=4), "halfway"))
    shutil.copy(store(out, SHORT, name="x") / "metrics.json", begin(out, change(SHORT, epochs=9), "lengthened"))
    shutil.rmtree(out / "cnn" / "x")
    (begin(out, change(SHORT, seed=5), "damaged") / "metrics.json").write_text('{"schema": 2, "sta')
    (begin(out, SHORT, "lost") / "config.json").write_text("")
    rows = {row["run"].removeprefix("cnn/"): row for row in rows_of(rdfia_here("runs", "--json"))}
    shown = {name: (row["status"], row["seed"], row["epochs"], row["epochs_asked"]) for name, row in rows.items()}
    assert shown == {
        "baseline": ("failed", 0, 2, 5),
        "interrupted": ("interrupted", 1, 3, 5),
        "smoke": ("ok", 2, 5, 5),
        "begun": ("unfinished", 3, 0, 5),
        "halfway": ("unfinished", 4, 2, 5),
        "lengthened": ("unfinished", 0, 5, 9),
        "damaged": ("unreadable", 5, 0, 5),
        "lost": ("unreadable", None, 0, 0),
    }
    assert rows["halfway"]["best"] == rows["baseline"]["best"] and rows["begun"]["best"] is None
    text = rdfia_here("runs").stdout
    assert "ok (quick)" in text and "2/5" in text and "5/9" in text
    for status in STATUSES:
        listed = names_of(rdfia_here("runs", "--status", status, "--json"))
        assert listed == [f"cnn/{name}" for name in sorted(rows) if rows[name]["status"] == status] != []


def test_the_epoch_that_was_chosen_on_held_out_images_is_shown_where_there_is_one(rdfia_here, out):
    folder = store(out, SHORT)
    assert "selected" not in rdfia_here("runs").stdout
    edit(folder / "metrics.json", selected={"epoch": 3, "validation_accuracy": 0.72, "test_accuracy": 0.65})
    row = Run(folder).summary()
    assert (row["selected"], row["selected_epoch"]) == (0.65, 3)
    assert "65.00 % (3)" in rdfia_here("runs").stdout
    store(out, NORMALIZE)
    assert "65.00 % (3)" in rdfia_here("compare", "baseline", "normalize").stdout


JUNK = (None, [], {}, "x", -1, float("nan"), [["a", "b"]], {"epoch": "x", "test_accuracy": "x"})


def test_no_damage_is_fatal(out, tmp_path):
    whole = store(out, SHORT)
    shutil.copy(begin(out, SHORT, "begun") / "config.json", whole)
    content = {name: json.loads((whole / name).read_text()) for name in ("metrics.json", "config.json")}
    for name, values in content.items():
        texts = [json.dumps({**values, key: junk}) for key in values for junk in JUNK]
        texts += [json.dumps({key: value for key, value in values.items() if key != left}) for left in values]
        texts += [json.dumps(junk) for junk in JUNK] + ["", "{", "[" * 100_000, "\x00"]
        for text in texts:
            (whole / name).write_text(text)
            assert Run(whole).summary()["status"] in STATUSES
        (whole / name).write_bytes(b"\xff\xfe")
        assert Run(whole).summary()["status"] in STATUSES
        (whole / name).write_text(json.dumps(values))
    assert Run(whole).status == "ok"


def test_a_digest_that_is_no_text_is_none(rdfia_here, out):
    folder = begin(out, SHORT)
    edit(folder / "config.json", dataset={"digest": [3]})
    assert Run(folder).data_digest is None and rdfia_here("runs").returncode == 0


# --- which settings are shown -----------------------------------------------------------------------------------------


def test_only_settings_that_differ_get_a_column(rdfia_here, out):
    store(out, change(SHORT, lr=0.2, seed=3), name="one")
    store(out, change(SHORT, lr=0.025), name="two")
    heading, *lines = rdfia_here("runs").stdout.splitlines()
    assert heading.split()[-2:] == ["seconds", "lr"]
    assert [line.split()[-1] for line in lines[:2]] == ["0.2", "0.025"]
    store(out, CIRCLES)
    # One perceptron differs in nothing from other perceptrons.
    done = rdfia_here("runs", "--json")
    assert json.loads(done.stdout)["differing"] == ["dataset", "lr", "batch_size"]
    assert "hidden_units" not in rdfia_here("runs").stdout


def test_many_settings_share_a_column_that_can_be_typed_again(rdfia_here, out):
    for experiment in (BASELINE, DROPOUT, ADAM, change(BASELINE, whitening="zca", batch_size=32)):
        store(out, experiment, name="zca" if experiment.config.whitening else None)
    lines = rdfia_here("runs").stdout.splitlines()
    assert lines[0].endswith("  settings")
    assert [line.split("1.0", 1)[1].strip() for line in lines[1:5]] == [
        "normalize=true augmentations=crop+flip framework_defaults=keras optimizer=adam lr=0.001",
        "-",
        "normalize=true augmentations=crop+flip schedule=exponential dropout_rate=0.5",
        "whitening=zca whitening_epsilon=0.01 batch_size=32",
    ]
    words = [word for setting in lines[1].split("1.0", 1)[1].split() for word in ("--set", setting)]
    assert names_of(rdfia_here("runs", *words, "--json")) == ["cnn/adam"]


# --- filters, order, limit --------------------------------------------------------------------------------------------


@pytest.fixture
def several(out):
    store(out, change(BASELINE, seed=10), name="baseline-10")
    store(out, change(BASELINE, seed=2), name="baseline-2", best=0.6)
    store(out, AUGMENT, best=0.8)
    store(out, ADAM, best=0.75, status="failed", epochs=3)
    store(out, CIRCLES, best=0.9)
    store_svm(out)
    begin(out, NORMALIZE)
    return out


@pytest.mark.parametrize(
    ("args", "names"),
    [
        ([], "cnn/adam cnn/augment cnn/baseline-2 cnn/baseline-10 cnn/normalize mlp/circles svm/rbf"),
        (["--reverse"], "svm/rbf mlp/circles cnn/normalize cnn/baseline-10 cnn/baseline-2 cnn/augment cnn/adam"),
        (["--section", "mlp"], "mlp/circles"),
        (["--experiment", "baseline"], "cnn/baseline-2 cnn/baseline-10"),
        (["--status", "unfinished"], "cnn/normalize"),
        (["--set", "seed=2"], "cnn/baseline-2"),
        (["--set", "seed=2", "--set", "seed=10"], "cnn/baseline-2 cnn/baseline-10"),
        (["--set", "augment=crop+flip", "--set", "optimizer=adam"], "cnn/adam"),
        (["--set", "normalize=true", "--set", "augmentations=none"], "cnn/normalize"),
        (["--set", "dataset=circles"], "mlp/circles svm/rbf"),
        (["--set", "kernel=rbf", "--set", "C=1"], "svm/rbf"),
        (["--sort", "best"], "mlp/circles svm/rbf cnn/augment cnn/adam cnn/baseline-10 cnn/baseline-2 cnn/normalize"),
        (["--sort", "best", "--limit", "2"], "mlp/circles svm/rbf"),
        (["--sort", "best", "--reverse", "--limit", "2"], "cnn/baseline-2 cnn/baseline-10"),
        (["--sort", "batch-size", "--limit", "1"], "mlp/circles"),
        (["--sort", "seed", "--section", "cnn", "--reverse", "--limit", "1"], "cnn/baseline-10"),
        (
            ["--sort", "hidden-units"],
            "mlp/circles cnn/adam cnn/augment cnn/baseline-2 cnn/baseline-10 cnn/normalize svm/rbf",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_filters_order_and_limit(rdfia_here, several, args, names):
    assert names_of(rdfia_here("runs", *args, "--json")) == names.split()
    table = rdfia_here("runs", *args).stdout.splitlines()
    listed = [line.split()[0] for line in table if "/" in line.split()[0]]
    assert listed == names.split()
    count = len(names.split())
    assert table[-1] == ("7 runs in results" if count == 7 else f"{count} of 7 runs in results")


def test_every_key_sorts_and_is_named_in_the_help(rdfia_here, several, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    page = rdfia_here("runs", "--help").stdout
    for key, is_descending in SORT_KEYS.items():
        runs = rows_of(rdfia_here("runs", "--sort", key, "--json"))
        values = [row[key] for row in runs if row[key] not in (None, "")]
        assert values == sorted(values, reverse=is_descending) and len(runs) == 7, key
        assert key in page


def test_the_sort_key_is_shown(rdfia_here, several):
    for key, heading in (("loss", "final test loss"), ("parameters", "parameters")):
        assert heading not in rdfia_here("runs").stdout.splitlines()[0]
        assert heading in rdfia_here("runs", "--sort", key).stdout.splitlines()[0]


def test_csv_has_what_json_has(rdfia_here, several):
    rows = rows_of(rdfia_here("runs", "--json", "--section", "cnn"))
    done = rdfia_here("runs", "--csv", "--section", "cnn")
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    assert done.returncode == 0 and [line["run"] for line in lines] == [row["run"] for row in rows]
    assert set(lines[0]) == set(rows[0]) - {"settings"} | {
        *("augmentations", "normalize", "framework_defaults", "optimizer", "lr")
    }
    assert [float(line["best"]) for line in lines if line["best"]] == [row["best"] for row in rows if row["best"]]
    adam = lines[0]
    assert (adam["augmentations"], adam["optimizer"], adam["lr"]) == ("crop+flip", "adam", "0.001")
    assert (adam["epochs"], adam["epochs_asked"], adam["quick"]) == ("3", "30", "false")
    empty = rdfia_here("runs", "--csv", "--status", "interrupted").stdout.splitlines()
    assert len(empty) == 1 and empty[0].startswith("run,section,seed,")


def test_the_packages_own_results_are_listed(rdfia_here, out):
    names = names_of(rdfia_here("runs", "--reference", "--section", "svm", "--json"))
    assert names == ["reference/svm/kernels"]
    assert rdfia_here("runs", "--reference").stdout.splitlines()[-1].endswith(" runs in the results of this package")
    assert not out.exists()


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["--set", "droput=0.5"], 2, "--set: no section has a setting 'droput': did you mean dropout_rate?"),
        (["--set", "hidden-units=3", "--section", "cnn"], 2, "cnn has no setting 'hidden-units': "),
        (["--set", "lr=1", "--set", "kernel=rbf"], 2, "--set: no section has all of these settings: lr, kernel"),
        (["--set", "lr"], 2, "'lr' gives no value: write FIELD=VALUE, such as seed=1"),
        (["--sort", "bets"], 2, "--sort: there is no metric or setting 'bets': did you mean best?"),
        (["--section", "study"], 2, "section (--section) must be one of mlp, svm, cnn, not 'study'"),
        (["--status", "good"], 2, "status (--status) must be one of ok, failed, interrupted, unfinished, unreadable"),
        (["--limit", "0"], 2, "limit (--limit) must be at least 1, not 0"),
        (["--experiment", "augmnt"], 2, "there is no experiment 'augmnt': did you mean augment?"),
        (["--csv", "--json"], 2, "--csv and --json exclude each other: leave one out"),
        (["--out", "nowhere"], 1, "there is no folder nowhere: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_listed_is_refused_in_one_sentence(rdfia_here, several, args, code, sentence):
    done = rdfia_here("runs", *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"error: {sentence}") and done.stderr.count("\n") == 1, done.stderr


def test_a_data_folder_is_found_however_it_is_written(rdfia_here, out, image_folder):
    config = CnnConfig(dataset=str(image_folder.resolve()))
    store(out, match_registered(config))
    store(out, BASELINE)
    assert names_of(rdfia_here("runs", "--set", "dataset=my pictures/", "--json")) == ["cnn/my-pictures"]


# --- one run by its name ----------------------------------------------------------------------------------------------


def test_a_run_is_found_by_folder_and_by_name(several, monkeypatch):
    monkeypatch.chdir(several)
    folder = several / "cnn" / "augment"
    for text in (folder, "cnn/augment", "cnn/augment/", "augment", "./cnn/augment"):
        run = find_run(str(text), several)
        assert (run.name, run.folder.resolve()) == ("cnn/augment", folder.resolve()), text
    assert find_run("cnn/augment", several / "elsewhere").name == "results/cnn/augment"


def test_a_name_of_no_run_is_looked_for_in_the_package(several, capsys):
    assert find_run("dropout", several).name == "reference/cnn/dropout"
    assert capsys.readouterr().err == "dropout: from the reference results of this package\n"
    assert find_run("augment", several).name == "cnn/augment"
    assert find_run("reference/cnn/augment", several).name == "reference/cnn/augment"
    assert find_run("reference/augment", several).name == "reference/cnn/augment"


def test_a_name_in_two_sections_must_be_told_apart(rdfia_here, out):
    store(out, BASELINE, name="x")
    store(out, CIRCLES, name="x")
    done = rdfia_here("compare", "x", "reference/cnn/baseline")
    assert done.returncode == 1 and done.stderr == "error: several runs are called x: name one of cnn/x, mlp/x\n"


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["cnn/augment"], 2, "name 2 to 10 runs to compare, not 1"),
        ([f"x-{number}" for number in range(11)], 2, "name 2 to 10 runs to compare, not 11"),
        (["augment", "results/cnn/augment"], 2, "cnn/augment is named twice: name two different runs"),
        (
            ["augment", "agument"],
            1,
            "there is no run agument in results, no such folder and no such reference result: ",
        ),
        (["augment", "results"], 1, "there is no run results in results, "),
        (["augment", "lost"], 1, "cannot read cnn/lost: the record in "),
        (["augment", "adam", "--plot", "x.pdf"], 2, "--plot must end in .png, not x.pdf"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(rdfia_here, several, args, code, sentence):
    (begin(several, NORMALIZE, "lost") / "metrics.json").write_text("")
    done = rdfia_here("compare", *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"error: {sentence}") and done.stderr.count("\n") == 1, done.stderr
    assert not (several / "compare").exists()


# --- runs side by side ------------------------------------------------------------------------------------------------


def cells(text):
    """By the first column, the others of a table."""
    return {line[: line.index("  ")]: line.split("  ", 1)[1].split() for line in text.splitlines() if "  " in line}


def test_a_comparison_shows_what_differs_and_the_results(rdfia_here, out):
    edit(store(out, BASELINE, best=0.7) / "metrics.json", details={"parameters": 1000, "weights_digest": "0123456789"})
    edit(store(out, change(AUGMENT, seed=1), best=0.8, epochs=40) / "metrics.json", details={"parameters": 1000})
    done = rdfia_here("compare", "baseline", "augment")
    assert done.returncode == 0, done.stderr
    table = cells(done.stdout)
    assert done.stdout.splitlines()[0].split() == ["cnn/baseline", "cnn/augment"]
    assert table["augmentations"] == ["none", "crop+flip"] and table["normalize"] == ["false", "true"]
    assert table["seed"] == ["0", "1"] and table["epochs"] == ["30", "40/50"]
    assert table["best"] == ["70.00", "%", "(29)", "80.00", "%", "(39)"] and table["final"] == [
        "69.00",
        "%",
        "79.00",
        "%",
    ]
    assert table["parameters"] == ["1,000", "1,000"] and table["weights digest"] == ["01234567", "-"]
    assert not {"lr", "batch_size", "dataset", "selected"} & set(table)
    path = done.stdout.splitlines()[-1]
    assert path == "results/compare/cnn-baseline-vs-cnn-augment.png"
    assert Image.open(out.parent / path).size[0] > 900


def test_equal_weights_and_other_data_are_reported(rdfia_here, out):
    for name, digest, data in (("a", "x", "d"), ("b", "y", "d"), ("c", "x", "e")):
        path = store(out, BASELINE, name=name) / "metrics.json"
        edit(path, details={"weights_digest": digest}, dataset={"name": "c", "digest": data})
    lines = rdfia_here("compare", "a", "b", "c").stdout.splitlines()
    assert "no setting differs" in lines and "equal weights: cnn/a, cnn/c" in lines
    assert "not the same cifar10 in all of these runs" in lines
    assert json.loads(rdfia_here("compare", "a", "c", "--json").stdout)["equal_weights"] == [["cnn/a", "cnn/c"]]
    assert "equal weights" not in rdfia_here("compare", "a", "b").stdout


def test_what_has_no_curve_is_compared_by_its_results(rdfia_here, several):
    done = rdfia_here("compare", "svm/rbf", "augment", "normalize")
    lines = done.stdout.splitlines()
    assert "no curve of svm/rbf: svm is not trained in epochs" in lines
    assert "no curve of cnn/normalize: no epoch is finished" in lines
    assert cells(done.stdout)["best"] == ["90.00", "%", "80.00", "%", "(49)", "-"]
    (several / "mlp" / "circles" / "history.csv").write_text("damaged")
    done = rdfia_here("compare", "svm/rbf", "circles", "--json")
    assert json.loads(done.stdout)["plot"] is None
    assert [path.name for path in (several / "compare").iterdir()] == ["svm-rbf-vs-cnn-augment-vs-cnn-normalize.png"]
    lines = rdfia_here("compare", "svm/rbf", "circles").stdout.splitlines()
    assert lines[-1] == "no curve of mlp/circles: history.csv is missing or damaged"


def test_a_smoke_test_is_marked(rdfia_here, out):
    store(out, BASELINE)
    store(out, NORMALIZE, quick=True)
    done = rdfia_here("compare", "baseline", "normalize")
    assert done.stdout.startswith("QUICK: smoke test, not a result\n") and "ok (quick)" in done.stdout


def test_long_names_are_numbered_and_give_a_short_file(rdfia_here, out):
    names = ["x" * 120 + str(number) for number in range(3)]
    for name in names:
        store(out, replace(CIRCLES, config=MlpConfig(implementation="tape").resolve()), name=name)
    lines = rdfia_here("compare", *names).stdout.splitlines()
    assert lines[:3] == [f"{number}  mlp/{name}" for number, name in enumerate(names, start=1)]
    assert lines[3].split() == ["1", "2", "3"]
    first = [rdfia_here("compare", *chosen).stdout.splitlines()[-1] for chosen in (names, names[:2], names[::2])]
    assert len(set(first)) == 3 and all(len(path) < 150 for path in first)
    assert sorted(path.name for path in (out / "compare").iterdir()) == sorted(path.split("/")[-1] for path in first)


def test_the_plot_goes_where_it_is_asked_to(rdfia_here, several, tmp_path):
    done = rdfia_here("compare", "augment", "adam", "--plot", "my plots/x.png")
    assert done.stdout.splitlines()[-1] == "my plots/x.png" and (tmp_path / "my plots" / "x.png").exists()
    assert not (several / "compare").exists()


def test_the_curve_of_a_perceptron_is_that_of_its_first_implementation(out):
    rows = [{"implementation": name, **row} for name in ("tape", "layers") for row in history(2, 0.1)]
    folder = store(out, CIRCLES)
    (folder / "history.csv").write_bytes(history_bytes(rows))
    assert Run(folder).curve() == rows[:2]


# --- trials, data, width ----------------------------------------------------------------------------------------------


def test_the_trials_of_sweeps_are_a_line_until_they_are_asked_for(rdfia_here, out):
    store(out, SHORT)
    edit(begin(out, change(SHORT, seed=1), "baseline-seed-1") / "config.json", argv=["sweep", "baseline"])
    text = rdfia_here("runs").stdout
    assert "seed-1" not in text and "1 of them are trials of sweeps" in text
    assert "cnn/baseline-seed-1" in rdfia_here("runs", "--all").stdout
    assert names_of(rdfia_here("runs", "--json")) == ["cnn/baseline", "cnn/baseline-seed-1"]


def test_runs_that_differ_by_their_seed_alone_share_a_row_in_a_terminal(rdfia_here, out):
    for seed, best in ((0, 0.7), (1, 0.72), (2, 0.74), (5, 0.76)):
        store(out, change(SHORT, seed=seed), best, name=f"baseline-seed-{seed}")
    store(out, SHORT, name="twice")
    store(out, change(SHORT, seed=3), name="smoke", quick=True)
    store(out, change(SHORT, seed=4, lr=0.2), name="other")
    result = list_runs(RunStore(out), Filter(), join_seeds=True)
    rows = [(row["run"], row["seed"], row["best"], row["seconds"]) for row in result.table]
    assert rows == [
        ("cnn/baseline-seed-0", "0-2, 5", "73.00 ± 2.58 %", "1.0"),
        ("cnn/other", "4", "70.00 % (4)", "1.0"),
        ("cnn/smoke", "3", "70.00 % (4)", "1.0"),
        ("cnn/twice", "0", "70.00 % (4)", "1.0"),
    ]
    assert len(result.data["runs"]) == 7 and "--all lists every run" in result.lines[-1]
    limited = list_runs(RunStore(out), Filter(), "best", limit=1, join_seeds=True)
    assert [row["seed"] for row in limited.table] == ["0-2, 5"]
    assert len(rdfia_here("runs").stdout.splitlines()) == 1 + 7 + 1
    reader, terminal = os.openpty()
    for words, count in (([], 4), (["--all"], 7)):
        subprocess.run([sys.executable, "-m", "rdfia_keras", "runs", *words], stdout=terminal, check=True)
        assert os.read(reader, 10**5).decode().count("cnn/") == count


def test_runs_on_two_data_sets_have_a_column_for_them(rdfia_here, out):
    store(out, SHORT, digest="a" * 16)
    assert " data" not in rdfia_here("runs").stdout
    store(out, SHORT, name="baseline-2", digest="b" * 16)
    heading, *lines = rdfia_here("runs").stdout.splitlines()
    assert heading.split()[-1] == "data" and [line.split()[-1] for line in lines[:2]] == ["aaaaaaaa", "bbbbbbbb"]


def test_a_wide_table_fits_a_terminal_and_loses_nothing_that_differs():
    rows = [
        {"run": f"cnn/{name}", "experiment": name, "selected": "-", "seed": "0", "settings": "lr=0.1 " * 20}
        for name in ("baseline", "augment")
    ]
    rows[1]["settings"] = "optimizer=adam " * 20
    assert fitted(rows, 500) == table_lines(rows)
    first, *lines = fitted(rows, 80)
    assert first == "in all rows: seed 0" and max(map(len, lines)) <= 80
    assert lines[0].split() == ["run"] and [line for line in lines if line.startswith("cnn/")]
    words = " ".join(lines).split()
    assert (words.count("lr=0.1"), words.count("optimizer=adam")) == (20, 20)
