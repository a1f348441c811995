"""Checkpoints: equal when whole, never half; models from outside are this package's or refused."""

import hashlib
import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from rdfia_keras.data import Dataset, Split
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments.registry import BATCH_NORM
from rdfia_keras.models.convnet import build_convnet
from rdfia_keras.models.saving import load_model, save_model
from rdfia_keras.runs import checkpoint

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b/path": np.array(3, np.int64), "c": np.zeros((0, 2))}


def content_of(path) -> bytes:
    """The npz after the first line and the checksum."""
    return path.read_bytes().partition(b"\n")[2][32:]


def test_what_is_saved_comes_back_bit_equal(tmp_path):
    checkpoint.save(tmp_path / "x.ckpt", ARRAYS, {"history": [1 / 3]})
    arrays, meta = checkpoint.load(tmp_path / "x.ckpt")
    assert meta == {"history": [1 / 3]}
    assert list(arrays) == list(ARRAYS)
    with np.load(io.BytesIO(content_of(tmp_path / "x.ckpt"))) as archive:
        assert archive.files == ["meta", *ARRAYS]
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_any_flipped_bit_and_any_cut_is_noticed(tmp_path):
    path = tmp_path / "x.ckpt"
    checkpoint.save(path, ARRAYS, {})
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << (position % 8)
        for content in (bytes(flipped), whole[:position]):
            path.write_bytes(content)
            with pytest.raises(RdfiaError, match="damaged"):
                checkpoint.load(path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", "no meta"])
def test_another_content_with_its_checksum_is_no_checkpoint(tmp_path, content):
    if content == "no meta":
        np.savez(tmp_path / "arrays.npz", w=np.ones(3))
        content = (tmp_path / "arrays.npz").read_bytes()
    path = tmp_path / "x.ckpt"
    path.write_bytes(checkpoint.MAGIC + hashlib.sha256(content).digest() + content)
    with pytest.raises(RdfiaError, match="damaged: it holds no training"):
        checkpoint.load(path)


def test_the_previous_checkpoint_is_the_fallback(tmp_path):
    for epoch in (1, 2):
        checkpoint.save_next(tmp_path, ARRAYS, {"epoch": epoch})
    assert checkpoint.load_last(tmp_path)[1] == {"epoch": 2}
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"")
    assert checkpoint.load_last(tmp_path)[1] == {"epoch": 1}
    (tmp_path / "checkpoints" / "previous.ckpt").write_bytes(b"x")
    with pytest.raises(RdfiaError, match=r"last.ckpt is damaged.*previous.ckpt is damaged.*start a new run"):
        checkpoint.load_last(tmp_path)
    assert checkpoint.load_last(tmp_path / "nothing yet") == ({}, {})


def test_equal_arrays_have_equal_digests():
    other = {**ARRAYS, "a": ARRAYS["a"] + np.float32(1e-6)}
    assert checkpoint.digest(ARRAYS) == checkpoint.digest(dict(reversed(ARRAYS.items())))
    assert checkpoint.digest(ARRAYS) != checkpoint.digest(other)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    images = np.random.default_rng(1).integers(0, 256, (10, 32, 32, 3)).astype(np.uint8)
    split = Split(images, np.arange(10))
    model = build_convnet(BATCH_NORM.config, Dataset("made", split, split, tuple("0123456789")))
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_model(model, path)
    return path


def rewrite(path, out, change) -> None:
    """Copy an archive with its configuration changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, json.dumps(change(json.loads(content))) if name == "config.json" else content)


@pytest.mark.parametrize(
    "foreign",
    [
        {"class_name": "Lambda", "module": "keras.layers"},
        {"class_name": "function", "module": "builtins", "config": "system"},
        {"class_name": "Dense", "module": "os", "registered_name": None},
        {"class_name": "RandomCrop", "module": "evil", "registered_name": "evil>RandomCrop"},
        {"class_name": "Evil", "module": None, "registered_name": "rdfia_keras>Evil"},
        {"class_name": "TorchModuleWrapper", "module": "keras.layers"},
        {"class_name": "__lambda__", "config": {"value": "..."}},
    ],
    ids=lambda value: value["class_name"],
)
@pytest.mark.parametrize("within", [False, True], ids=["among the layers", "among the transformations"])
def test_a_foreign_layer_is_refused_before_it_is_made(saved, tmp_path, foreign, within):
    def change(config):
        augmentation = config["config"]["layers"][1]
        assert augmentation["class_name"] == "Augmentation"
        layers, place = (augmentation["config"]["layers"], 0) if within else (config["config"]["layers"], 1)
        layers[place] = {"config": {"name": "x"}, **foreign}
        return config

    rewrite(saved, tmp_path / "foreign.keras", change)
    with pytest.raises(RdfiaError, match=f"asks for {foreign['class_name']}"):
        load_model(tmp_path / "foreign.keras")


def test_a_model_without_some_weights_is_refused_without_a_warning(saved, tmp_path, recwarn):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = io.BytesIO(old.read(name))
            if name.endswith(".h5"):
                with h5py.File(content, "r+") as weights:
                    del weights["layers/conv2d/vars/1"]
            new.writestr(name, content.getvalue())
    with pytest.raises(RdfiaError, match="is not a model saved by rdfia, or it is damaged"):
        load_model(path)
    assert not [warning for warning in recwarn if "Skipping" in str(warning.message)]


def test_a_lambda_of_another_programs_model_does_not_run(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / "other.keras")
    with pytest.raises(RdfiaError, match="Lambda"):
        load_model(tmp_path / "other.keras")


@pytest.mark.parametrize("damage", ["missing", "html", "cut", "flipped", "no config"])
def test_a_damaged_model_is_refused_in_one_sentence(saved, tmp_path, damage):
    path = tmp_path / "model.keras"
    whole = saved.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    contents = {"html": b"<html>", "cut": whole[: len(whole) // 2], "flipped": bytes(flipped)}
    if damage in contents:
        path.write_bytes(contents[damage])
    elif damage == "no config":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other.txt", "x")
    with pytest.raises(RdfiaError, match=r"cannot read the model|is not a model saved by rdfia") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
