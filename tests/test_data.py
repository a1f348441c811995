"""Every loader on made data, the faults a user can meet, and the cache that no failure may touch."""

import os
import pickle
import struct
import threading
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from made_data import NAMES, Touch, cifar_batch, fault, real, write_cifar, write_cifar_archive, write_mnist
from PIL import Image

from rdfia_keras.config import CnnConfig, RunOptions
from rdfia_keras.data import IMAGE_DATASETS, VECTOR_DATASETS, Dataset, Split, load_images, load_vectors, one_hot
from rdfia_keras.data.cifar10 import CLASSES
from rdfia_keras.data.image_folder import list_pictures, read_pictures
from rdfia_keras.errors import RdfiaError
from rdfia_keras.training.get_or_train import Resources


@pytest.fixture(autouse=True)
def keras_home(offline) -> Path:
    return offline


# --- names and folders


@pytest.mark.parametrize("name", ["nope", "cifar10", "", "x" * 5000])
def test_unknown_vectors_list_the_choices(name):
    assert "choose circles, digits or mnist" in fault(load_vectors, name)


@pytest.mark.parametrize("name", ["nope", "circles", "", "x" * 5000, "a\0b"])
def test_unknown_images_list_the_choices_and_a_folder(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    message = fault(load_images, name)
    assert "choose cifar10, mnist or digits, or name a folder that holds train/<class>/" in message


@pytest.mark.parametrize("call, name", [(load_vectors, "mnist"), (load_images, "cifar10"), (load_vectors, "circles")])
def test_data_dir_must_be_a_folder(call, name, tmp_path):
    assert f"the data folder {tmp_path / 'no'} does not exist" in fault(call, name, tmp_path / "no")
    (tmp_path / "file").write_text("")
    assert f"the data folder {tmp_path / 'file'} is not a folder" in fault(call, name, tmp_path / "file")


@pytest.mark.parametrize("call", [load_vectors, load_images])
def test_digits_need_no_data_folder(call, tmp_path):
    assert call("digits", tmp_path / "no").name == "digits"


# --- circles


def save_mat(path: Path, **changed) -> None:
    from scipy.io import savemat

    data = load_vectors("circles")
    arrays = {
        "Xtrain": data.train.x,
        "Ytrain": one_hot(data.train.y, 2).astype(np.uint8),
        "Xtest": data.test.x,
        "Ytest": one_hot(data.test.y, 2).astype(np.uint8),
    }
    savemat(path, {key: value for key, value in {**arrays, **changed}.items() if value is not None})


def radius(split, label: int) -> float:
    return float(np.linalg.norm(split.x[split.y == label], axis=1).mean())


def test_drawn_circles_are_balanced_and_always_the_same():
    data = load_vectors("circles")
    for split in (data.train, data.test):
        assert split.x.shape == (200, 2)
        assert split.x.dtype == np.float64
        assert split.y.dtype == np.int64
        assert np.bincount(split.y).tolist() == [100, 100]
        assert radius(split, 0) > 2 * radius(split, 1)
    assert not np.array_equal(data.train.x, data.test.x)
    assert data.classes == ("outer", "inner")


def test_drawing_circles_leaves_the_global_generator_alone():
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    load_vectors("circles")
    assert np.random.random() == expected


def test_circles_mat_is_read_with_the_files_own_classes(tmp_path):
    drawn = load_vectors("circles")
    assert load_vectors("circles", tmp_path).digest == drawn.digest
    save_mat(tmp_path / "circles.mat")
    data = load_vectors("circles", tmp_path)
    assert data.digest == drawn.digest and data.source == str(tmp_path / "circles.mat")
    save_mat(tmp_path / "circles.mat", Ytrain=one_hot(1 - drawn.train.y, 2))
    assert np.array_equal(load_vectors("circles", tmp_path).train.y, 1 - drawn.train.y)


@pytest.mark.parametrize(
    "changed, expected",
    [
        ({"Ytest": None}, "has no Ytest; it must hold Xtrain, Ytrain, Xtest, Ytest"),
        ({"Xtrain": np.zeros((200, 3))}, "Xtrain must be N points of 2 finite numbers"),
        ({"Xtest": np.full((200, 2), np.nan)}, "Xtest must be N points of 2 finite numbers"),
        ({"Xtest": np.array([["a", "b"]], dtype=object)}, "Xtest must be N points of 2 finite numbers"),
        ({"Ytrain": np.ones((200, 2))}, "Ytrain must be one-hot rows of 2"),
        ({"Ytrain": np.full((200, 2), 0.5)}, "Ytrain must be one-hot rows of 2"),
        ({"Ytest": np.eye(2)}, "Ytest must be one-hot rows of 2"),
        ({"Ytest": np.zeros((200, 1))}, "Ytest must be one-hot rows of 2"),
        ({"Ytest": np.arange(200)[:, None]}, "Ytest must be one-hot rows of 2"),
    ],
)
def test_wrong_circles_mat(tmp_path, changed, expected):
    save_mat(tmp_path / "circles.mat", **changed)
    message = fault(load_vectors, "circles", tmp_path)
    assert str(tmp_path / "circles.mat") in message
    assert expected in message
    assert message.endswith("put the course's file there")


@pytest.mark.parametrize("form", ["sparse", "columns", "from 0", "from 1", "row"])
def test_labels_and_points_are_read_in_the_forms_of_matlab(tmp_path, form):
    from scipy.sparse import csc_matrix

    drawn = load_vectors("circles")
    y, rows = drawn.train.y, one_hot(drawn.train.y, 2)
    labels = {"sparse": csc_matrix(rows.T), "columns": rows.T, "from 0": y[:, None], "from 1": y[:, None] + 1, "row": y}
    x = drawn.train.x.T if form == "columns" else drawn.train.x
    save_mat(tmp_path / "CIRCLES.MAT", Ytrain=labels[form], Xtrain=x)
    assert load_vectors("circles", tmp_path).digest == drawn.digest


def test_matlab_7_3_is_refused_with_the_option_that_saves_another(tmp_path):
    header = b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\0\2IM"
    (tmp_path / "circles.mat").write_bytes(header + bytes(400))
    assert "save it again with -v7" in fault(load_vectors, "circles", tmp_path)


@pytest.mark.parametrize("damage", ["html", "pickle", "folder", "large"])
def test_broken_circles_mat(tmp_path, damage):
    path, canary = tmp_path / "circles.mat", tmp_path / "canary"
    if damage == "folder":
        path.mkdir()
    else:
        contents = {"html": b"<html>404</html>", "pickle": pickle.dumps(Touch(canary), 0), "large": bytes(1_000_001)}
        path.write_bytes(contents[damage])
    expected = "is larger than 1,000,000 bytes" if damage == "large" else "is empty, cut short or not a MATLAB file"
    assert fault(load_vectors, "circles", tmp_path).startswith(f"{path} {expected}")
    assert not canary.exists()


@pytest.mark.parametrize(
    "load, name, file",
    [
        (load_vectors, "circles", "circles.mat"),
        (load_images, "mnist", "mnist.npz"),
        (load_images, "cifar10", "cifar-10-python.tar.gz"),
    ],
)
def test_a_pipe_in_place_of_a_file_is_not_waited_on(tmp_path, load, name, file):
    os.mkfifo(tmp_path / file)
    threading.Thread(target=lambda: (tmp_path / file).open("wb").close(), daemon=True).start()
    assert f"{tmp_path / file} is not a regular file" in fault(load, name, tmp_path)


def test_circles_mat_cut_anywhere_is_a_plain_fault(tmp_path):
    path = tmp_path / "circles.mat"
    save_mat(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 173):
        path.write_bytes(whole[:length])
        assert str(path) in fault(load_vectors, "circles", tmp_path)


# --- digits


def test_digits_vectors():
    data = load_vectors("digits")
    assert data.train.x.shape == (1347, 64)
    assert data.test.x.shape == (450, 64)
    assert data.train.x.dtype == np.float64
    assert data.train.x.min() == 0
    assert data.train.x.max() == 1
    assert data.train.y.dtype == np.int64
    # Stratified: every class has its tenth of both splits.
    assert np.bincount(data.test.y).min() >= 43


def test_digits_images_are_the_same_examples_enlarged():
    vectors, images = load_vectors("digits"), load_images("digits")
    assert images.train.x.shape == (1347, 32, 32, 3)
    assert images.train.x.dtype == np.uint8
    assert np.array_equal(images.train.y, vectors.train.y)
    assert np.array_equal(images.test.x[..., 0], images.test.x[..., 2])
    # Averaging each 4 x 4 block gives back nearly the pixel it came from.
    blocks = images.test.x[..., 0].reshape(450, 8, 4, 8, 4).mean(axis=(2, 4)).reshape(450, 64) / 255
    assert np.abs(blocks - vectors.test.x).mean() < 0.05
    # Smooth: more grey levels than the 17 of the original.
    assert len(np.unique(images.test.x)) > 100


# --- MNIST


def test_mnist_images_and_vectors(tmp_path):
    arrays = write_mnist(tmp_path / "mnist.npz")
    images, vectors = load_images("mnist", tmp_path), load_vectors("mnist", tmp_path)
    assert np.array_equal(images.train.x, arrays["x_train"][..., None])
    assert np.array_equal(images.test.y, arrays["y_test"])
    assert images.train.y.dtype == np.int64
    assert vectors.train.x.dtype == np.float64
    assert np.array_equal(vectors.train.x, arrays["x_train"].reshape(4, 784) / 255)


@pytest.mark.parametrize(
    "changed, expected",
    [
        ({"y_test": None}, "has no y_test; it must hold x_train, y_train, x_test, y_test"),
        ({"x_train": np.zeros((4, 784), np.uint8)}, "x_train is uint8 of shape (4, 784), not uint8 (N, 28, 28)"),
        ({"x_train": np.zeros((4, 28, 28))}, "x_train is float64 of shape (4, 28, 28), not uint8"),
        ({"x_test": np.zeros((0, 28, 28), np.uint8)}, "x_test is uint8 of shape (0, 28, 28)"),
        ({"y_train": np.array([0, 1, 2])}, "y_train must be 4 whole numbers from 0 to 9"),
        ({"y_train": np.array([0, 1, 2, 10])}, "y_train must be 4 whole numbers from 0 to 9"),
        ({"y_train": np.array([0, 1, 2, -1])}, "y_train must be 4 whole numbers from 0 to 9"),
        ({"y_train": np.array([0, 1, 2, 3.5])}, "y_train must be 4 whole numbers from 0 to 9"),
    ],
)
def test_wrong_mnist(tmp_path, changed, expected):
    write_mnist(tmp_path / "mnist.npz", **changed)
    message = fault(load_images, "mnist", tmp_path)
    assert str(tmp_path / "mnist.npz") in message
    assert expected in message
    assert message.endswith("replace it with the mnist.npz of keras.datasets")


@pytest.mark.parametrize("scale", [1, 255])
def test_the_courses_mnist_mat_is_read(tmp_path, scale):
    grey = np.arange(20 * 784).reshape(20, 784) % 256 / 255
    y = np.arange(20) % 10
    save_mat(tmp_path / "mnist.mat", Xtrain=grey * scale, Ytrain=np.eye(10)[y], Xtest=grey * scale, Ytest=y[:, None])
    data = load_vectors("mnist", tmp_path)
    np.testing.assert_array_equal(data.train.x, grey)
    assert data.train.y.tolist() == data.test.y.tolist() == y.tolist()
    save_mat(tmp_path / "mnist.mat", Xtrain=-grey, Ytrain=y[:, None], Xtest=grey, Ytest=y[:, None])
    assert "grey levels must lie between" in fault(load_images, "mnist", tmp_path)


def test_malicious_array_inside_mnist_does_not_run(tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "mnist.npz"
    write_mnist(path, y_test=np.array([Touch(canary)], dtype=object))
    assert "or holds Python objects, which are refused" in fault(load_images, "mnist", tmp_path)
    assert not canary.exists()
    # The attack is a real one.
    np.load(path, allow_pickle=True)["y_test"]
    assert canary.exists()


@pytest.mark.parametrize("damage", ["empty", "html", "cut", "pickle", "npy", "folder"])
def test_broken_mnist(tmp_path, damage):
    path, canary = tmp_path / "mnist.npz", tmp_path / "canary"
    write_mnist(path)
    contents = {
        "empty": b"",
        "html": b"<html>404</html>",
        "cut": path.read_bytes()[:-300],
        "pickle": pickle.dumps(Touch(canary)),
    }
    if damage in contents:
        path.write_bytes(contents[damage])
    elif damage == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.unlink()
        path.mkdir()
    message = fault(load_images, "mnist", tmp_path)
    assert message.startswith(f"{path} is empty, cut short, not a NumPy .npz archive, or holds")
    assert not canary.exists()


def test_mnist_with_flipped_bytes_is_a_plain_fault_or_the_same_shape(tmp_path):
    path = tmp_path / "mnist.npz"
    write_mnist(path)
    whole = path.read_bytes()
    rng, faults = np.random.default_rng(0), 0
    for place in rng.integers(0, len(whole), 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            assert load_images("mnist", tmp_path).train.x.shape == (4, 28, 28, 1)
        except RdfiaError as error:
            assert str(path) in str(error)
            faults += 1
    assert faults > 30


# --- CIFAR-10


def test_cifar_pixels_labels_and_order(tmp_path):
    write_cifar(tmp_path / "cifar-10-batches-py")
    data = load_images("cifar10", tmp_path)
    assert data.train.x.shape == (3 + 4 + 5 + 6 + 7, 32, 32, 3)
    assert data.train.x.dtype == np.uint8
    assert data.train.x.flags.c_contiguous
    assert data.train.y.dtype == np.int64
    batches = [cifar_batch(seed, 3 + seed) for seed in range(6)]
    assert data.train.y.tolist() == [label for batch in batches[:5] for label in batch[b"labels"]]
    rows = np.concatenate([batch[b"data"] for batch in batches[:5]])
    # A row is 1024 reds, 1024 greens, 1024 blues, each line by line.
    for channel in range(3):
        assert np.array_equal(data.train.x[..., channel].reshape(-1, 1024), rows[:, channel * 1024 :][:, :1024])
    assert data.test.y.tolist() == batches[5][b"labels"]
    assert data.classes == CLASSES


def test_cifar_folder_itself_and_archive_give_the_same(tmp_path):
    folder = write_cifar(tmp_path / "cifar-10-batches-py")
    shuffled = [NAMES[index] for index in (3, 5, 2, 0, 4, 1)]
    write_cifar_archive(tmp_path / "archive" / "cifar-10-python.tar.gz", folder, shuffled)
    digests = {load_images("cifar10", where).digest for where in (tmp_path, folder, tmp_path / "archive")}
    assert len(digests) == 1
    assert [path.name for path in (tmp_path / "archive").iterdir()] == ["cifar-10-python.tar.gz"]


def test_missing_batches_are_named(tmp_path):
    folder = write_cifar(tmp_path / "cifar-10-batches-py")
    write_cifar_archive(tmp_path / "archive" / "cifar-10-python.tar.gz", folder, ["data_batch_1", "test_batch"])
    (folder / "data_batch_3").unlink()
    assert fault(load_images, "cifar10", tmp_path).startswith(f"{folder} has no data_batch_3; unpack")
    message = fault(load_images, "cifar10", tmp_path / "archive")
    assert "has no data_batch_2, data_batch_3, data_batch_4, data_batch_5; download" in message


@pytest.mark.parametrize("damage", ["empty", "html", "cut", "flipped"])
def test_broken_archive(tmp_path, damage):
    path = write_cifar_archive(tmp_path / "cifar-10-python.tar.gz", write_cifar(tmp_path / "elsewhere"))
    whole = path.read_bytes()
    middle = len(whole) // 2
    contents = {
        "empty": b"",
        "html": b"<html>404</html>",
        "cut": whole[:middle],
        "flipped": whole[:middle] + bytes(64) + whole[middle + 64 :],
    }
    path.write_bytes(contents[damage])
    message = fault(load_images, "cifar10", tmp_path)
    assert message.startswith(str(path))
    # Bytes that are changed without spoiling the compression show up only in the batch.
    assert message.endswith(("download cifar-10-python.tar.gz again", "replace it with the published file"))


def test_archive_members_that_are_links_are_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(pickle.dumps(cifar_batch(), 2))
    folder = write_cifar(tmp_path / "batches")
    (folder / "data_batch_1").unlink()
    (folder / "data_batch_1").symlink_to(secret)
    write_cifar_archive(tmp_path / "cifar-10-python.tar.gz", folder)
    assert "has no data_batch_1" in fault(load_images, "cifar10", tmp_path)


# --- image folders


def save_image(path: Path, colour=(200, 100, 50), size=(40, 30), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


@pytest.fixture
def photos(tmp_path) -> Path:
    """Two classes, two training images and one test image of each."""
    folder = tmp_path / "photos"
    for number, name in enumerate(("cat", "dog")):
        for split, files in (("train", ("a.png", "b.png")), ("test", ("c.png",))):
            for file in files:
                save_image(folder / split / name / file, (100 * number, 10, 20))
    return folder


def test_folder_is_read_in_the_order_of_names(photos):
    data = load_images(photos)
    assert data.name == "photos"
    assert data.classes == ("cat", "dog")
    assert data.train.x.shape == (4, 32, 32, 3)
    assert data.train.x.dtype == np.uint8
    assert data.train.y.tolist() == [0, 0, 1, 1]
    assert data.train.y.dtype == np.int64
    assert data.test.x[:, 0, 0].tolist() == [[0, 10, 20], [100, 10, 20]]
    assert load_images(f"{photos}{os.sep}").digest == data.digest


def test_folder_is_recognised_by_a_bare_name_but_a_data_set_goes_first(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    assert load_images("photos").name == "photos"
    photos.rename(photos.with_name("digits"))
    assert load_images("digits").source == "sklearn.datasets.load_digits"
    assert load_images("./digits").classes == ("cat", "dog")


def test_hidden_and_other_files_are_passed_over_and_said(photos, capsys):
    before = load_images(photos).digest
    for place in ("", "train", "train/cat", "test/dog"):
        (photos / place / ".DS_Store").write_bytes(b"\0\1")
        (photos / place / "._a.png").write_bytes(b"\0\1")
        (photos / place / "notes.txt").write_text("not an image")
    (photos / "train" / ".cache").mkdir()
    data = load_images(photos)
    assert data.digest == before
    assert data.source.startswith(f"{photos} (left out, being no pictures: 2, ") and "notes.txt" in data.source
    assert data.remark == data.source and capsys.readouterr().err == ""
    resources, config = Resources(RunOptions()), CnnConfig(dataset=str(photos))
    assert resources.data(config) is resources.data(config) and capsys.readouterr().err == f"{data.remark}\n"


def test_suffixes_in_capitals_and_jpeg_are_read(photos):
    save_image(photos / "train" / "cat" / "D.PNG")
    save_image(photos / "train" / "cat" / "e.JPG")
    save_image(photos / "train" / "dog" / "f.Jpeg")
    assert np.bincount(load_images(photos).train.y).tolist() == [4, 3]


def test_folders_inside_a_class_are_read_and_links_that_lead_round_are_not(photos):
    save_image(photos / "train" / "cat" / "more" / "still" / "z.png")
    for place in ("train/cat/up", "train/cat/more/up", "train/cat/more/self"):
        (photos / place).symlink_to(photos / place if place.endswith("self") else (photos / place).parent.parent)
    assert load_images(photos).train.y.tolist() == [0, 0, 0, 1, 1]
    (photos / "train" / "again").symlink_to(photos / "train" / "cat")
    (photos / "round").symlink_to(photos)
    assert len(list_pictures([photos])[0]) == 7


def test_a_class_is_the_same_in_every_normal_form(photos):
    for split, form in (("train", "NFC"), ("test", "NFD")):
        (photos / split / "cat").rename(photos / split / unicodedata.normalize(form, "été"))
    data = load_images(photos)
    assert data.classes == ("dog", "été") and data.test.y.tolist() == [0, 1]


def test_a_large_colour_profile_is_read(photos):
    Image.new("RGB", (9, 9), (1, 2, 3)).save(photos / "test" / "dog" / "z.png", icc_profile=bytes(2_000_000))
    assert load_images(photos).test.x[-1, 0, 0].tolist() == [1, 2, 3]


PICTURES = {"png": ("1", "L", "P", "RGB", "RGBA", "LA"), "jfif": ("L", "RGB", "CMYK"), "GIF": ("L", "P", "RGB")}
PICTURES |= {
    "bmp": ("1", "L", "RGB"),
    "TIFF": ("L", "RGB", "CMYK", "I;16"),
    "webp": ("RGB", "RGBA"),
    "ppm": ("L", "RGB"),
}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    kind=strategies.sampled_from([(suffix, mode) for suffix, modes in PICTURES.items() for mode in modes]),
    size=strategies.tuples(strategies.integers(1, 40), strategies.integers(1, 40)),
    cut=strategies.none() | strategies.floats(0, 1),
    flips=strategies.lists(strategies.tuples(strategies.floats(0, 1, exclude_max=True), strategies.integers(0, 255))),
)
def test_pictures_of_any_kind_are_read_and_damaged_ones_refused_by_name(tmp_path_factory, kind, size, cut, flips):
    suffix, mode = kind
    path = save_image(tmp_path_factory.mktemp("any") / f"a.{suffix}", 0, size, mode)
    whole = read_pictures([path], (8, 8, 3))
    assert whole.shape == (1, 8, 8, 3) and len(np.unique(whole)) == 1
    content = bytearray(path.read_bytes())
    for place, byte in flips:
        content[int(place * len(content))] = byte
    path.write_bytes(content[: None if cut is None else int(cut * len(content))])
    try:
        assert read_pictures([path], (8, 8, 3)).shape == (1, 8, 8, 3)
    except RdfiaError as error:
        assert path.name in str(error)


def colour_of(photos: Path, image: Image.Image, name: str = "z.png", **options) -> list[int]:
    """The middle pixel of an image, as it comes out of a folder."""
    image.save(photos / "test" / "dog" / name, **options)
    return load_images(photos).test.x[-1, 16, 16].tolist()


def test_every_kind_of_pixel_becomes_8_bit_rgb(photos):
    size = (20, 20)
    assert colour_of(photos, Image.new("L", size, 77)) == [77, 77, 77]
    assert colour_of(photos, Image.new("1", size, 1)) == [255, 255, 255]
    deep = Image.fromarray(np.full(size, 0x8000, np.uint16))
    assert colour_of(photos, deep) == [128, 128, 128]
    assert colour_of(photos, Image.new("RGB", size, (1, 200, 3)).quantize(4)) == [1, 200, 3]
    assert colour_of(photos, Image.new("RGBA", size, (10, 20, 30, 255))) == [10, 20, 30]
    assert colour_of(photos, Image.new("RGBA", size, (10, 20, 30, 0))) == [255, 255, 255]
    assert colour_of(photos, Image.new("LA", size, (40, 255))) == [40, 40, 40]
    palette = Image.new("P", size, 0)
    palette.putpalette([9, 9, 9])
    assert colour_of(photos, palette, transparency=0) == [255, 255, 255]
    cyan = colour_of(photos, Image.new("CMYK", size, (255, 0, 0, 0)), "zz.jpg")
    assert np.abs(np.array(cyan) - [0, 255, 255]).max() < 12


def test_exif_orientation_is_applied(photos):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # Turned by 180 degrees.
    Image.fromarray(pixels).save(photos / "test" / "dog" / "z.jpg", exif=exif, quality=95)
    turned = load_images(photos).test.x[-1]
    assert turned[:, :12].max() < 30
    assert turned[:, 20:].min() > 225


def test_all_bad_files_are_in_one_error(photos):
    cat, dog = photos / "train" / "cat", photos / "test" / "dog"
    (cat / "c.png").write_bytes(b"")
    (cat / "d.jpg").write_bytes(b"<html>not an image</html>")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8))
    for name in ("e.jpg", "f.png"):
        noise.save(cat / name)
        (cat / name).write_bytes((cat / name).read_bytes()[:2000])
    (cat / "g.png").mkdir()
    for name in ("h.heic", "i.svg"):
        (dog / name).write_bytes(b"a picture of another program")
    message = fault(load_images, photos)
    assert message.startswith(f"7 of the 13 image files in {photos} cannot be used: ")
    for expected in (
        "train/cat/c.png (empty)",
        "train/cat/d.jpg (not an image that can be read)",
        "train/cat/e.jpg (cut short or damaged)",
        "train/cat/f.png (cut short or damaged)",
        "train/cat/g.png (not a regular file)",
    ):
        assert expected.replace("/", os.sep) in message
    assert message.endswith(" and 2 more; repair or remove them")
    for name in ("c.png", "d.jpg", "e.jpg", "f.png"):
        (cat / name).unlink()
    (cat / "g.png").rmdir()
    message = fault(load_images, photos)
    assert "h.heic (convert it to PNG or JPEG)" in message
    assert "i.svg (convert it to PNG or JPEG)" in message


@pytest.mark.parametrize("width, height", [(10_000, 8_001), (20_000, 20_000)])
def test_too_many_pixels_are_refused_without_being_unpacked(photos, width, height):
    """The second is past Pillow's own limit."""
    path = photos / "train" / "cat" / "huge.png"
    save_image(path, 1, (8, 8), "1")
    whole = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", width, height) + whole[24:29]
    path.write_bytes(whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:])
    message = fault(load_images, photos)
    assert "huge.png (" in message
    assert "more than 80,000,000 pixels)" in message


def test_a_pipe_is_not_waited_on(photos):
    os.mkfifo(photos / "train" / "cat" / "pipe.png")
    assert "pipe.png (not a regular file)" in fault(load_images, photos)


def test_wrong_layouts(photos, tmp_path):
    assert "is not a folder; name one that holds" in fault(load_images, tmp_path / "nowhere")
    assert "is not a folder; name one that holds" in fault(load_images, photos / "train" / "cat" / "a.png")
    assert "has no train folder" in fault(load_images, photos / "train")
    (photos / "test").rename(photos / "elsewhere")
    assert "has no test folder" in fault(load_images, photos)
    (photos / "test").mkdir()
    assert "holds no class folders" in fault(load_images, photos)
    (photos / "test" / "cat").mkdir()
    assert f"{photos / 'test'} holds no image" in fault(load_images, photos)
    (photos / "test").joinpath("horse").mkdir()
    message = fault(load_images, photos)
    assert "lacks: horse; the folders of both must have the same names, and those of train are cat, dog" in message


def test_wrong_classes(photos):
    (photos / "train" / "horse").mkdir()
    assert f"{photos / 'train' / 'horse'} holds no image" in fault(load_images, photos)
    (photos / "train" / "horse").rmdir()
    for split in ("train", "test"):
        (photos / split / "dog").rename(photos / f"{split}-dog")
    assert "holds the single class cat; at least two are needed" in fault(load_images, photos)


def test_test_classes_may_be_fewer(photos):
    (photos / "test" / "cat" / "c.png").unlink()
    (photos / "test" / "cat").rmdir()
    assert load_images(photos).test.y.tolist() == [1]


# --- Keras's cache


@pytest.mark.parametrize(
    "place",
    [
        "cifar-10-batches-py-target/cifar-10-batches-py",
        "cifar-10-batches-py/cifar-10-batches-py",
        "cifar-10-batches-py",
        "cifar-10-batches-py-target_archive",
        "cifar-10-batches-py.tar.gz",
    ],
)
def test_cached_cifar_is_used_whichever_keras_left_it(place, tmp_path, keras_home):
    folder = write_cifar(tmp_path / "batches")
    target = keras_home / "datasets" / place
    if place.endswith("-py"):
        write_cifar(target)
    else:
        write_cifar_archive(target, folder)
    data = load_images("cifar10", tmp_path)
    assert data.source == str(target)
    assert data.digest == load_images("cifar10", folder).digest


def test_a_damaged_cached_file_can_be_deleted(keras_home):
    path = keras_home / "datasets" / "mnist.npz"
    path.parent.mkdir()
    path.write_bytes(b"half")
    assert fault(load_images, "mnist").endswith(f"or delete {path} to have it downloaded again")
    assert path.read_bytes() == b"half"


# --- the checks of Dataset, and digests


def test_every_named_set_is_one_that_loads(tmp_path):
    write_mnist(tmp_path / "mnist.npz")
    write_cifar(tmp_path / "cifar-10-batches-py")
    for call, names in ((load_vectors, VECTOR_DATASETS), (load_images, IMAGE_DATASETS)):
        for name in names:
            data = call(name, tmp_path)
            assert isinstance(data, Dataset)
            assert data.name == name
            assert data.describe()["counts"] == {"train": len(data.train), "test": len(data.test)}


def test_digest_follows_the_content(tmp_path):
    digests = set()
    for value in (0, 1, 1):
        write_mnist(tmp_path / "mnist.npz", x_train=np.full((4, 28, 28), value, np.uint8))
        digests.add(load_images("mnist", tmp_path).digest)
    assert len(digests) == 2


# --- a validation split


def numbered(*counts: int) -> Dataset:
    """Training vectors that say which they are, so many of each class, in no order of the classes."""
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    names = ("ant", "bee", "cat", "dog")[: len(counts)]
    return Dataset("made", Split(np.arange(len(y), dtype=float)[:, None], y), Split(np.zeros((2, 1)), y[:2]), names)


def test_fewer_examples_are_drawn_in_proportion_to_the_classes():
    data = numbered(20, 50, 10)
    for count, classes in ((8, [2, 5, 1]), (16, [4, 10, 2]), (40, [10, 25, 5])):
        drawn = data.draw(count, seed=3)
        assert [int((drawn.train.y == number).sum()) for number in range(3)] == classes
        np.testing.assert_array_equal(drawn.train.y, data.train.y[drawn.train.x[:, 0].astype(int)])
        assert (np.diff(drawn.train.x[:, 0]) > 0).all() and drawn.test is data.test
    assert {len(data.draw(count, seed=0).train) for count in (1, 7, 79)} == {1, 7, 79}
    assert len(numbered(40, 0).draw(4, 0).train) == 4


def test_fewer_examples_are_among_more_of_the_same_seed():
    data = numbered(20, 50, 10)
    few, many, other = (set(data.draw(count, seed).train.x[:, 0]) for count, seed in ((8, 3), (40, 3), (8, 4)))
    assert few < many and few != other


def test_drawn_examples_leave_the_data_set_itself_and_can_be_held_out():
    data = numbered(20, 20)
    both = data.draw(20, 0).hold_out(0.2, 0)
    assert (len(both.train), len(both.validation)) == (16, 4)
    assert both.digest == data.digest and data.draw(None, 0) is data.draw(40, 0) is data


def test_more_examples_than_there_are_cannot_be_drawn():
    message = fault(numbered(20, 20).draw, 41, 0)
    assert message.startswith("made has 40 training examples, fewer than train_examples (--train-examples) 41: ")


def test_a_part_of_each_class_is_held_out():
    data = numbered(20, 50, 10)
    split = data.hold_out(0.1, seed=3)
    assert [int((split.validation.y == number).sum()) for number in range(3)] == [2, 5, 1]
    assert [len(split.train), len(split.validation)] == [72, 8]
    for part in (split.train, split.validation):
        np.testing.assert_array_equal(part.y, data.train.y[part.x[:, 0].astype(int)])
        assert (np.diff(part.x[:, 0]) > 0).all()
    assert sorted([*split.train.x[:, 0], *split.validation.x[:, 0]]) == list(range(80))
    assert split.test is data.test


def test_the_part_that_is_held_out_follows_the_seed():
    data = numbered(20, 20)
    parts = [tuple(data.hold_out(0.25, seed).validation.x[:, 0]) for seed in (3, 3, 4)]
    assert parts[0] == parts[1] != parts[2]
    assert data.hold_out(0.25, 3).validation.digest != data.hold_out(0.25, 4).validation.digest


def test_a_data_set_stays_itself_whatever_is_held_out():
    data = numbered(20, 20)
    split = data.hold_out(0.25, 0)
    assert data.hold_out(0, 0) is data
    assert split.digest == data.digest
    assert split.describe() == {
        **data.describe(),
        "counts": {"train": 30, "test": 2, "validation": 10},
        "validation_digest": split.validation.digest,
    }
    assert "validation_digest" not in data.describe()


@pytest.mark.parametrize(("fraction", "count"), [(0.1, 0), (0.9, 4)])
def test_a_class_too_small_to_be_held_out_is_named(fraction, count):
    assert fault(numbered(40, 4).hold_out, fraction, 0) == (
        f"made: validation (--validation) {fraction} would hold out {count} of the 4 training examples of class bee, "
        "and both parts need one: choose another fraction or add examples"
    )
    # A class without examples, as a smoke test may have, has nothing to hold out.
    assert len(numbered(40, 0).hold_out(0.1, 0).validation) == 4


# --- the real files


def test_real_circles():
    data = load_vectors("circles", real("circles.mat"))
    assert data.digest == "8a9628097c15a058"
    for split in (data.train, data.test):
        assert np.bincount(split.y).tolist() == [100, 100]
        assert radius(split, 0) > 2 * radius(split, 1)


def test_real_mnist():
    data = load_images("mnist", real("mnist.npz"))
    assert data.train.x.shape == (60000, 28, 28, 1)
    assert data.test.x.shape == (10000, 28, 28, 1)
    assert data.train.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.digest == "f451d2db8d99149a"
