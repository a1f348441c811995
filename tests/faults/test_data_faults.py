"""Damaged, odd and malicious data, and a bare environment."""

import os
import pickle
import shutil

import numpy as np
import pytest
from made_data import NAMES, Touch, write_cifar, write_cifar_archive
from processes import assert_one_sentence, ends, ends_here, folder_of, record


def test_damaged_pictures_are_listed_up_front(pictures, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(pictures, own)
    target = own / "train" / "day"
    (target / "empty.png").write_bytes(b"")
    (target / "page.jpg").write_text("<html>not an image</html>")
    whole_png = (target / "00.png").read_bytes()
    (target / "cut.png").write_bytes(whole_png[: len(whole_png) // 2])
    done = ends_here("cnn", "--dataset", own, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    for word in ("3", "empty.png", "page.jpg", "cut.png"):
        assert word in done.stderr
    assert not (tmp_path / "results").exists()


def test_pictures_of_every_colour_mode_are_read(pictures, tmp_path):
    from PIL import Image

    own = tmp_path / "own"
    shutil.copytree(pictures, own)
    target = own / "train" / "day"
    Image.new("CMYK", (40, 30), (0, 50, 90, 10)).save(target / "cmyk.jpg")
    Image.new("L", (20, 50), 130).save(target / "grey.png")
    Image.fromarray(np.full((33, 33), 40_000, np.uint16)).save(target / "16bit.png")
    Image.new("RGB", (3000, 2000), (200, 150, 90)).save(target / "huge.jpg")
    done = ends_here("cnn", "--dataset", own, "--network", "dense", "--epochs", 1, cwd=tmp_path, code=0)
    assert record(folder_of(done, tmp_path))["dataset"]["counts"]["train"] == 64


@pytest.mark.parametrize("layout", ["folder", "archive", "npz"])
def test_a_malicious_pickle_is_not_executed(tmp_path, layout):
    canary, data = tmp_path / "canary", tmp_path / "data"
    attack = pickle.dumps({b"data": Touch(canary), b"labels": [0]}, protocol=2)
    batches = write_cifar(data / "cifar-10-batches-py", **dict.fromkeys(NAMES, attack))
    if layout == "archive":
        write_cifar_archive(data / "cifar-10-python.tar.gz", batches)
        shutil.rmtree(batches)
    if layout == "npz":
        evil = np.array([Touch(canary)], dtype=object)
        np.savez(data / "mnist.npz", x_train=evil, y_train=evil, x_test=evil, y_test=evil)
    dataset = "mnist" if layout == "npz" else "cifar10"
    done = ends("cnn", "--dataset", dataset, "--data-dir", data, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert not canary.exists()


@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found</html>", b"\x1f\x8b\x08\x00cut off"])
def test_an_archive_that_is_none_is_named(tmp_path, content):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    done = ends_here("cnn", "--data-dir", tmp_path, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "cifar-10-python.tar.gz" in done.stderr


def test_a_bare_environment_and_odd_paths(tmp_path):
    """No HOME, no DISPLAY, the C locale, and a folder with spaces and letters that ASCII has not."""
    env = {"PATH": os.environ["PATH"], "LANG": "C", "LC_ALL": "C"}
    odd = tmp_path / "Ünï côde" / "a b"
    odd.mkdir(parents=True)
    done = ends("mlp", "--quick", "--implementation", "manual", "--out", "rés ults", cwd=odd, env=env, code=0)
    assert "Traceback" not in done.stderr
    assert (odd / "rés ults" / "mlp" / "circles" / "curves.png").stat().st_size > 1000
