"""Pickles that attack, and pickles that are merely broken: nothing runs, and each fault is one plain sentence."""

import io
import os
import pickle
import struct
import tarfile

import numpy as np
import pytest
from made_data import NAMES, Touch, cifar_batch, fault, write_cifar, write_cifar_archive

from rdfia_keras.data import cifar10, load_images
from rdfia_keras.data.pickles import read_pickle
from rdfia_keras.errors import RdfiaError

DAMAGED = "is empty, cut short or not a CIFAR-10 batch of uint8 arrays; replace it with the published file"


def global_of(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def test_the_canary_works(tmp_path):
    """Without this, the tests below could pass because the attack itself is broken."""
    pickle.loads(pickle.dumps(Touch(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_is_read(protocol):
    content = cifar_batch()
    batch = read_pickle(pickle.dumps(content, protocol), "x")
    assert np.array_equal(batch["data"], content[b"data"]) and batch["data"].dtype == np.uint8
    assert batch["labels"] == content[b"labels"] and batch["filenames"] == content[b"filenames"]
    columns = np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    assert np.array_equal(read_pickle(pickle.dumps({"data": columns}, protocol), "x")["data"], columns)


def test_python_2_layout_is_read():
    """As the published files are: protocol 2, byte strings, numpy's old module name."""
    pixels = bytes(range(12))
    dtype_state = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    dtype = global_of("numpy", "dtype") + b"U\x02u1K\x00K\x01\x87R" + dtype_state
    array = global_of("numpy.core.multiarray", "_reconstruct") + global_of("numpy", "ndarray") + b"K\x00\x85U\x01b\x87R"
    state = b"(K\x01K\x02K\x06\x86" + dtype + b"\x89U" + bytes([len(pixels)]) + pixels + b"tb"
    batch = read_pickle(b"\x80\x02}(U\x04data" + array + state + b"U\x06labels](K\x07K\x08eu.", "x")
    assert batch["data"].tolist() == np.arange(12).reshape(2, 6).tolist()
    assert batch["labels"] == [7, 8]


@pytest.mark.parametrize(("protocol", "as_archive"), [*((number, False) for number in range(6)), (2, True)])
def test_malicious_batch_does_not_run(tmp_path, protocol, as_archive):
    canary = tmp_path / "canary"
    attack = pickle.dumps({**cifar_batch(), b"extra": Touch(canary)}, protocol)
    folder = write_cifar(tmp_path / "cifar-10-batches-py", data_batch_2=attack)
    data_dir = tmp_path
    if as_archive:
        data_dir = write_cifar_archive(tmp_path / "archive" / "cifar-10-python.tar.gz", folder).parent
    sentence = f"data_batch_2 asks Python to run `{os.system.__module__}.system`, which was refused and not executed"
    assert sentence in fault(load_images, "cifar10", data_dir)
    assert not canary.exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins eval",
        "builtins getattr",
        "numpy load",
        "numpy.testing._private.utils runstring",
        "numpy ndarray.tofile",
    ],
)
def test_names_outside_the_list_are_refused(name):
    module, attribute = name.encode().split()
    data = b"\x80\x04\x8c" + bytes([len(module)]) + module + b"\x8c" + bytes([len(attribute)]) + attribute + b"\x93."
    assert f"`{name.replace(' ', '.')}`, which was refused" in fault(read_pickle, data, "x")
    assert "\x1b" not in fault(read_pickle, b"\x80\x04\x8c\x02os\x8c\x05\x1b[2Ja\x93.", "x")


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
    ],
    ids=["object", "float", "int64", "structured", "text", "float scalar", "ndarray", "pointers"],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_only_uint8_arrays_pass(value, protocol):
    message = fault(read_pickle, pickle.dumps({b"data": value}, protocol), "some_file")
    assert message == f"some_file {DAMAGED}" or "scalar`, which was refused" in message


def test_an_object_array_around_an_attack_does_not_run(tmp_path):
    array = np.array([Touch(tmp_path / "canary")], dtype=object)
    fault(read_pickle, pickle.dumps({b"data": array}, 2), "x")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("shape", [b"K\x02K\x06", b"J\xfe\xff\xff\xffJ\xfb\xff\xff\xff", b"K\x02\x8a\x05\0\0\0\0\x10"])
def test_shape_must_match_the_bytes(shape):
    honest = pickle.dumps({b"data": np.zeros((2, 5), np.uint8)}, 2)
    assert honest.count(b"K\x02K\x05\x86") == 1
    assert fault(read_pickle, honest.replace(b"K\x02K\x05\x86", shape + b"\x86"), "x") == f"x {DAMAGED}"


def test_what_a_pickle_sets_on_numpys_names_does_not_stay():
    array = global_of("numpy.core.multiarray", "_reconstruct") + b"}U\x0c__defaults__K\x01sb."
    dtype = global_of("numpy", "dtype") + b"U\x02u1K\x00K\x01\x87R(K\x03U\x01>NNNK\x08K\x08K\x3ftb."
    for data in (array, dtype):
        fault(read_pickle, b"\x80\x02" + data, "x")
    test_every_protocol_is_read(2)
    assert np.dtype("u1").itemsize == 1 and np.zeros(2, "u1").nbytes == 2


def test_memory_bombs_are_refused(tmp_path):
    huge_memo = b"\x80\x02Nr" + struct.pack("<I", 0xFFFFFFF0) + b"."
    huge_bytes = b"\x80\x05\x96" + struct.pack("<Q", 1 << 50) + b"."
    for data in (huge_memo, huge_bytes):
        assert fault(read_pickle, data, "x") == f"x {DAMAGED}"
    write_cifar(tmp_path)
    with (tmp_path / "data_batch_4").open("wb") as file:
        file.truncate(cifar10.MAX_BYTES + 1)  # A hole: it takes no disk.
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
    b"": DAMAGED,
    b"\n<!DOCTYPE html><html>404</html>": DAMAGED,
    b"just some text": DAMAGED,
    pickle.dumps(cifar_batch(), 2)[:500]: DAMAGED,
    pickle.dumps(cifar_batch(), 2)[:-1]: DAMAGED,
    b"\x80\x02R.": DAMAGED,
    b"\x80\x02" + b"(" * 50 + b".": DAMAGED,
    pickle.dumps([1, 2], 2): DAMAGED,
    pickle.dumps({b"labels": [1]}, 2): "has no `data` of shape (N, 3072) and dtype uint8",
    pickle.dumps({b"data": np.zeros((2, 100), np.uint8), b"labels": [1, 2]}, 2): "has no `data` of shape (N, 3072)",
    pickle.dumps({b"data": np.zeros((0, 3072), np.uint8), b"labels": []}, 4): "has no `data` of shape (N, 3072)",
    pickle.dumps({**cifar_batch(), b"labels": [1]}, 2): "must have `labels`, a list of 4 whole numbers from 0 to 9",
    pickle.dumps({**cifar_batch(), b"labels": [1, 2, 3, 10]}, 2): "must have `labels`",
    pickle.dumps({**cifar_batch(), b"labels": [1, 2, 3, 1.5]}, 2): "must have `labels`",
    pickle.dumps({b"data": cifar_batch()[b"data"]}, 2): "must have `labels`",
}


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_broken_batch_is_named(tmp_path, number):
    data, name = list(BROKEN)[number], NAMES[number % len(NAMES)]
    write_cifar(tmp_path, **{name: data})
    message = fault(load_images, "cifar10", tmp_path)
    assert message.startswith(f"{tmp_path / name} {BROKEN[data]}")
    assert message.endswith("; replace it with the published file")


def test_random_bytes_and_random_damage_never_escape():
    """Whatever the bytes, the answer is a dictionary or an RdfiaError."""
    rng = np.random.default_rng(0)
    honest = pickle.dumps(cifar_batch(count=1), 2)
    for _ in range(300):
        damaged = bytearray(honest)
        for place in rng.integers(0, len(damaged), 3):
            damaged[place % 200 if rng.random() < 0.5 else -1 - place % 200] = rng.integers(256)
        for data in (bytes(damaged), b"\x80\x02" + rng.bytes(50)):
            try:
                assert isinstance(read_pickle(data, "x"), dict)
            except RdfiaError as error:
                assert "\n" not in str(error)
