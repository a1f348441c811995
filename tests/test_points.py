"""Points from a CSV file, initial weights from a JSON file: what is read, what is refused, and what a run keeps."""

import contextlib
import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from rdfia_keras.commands.mlp import mlp
from rdfia_keras.commands.resume import resume
from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.data import load_vectors, read_initial_weights
from rdfia_keras.data.initial_weights import init
from rdfia_keras.data.points import COLUMNS, LARGEST, SPLITS
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.experiments import match_registered
from rdfia_keras.runs.store import Query, RunStore

HEADER = "x1,x2,class,split\n"
POINTS = HEADER + "0,0.5,b,train\n-1,2e-1,a,train\n\n1,1,b,test\n0.25,-0.5,a,train\n"
WEIGHTS = {"W_h": [[1, 0.5], [-1, 2], [0, 0]], "b_h": [0, 0.1, 0], "W_y": [[1, 2, 3], [4, 5, 6.5]], "b_y": [0, -1]}


@pytest.fixture
def points(tmp_path):
    path = tmp_path / "my points.csv"
    path.write_text(POINTS)
    return path


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "start.json"
    path.write_text(json.dumps(WEIGHTS))
    return path


def test_points_keep_their_order_and_classes_are_numbered_by_name(points):
    data = load_vectors(str(points))
    np.testing.assert_array_equal(data.train.x, [[0, 0.5], [-1, 0.2], [0.25, -0.5]])
    np.testing.assert_array_equal(data.train.y, [1, 0, 0])
    np.testing.assert_array_equal(data.test.x, [[1, 1]])
    assert (data.name, data.classes) == ("my points.csv", ("a", "b"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must begin with the line x1,x2,class,split"),
        ("x1,x2\n", "must begin with the line"),
        ("x1,x2,class\n0,0,a\n1,1,b\n", "every 5th row of a class is a test point"),
        (HEADER + '0,0,"a,train\n' + "1,1,b,test\n" * 20_000, "line 2: a quoted cell is not closed"),
        (HEADER + "0,0," + "a" * 200_000 + ",train\n", "line 2: a quoted cell is not closed, or is too long"),
        *((HEADER + f"0,{word},a,train\n", "line 2: x2 must be a number") for word in ("0x10", "1_0", "\uff11", "inf")),
        (HEADER + "0,0,a\n", "line 2: it has 3 columns and needs 4"),
        (HEADER + "0,0,a,train\n0,zero,a,train\n", "line 3: x2 must be a number"),
        (HEADER + "nan,0,a,train\n", "x1 must be a number between"),
        (HEADER + "0,1e300,a,train\n", "x2 must be a number between"),
        (HEADER + "0,0,,train\n", "the class is empty"),
        (HEADER + "0,0,a,valid\n", "split must be train or test, not 'valid'"),
        (HEADER + "0,0,a,train\n1,1,b,train\n", "no row whose split is test"),
        (HEADER + "0,0,a,train\n1,1,a,test\n", "one class only, a"),
    ],
)
def test_what_are_no_points_is_refused(tmp_path, text, sentence):
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RdfiaError, match=r"p\.csv") as error:
        load_vectors(str(path))
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("names", "order"),
    [(("1", "-1"), ("-1", "1")), (("1e1", "9.5"), ("9.5", "1e1")), (("b", "10"), ("10", "b"))],
)
def test_classes_are_ordered_by_size_if_all_are_numbers(tmp_path, names, order):
    path = tmp_path / "p.csv"
    path.write_text(HEADER + "".join(f"0,0,{name},{split}\n" for name in names for split in ("train", "test")))
    assert load_vectors(str(path)).classes == order


def test_without_a_split_every_fifth_row_of_a_class_is_a_test_point(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("".join(f"{number} 0 {'ab'[number % 2]}\n" for number in range(20)))
    data = load_vectors(str(path))
    assert data.test.x[:, 0].tolist() == [8, 9, 18, 19] and len(data.train) == 16


NUMBERS = strategies.floats(-LARGEST, LARGEST, width=32)
ROWS = strategies.tuples(
    NUMBERS, NUMBERS, strategies.sampled_from(["a", "été", "c-1"]), strategies.sampled_from(SPLITS)
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=strategies.lists(ROWS, max_size=5),
    separator=strategies.sampled_from([",", ";", "\t", " "]),
    decimal=strategies.sampled_from(".,"),
    end=strategies.sampled_from(["\n", "\r\n", "\r"]),
    encoding=strategies.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    has_header=strategies.booleans(),
    quoting=strategies.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_points_are_the_same_in_every_dialect(
    tmp_path_factory, rows, separator, decimal, end, encoding, has_header, quoting
):
    rows = [(0.5, 1.0, "a", "train"), (0.5, 1.0, "été", "test"), *rows]
    mark = "." if separator == "," or (separator == " " and not has_header) else decimal
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerows([COLUMNS] * has_header)
    writer.writerows([*(repr(number).replace(".", mark) for number in row[:2]), *row[2:]] for row in rows)
    path = tmp_path_factory.mktemp("dialect") / "p.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    data = load_vectors(str(path))
    for name, split in (("train", data.train), ("test", data.test)):
        expected = [row for row in rows if row[3] == name]
        assert split.x.tolist() == [[x1, x2] for x1, x2, _, _ in expected]
        assert [data.classes[number] for number in split.y] == [row[2] for row in expected]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    content=strategies.binary(max_size=60)
    | strategies.text("01,;. \t\n\"'abx\0", max_size=60).map(lambda text: (HEADER + text).encode())
)
def test_any_bytes_are_points_or_refused_in_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "p.csv"
    path.write_bytes(content)
    with contextlib.suppress(RdfiaError):
        load_vectors(str(path))


def test_files_that_are_no_text_or_absent_are_refused(tmp_path):
    (tmp_path / "p.csv").write_bytes(b"\xff\xfe\x00")
    for name, sentence in (("p.csv", "no text in UTF-8"), ("absent.csv", "No such file")):
        with pytest.raises(RdfiaError, match=sentence):
            load_vectors(str(tmp_path / name))


def test_training_begins_with_the_weights_of_the_file(points, weights):
    read = init(MlpConfig(init=str(weights), hidden_units=3), load_vectors(str(points)))
    assert {name: value.tolist() for name, value in read.items()} == WEIGHTS
    assert {value.dtype for value in read.values()} == {np.dtype("float64")}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is no JSON"),
        ("[1]", "must be a JSON object with W_h, b_h, W_y, b_y"),
        (json.dumps({**WEIGHTS, "epoch": 3}), "and nothing else"),
        (json.dumps({**WEIGHTS, "b_h": [0, 0]}), "has 2 hidden units and hidden_units (--hidden-units) is 3"),
        (json.dumps({**WEIGHTS, "W_h": [[1], [2], [3]]}), "W_h has shape (3, 1) and needs (3, 2)"),
        (json.dumps({**WEIGHTS, "W_h": [[1, 2], [3]]}), "W_h must be a list of finite numbers"),
        (json.dumps({**WEIGHTS, "b_y": [0, float("nan")]}), "b_y must be a list of finite numbers"),
        (json.dumps({**WEIGHTS, "b_y": ["0", True]}), "b_y must be a list of finite numbers"),
        (json.dumps({**WEIGHTS, "b_y": 1}), "b_y must be a list of finite numbers"),
    ],
)
def test_weights_that_do_not_fit_are_refused(points, weights, content, sentence):
    weights.write_text(content)
    with pytest.raises(RdfiaError) as error:
        read_initial_weights(MlpConfig(init=str(weights), hidden_units=3), load_vectors(str(points)))
    assert sentence in str(error.value) and str(weights) in str(error.value)


def test_names_that_are_neither_a_data_set_nor_a_file_are_refused():
    with pytest.raises(ConfigError, match=r"must be one of circles, digits, mnist, or a \.csv file, not 'moons'"):
        MlpConfig(dataset="moons")
    with pytest.raises(ConfigError, match=r"init \(--init\) must be a \.json file"):
        MlpConfig(init="weights.txt")


def test_a_run_keeps_the_digests_of_its_files_and_refuses_others(points, weights, tmp_path, monkeypatch):
    """A finished run of the same paths stands for another only while the files are the same."""
    monkeypatch.chdir(tmp_path)
    config = MlpConfig(dataset=points.name, init=weights.name, hidden_units=3, implementation="manual", epochs=1)
    options = RunOptions(out=tmp_path / "out")
    done = mlp(config, options)
    (folder,) = done.paths
    assert folder.name == "my-points-hidden-units-3-init-start"
    facts, record = json.loads((folder / "config.json").read_text()), done.data
    assert facts["files"] == record["details"]["files"] and set(facts["files"]) == {"dataset", "init"}
    assert facts["config"]["dataset"] == str(points) and facts["config"]["init"] == str(weights)
    assert (folder / "decision-map.png").exists()

    query = Query(config=match_registered(config).config)
    assert RunStore(options.out).find_finished(query)
    assert resume(options, folder, epochs=2).data["epochs"] == 2
    weights.write_text(json.dumps({**WEIGHTS, "b_y": [0, -2]}))
    assert RunStore(options.out).find_finished(query) is None
    with pytest.raises(RdfiaError, match="another file now"):
        resume(options, folder, epochs=3)
