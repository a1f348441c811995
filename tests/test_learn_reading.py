"""Nobody's work is lost or changed in reading: files as Python reads them, notebooks as IPython, archives as people.

Nothing of the students' is run here, but for the names that a cell sets.
"""

import io
import json
import random
import tarfile
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdfia_keras.learn import student
from rdfia_keras.learn.exercises import EXERCISES
from rdfia_keras.learn.submissions import Submission, home_of, modules, read_class, versions

QUICK = settings(max_examples=25, deadline=None, derandomize=True)
SOFTMAX = "def softmax(y_tilde):\n    return y_tilde\n"
SKELETON = "def softmax(y_tilde):\n    raise NotImplementedError\n"


def read(name, data):
    (module,) = modules(Submission("", "", ((name, data),)))
    return module


def zipped(members, method=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return data.getvalue()


def class_of(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return {submission.student: submission for submission in read_class(folder)}


# --- files ------------------------------------------------------------------------------------------------------------


@QUICK
@given(
    st.sampled_from(["utf8", "UTF-8", "latin1", "cp1252", "ISO-8859-15", "mac-roman", "gbk", "shift_jis", "koi8-r"]),
    st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="'\\"), max_size=20),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_a_file_is_read_as_python_reads_it(encoding, text, end, mark):
    source = f"# -*- coding: {encoding} -*-\nx = '{text}'\ny = '''\n'''\n".replace("\n", end)
    data = source.encode(encoding, "ignore")
    data = b"\xef\xbb\xbf" + data if mark and encoding.lower().startswith("utf") else data
    expected, got = {}, {}
    exec(compile(data, "mlp.py", "exec"), expected)
    ((_, piece),) = read("mlp.py", data).pieces
    exec(compile(piece, "mlp.py", "exec"), got)
    assert (got["x"], got["y"]) == (expected["x"], expected["y"])


@pytest.mark.parametrize(
    "data", [b"\xff\xfex\0", b"x = '\xe9'", b"# coding: rot13\nk = 1", b"# coding: nonsense\n", b"# coding: utf-7\nx=1"]
)
def test_what_python_cannot_read_costs_that_file_only(data, tmp_path):
    ada = class_of(tmp_path, {"ada/mlp.py": data, "ada/svm.py": "x = 1"})["ada"]
    files = {module.file: module for module in modules(ada)}
    assert "mlp.py is not Python" in files["mlp.py"].problems[0] and not files["svm.py"].problems
    assert not files["mlp.py"].functions
    states = student.statuses(tmp_path / "ada")
    assert states["softmax"] == "cannot be read" and states["rbf_kernel"] == "not written yet"


def test_a_mistake_in_the_syntax_costs_what_is_written_there_only():
    text = f"{SKELETON}\n{SOFTMAX.replace('softmax', 'accuracy')}\ndef forward(params:\n    return 1\n"
    functions = read("mlp.py", text.encode()).functions
    assert {name for name, function in functions.items() if function.problem} == {"accuracy", "forward"}
    cells = [SOFTMAX, "def accuracy(:", "def softmax(:"]
    book = read("mlp.ipynb", notebook(cells, 4).encode())
    assert read("mlp.py", b"\0").problems == ["mlp.py: SyntaxError: source code string cannot contain null bytes."]
    assert not book.functions["softmax"].problem and "cell 2, line 1: SyntaxError" in book.functions["accuracy"].problem


def test_a_file_that_cannot_be_opened_costs_the_others_nothing(tmp_path):
    (tmp_path / "mlp.py").write_bytes(b"#" * (5 << 20))
    (tmp_path / "svm.py").write_text("x = 1")
    checked, _ = student.check_files([tmp_path / "mlp.py", tmp_path / "svm.py"])
    assert "more than 4 MB" in checked[0].problem and checked[1].verdicts[0].status == "not written yet"


# --- notebooks --------------------------------------------------------------------------------------------------------


def notebook(cells, version, as_lists=False):
    texts = [cell.splitlines(keepends=True) if as_lists else cell for cell in cells]
    if version < 4:
        made = [{"cell_type": "code", "language": "python", "input": text, "outputs": []} for text in texts]
        return json.dumps({"metadata": {}, "nbformat": version, "worksheets": [{"cells": made, "metadata": {}}]})
    return json.dumps({"cells": [{"cell_type": "code", "source": text} for text in texts], "nbformat": version})


MAGICS = [
    "%matplotlib inline", "!pip install numpy \\\n    scipy", "%time t = 3", "files = !ls", "y = %pwd", "x?", "?x",
    "!!ls", "%timeit -n 1 x", "def f():\n    %time e = 1\n    !ls \\\n        -l\n    return e", "if True:\n    %pwd",
    "# %%time", "text = '''\n%time\n!ls\n'''", "%%time", "", "    ", "a = 7 \\\n    % 4", "%load_ext \\\nautoreload",
]  # fmt: skip


@QUICK
@given(st.lists(st.sampled_from(MAGICS), max_size=6), st.sampled_from([2, 3, 4, 5]), st.booleans())
def test_a_cell_keeps_its_python_and_its_lines_whatever_magic_is_between(magics, version, as_lists):
    magics = [magic for i, magic in enumerate(magics) if magic != "%%time" or not i]
    source = "".join(f"{magic}\nline_{i} = {i}\n" for i, magic in enumerate(magics)) + "end = 1\n"
    module = read("a.ipynb", notebook([source], version, as_lists).encode())
    assert not module.problems
    ((_, text),) = module.pieces
    names = {}
    exec(compile(text, "cell", "exec"), names)
    assert names["end"] == 1 and all(names[f"line_{i}"] == i for i in range(len(magics)))
    assert all(names["f"]() == 1 for magic in magics if magic.startswith("def"))
    written, read_lines = source.split("\n"), text.split("\n")
    assert [read_lines.index(line) for line in written if "line_" in line] == [
        number for number, line in enumerate(written) if "line_" in line
    ]


@pytest.mark.parametrize(
    "cell, names", [("%%bash\nx=1", []), ("%%capture out\n!ls\nx = 1", ["x"]), ("%%writefile a.py\nx = 1", ["x"])]
)
def test_cells_that_are_no_python_are_left_out(cell, names):
    assert list(read("a.ipynb", notebook([cell], 4).encode()).functions) == names


def test_many_magics_do_not_take_long():
    assert "no Python that can be read" in read("a.ipynb", notebook(["%pwd\n" * 400], 4).encode()).problems[0]


# --- archives ---------------------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters='/\\:"'), min_size=1)


@QUICK
@given(st.lists(NAMES.filter(lambda name: name[0] != "."), min_size=2, max_size=5, unique=True), st.data())
def test_every_member_but_the_damaged_one_is_read(tmp_path_factory, names, data):
    """Names with and without the UTF-8 flag, slashes of both kinds, any order."""
    names = data.draw(st.permutations(names))
    slash, flagged = data.draw(st.sampled_from("/\\")), data.draw(st.booleans())
    members = {f"work{slash}{name}.py": f"x = {number}  # mark{number}" for number, name in enumerate(names)}
    archive = bytearray(zipped(members, zipfile.ZIP_STORED))
    if not flagged:
        for signature, offset in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
            at = archive.find(signature)
            while at >= 0:
                archive[at + offset] &= ~8
                at = archive.find(signature, at + 1)
    archive[archive.find(b"mark0")] ^= 1
    folder = tmp_path_factory.mktemp("class")
    ada = class_of(folder, {"ada.zip": bytes(archive)})["ada"]
    if "__pycache__" not in names:
        assert sorted(text for _, text in ada.files) == sorted(text.encode() for text in list(members.values())[1:])
        assert len(ada.problems) == 1 and f"{names[0]}.py: it is damaged" in ada.problems[0]


def test_everyone_who_handed_something_in_has_a_row_with_the_reason(tmp_path):
    solved, moodle = zipped({"homework\\mlp.py": SOFTMAX}), "_1_assignsubmission_file_"
    locked = bytearray(zipped({"mlp.py": SOFTMAX}))
    locked[6] |= 1
    locked[locked.find(b"PK\1\2") + 8] |= 1
    files = {
        "rar/hw.rar": "Rar!", "text/mlp.py.txt": SOFTMAX, "seven.7z": "", "paper/a.pdf": "",
        "locked.zip": bytes(locked),
        "inside.zip": zipped({"hw.zip": solved, "hw.7z": ""}), ".dot/mlp.py": SOFTMAX, "empty.zip": zipped({}),
        "bzip2.zip": zipped({"mlp.py": SOFTMAX}, zipfile.ZIP_BZIP2), "README.md": "", "Group/x/mlp.py": SOFTMAX,
        "Group/y/svm.py": "", f"Bo{moodle}/hw.rar": "",
    }  # fmt: skip
    made = class_of(tmp_path, files)
    not_read = "is not read: hand in .py"
    expected = {
        "rar": not_read, "text": not_read, "seven": not_read, "paper": not_read, "locked": "locked with a password",
        "inside": "hw.7z: it is not read", ".dot": "", "empty": "the archive is empty",
        "bzip2": "in a way that is not read",
        "Group": "Its files are in x and y: if those are different students", "Bo": not_read,
    }  # fmt: skip
    assert made.keys() == expected.keys()
    for name, words in expected.items():
        assert words in " ".join(made[name].problems) and bool(words) == bool(made[name].problems), made[name]
    assert [path for path, _ in made["inside"].files] == ["hw.zip/homework/mlp.py"]


def test_a_class_in_an_archive_loses_only_the_damaged_member(tmp_path):
    data = zipped({"s1/mlp.py": SOFTMAX, "s2/mlp.py": "#mark", "s3/hw.rar": ""}, zipfile.ZIP_STORED)
    (tmp_path / "class.zip").write_bytes(data.replace(b"#mark", b"#Mark"))
    one, two, three = read_class(tmp_path / "class.zip")
    assert one.files and not one.problems
    assert not two.files and "damaged" in two.problems[0] and "hw.rar: it is not read" in three.problems[0]


def test_an_archive_that_is_cut_short_keeps_what_comes_before(tmp_path):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in ("a.py", "b.py"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo("c.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        long = tarfile.TarInfo("d.py")
        long.size = 3000
        tar.addfile(long, io.BytesIO(b"#" * 3000))
    ada = class_of(tmp_path, {"ada.tar": data.getvalue()[:3000]})["ada"]
    assert [path for path, _ in ada.files] == ["a.py", "b.py"]
    assert "c.py: it is a link" in ada.problems[0] and "the rest of it is not read" in ada.problems[1]


def test_a_compressed_archive_that_is_cut_short_keeps_what_comes_before(tmp_path):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, content in (("a.py", b"x = 1\n"), ("b.py", random.Random(0).randbytes(40_000))):
            item = tarfile.TarInfo(name)
            item.size = len(content)
            tar.addfile(item, io.BytesIO(content))
    ada = class_of(tmp_path, {"ada.tar.gz": data.getvalue()[:20_000]})["ada"]
    assert [path for path, _ in ada.files] == ["a.py"] and "the rest of it is not read" in ada.problems[0]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_a_forged_size_takes_no_memory(tmp_path, method):
    data = bytearray(zipped({"mlp.py": bytes(48 << 20)}, method))
    for at in (22, data.find(b"PK\1\2") + 24):
        data[at : at + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "ada.zip").write_bytes(data)
    tracemalloc.start()
    (ada,) = read_class(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20 and not ada.files and ada.problems


@pytest.mark.parametrize(
    "files, counts, other",
    [
        ({"mlp.py": "1", "mlp (1).py": "2"}, "mlp (1).py", "mlp.py"),
        ({"mlp_v10.py": "1", "mlp_v9.py": "2"}, "mlp_v10.py", "mlp_v9.py"),
        ({"v1/mlp.py": "1", "v2/mlp.py": "2"}, "v2/mlp.py", "v1/mlp.py"),
        ({"mlp.py": "1", "mlp (1).py": ""}, "mlp.py", "mlp (1).py"),
        ({"mlp.py": "1", "old/mlp.py": "2"}, "mlp.py", "old/mlp.py"),
        ({"mlp.py": "1", "mlp - Copy.py": "2"}, "mlp.py", "mlp - Copy.py"),
        ({"hw.zip": "1", "hw_v2.zip": ""}, "hw.zip/homework/mlp.py", "hw_v2.zip/homework/mlp.py"),
        ({"hw.zip": "1", "hw_v2.zip": "2"}, "hw_v2.zip/homework/mlp.py", "hw.zip/homework/mlp.py"),
    ],
)
def test_of_two_versions_the_newest_filled_in_counts_and_the_remark_says_so(tmp_path, files, counts, other):
    texts = {name: SOFTMAX + f"    # {text}\n    {text}\n" if text else SKELETON for name, text in files.items()}
    packed = {name: zipped({"homework/mlp.py": text}) for name, text in texts.items() if name.endswith(".zip")}
    work = {f"ada/{name}": data for name, data in {**texts, **packed}.items()}
    made = modules(class_of(tmp_path, {**work, "bo/mlp.py": ""})["ada"])
    home = home_of(EXERCISES["softmax"], made)
    assert home.file == counts
    assert versions([(EXERCISES["softmax"], home)], made) == [f"{counts} counts for softmax, and not {other}."]
