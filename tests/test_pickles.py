"""Pickles that attack, and pickles that are merely broken: nothing runs, and each fault is one plain sentence."""

import codecs
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from rdfia_keras.data import load_images, pickles
from rdfia_keras.data.pickles import read_pickle
from rdfia_keras.errors import RdfiaError

NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


class Touch:
    """Unpickled the ordinary way, it makes a file."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


def batch(count: int = 4, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    return {
        b"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8),
        b"labels": [int(label) for label in rng.integers(0, 10, count)],
        b"filenames": [b"a.png"] * count,
    }


def write_batches(folder: Path, protocol: int = 2, **replaced: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(NAMES):
        (folder / name).write_bytes(replaced.get(name, pickle.dumps(batch(seed=seed), protocol)))
    return folder


def write_archive(path: Path, folder: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "cifar-10-batches-py")
    return path


def fault(call, *args) -> str:
    with pytest.raises(RdfiaError) as caught:
        call(*args)
    message = str(caught.value)
    assert "\n" not in message
    return message


def global_of(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def test_the_canary_works(tmp_path):
    """Without this, the tests below could pass because the attack itself is broken."""
    pickle.loads(pickle.dumps(Touch(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_is_read(protocol):
    content = batch()
    read = read_pickle(pickle.dumps(content, protocol), "x")
    assert np.array_equal(read["data"], content[b"data"])
    assert read["data"].dtype == np.uint8
    assert read["labels"] == content[b"labels"]
    assert read["filenames"] == content[b"filenames"]


def test_python_2_layout_is_read():
    """As the published files are: protocol 2, byte strings, numpy's old module name."""
    pixels = bytes(range(12))
    dtype_state = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    dtype = global_of("numpy", "dtype") + b"U\x02u1K\x00K\x01\x87R" + dtype_state
    array = global_of("numpy.core.multiarray", "_reconstruct") + global_of("numpy", "ndarray") + b"K\x00\x85U\x01b\x87R"
    state = b"(K\x01K\x02K\x06\x86" + dtype + b"\x89U" + bytes([len(pixels)]) + pixels + b"tb"
    read = read_pickle(b"\x80\x02}(U\x04data" + array + state + b"U\x06labels](K\x07K\x08eu.", "x")
    assert read["data"].tolist() == np.arange(12).reshape(2, 6).tolist()
    assert read["labels"] == [7, 8]


def test_fortran_order_and_str_keys_are_read():
    array = np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    for protocol in (2, 5):
        assert np.array_equal(read_pickle(pickle.dumps({"data": array}, protocol), "x")["data"], array)


@pytest.mark.parametrize("dtype", ["<i8", ">i4", "u1", "i1"])
def test_numpy_integers_are_read(dtype):
    values = [np.array(value, dtype)[()] for value in (0, 9, 100)]
    assert read_pickle(pickle.dumps({b"labels": values}, 2), "x")["labels"] == [0, 9, 100]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("as_archive", [False, True])
def test_malicious_batch_does_not_run(tmp_path, protocol, as_archive):
    canary = tmp_path / "canary"
    attack = pickle.dumps({**batch(), b"extra": Touch(canary)}, protocol)
    folder = write_batches(tmp_path / "cifar-10-batches-py", data_batch_2=attack)
    data_dir = tmp_path
    if as_archive:
        data_dir = tmp_path / "archive"
        data_dir.mkdir()
        write_archive(data_dir / "cifar-10-python.tar.gz", folder)
    message = fault(load_images, "cifar10", data_dir)
    assert (
        f"data_batch_2 asks Python to run `{os.system.__module__}.system`, which was refused and not executed"
        in message
    )
    assert not canary.exists()


def test_malicious_batches_meta_does_not_run(tmp_path):
    write_batches(tmp_path)
    (tmp_path / "batches.meta").write_bytes(pickle.dumps(Touch(tmp_path / "canary")))
    assert f"batches.meta asks Python to run `{os.system.__module__}.system`" in fault(load_images, "cifar10", tmp_path)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "builtins getattr", "numpy load", "numpy.testing._private.utils runstring", "os system"]
)
def test_names_outside_the_list_are_refused(name):
    module, attribute = name.split()
    data = b"\x80\x02" + global_of(module, attribute) + b"."
    assert f"`{module}.{attribute}`, which was refused" in fault(read_pickle, data, "x")


def test_dotted_and_strange_names_are_refused():
    dotted = b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    assert "`numpy.ndarray.tofile`, which was refused" in fault(read_pickle, dotted, "x")
    strange = b"\x80\x04\x8c\x02os\x8c\x05\x1b[2Ja\x93."
    assert "\x1b" not in fault(read_pickle, strange, "x")


class Reduced:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    "value",
    [
        np.array([1, "a", None], dtype=object),
        np.arange(4.0),
        np.arange(4, dtype=np.int64),
        np.zeros(3, dtype=[("a", "u1"), ("b", object)]),
        np.array(["a"]),
        np.float64(1.5),
        Reduced(np.ndarray, ((1 << 40,),)),
        Reduced(np.ndarray, ((1,), np.dtype("O"), b"\1" * 8)),
        Reduced(codecs.encode, ("abc", "rot13")),
        Reduced(codecs.encode, (b"abc", "zlib")),
    ],
    ids=["object", "float", "int64", "structured", "text", "float scalar", "ndarray", "pointers", "rot13", "zlib"],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_only_uint8_arrays_pass(value, protocol):
    message = fault(read_pickle, pickle.dumps({b"data": value}, protocol), "some_file")
    assert message.startswith("some_file ")
    assert "refused" in message


def test_an_object_array_around_an_attack_is_refused(tmp_path):
    array = np.array([Touch(tmp_path / "canary")], dtype=object)
    assert "refused" in fault(read_pickle, pickle.dumps({b"data": array}, 2), "x")
    assert not (tmp_path / "canary").exists()


def test_shape_must_match_the_bytes():
    honest = pickle.dumps({b"data": np.zeros((2, 5), np.uint8)}, 2)
    assert honest.count(b"K\x02K\x05\x86") == 1
    lying = honest.replace(b"K\x02K\x05\x86", b"K\x02K\x06\x86")
    assert "holds an array whose bytes do not fill its shape" in fault(read_pickle, lying, "x")


def test_attributes_of_stand_ins_cannot_be_set():
    before = dict(vars(pickles))
    data = b"\x80\x02" + global_of("numpy.core.multiarray", "_reconstruct") + b"}U\x0c__defaults__K\x01sb."
    assert "sets attributes on a numpy function" in fault(read_pickle, data, "x")
    assert dict(vars(pickles)) == before


def test_memory_bombs_are_refused(tmp_path, monkeypatch):
    huge_memo = b"\x80\x02Nr" + struct.pack("<I", 0xFFFFFFF0) + b"."
    assert "numbers its objects as no CIFAR-10 batch does" in fault(read_pickle, huge_memo, "x")
    huge_bytes = b"\x80\x05\x96" + struct.pack("<Q", 1 << 50) + b"."
    assert "cut short or damaged" in fault(read_pickle, huge_bytes, "x")
    write_batches(tmp_path)
    with (tmp_path / "data_batch_4").open("wb") as file:
        file.truncate(pickles.MAX_BYTES + 1)  # A hole: it takes no disk.
    message = fault(load_images, "cifar10", tmp_path)
    assert "data_batch_4 has 200,000,001 bytes but a CIFAR-10 batch has about 31,000,000" in message


def test_archive_member_of_enormous_size_is_refused(tmp_path):
    info = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    info.size = 1 << 40
    with tarfile.open(tmp_path / "made.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("readme"), io.BytesIO())
    header = info.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(header + bytes(10240))
    assert "data_batch_1 has 1,099,511,627,776 bytes" in fault(load_images, "cifar10", tmp_path)


BROKEN = {
    b"": "is empty",
    b"\n<!DOCTYPE html><html>404</html>": "is a web page and not a CIFAR-10 batch",
    b"just some text": "is not a CIFAR-10 batch",
    pickle.dumps(batch(), 2)[:500]: "is cut short or damaged",
    pickle.dumps(batch(), 2)[:-1]: "is cut short or damaged",
    b"\x80\x02R.": "is cut short or damaged",
    b"\x80\x02" + b"(" * 50 + b".": "is cut short or damaged",
    pickle.dumps([1, 2], 2): "holds no dictionary",
    pickle.dumps({b"labels": [1]}, 2): "has no `data` of shape (N, 3072) and dtype uint8",
    pickle.dumps({b"data": np.zeros((2, 100), np.uint8), b"labels": [1, 2]}, 2): "has no `data` of shape (N, 3072)",
    pickle.dumps({b"data": np.zeros((0, 3072), np.uint8), b"labels": []}, 4): "has no `data` of shape (N, 3072)",
    pickle.dumps({**batch(), b"labels": [1]}, 2): "must have `labels`, a list of 4 whole numbers from 0 to 9",
    pickle.dumps({**batch(), b"labels": [1, 2, 3, 10]}, 2): "must have `labels`",
    pickle.dumps({**batch(), b"labels": [1, 2, 3, 1.5]}, 2): "must have `labels`",
    pickle.dumps({b"data": batch()[b"data"]}, 2): "must have `labels`",
}


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("name", ["data_batch_3", "test_batch"])
def test_broken_batch_is_named(tmp_path, data, name):
    write_batches(tmp_path, **{name: data})
    message = fault(load_images, "cifar10", tmp_path)
    assert message.startswith(f"{tmp_path / name} {BROKEN[data]}")
    assert message.endswith("; replace it with the published file")


def test_random_bytes_and_random_damage_never_escape(tmp_path):
    """Whatever the bytes, the answer is a dictionary or an RdfiaError."""
    rng = np.random.default_rng(0)
    honest = pickle.dumps(batch(1), 2)
    for _ in range(300):
        damaged = bytearray(honest)
        for place in rng.integers(0, len(damaged), 3):
            damaged[place % 200 if rng.random() < 0.5 else -1 - place % 200] = rng.integers(256)
        for data in (bytes(damaged), b"\x80\x02" + rng.bytes(50)):
            try:
                assert isinstance(read_pickle(data, "x"), dict)
            except RdfiaError as error:
                assert "\n" not in str(error)
