"""`rdfia learn check` says right exactly where `rdfia learn grade` gives full points: the same worker, the same judge.

Many files are checked in one worker each way, since none of them changes what another sees.
"""

import json
import shutil
import textwrap
from pathlib import Path

import pytest
import right_solutions

from rdfia_keras.learn import gradebook, sheet, student
from rdfia_keras.learn.checker import RIGHT, UNWRITTEN, WRONG, Checker
from rdfia_keras.learn.exercises import EXERCISES
from rdfia_keras.learn.sandbox import Workers
from rdfia_keras.learn.session import LIMITS, Limits
from rdfia_keras.learn.submissions import Submission, modules

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

NUMPY = [exercise for exercise in EXERCISES.values() if not exercise.uses_keras]
LONG = Limits(submission=600.0, exercise=60.0)


def both(files, exercises):
    """The verdicts on all these functions in all files, as `check` and as `grade` get them."""
    targets = [(exercise, file) for file in files for exercise in exercises if exercise.name in file.functions]
    verdicts = []
    for settings in ({}, {"isolated": True}):
        with Workers(**settings) as workers:
            verdicts.append(Checker(workers, 3, LONG).check(files, targets)[0])
    checked, graded = verdicts
    assert checked == graded
    assert [sheet.share(verdict) == 1 for verdict in graded] == [verdict.status == RIGHT for verdict in checked]
    return list(zip(targets, checked, strict=True))


def module(name, text):
    (made,) = modules(Submission("", "", ((name, text.encode()),)))
    assert not made.problems, made.problems
    return made


def test_right_solutions_are_right_and_mistakes_wrong_in_both():
    """One of each exercise; test_learn.py has all of them."""
    text = Path(right_solutions.__file__).read_text(encoding="utf-8").partition("# --- the ways")[0]
    names = [name for name in vars(right_solutions) if "__" in name.strip("_")]
    ways = [next(name for name in names if name.partition("__")[0] == exercise.name) for exercise in NUMPY]
    aliases = "".join(f"{way.partition('__')[0]} = {way}\n" for way in ways)
    wrong = [exercise.wrong_source(exercise.mistakes[-1]) for exercise in NUMPY]
    files = [module("way.py", text + aliases), module("mistake.py", "\n\n".join(["import numpy as np", *wrong]))]
    verdicts = both(files, NUMPY)
    assert len(verdicts) == 2 * len(NUMPY)
    for (exercise, file), verdict in verdicts:
        expected = (RIGHT, ()) if file.name == "way" else (WRONG, (exercise.mistakes[-1].sentence,))
        assert (verdict.status, verdict.causes) == expected, (file.name, verdict)


E = "    e = np.exp(y_tilde - y_tilde.max(axis=1, keepdims=True))\n    return e / e.sum(axis=1, keepdims=True)\n"
SOFTMAX = f"def softmax(y_tilde):\n{E}"
DEEP = E.replace("    return", "        return")
NP = "import numpy as np\n"
S = "from scipy.special import softmax as s\n"
FORWARD = EXERCISES["forward"].source.replace("softmax(y_tilde)", "probabilities(y_tilde)")
REFUSED = "uses scipy, which is not allowed"
CLASS = "class Layer:\n    def __init__(self, y):\n        self.y = y\n\n    def apply(self):\n        return {}\n\n\n"
USE = "def softmax(y):\n    return Layer(y).apply()\n"

CHOOSE = EXERCISES["choose_svm"].source

# Text of the file; right, not written yet, or words of what is wrong.
ODD = {
    "helper with scipy": (
        NP + "from scipy.special import softmax as s\n\ndef probabilities(y):\n    return s(y, axis=1)\n\n" + FORWARD,
        "forward " + REFUSED,
    ),
    "helper": (NP + "def probabilities(y_tilde):\n" + E + "\n" + FORWARD, RIGHT),
    "own test with scipy": (NP + SOFTMAX + f"def test():\n    {S}    assert s(1) == softmax(1)\n", RIGHT),
    "own test with scipy on top": (NP + S + SOFTMAX + "def test():\n    assert s([1]) == softmax([1])\n", RIGHT),
    "alias of an alias": (S + "t = s\ndef softmax(y):\n    return t(y, axis=1)\n", REFUSED),
    "import inside": (f"def softmax(y):\n    {S}    return s(y, axis=1)\n", REFUSED),
    "attribute": ("import scipy.special\nsoftmax = scipy.special.softmax\n", REFUSED),
    "partial": (S + "import functools\nsoftmax = functools.partial(s, axis=1)\n", REFUSED),
    "imported as it is": ("from scipy.special import softmax\n", REFUSED),
    "star import": ("from scipy.special import *\ndef softmax(y):\n    return expit(y)\n", "NameError"),
    "getattr": ("import scipy\ndef softmax(y):\n    return getattr(scipy, 'special').softmax(y)\n", REFUSED),
    "importlib": (
        "import importlib\ndef softmax(y):\n    return importlib.import_module('scipy.special').softmax(y)\n",
        REFUSED,
    ),
    "method with scipy": (S + CLASS.format("s(self.y, axis=1)") + USE, REFUSED),
    "method": (NP + f"def one({SOFTMAX[12:-1]}\n" + CLASS.format("one(self.y)") + USE, RIGHT),
    "parameter like an import": (
        NP + "from scipy.special import softmax\n" + EXERCISES["forward"].source,
        RIGHT,
    ),
    "local like an import": (NP + S + f"def softmax(y_tilde):\n    s = y_tilde\n{E}", RIGHT),
    "decorator": (
        NP
        + "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(y):\n        return f(y)\n    return g\n"
        f"@twice\n{SOFTMAX}",
        RIGHT,
    ),
    "decorator that is not allowed": (NP + f"import jax\n@jax.jit\n{SOFTMAX}", "jax is not allowed here"),
    "two definitions": (NP + SOFTMAX + "def softmax(y):\n    return y\n", "result["),
    "two definitions, right last": (NP + S + "def softmax(y):\n    return s(y)\n" + SOFTMAX, RIGHT),
    "lambda": (
        NP + "softmax = lambda y: np.exp(y - y.max(1)[:, None]) / np.exp(y - y.max(1)[:, None]).sum(1)[:, None]",
        RIGHT,
    ),
    "callable object": (
        NP + f"class Soft:\n    def __call__(self, y_tilde):\n    {DEEP}softmax = Soft()\n",
        RIGHT,
    ),
    "fallback": (
        f"try:\n    {S}except ImportError:\n    s = None\n{NP}{SOFTMAX}",
        RIGHT,
    ),
    "swallowed": (
        NP
        + S
        + "def softmax(y_tilde):\n    try:\n        return s(y_tilde, axis=1)\n    except Exception:\n        pass\n"
        + E,
        REFUSED,
    ),
    "annotations": ("from __future__ import annotations\n" + NP + f"def softmax(y_tilde: Array) -> Array:\n{E}", RIGHT),
    "top level code": (NP + SOFTMAX + "print(softmax(input()))\nwhile True:\n    pass\n1 / 0\n", RIGHT),
    "settings": (
        NP
        + "SETTINGS = {}\nSETTINGS['axis'] = 0\nSETTINGS['axis'] += 1\n"
        + SOFTMAX.replace("axis=1", "axis=SETTINGS['axis']"),
        RIGHT,
    ),
    "failing assignment": (NP + S + "expected = s([1])\n" + SOFTMAX, RIGHT),
    "helper file": ("from odd_helpers import *\n", RIGHT),
    "helper file with scipy": ("import odd_helpers\n\n\ndef softmax(y):\n    return odd_helpers.fast(y)\n", REFUSED),
    "recursion": (NP + "def softmax(y):\n    return softmax(y)\n", "RecursionError"),
    "imports in one statement": (
        "import matplotlib.pyplot as plt, pandas, tqdm, numpy as np\nplt.plot()\n" + SOFTMAX,
        RIGHT,
    ),
    "imports in one try": (
        f"try:\n    import tqdm\n    import numpy as np\nexcept ImportError:\n    pass\n{SOFTMAX}",
        RIGHT,
    ),
    "a plot inside": (
        f"import matplotlib.pyplot as plt\n{NP}def softmax(y_tilde):\n    plt.plot()\n{E}",
        "uses matplotlib",
    ),
    "blocks that set names": (
        NP
        + "if True:\n    A = 1\nwith np.errstate():\n    B = 0\nfor C in (0,):\n    D = C\n[F, G], H = [1, 0], {}\n"
        + "A += G\nH['n'] = 0\nH.update(m=0)\n"
        + SOFTMAX.replace("axis=1", "axis=A + B + C + D + G + H['n'] + H['m']"),
        RIGHT,
    ),
    "attribute set": (NP + SOFTMAX.replace("axis=1", "axis=softmax.axis") + "softmax.axis = 1\n", RIGHT),
    "slow assignment": (
        f"{NP}import time\nAXIS = time.sleep(1.3) or 1\n" + SOFTMAX.replace("axis=1", "axis=AXIS"),
        RIGHT,
    ),
    "thread pool": (
        f"from concurrent.futures import ThreadPoolExecutor\n{NP}POOL = ThreadPoolExecutor()\ndef one(y_tilde):\n{E}"
        "def softmax(y):\n    return list(POOL.map(lambda row: one(row[None])[0], y))\n",
        RIGHT,
    ),
    "function of the same name": (
        NP + S + "def softmax(y):\n    return s(y)\n" + EXERCISES["forward"].source,
        RIGHT,
    ),
    "own fit": (f"from sklearn import svm\n{NP}def fit(x, y):\n    return svm.SVC().fit(x, y)\n" + CHOOSE, RIGHT),
    "names of numpy": (NP + CHOOSE.replace("in kernels", "in np.array(kernels)"), RIGHT),
    "forged": (
        f"{NP}import sys\nsys.modules['__main__'].unchanged = sys.modules['__main__'].changed = lambda *a: ()\n"
        + SOFTMAX.replace("    e =", "    y_tilde -= 1\n    e ="),
        "changes its argument y_tilde",
    ),
    "not written": (NP + EXERCISES["softmax"].skeleton, UNWRITTEN),
    "changes": (NP + SOFTMAX.replace("    e =", "    y_tilde -= 1\n    e ="), "changes its argument y_tilde"),
    "in an if": (NP + "if np.sum:\n" + textwrap.indent(SOFTMAX, "    "), RIGHT),
    "in a try": (NP + "try:\n" + textwrap.indent(SOFTMAX, "    ") + "finally:\n    pass\n", RIGHT),
    "skeleton left over": (NP + SOFTMAX + EXERCISES["softmax"].skeleton, "skeleton replaces the softmax above it"),
    "deleted": (NP + SOFTMAX + "del softmax\n", "softmax is not there after the file was imported"),
    "a library's path": (NP + "def softmax(y):\n    open(np.__file__ + 'x')\n", "directory: 'numpy/__init__.pyx'."),
    "more parameters": (NP + f"def softmax(y_tilde, *more, verbose=False, **options):\n{E}", RIGHT),
}
TIMED = SOFTMAX.replace("    e =", "    %time e =").replace("    return", "    !ls\n    return")
CELLS = [
    "!pip install numpy \\\n  scipy\nimport numpy as np",
    S + "!ls",
    "%%time\n" + TIMED,
    "def x(:",
    "softmax([[1]])",
]


def test_files_in_odd_styles_get_the_same_verdict_in_both():
    texts = {f"odd {number}": text for number, (text, _) in enumerate(ODD.values())}
    files = [(f"{name}.py", text.encode()) for name, text in texts.items()]
    files.append(("odd_helpers.py", f"{NP}{S}{SOFTMAX}\ndef fast(y):\n    return s(y, axis=1)\n".encode()))
    notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in CELLS]}
    files.append(("notebook.ipynb", json.dumps(notebook).encode()))
    verdicts = both(
        modules(Submission("", "", tuple(files))), [EXERCISES[name] for name in ("softmax", "forward", "choose_svm")]
    )
    by_file = {file.name: verdict for (_, file), verdict in verdicts}
    assert len(by_file) >= 30 and by_file["notebook"].status == RIGHT, by_file["notebook"]
    for number, (style, (_, expected)) in enumerate(ODD.items()):
        verdict = by_file[f"odd_{number}"]
        if expected in (RIGHT, UNWRITTEN):
            assert verdict.status == expected, (style, verdict.lines)
        else:
            assert verdict.status == WRONG and expected in " ".join(verdict.lines), (style, verdict.lines)


def test_the_commands_own_ways_to_read_files_agree(tmp_path):
    """Through `check_files` and `grade_submission`: a helper that uses SciPy, a test that does, files beside it."""
    texts = {
        "helper": {"mlp.py": ODD["helper with scipy"][0]},
        "test": {"mlp.py": ODD["own test with scipy on top"][0]},
        "below": {
            "mlp.py": "from more.helpers import softmax\n",
            "more/helpers.py": "from e import *\n" + SOFTMAX,
            "e.py": NP,
        },
        "star": {"mlp.py": "from helpers import *\n", "helpers.py": NP + SOFTMAX},
    }
    with Workers(isolated=True) as workers:
        checker = Checker(workers, 3, LIMITS)
        for name, files in texts.items():
            folder = tmp_path / name
            folder.mkdir()
            for file, text in files.items():
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).write_text(text)
            ((checked,), _) = student.check_files([folder / "mlp.py"], seed=3)
            submission = Submission(name, "", tuple((file, text.encode()) for file, text in files.items()))
            graded = {verdict.name: verdict for verdict in gradebook.grade_submission(submission, checker).verdicts}
            assert [graded[verdict.name] for verdict in checked.verdicts] == list(checked.verdicts), name
            assert (checked.verdicts[0].status == RIGHT) == (name != "helper"), checked.verdicts[0]
