"""The exercises and their checker: every mistake is named, every right solution passes. NumPy only."""

import ast
import re
import sys

import numpy as np
import pytest
from right_solutions import verdict_of as check
from right_solutions import ways

from rdfia_keras.learn.causes import Failure, Outcome, same
from rdfia_keras.learn.checker import RIGHT, UNWRITTEN, WRONG
from rdfia_keras.learn.exercise import Mistake
from rdfia_keras.learn.exercises import EXERCISES, PARTS, of_part
from rdfia_keras.learn.skeletons import skeleton

NUMPY = [exercise for exercise in EXERCISES.values() if not exercise.uses_keras]
ALL_MISTAKES = [(exercise, mistake) for exercise in EXERCISES.values() for mistake in exercise.mistakes]
MISTAKES = [(exercise, mistake) for exercise, mistake in ALL_MISTAKES if not exercise.uses_keras]
by_name = {"ids": lambda value: getattr(value, "name", "")}


@pytest.mark.parametrize("exercise", NUMPY, **by_name)
def test_the_solution_is_right(exercise):
    cases = exercise.draw(0)
    assert {case.edge for case in cases} == {True, False}
    for seed in range(3):
        verdict = check(exercise, exercise.solution, seed)
        assert (verdict.status, verdict.lines, verdict.causes) == (RIGHT, (), ())
        assert verdict.core[0] == verdict.core[1] >= 1 and verdict.edge[0] == verdict.edge[1] >= 1


@pytest.mark.parametrize("exercise", NUMPY, **by_name)
def test_other_solutions_are_right(exercise):
    functions = ways(exercise)
    assert len(functions) >= 4
    for function in functions:
        verdict = check(exercise, function, seed=1)
        assert (verdict.status, verdict.lines) == (RIGHT, ()), function.__name__


SOLUTION = {name: exercise.solution for name, exercise in EXERCISES.items()}


def layer_table__four_biases_left_out(size, z, n_y):
    *rows, (side, units, parameters) = SOLUTION["layer_table"](size, z, n_y)
    return [*rows, [side, units, parameters - 4]]


def softmax__not_a_number_replaced(y_tilde):
    e = np.exp(y_tilde)
    return np.nan_to_num(e / e.sum(axis=1, keepdims=True))


def crop_flip__corners(images, size, rng):
    crops = []
    for image in images:
        i, j = (int(rng.integers(2)) * (most - size) for most in image.shape[:2])
        crops.append(image[i : i + size, j : j + size, :][:, :: rng.choice([1, -1])])
    return np.array(crops)


def crop_flip__rare(images, size, rng):
    crops = SOLUTION["crop_flip"](images, size, rng)
    # From one half to 0.36.
    again = (rng.random(len(crops)) < 0.28) & (crops[:, 0, 0] > crops[:, 0, -1]).any(axis=1)
    crops[again] = crops[again, :, ::-1]
    return crops


def dropout__one_mask_for_two_rows(x, p, training, rng):
    mask = np.repeat(rng.random((len(x) // 2, x.shape[1])) >= p, 2, axis=0)
    return x * mask / (1 - p) if training else x


def max_pool__two_rows(x):
    return x[:, :4, : x.shape[2] // 2 * 2].reshape(len(x), 2, 2, -1, 2, x.shape[3]).max(axis=(2, 4))


def choose_svm__other_targets(x, y, x_val, y_val, kernels, Cs, fit):
    return SOLUTION["choose_svm"](x, y, x_val, y_val, kernels, Cs, lambda kernel, C, x, y: fit(kernel, C, x, y[::-1]))


def cross_entropy__clip(y_tilde, y):
    p = np.clip(SOLUTION["softmax"](y_tilde), 1e-12, 1 - 1e-12)
    return -np.sum(y * np.log(p)) / len(y)


def cross_entropy__probability_of_the_right_class(y_tilde, y):
    return -np.log(SOLUTION["softmax"](y_tilde)[np.arange(len(y)), y.argmax(axis=1)]).mean()


def forward__pair(params, x, *rest):
    h_tilde, h, y_tilde, y_hat = SOLUTION["forward"](params, x, *rest)
    return y_hat, {"X": x, "htilde": h_tilde, "h": h, "ytilde": y_tilde, "yhat": y_hat}


def accuracy__of_each_example(y_tilde, y):
    return np.argmax(y_tilde, axis=1) == np.argmax(y, axis=1)


def momentum_step__keras(w, v, grad, eta, beta):
    v = beta * v - eta * grad
    return w + v, v


def dropout__own_generator(x, p, training, rng):
    return SOLUTION["dropout"](x, p, training, np.random.default_rng(42))


# Words of the cause, that of a declared mistake written in another way; nothing where there is none to name.
CAUSES = {
    layer_table__four_biases_left_out: "",
    softmax__not_a_number_replaced: "",
    crop_flip__corners: "",
    crop_flip__rare: "",
    dropout__one_mask_for_two_rows: "",
    max_pool__two_rows: "",
    choose_svm__other_targets: "",
    cross_entropy__clip: "inside the logarithm",
    cross_entropy__probability_of_the_right_class: "underflows to 0",
    forward__pair: "y_hat and a dict",
    accuracy__of_each_example: "for each example",
    momentum_step__keras: "and the sign, as in Keras",
    dropout__own_generator: "a generator with a fixed seed",
}


@pytest.mark.parametrize("function", CAUSES, ids=lambda function: function.__name__)
def test_what_students_get_wrong_is_wrong_and_its_cause_true(function):
    for seed in range(3):
        verdict = check(EXERCISES[function.__name__.partition("__")[0]], function, seed)
        assert verdict.status == WRONG
        assert len(verdict.causes) == bool(CAUSES[function])
        assert CAUSES[function] in "".join(verdict.causes)


@pytest.mark.parametrize("exercise, mistake", MISTAKES, **by_name)
def test_a_mistake_is_named_and_no_other(exercise, mistake):
    for seed in (0, 1):
        verdict = check(exercise, exercise.wrong(mistake), seed)
        assert verdict.status == WRONG and verdict.causes == (mistake.sentence,)
        assert f"Likely cause: {mistake.sentence}" in verdict.lines


@pytest.mark.parametrize("exercise", [EXERCISES["crop_flip"], EXERCISES["dropout"]], **by_name)
def test_other_draws_make_no_difference(exercise):
    """Students draw in another order: here they draw from another generator."""
    for mistake in exercise.mistakes:
        wrong = exercise.wrong(mistake)
        for seed in range(2):
            verdict = check(exercise, lambda *given, f=wrong: f(*given[:-1], given[-1].spawn(1)[0]), seed)
            assert verdict.causes == (mistake.sentence,)


@pytest.mark.parametrize("exercise", EXERCISES.values(), **by_name)
def test_the_skeleton_is_not_written_yet(exercise):
    names = dict(exercise.solution.__globals__)
    exec(exercise.skeleton, names)
    assert names[exercise.name].__doc__ == exercise.solution.__doc__
    if not exercise.uses_keras:
        assert check(exercise, names[exercise.name]).status == UNWRITTEN


def prompt_examples():
    """The examples of docstrings that can be run: name, statements, expression, result."""
    for exercise in NUMPY:
        lines = exercise.solution.__doc__.splitlines()
        code = [line.strip()[4:] for line in lines if line.strip().startswith(">>> ")]
        if code:
            last = max(i for i, line in enumerate(lines) if line.strip().startswith(">>> "))
            yield pytest.param(exercise, code, lines[last + 1].strip(), id=exercise.name)


@pytest.mark.parametrize("exercise, code, result", list(prompt_examples()))
def test_the_example_of_the_prompt(exercise, code, result):
    names = dict(exercise.solution.__globals__)
    exec("\n".join(code[:-1]), names)
    actual, expected = eval(code[-1], names), ast.literal_eval(result)
    pairs = zip(actual, expected, strict=True) if isinstance(actual, tuple) else [(actual, expected)]
    for value, shown in pairs:
        np.testing.assert_allclose(value, shown, atol=1e-8)


@pytest.mark.parametrize("exercise", EXERCISES.values(), **by_name)
def test_the_prompt_has_all_it_needs(exercise):
    text = exercise.solution.__doc__
    for part in ("Args:", "Returns:", "Example:", "Allowed:"):
        assert part in text
    assert re.match(r"(Questions?|Theory|Part) [T\d]", text)
    assert all(f"{name}" in text for name in exercise.parameters)


# --- what a verdict says ----------------------------------------------------------------------------------------------


def lines_of(name, function, seed=0, functions=None):
    verdict = check(EXERCISES[name], function, seed, functions)
    assert verdict.status == WRONG
    return "\n".join(verdict.lines)


def two_entries_wrong(y_hat, y):
    grad = (y_hat - y) / len(y)
    grad[0, 1] += 0.5
    grad[1, 2] = 7
    return grad


def changes_its_argument(y_hat, y):
    y_hat -= y
    return y_hat / len(y)


OVERFLOWS = EXERCISES["softmax"].wrong(EXERCISES["softmax"].mistakes[2])
SAYS = [
    ("softmax", lambda y_tilde: np.ones((3, 4)), "the result has shape (3, 4); expected (4, 3)"),
    ("accuracy", accuracy__of_each_example, "the result has shape (7,); expected one number (shape ())"),
    # The entry that differs most, with both values.
    ("grad_y_tilde", two_entries_wrong, '"5 examples of 3 classes": result[1, 2] is 7; expected '),
    ("grad_y_tilde", changes_its_argument, "changes its argument y_hat; work on a copy"),
    ("normalize", lambda *x: [image.astype(int) for image in SOLUTION["normalize"](*x)], "which keeps no fractions"),
    ("softmax", lambda y_tilde: SOLUTION["softmax"](y_tilde).astype(np.float16), "float16"),
    ("grads_output", lambda g, h: (SOLUTION["grads_output"](g, h)[0], h[0]), "grad_b_y has shape (4,); expected (3,)"),
    ("grads_output", lambda g, h: SOLUTION["grads_output"](g, h)[0], "expected 2 values: grad_W_y, grad_b_y"),
    ("softmax", lambda y_tilde: None, "None (is a return missing?)"),
    ("softmax", lambda y_tilde: y_tilde * np.nan, "is NaN"),
    ("softmax", lambda y_tilde: "probabilities", "'probabilities'; expected numbers"),
    ("softmax", lambda y_tilde: {}, "a dict"),
    ("softmax", lambda y_tilde: [[1, 2], [3]], "a list; expected an array"),
    ("softmax", lambda y_tilde: sys.exit(0), "SystemExit"),
    ("softmax", OVERFLOWS, 'First input that fails: "entries of 1000"'),
    ("softmax", OVERFLOWS, "All ordinary and 1 of 4 special inputs pass"),
]


@pytest.mark.parametrize(("name", "function", "words"), SAYS)
def test_a_verdict_says_what_is_wrong(name, function, words):
    assert words in lines_of(name, function)


def test_the_line_of_the_traceback_with_shapes(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def softmax(y_tilde):\n    e = y_tilde[:, :2]\n    return e @ y_tilde\n")
    names = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    text = lines_of("softmax", names["softmax"])
    assert "mine.py, line 3: return e @ y_tilde -> ValueError: matmul" in text
    assert "; shapes: y_tilde (4, 3), e (4, 2)" in text


def test_other_names_of_parameters_are_fine():
    assert check(EXERCISES["grad_y_tilde"], lambda a, b, extra=None: (a - b) / len(b)).status == RIGHT


@pytest.mark.parametrize("exercise", NUMPY, **by_name)
def test_two_mistakes_at_once_are_both_named(exercise):
    """Pairs with the first mistake; where one of the two hides the other, it alone is named."""
    first, *others = exercise.mistakes
    for other in others[:3]:
        try:
            function = exercise.wrong(first, other)
        except ValueError:
            continue
        causes = check(exercise, function).causes
        assert {first.sentence, other.sentence} <= set(causes) or len(causes) == 1, other.sentence


def test_two_mistakes_of_two_lines():
    exercise = EXERCISES["grads_output"]
    first, second = exercise.mistakes[1:3]
    verdict = check(exercise, exercise.wrong(first, second))
    assert verdict.causes == (first.sentence, second.sentence)
    assert [line for line in verdict.lines if line.endswith(verdict.causes)] == [
        f"Two mistakes together give your result. The first: {first.sentence}",
        f"The second: {second.sentence}",
    ]


def test_two_mistakes_that_cannot_be_told_apart_are_both_named(monkeypatch):
    exercise = EXERCISES["grad_y_tilde"]
    monkeypatch.setattr(exercise, "mistakes", [*exercise.mistakes, Mistake("Or so.", exercise.mistakes[0].edits)])
    verdict = check(exercise, exercise.wrong(exercise.mistakes[0]))
    assert verdict.causes == (exercise.mistakes[0].sentence, "Or so.")
    assert "Possible cause: Or so." in verdict.lines


# --- the gradient of the student's own loss ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_right", "words"),
    [
        (False, "Your gradient is that of your cross_entropy, which is wrong: correct both."),
        (True, "the gradient is wrong, not cross_entropy"),
    ],
)
def test_a_gradient_is_held_against_the_students_own_loss(is_right, words):
    loss, gradient = EXERCISES["cross_entropy"], EXERCISES["grad_y_tilde"]
    own = loss.solution if is_right else loss.wrong(loss.mistakes[0])
    whole = gradient.wrong(gradient.mistakes[0])
    assert words in lines_of("grad_y_tilde", whole, functions={"cross_entropy": own})


WITH_CUSTOM_LOSS = [exercise for exercise in NUMPY if exercise.custom_loss]


@pytest.mark.parametrize("exercise", WITH_CUSTOM_LOSS, **by_name)
def test_finite_differences_agree_with_every_gradient(exercise):
    case = [case for case in exercise.draw(0) if not case.edge][-1]
    numeric = exercise.custom_loss.gradient(EXERCISES[exercise.custom_loss.needs].solution, *case.arguments)
    exact = exercise.solution(*case.arguments)
    pairs = zip(numeric, exact, strict=True) if isinstance(exact, tuple) else [(numeric, exact)]
    for pair in pairs:
        np.testing.assert_allclose(*pair, atol=1e-7)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_a_skeleton_is_a_file_that_imports_what_it_needs(part):
    tree = ast.parse(skeleton(part))
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == [
        exercise.name for exercise in of_part(part)
    ]
    imports = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert imports == ({"keras", "numpy", "tensorflow"} if part.endswith("_keras") else {"numpy"})


def test_exceptions_are_the_same_when_they_say_the_same():
    def failed(kind, text):
        return Outcome(failure=Failure(kind, text))

    failure = failed("ValueError", "shapes (4,3) and (2,) do not fit")
    assert same(failure, failed("ValueError", "shapes (4,3) and (5,) do not fit"))
    assert not same(failure, failed("ValueError", "I give up"))
    assert not same(failure, failed("TypeError", "shapes (4,3) and (2,) do not fit"))
    assert not same(failure, Outcome(1.0))
