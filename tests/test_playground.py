"""The playground: its random numbers, curves and gradients are Python's; its page is one file that asks for nothing."""

import base64
import copy
import hashlib
import json
import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rdfia_keras.commands.learn_run import make_problem
from rdfia_keras.commands.playground import playground
from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.data import Dataset, Split, load_vectors
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.learn import trainer
from rdfia_keras.learn.exercise import differences
from rdfia_keras.learn.exercises import of_part
from rdfia_keras.web.playground import playground_page
from rdfia_keras.web.report import report_page
from rdfia_keras.web.shared import document

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


def node(script: str, question: dict) -> dict:
    """What a script of tests/javascript answers."""
    path = Path(__file__).parent / "javascript" / script
    done = subprocess.run(
        [str(NODE), str(path)], input=json.dumps(question), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_node
def test_random_numbers_are_numpys():
    """Bit for bit; 30,000 normals of a seed reach every layer of the ziggurat and its tail."""
    question = {
        "normals": [[seed, 30000] for seed in (0, 1, 2**32 - 1)],
        "permutations": [
            [[seed, epoch], n] for seed in (0, 2**32 - 1) for epoch in (0, 149) for n in (1, 2, 200, 5000)
        ],
        "states": [[[0], 8], [[1, 2, 3, 4, 5, 6], 3]],
    }
    answer = node("rng.mjs", question)
    for (seed, count), draws in zip(question["normals"], answer["normals"], strict=True):
        expected = np.random.default_rng(seed).normal(size=count)
        assert np.abs(expected).max() > 3.66, "the tail is drawn from"
        np.testing.assert_array_equal(draws, expected)
    for (entropy, count), order in zip(question["permutations"], answer["permutations"], strict=True):
        np.testing.assert_array_equal(order, np.random.default_rng(entropy).permutation(count))
    for (entropy, count), state in zip(question["states"], answer["states"], strict=True):
        np.testing.assert_array_equal(state, np.random.SeedSequence(entropy).generate_state(count))


def settings_of(config: MlpConfig) -> dict:
    return playground_page.page_settings(config)


def data_of(data: Dataset) -> dict:
    return playground_page.facts(MlpConfig().resolve(), data, None, None)["data"]


def python_curve(config: MlpConfig, data: Dataset, compiled=None) -> tuple[np.ndarray, dict]:
    """The scores after each epoch by the `manual` implementation, and the last weights."""
    from rdfia_keras.data.initial_weights import init
    from rdfia_keras.training.perceptron_epochs import CompiledEpochs, State, fit

    state = State(init(config, data))
    list(fit("manual", config, data, state, False, compiled or CompiledEpochs()))
    return np.array([[row[name] for name in SCORES] for row in state.history]), state.weights


@needs_node
def test_curves_are_pythons_from_five_seeds():
    """The default settings over 150 epochs: 6e-16 to 1.3e-15 were measured."""
    from rdfia_keras.training.perceptron_epochs import CompiledEpochs

    data, compiled = load_vectors("circles"), CompiledEpochs()
    configs = [MlpConfig(seed=seed).resolve() for seed in range(5)]
    answers = node("curves.mjs", {"data": data_of(data), "settings": [settings_of(config) for config in configs]})
    for config, answer in zip(configs, answers, strict=True):
        curve, weights = python_curve(config, data, compiled)
        assert curve.shape == (150, 4)
        np.testing.assert_allclose(
            [[row[name] for name in SCORES] for row in answer["curve"]], curve, rtol=0, atol=1e-12
        )
        for name, value in weights.items():
            np.testing.assert_allclose(answer["last"][name], value, rtol=0, atol=1e-11)
        assert answer["gap"] < 1e-12


@st.composite
def pasted_tables(draw):
    """A table of points as people paste it, now and then with a cell that is none."""
    separator, mark = draw(st.sampled_from([",", ";", "\t", " "])), draw(st.sampled_from([".", ","]))
    header = draw(st.sampled_from([None, "x1,x2,class,split", "Class,x2,X1", "x1,x2,label", "x1,x2,class"]))
    names = draw(st.sampled_from([["-1", "1"], ["10", "9"], ["a", "b"], ["1,5", "1.25"], ["é;x", 'say "no"']]))
    number = st.one_of(
        st.floats(-2e6, 2e6).map(repr),
        st.decimals(-3, 3, places=2).map(str),
        st.sampled_from(["1e3", "+.5", "2.", "0x10", "1_0", "\uff11", "nan", "", "1e400", "1,000,5"]),
    )
    usual = st.decimals(-3, 3, places=2).map(lambda value: str(value).replace(".", mark))
    lines = [] if header is None else [separator.join(header.split(","))]
    for n in range(draw(st.integers(0, 14))):
        x1, x2 = (draw(number if draw(st.integers(0, 30)) == 0 else usual) for _ in range(2))
        cells = {"x1": x1, "x2": x2, "class": names[n % 2], "split": draw(st.sampled_from(["train", "test"]))}
        columns = (header or draw(st.sampled_from(["x1,x2,class,split", "x1,x2,class"]))).lower().split(",")
        row = [cells.get(column, "?") for column in columns]
        lines.append(
            separator.join(
                f'"{cell.replace(chr(34), chr(34) * 2)}"' if set(cell) & set(',;\t" ') else cell for cell in row
            )
        )
    end = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    return draw(st.sampled_from(["", "\ufeff"])) + end.join(lines) + draw(st.sampled_from(["", end, '\n"', ' "a"b']))


SWITCHES = [(one, mistake) for one in of_part("mlp") for mistake in one.mistakes if mistake.name]


def sent(argument):
    """An argument of an exercise as the script of tests/javascript takes it: functions by name, arrays as lists."""
    if callable(argument):
        names = {"softmax": "softmax", "linear_gradients": "linear", "sgd_step": "step"}
        return names[argument.__name__]
    if isinstance(argument, dict):
        return {name: value.tolist() for name, value in argument.items()}
    return argument.tolist() if isinstance(argument, np.ndarray) else argument


def assert_equal(found, expected):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        found, expected = list(found.values()), list(expected.values())
    for one, other in zip(found, expected, strict=True) if isinstance(expected, list | tuple) else [(found, expected)]:
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def is_finite(result):
    parts = result.values() if isinstance(result, dict) else result if isinstance(result, tuple) else [result]
    return all(np.isfinite(part).all() for part in parts)


def numeric_error(functions, problem):
    """How far the gradient of the first batch is from finite differences of the loss."""
    x, y = (values[problem.orders[0][:10]] for values in (problem.x, problem.y))
    grads = trainer.gradients_of(functions, problem.weights, x, y)
    apart, largest = 0.0, 0.0
    for name, value in problem.weights.items():

        def loss(w, name=name):
            y_tilde = functions["forward"]({**problem.weights, name: w}, x, functions["softmax"])[2]
            return functions["cross_entropy"](y_tilde, y)

        numeric = differences(loss, value)
        apart = max(apart, np.abs(numeric - grads[name]).max())
        largest = max(largest, np.abs(numeric).max(), np.abs(grads[name]).max())
    return apart / largest


@needs_node
def test_mistakes_of_the_page_are_those_of_the_exercises():
    """Function by function on the exercises' inputs; then trained; and the lamp beside Python's finite differences."""
    data, config = load_vectors("circles"), MlpConfig(epochs=1, lr=0.05, seed=2).resolve()
    functions = [(one, None, one.solution) for one in of_part("mlp") if any(one is other for other, _ in SWITCHES)]
    functions += [(one, mistake.name, one.wrong(mistake)) for one, mistake in SWITCHES]
    calls = []
    for exercise, name, function in functions:
        with np.errstate(all="ignore"):
            results = [function(*copy.deepcopy(case.arguments)) for case in exercise.draw(0)]
        pairs = zip(exercise.draw(0), results, strict=True)
        calls += [(exercise, name, case.arguments, result) for case, result in pairs if is_finite(result)]
    assert len(calls) > 3 * len(SWITCHES)
    question = {
        "calls": [[one.name, name, [sent(argument) for argument in arguments]] for one, name, arguments, _ in calls],
        "data": data_of(data),
        "settings": settings_of(config),
        "mistakes": [[one.name, mistake.name] for one, mistake in SWITCHES],
    }
    answer = node("mistakes.mjs", question)
    assert answer["names"] == question["mistakes"]
    for (_, _, _, expected), found in zip(calls, answer["results"], strict=True):
        assert_equal(found, expected)
    problem = make_problem(config, data)
    for (exercise, mistake), found in zip(SWITCHES, answer["trainings"], strict=True):
        wrong = {**trainer.solutions(), exercise.name: exercise.wrong(mistake)}
        with np.errstate(all="ignore"):
            trained = trainer.train(wrong, problem)
        curve = [[row[name] for name in SCORES] for row in found["curve"][1:]]
        expected = [[row[name] for name in SCORES] for row in trained.history]
        np.testing.assert_allclose(curve, expected, rtol=1e-8, atol=1e-8, err_msg=mistake.name)
        relative = numeric_error(wrong, problem)
        assert found["relative"] == pytest.approx(relative, rel=1e-3, abs=1e-6), mistake.name
        assert found["agrees"] == (exercise.name in ("sgd_step", "train_epoch")), mistake.name


def test_the_page_has_the_checkers_own_sentences(html):
    facts = json.loads(re.search(r'playground-facts">(.*?)</script>', html, re.DOTALL)[1])
    shown = {(one["exercise"], one["name"]): one["sentence"] for one in facts["mistakes"]}
    assert len(shown) >= 8
    assert shown == {(one.name, mistake.name): mistake.sentence for one, mistake in SWITCHES}


@needs_node
def test_a_rest_batch_other_sizes_and_three_classes_are_trained_as_in_python():
    rng = np.random.default_rng(0)
    split = [Split(rng.normal(size=(n, 2)), np.arange(n) % 3) for n in (23, 7)]
    data = Dataset("three", *split, classes=("a", "b", "c"))
    config = MlpConfig(batch_size=5, hidden_units=4, lr=0.3, init_std=0.5, seed=11, epochs=20)
    (answer,) = node("curves.mjs", {"data": data_of(data), "settings": [settings_of(config)]})
    curve, _ = python_curve(config, data)
    np.testing.assert_allclose([[row[name] for name in SCORES] for row in answer["curve"]], curve, rtol=0, atol=1e-12)


@needs_node
def test_it_tells_where_rounding_decides_and_where_training_diverges():
    data = load_vectors("circles")
    wild, zero = MlpConfig(lr=5.0).resolve(), MlpConfig(init_std=0.0, epochs=20).resolve()
    lost = replace(zero, init_std=1e6, lr=1e6)
    question = {"data": data_of(data), "settings": [settings_of(config) for config in (wild, zero, lost)]}
    of_wild, of_zero, of_lost = node("curves.mjs", question)
    assert of_wild["gap"] > 1e-3
    assert of_zero["gap"] == 0 and not np.any(of_zero["last"]["W_h"])
    assert of_lost["diverged"] and len(of_lost["curve"]) < 20


def assert_same_points(data: Dataset, page: dict) -> None:
    assert list(data.classes) == page["classes"]
    for name in ("train", "test"):
        split = getattr(data, name)
        assert [point["x"] for point in page[name]] == split.x.tolist()
        assert [point["label"] for point in page[name]] == split.y.tolist()


@needs_node
def test_tables_of_points_are_read_alike_by_page_and_command(tmp_path):
    """Separators, decimal marks, line ends, headers, quotes and cells that are no numbers, in many tables at once.

    What the page writes of a table, Python reads to the same points.
    """
    texts = [
        "x1,x2,class,split\n1,2,1,train\n3,4,-1,test\n",
        "0,5\t1,5\ta\n" + "1\t2\tb\n" * 5,
        'x1,x2,class,split\n0.1,2,"a,b",train\n-1e-3,.5,c,train\n\n3,4,c,test\n',
        "\ufeffsplit,class,x2,x1\r\ntrain,10,1,2\r\ntrain, 9 ,3,4\r\ntest,9,5,0.30000000000000004\r\n",
    ]

    @settings(max_examples=150, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(pasted_tables())
    def collect(text):
        texts.append(text)

    collect()
    answers = node("texts.mjs", {"csv": texts, "limits": playground_page.LIMITS})["csv"]
    path, read = tmp_path / "p.csv", 0
    for text, answer in zip(texts, answers, strict=True):
        path.write_text(text, encoding="utf-8", newline="")
        try:
            data = load_vectors(str(path))
        except RdfiaError as error:
            assert "error" in answer, (text, str(error))
            continue
        read += 1
        assert_same_points(data, answer.get("value"))
    for answer in answers[2:4]:
        path.write_text(answer["value"]["text"], encoding="utf-8", newline="")
        assert_same_points(load_vectors(str(path)), answer["value"])
    assert read >= 12 and answers[0]["value"]["classes"] == ["-1", "1"]
    assert answers[1]["value"]["train"][0]["x"] == [0.5, 1.5]


LINKS = "lr=2&hidden-units=4&epoch=3"


@needs_node
def test_a_link_that_a_chat_has_escaped_means_the_same():
    escaped = [LINKS.replace("&", other) for other in ("&", "&amp;", "&amp;amp;", "&#38;")]
    links = [*escaped, quote(LINKS), quote(quote(LINKS)), LINKS + ".", LINKS + ").", LINKS + '">']
    found = node("texts.mjs", {"hashes": ["#" + link for link in links], "limits": playground_page.LIMITS})["hashes"]
    for link, values in zip(links, found, strict=True):
        assert values == {"problems": [], "lr": 2, "hidden_units": 4, "epoch": "3"}, link


@needs_node
def test_bad_weights_values_and_links_are_refused_with_a_sentence():
    good = {"W_h": [[1, 2]], "b_h": [0], "W_y": [[1], [2]], "b_y": [0, 0]}
    question = {
        "limits": playground_page.LIMITS,
        "weights": [
            "{",
            "null",
            json.dumps({**good, "more": 1}),
            json.dumps({**good, "W_h": [[1]]}),
            json.dumps(good).replace("1, 2", "1, null"),
            json.dumps(good),
        ],
        "values": [
            ["lr", "0"],
            ["lr", "0,1"],
            ["seed", "-1"],
            ["hidden_units", "1000"],
            ["epochs", ""],
            ["seed", "0x10"],
            ["lr", "1_0"],
            ["lr", "\uff11"],
            ["lr", "0.1"],
        ],
        "hashes": ["#lr=2&hidden-units=0&epoch=3&<b>=1"],
    }
    answer = node("texts.mjs", question)
    assert [("error" in one) for one in answer["weights"]] == [True] * 5 + [False]
    assert [("error" in one) for one in answer["values"]] == [True] * 8 + [False]
    (found,) = answer["hashes"]
    assert "hidden-units=0 of the link is left out" in found.pop("problems")[0]
    assert found == {"lr": 2, "epoch": "3", "<b>": "1"}


@needs_node
def test_the_command_it_shows_gives_the_settings_on_screen(rdfia_here):
    """What the page would show, parsed by the command line itself."""
    config = MlpConfig(lr=1e-7, batch_size=3, hidden_units=4, init_std=0.0, seed=9, epochs=12)
    files = {"data_dir": None, "dataset": "my points's.csv", "init": "weights.json"}
    question = [settings_of(config), settings_of(MlpConfig()), files]
    (shown,) = node("texts.mjs", {"commands": [question], "limits": playground_page.LIMITS})["commands"]
    program, *words = shlex.split(shown)
    assert program == "rdfia"
    done = rdfia_here(*words)
    assert done.returncode == 1 and "cannot read" in done.stderr and "points's.csv" in done.stderr, done.stderr
    assert words[:5] == ["mlp", "--dataset", "my points's.csv", "--init", "weights.json"]
    assert " ".join(words[5:]) == "--lr 1e-7 --batch-size 3 --hidden-units 4 --init-std 0 --seed 9 --epochs 12"


@pytest.fixture(scope="module")
def html():
    config = MlpConfig().resolve()
    return playground_page.playground_page(config, load_vectors("circles"))


def test_the_page_is_small_and_asks_for_nothing(html):
    assert len(html.encode()) < 250_000
    assert not re.search(r"(src|href)=(?!\"#)|url\(|@import|import\(|fetch\(|XMLHttpRequest|WebSocket|eval\(", html)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy and "*" not in policy


@pytest.mark.parametrize(
    ("tag", "pattern"), [("script", r'<script type="module">(.*?)</script>'), ("style", r"<style>(.*?)</style>")]
)
def test_its_policy_allows_exactly_its_own_script_and_style(html, tag, pattern):
    (content,) = re.findall(pattern, html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    assert f"{tag}-src 'sha256-{digest}'" in html


@needs_node
@pytest.mark.parametrize("entries", [playground_page.MODULES, report_page.MODULES])
def test_the_modules_in_one_are_a_program(tmp_path, entries):
    """No two modules define one name, each follows what it uses, and none is left out."""
    path = tmp_path / "bundle.mjs"
    path.write_text(document.bundle(entries), encoding="utf-8")
    done = subprocess.run([str(NODE), "--check", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = path.read_text(encoding="utf-8")
    rooms = ("shared", "playground", "report")[: 1 + len(entries)]
    modules = [module for room in rooms for module in Path(str(document.FOLDER / room)).glob("*.mjs")]
    assert len(modules) > 10 * len(entries) and all(module.read_text().splitlines()[0] in text for module in modules)
    assert not re.search(r"^(import|export) ", text, re.MULTILINE)


def test_names_of_data_are_text_and_nothing_else():
    """A class or a file may be called </script><b>."""
    points = Split(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1]))
    data = Dataset("<b>&</script>", points, points, classes=("</script><script>alert(1)</script>", "<!--"))
    html = playground_page.playground_page(MlpConfig().resolve(), data)
    assert html.count("</script>") == 2 and "<!--" not in html and "<b>&<" not in html
    facts = json.loads(re.search(r'playground-facts">(.*?)</script>', html, re.DOTALL)[1])
    assert facts["data"]["classes"] == list(data.classes)


def test_the_page_begins_where_the_command_says(tmp_path):
    weights = {"W_h": [[1, 2]], "b_h": [0.5], "W_y": [[1], [2]], "b_y": [0, 0]}
    path = tmp_path / "w.json"
    path.write_text(json.dumps(weights))
    config = MlpConfig(lr=2.0, hidden_units=1, seed=3, init=str(path))
    done = playground(config, RunOptions(out=tmp_path / "out"))
    html = done.paths[0].read_text(encoding="utf-8")
    facts = json.loads(re.search(r'playground-facts">(.*?)</script>', html, re.DOTALL)[1])
    assert done.data["bytes"] == len(html.encode())
    assert facts["settings"] == {
        "lr": 2,
        "batch_size": 10,
        "hidden_units": 1,
        "init_std": 0.3,
        "seed": 3,
        "epochs": 150,
    }
    assert facts["initial"] == weights and facts["command"]["init"] == str(path)
    titles = "figure 1: the circles|figure 2: eta = 2|figure 3: batch size 1|figure 3: batch size 50|all weights zero"
    assert "|".join(one["title"] for one in facts["presets"]) == titles


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"hidden_units": 201}, ConfigError, "at most 200 in the playground"),
        ({"epochs": 1001}, ConfigError, "at most 1000 in the playground"),
        ({"dataset": "digits"}, ConfigError, "digits is none; choose circles or a CSV file"),
        ({"dataset": "absent.csv"}, RdfiaError, "cannot read"),
        ({"init": "absent.json"}, RdfiaError, "cannot read"),
    ],
)
def test_what_the_page_cannot_train_is_refused(tmp_path, settings, error, sentence):
    with pytest.raises(error, match=sentence):
        playground(MlpConfig(**settings), RunOptions(out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_too_many_points_or_classes_are_refused(tmp_path):
    path = tmp_path / "p.csv"
    for rows in ([f"{n},0,{n % 2},train" for n in range(2001)], [f"0,0,{n},train" for n in range(7)]):
        path.write_text("\n".join(["x1,x2,class,split", *rows, "0,0,0,test"]))
        with pytest.raises(RdfiaError, match="give a smaller file"):
            playground(MlpConfig(dataset=str(path)), RunOptions(out=tmp_path / "out"))
