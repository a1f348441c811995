"""Predictions on pictures, and where a network looks: maps held against differences and loops; the commands."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from command_line import invoke
from PIL import Image
from scipy.special import softmax

from rdfia_keras.analysis import inspection
from rdfia_keras.analysis.attribution import GREY, grad_cam, last_convolution, occlusion, scores_gradient
from rdfia_keras.analysis.inspection import blur, shift
from rdfia_keras.analysis.network_facts import class_map
from rdfia_keras.commands.inspect import sentences
from rdfia_keras.config import CnnConfig
from rdfia_keras.data import load_images
from rdfia_keras.errors import RdfiaError
from rdfia_keras.models.convnet import build_convnet
from rdfia_keras.models.predictions import calibration, class_rows
from rdfia_keras.models.saving import load_model
from rdfia_keras.training.fit import predict_images


def network(data, **settings):
    return build_convnet(CnnConfig(**settings).resolve(), data)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A smoke test of the digits with LeNet, the network that takes least time."""
    out = tmp_path_factory.mktemp("trained") / "results"
    words = "cnn --dataset digits --network lenet --augmentations crop --quick --device cpu --out"
    done = invoke(*words.split(), out)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


# --- Grad-CAM ---------------------------------------------------------------------------------------------------------


def test_scores_gradient_equals_finite_differences(tiny_images):
    model = network(tiny_images, normalize=True, augmentations=("crop",), dropout_rate=0.5)
    layer = last_convolution(model)
    assert layer.name == "relu3"
    labels, rng = np.array([2, 0]), np.random.default_rng(0)
    # Of equal features, such as a ReLU's zeros, max-pooling has no derivative.
    features = rng.uniform(0, 3, (2, *layer.output.shape[1:])).astype(np.float32)
    gradient = scores_gradient(model, layer, keras.ops.convert_to_tensor(features), labels)
    head = keras.Model(layer.output, model.output)
    for image, label in enumerate(labels):
        # A random direction alone is nearly at right angles to the gradient: its difference drowns in rounding.
        direction = gradient[image] / np.linalg.norm(gradient[image])
        direction = direction + rng.normal(size=direction.shape) / np.sqrt(direction.size)
        step = (1e-2 * direction).astype(np.float32)
        up, down = (np.asarray(head((features[image] + sign * step)[None]))[0, label] for sign in (1, -1))
        assert (up - down) / 2 == pytest.approx((gradient[image] * step).sum(), rel=5e-3)


def test_grad_cam_is_the_formula_and_lies_on_the_crop(tiny_images):
    model = network(tiny_images, normalize=True, augmentations=("crop",))
    images, labels = tiny_images.test.x[:3], np.array([0, 1, 2])
    maps = grad_cam(model, images, labels)
    assert maps.values.shape == (3, 7, 7) and maps.values.min() >= 0
    # The middle 28 of 32 pixels, to the pixels' edges.
    assert maps.extent == (1.5, 29.5, 29.5, 1.5)
    layer = last_convolution(model)
    features = keras.Model(model.input, layer.output)(images, training=False)
    gradient = scores_gradient(model, layer, features, labels)
    for image in range(3):
        expected = np.zeros((7, 7))
        for k in range(features.shape[-1]):
            expected += gradient[image, :, :, k].mean() * np.asarray(features)[image, :, :, k]
        np.testing.assert_allclose(maps.values[image], np.maximum(expected, 0), atol=1e-5)


@pytest.mark.filterwarnings("error")
def test_huge_weights_give_a_map_and_infinite_outputs_one_sentence(tiny_images):
    model, images = network(tiny_images), tiny_images.test.x[:3]
    weights = model.get_weights()
    # A gradient of 1e38 at each place: their sum is too large for float32.
    model.set_weights([(4e19 if weight.ndim < 4 else 1e-9) * weight for weight in weights])
    assert np.isfinite(grad_cam(model, images, np.array([0, 1, 2])).values).all()
    model.set_weights([1e10 * weight for weight in weights])
    for use in (lambda: predict_images(model, images), lambda: class_map(model, tiny_images)):
        with pytest.raises(RdfiaError, match="outputs are not finite"):
            use()


def test_a_network_without_convolutions_has_no_grad_cam(tiny_images):
    model = network(tiny_images, network="dense")
    assert last_convolution(model) is None
    with pytest.raises(RdfiaError, match="needs a convolution"):
        grad_cam(model, tiny_images.test.x[:1], np.array([0]))


# --- occlusion --------------------------------------------------------------------------------------------------------


def test_occlusion_equals_a_loop_over_the_places():
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (2, 9, 7, 3)).astype(np.uint8)
    weights = rng.normal(size=(9 * 7 * 3, 4)) / 500
    labels = np.array([3, 1])

    def predict(x):
        scores = np.exp(x.reshape(len(x), -1) @ weights)
        return scores / scores.sum(axis=1, keepdims=True)

    maps = occlusion(predict, images, labels, side=4, stride=2)
    assert maps.values.shape == (2, 3, 2)
    for image in range(2):
        for row, top in enumerate((0, 2, 4)):
            for column, left in enumerate((0, 2)):
                hidden = images[image].copy()
                hidden[top : top + 4, left : left + 4] = GREY
                drop = (predict(images[image][None]) - predict(hidden[None]))[0, labels[image]]
                assert maps.values[image, row, column] == pytest.approx(drop, abs=1e-6)
    # Middles of the squares at 1.5, 3.5, 5.5 and 1.5, 3.5, with half a stride around them.
    assert maps.extent == (0.5, 4.5, 6.5, 0.5)


# --- numbers of an inspection -----------------------------------------------------------------------------------------


def test_calibration_of_predictions_that_are_known():
    # 4 predictions at 0.9, of which 2 are right; 4 at 0.6, all right: error (|0.5 - 0.9| + |1 - 0.6|) / 2.
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 4)
    labels = np.array([0, 0, 1, 1, 1, 1, 1, 1])
    rows, error = calibration(probabilities, labels, bins=10)
    assert error == pytest.approx(0.4)
    filled = {round(row["high"], 1): row for row in rows if row["count"]}
    assert {high: (row["count"], row["accuracy"]) for high, row in filled.items()} == {0.6: (4, 1.0), 0.9: (4, 0.5)}


def test_scores_of_each_class():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    rows = class_rows(probabilities, np.array([0, 1, 1]), ("cat", "dog"))
    assert [(row["class"], row["recall"], row["precision"]) for row in rows] == [("cat", 1, 0.5), ("dog", 0.5, 1)]


def test_disturbances_do_nothing_at_zero_and_keep_a_plain_image():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    assert (blur(images, 0) == images).all() and (shift(images, 0)[0] == images).all()
    plain = np.full((1, 8, 8, 3), 77, np.uint8)
    assert (blur(plain, 2) == plain).all() and all((moved == plain).all() for moved in shift(plain, 3))
    down, up, right, left = shift(images, 2)
    assert (down[:, 2:] == images[:, :-2]).all() and (up[:, :-2] == images[:, 2:]).all()
    assert (right[:, :, 2:] == images[:, :, :-2]).all() and (left[:, :, :-2] == images[:, :, 2:]).all()


# --- the commands -----------------------------------------------------------------------------------------------------


def test_predict_reads_any_picture_and_agrees_with_the_model(rdfia_here, trained, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    folder = tmp_path / "my pictures" / "inner"
    folder.mkdir(parents=True)
    Image.fromarray(pixels).save(folder / "same size.png")
    Image.fromarray(pixels).convert("RGBA").resize((50, 40)).save(folder / "other.PNG")
    Image.fromarray(pixels).convert("L").save(folder.parent / "grey.jpg")
    done = rdfia_here("predict", trained, "my pictures", "--top", "3", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [row["image"] for row in answer["images"]] == [
        f"my pictures/{name}" for name in ("grey.jpg", "inner/other.PNG", "inner/same size.png")
    ]
    expected = softmax(load_model(trained / "model.keras").predict(pixels[None], verbose=0)[0].astype(float))
    best = np.argsort(-expected)[:3]
    rows = answer["images"][2]["classes"]
    assert [row["class"] for row in rows] == [str(label) for label in best]
    assert [row["probability"] for row in rows] == pytest.approx(expected[best], rel=1e-4)
    assert answer["map"] == "Grad-CAM"
    assert Image.open(answer["plot"]).size[0] > 300


def test_predict_takes_a_list_on_stdin_and_a_file_by_itself(tmp_path, trained, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a b.png")
    done = invoke("predict", trained / "best.keras", "-", "--top", "1", stdin="a b.png\n\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2].startswith("a b.png")


@pytest.mark.parametrize(
    ("model", "images", "sentence"),
    [
        ("cnn/batch-norm", ["a.png"], "name digits or cifar10"),
        ("mlp/circles", ["a.png"], "saves no model"),
        ("nothing.keras", ["a.png"], "there is no model nothing.keras"),
        ("nothing", ["a.png"], "there is no run nothing"),
        (None, ["missing.png"], "there is no image missing.png"),
        (None, ["empty"], "holds no image"),
        (None, ["text.png"], "1 of the 1 image files cannot be used: text.png (not an image that can be read)"),
        (None, ["movie.gif"], "movie.gif (not an image that can be read)"),
    ],
)
def test_predict_says_what_is_wrong(rdfia_here, trained, tmp_path, model, images, sentence):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    for name in ("text.png", "movie.gif"):
        (tmp_path / name).write_text("no image")
    done = rdfia_here("predict", model or trained, *images)
    assert done.returncode == 1 and done.stderr.count("error: ") == 1 and sentence in done.stderr


def test_one_bad_file_is_named_and_the_others_are_predicted_by_the_network_that_ships(rdfia_here, tmp_path):
    digits = load_images("digits").test
    for number in range(4):
        Image.fromarray(digits.x[number]).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_text("no image")
    done = rdfia_here("predict", "digits", ".", "--json")
    assert done.returncode == 1 and "left out: 2.png (not an image that can be read)" in done.stderr
    rows = {row["image"]: row["classes"][0]["class"] for row in json.loads(done.stdout)["images"]}
    assert rows == {f"{number}.png": str(digits.y[number]) for number in (0, 1, 3)}


def test_predictions_of_a_smoke_test_are_marked(rdfia_here, trained, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert rdfia_here("predict", trained, "a.png").stdout.startswith("QUICK")


@pytest.mark.parametrize(
    ("accuracy", "confidence", "words"),
    [(0.9889, 0.9870, "as sure as it is right"), (0.8, 0.9, "overconfident"), (0.8, 0.7, "underconfident")],
)
def test_a_verdict_needs_a_difference_that_the_images_show(accuracy, confidence, words):
    facts = {"accuracy": accuracy, "mean_confidence": confidence, "expected_calibration_error": 0.01}
    assert words in sentences(facts | {"test_images": 450, "blur": [], "shift": []})[0]


def test_inspect_writes_pictures_and_numbers_that_agree_with_the_record(rdfia_here, trained, monkeypatch):
    # As many images, but fewer strengths.
    monkeypatch.setattr(inspection, "BLURS", (0.0, 2.0))
    monkeypatch.setattr(inspection, "SHIFTS", (0, 4))
    done = rdfia_here("inspect", trained)
    assert done.returncode == 0, done.stderr
    facts = json.loads((trained / "inspection.json").read_text())
    record = json.loads((trained / "metrics.json").read_text())
    assert facts["accuracy"] == pytest.approx(record["final"]["test_accuracy"])
    weights = [row["images"] for row in facts["classes"]]
    assert np.average([row["recall"] for row in facts["classes"]], weights=weights) == pytest.approx(facts["accuracy"])
    assert sum(row["count"] for row in facts["calibration"]) == facts["test_images"] == sum(weights)
    assert facts["blur"][0]["accuracy"] == facts["shift"][0]["accuracy"] == pytest.approx(facts["accuracy"])
    assert len(facts["pictures"]) == 5 and all((trained / name).stat().st_size > 1000 for name in facts["pictures"])


def test_inspect_refuses_a_model_without_a_run(rdfia_here, trained, tmp_path):
    (tmp_path / "alone.keras").write_bytes((trained / "model.keras").read_bytes())
    done = rdfia_here("inspect", "alone.keras")
    assert done.returncode == 1 and "lies in no run of rdfia cnn" in done.stderr
