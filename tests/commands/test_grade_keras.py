"""Grading of the exercises that use Keras, in workers that have imported it."""

import shutil

import pytest
from right_solutions import solved

from rdfia_keras.learn.checker import Checker
from rdfia_keras.learn.exercises import EXERCISES
from rdfia_keras.learn.gradebook import grade_submission
from rdfia_keras.learn.sandbox import Workers
from rdfia_keras.learn.session import Limits
from rdfia_keras.learn.submissions import Submission

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

KERAS = [exercise for exercise in EXERCISES.values() if exercise.uses_keras]
LOOP = "while True:\n        pass"


def made_class():
    """A submission that is right, and one with a mistake, a forbidden library, an endless loop and an exit."""
    net, head = EXERCISES["build_convnet"], EXERCISES["keras_step"].source.splitlines()[0]
    copied = "def keras_perceptron(params):\n    import rdfia_keras as r\n    return r.api.model(params)\n"
    files = {
        "right": (solved("mlp_keras"), solved("conv_keras")),
        "mistaken": (
            solved("mlp_keras", keras_perceptron=copied, keras_step=f"{head}\n    {LOOP}"),
            "import os\nx = os._exit(0)\n" + solved("conv_keras", build_convnet=net.wrong_source(net.mistakes[0])),
        ),
    }
    for name, (mlp, conv) in files.items():
        yield Submission(name, "", (("mlp_keras.py", mlp.encode()), ("conv_keras.py", conv.encode())))


def grade(class_, **settings):
    with Workers(**settings) as workers:
        checker = Checker(workers, 5, Limits(submission=120.0, exercise=5.0, keras_exercise=20.0))
        return {submission.student: grade_submission(submission, checker) for submission in class_}


@pytest.fixture(scope="module")
def graded():
    return grade(made_class(), isolated=True)


@pytest.fixture(scope="module")
def verdicts(graded):
    assert len(graded["mistaken"].problems) == 1
    return {name: {verdict.name: verdict for verdict in submission.verdicts} for name, submission in graded.items()}


def test_the_sandbox_makes_no_difference(graded):
    right = [submission for submission in made_class() if submission.student == "right"]
    assert grade(right) == {"right": graded["right"]}


def test_our_solutions_are_right(verdicts):
    assert {verdicts["right"][exercise.name].status for exercise in KERAS} == {"right"}


def test_a_mistake_a_forbidden_library_and_an_endless_loop_cost_their_own_function(verdicts):
    mistaken = verdicts["mistaken"]
    verdict = mistaken["build_convnet"]
    assert (verdict.status, verdict.causes) == ("wrong", (EXERCISES["build_convnet"].mistakes[0].sentence,))
    assert "uses rdfia_keras, which is not allowed" in mistaken["keras_perceptron"].lines[0]
    assert mistaken["keras_step"].status == "wrong" and "endless loop" in mistaken["keras_step"].lines[0]
    others = {exercise.name for exercise in KERAS} - {"build_convnet", "keras_perceptron", "keras_step"}
    assert {mistaken[name].status for name in others} == {"right"}
