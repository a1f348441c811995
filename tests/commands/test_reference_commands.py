"""The commands list, figure, study, augment-preview, explain and improve, and the newer options of mlp and cnn."""

import json
import pickle

import numpy as np
import pytest


@pytest.fixture
def tiny_cifar(tmp_path):
    """CIFAR-10's own layout with a few made images, in a folder with a space."""
    folder = tmp_path / "my data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        labels = [i % 10 for i in range(20)]
        data = rng.integers(0, 256, (20, 3072)).astype(np.uint8)
        (folder / name).write_bytes(pickle.dumps({b"data": data, b"labels": labels}, 2))
    return folder.parent


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["figure", "24"], "there is no figure 24"),
        (["figure", "7", "x"], "there is no figure x"),
        (["figure"], "NUMBER"),
        (["improve", "nonsense"], "no experiment is called 'nonsense'"),
        (["improve", "circles"], "no experiment is called 'circles'"),
        (["improve", "adam", "--bonus"], "--bonus"),
        (["study", "nonsense"], "nonsense"),
        (["study", "init", "--seeds", "0"], "--seeds"),
        (["augment-preview", "nonsense"], "nonsense"),
        (["explain", "nonsense"], "nonsense"),
        (["explain", "conv", "--kernel", "0"], "--kernel"),
        (["explain", "whitening", "--epsilon", "0"], "--epsilon"),
        (["mlp", "--animate", "--check-gradients"], "--check-gradients"),
        (["list", "--section", "nonsense"], "nonsense"),
        (["mlp", "--animate", "--dataset", "digits"], "--animate"),
        (["cnn", "--epsilon", "0.1"], "whitening_epsilon (--epsilon) needs whitening (--whiten)"),
        (["cnn", "--whiten", "zca", "--normalize"], "--whiten"),
        (["cnn", "--transform", "nonsense"], "nonsense"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_named_and_exits_2(rdfia_here, monkeypatch, args, word):
    monkeypatch.setenv("COLUMNS", "200")
    done = rdfia_here(*args)
    assert done.returncode == 2 and word in done.stderr, done.stderr


def test_list_has_all_and_only_the_section_that_is_asked_for(rdfia_here):
    rows = json.loads(rdfia_here("list", "--json").stdout)["experiments"]
    assert {number for row in rows for number in row["figures"]} >= {str(n) for n in range(1, 24)}
    text = rdfia_here("list", "--section", "svm").stdout.splitlines()
    assert len(text) == 2 and text[1].startswith("kernels")


def test_figure_7_from_nothing_in_a_quick_run_and_then_from_its_record(rdfia_here, tmp_path, tiny_cifar):
    args = ("figure", "7", "--quick", "--data-dir", str(tiny_cifar))
    done = rdfia_here(*args)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.splitlines()[0].startswith("QUICK")
        and done.stdout.splitlines()[-1] == "results/figures/figure-07-quick.png"
    )
    picture = (tmp_path / "results" / "figures" / "figure-07-quick.png").read_bytes()
    again = rdfia_here("figure", "7", "--quick", "--data-dir", str(tmp_path))
    assert again.returncode == 0 and "from results/cnn/baseline" in again.stderr
    assert (tmp_path / "results" / "figures" / "figure-07-quick.png").read_bytes() == picture


def test_improve_on_other_images_repeats_itself_from_what_is_kept(rdfia_here, image_folder):
    args = ("improve", "baseline", "normalize", "--dataset", str(image_folder), "--quick", "--json")
    first = rdfia_here(*args)
    assert first.returncode == 0, first.stderr
    rows = json.loads(first.stdout)["rows"]
    assert [row["experiment"] for row in rows] == ["my-pictures", "my-pictures-normalize"]
    assert rows[0]["published"] is None
    again = rdfia_here(*args)
    assert again.stdout == first.stdout
    for number, name in enumerate(("my-pictures", "my-pictures-normalize"), start=1):
        assert f"[{number}/2] {name}: finished earlier, in results/cnn/{name}" in again.stderr.splitlines()
    assert "epoch" not in again.stderr


def test_without_data_improve_says_what_to_do_before_anything_slow(rdfia_here, tmp_path):
    done = rdfia_here("improve", "--data-dir", str(tmp_path / "nowhere"))
    assert done.returncode == 1 and "does not exist" in done.stderr and len(done.stderr.splitlines()) == 1


def test_svm_figures_need_no_tensorflow_and_no_retraining(rdfia, rdfia_here, tmp_path):
    # Keras would refuse such a back end.
    assert rdfia("figure", "4", "5", "--train", env={"KERAS_BACKEND": "none"}).returncode == 0
    assert (tmp_path / "results" / "svm" / "kernels" / "metrics.json").exists()
    done = rdfia_here("figure", "4", "5", "--json")
    assert "from results/svm/kernels" in done.stderr
    rows = json.loads(done.stdout)["figures"]
    assert [row["figure"] for row in rows] == ["Figure 4", "Figure 5"] and rows[0]["best"] > 0.9
    assert sorted(path.name for path in (tmp_path / "results" / "figures").iterdir()) == [
        "figure-04.png",
        "figure-05.png",
    ]
    assert [path.name for path in (tmp_path / "results" / "svm").iterdir() if path.is_dir()] == ["kernels"]


def test_figures_come_from_the_package_when_there_is_no_run(rdfia_here, tmp_path):
    done = rdfia_here("figure", "4", "7", "--json", "--data-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("kernels", "baseline"):
        assert f"{name}: from the reference results of this package" in done.stderr.splitlines()
    assert json.loads(done.stdout)["paths"] == ["results/figures/figure-04.png", "results/figures/figure-07.png"]
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["figures"]


@pytest.mark.parametrize(
    "more", [["--seed", "9"], ["--epochs", "1000"], ["--precision", "mixed_float16"]], ids=" ".join
)
def test_a_figure_of_a_run_that_is_nowhere_names_the_way_to_train_it(rdfia_here, tmp_path, more):
    done = rdfia_here("figure", "7", *more)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: there is no finished run of baseline") and "add --train" in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["conv", "--x", "224", "--y", "224"], ["75 weights + 1 bias", "224 x 224 x 1"]),
        (
            ["conv", "--x", "10", "--y", "7", "--z", "2", "--kernel", "3", "--stride", "2", "--padding", "0"],
            ["4 x 3 x 1"],
        ),
        (["layers"], ["1,025,000", "total 1,191,170"]),
        (["bow-svm"], ["119 times"]),
        (["loss"], ["simplified"]),
        (["dropout"], ["2.000"]),
        (["backprop-cost", "--quick"], ["backprop-cost.png"]),
        (["receptive-field"], ["14 x 14", "receptive-fields.png"]),
        (["start", "--dataset", "digits", "--seeds", "1"], ["2.3026"]),
        (["dense-as-conv", "--dataset", "digits"], ["scores 5 x 5 x 10", "dense-as-conv.png"]),
    ],
    ids=lambda value: value[0],
)
def test_explanations(rdfia_here, args, words):
    done = rdfia_here("explain", *args)
    assert done.returncode == 0, done.stderr
    for word in words:
        assert word in done.stdout


def test_previews(rdfia_here, tmp_path):
    for args in ([], ["hue", "blur"]):
        done = rdfia_here("augment-preview", *args, "--dataset", "digits")
        assert done.returncode == 0 and done.stdout == "results/augment-preview.png\n", done.stderr


def test_cnn_takes_transformations_once_each_and_a_resume_compares_them(rdfia_here, image_folder):
    transforms = ("--transform", "hue", "--transform", "blur", "--transform", "blur")
    done = rdfia_here("cnn", "--dataset", image_folder, "--model", "dense", *transforms, "--quick", "--json")
    record = json.loads(done.stdout)
    assert record["config"]["augmentations"] == ["hue", "blur"] and record["config"]["normalize"] is True
    folder = f"results/cnn/{record['experiment']}"
    done = rdfia_here("cnn", "--resume", folder, "--transform", "blur", "--epochs", "3")
    assert done.returncode == 1 and "augmentations (--transform) was ('hue', 'blur')" in done.stderr
    assert "and is now ('blur',)" in done.stderr


def test_a_convnet_resumed_with_another_number_of_threads_says_so(rdfia_here, image_folder, monkeypatch):
    done = rdfia_here("cnn", "--dataset", image_folder, "--model", "dense", "--epochs", "1", "--json")
    record = json.loads(done.stdout)
    threads, folder = record["environment"]["threads"], f"results/cnn/{record['experiment']}"
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(threads + 1))
    done = rdfia_here("resume", folder, "--epochs", "2", "--json")
    assert done.returncode == 0 and f"is resumed with threads {threads + 1} instead of {threads}: it" in done.stderr
    assert json.loads(done.stdout)["environment"]["resumed"] == [{"after_epoch": 1, "threads": threads + 1}]


def test_cnn_takes_whitening(rdfia_here, tmp_path):
    # Grey images of 28 x 28, whose axes are found in no time.
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 28, 28)).astype(np.uint8), np.arange(40) % 10
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20])
    args = ("cnn", "--dataset", "mnist", "--model", "dense", "--data-dir", tmp_path, "--quick", "--json")
    done = rdfia_here(*args, "--whiten", "pca", "--epsilon", "0.1")
    record = json.loads(done.stdout)
    assert (record["config"]["whitening"], record["config"]["whitening_epsilon"]) == ("pca", 0.1)
    assert record["config"]["normalize"] is False


def test_the_animation_is_written(rdfia_here, tmp_path):
    done = rdfia_here("mlp", "--implementation", "tape", "--epochs", "2", "--animate")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "mlp" / "circles" / "decision-map.gif").read_bytes()[:3] == b"GIF"
