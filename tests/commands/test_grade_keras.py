"""Grading of the exercises that use Keras: forked from a process that has imported it and run nothing."""

import sys

import pytest

from rdfia_keras.learn.exercises import EXERCISES, of_part
from rdfia_keras.learn.files import skeleton
from rdfia_keras.learn.grading.judge import Judge, Limits
from rdfia_keras.learn.grading.submissions import Submission

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="submissions are isolated on Linux only")

KERAS = [one for one in EXERCISES.values() if one.uses_keras]
LOOP = "while True:\n        pass"


def solved(part: str, **functions: str) -> tuple[str, bytes]:
    """A part's file with our solutions, but for some functions."""
    text = skeleton(part)
    for exercise in of_part(part):
        text = text.replace(exercise.skeleton, f"{functions.get(exercise.name, exercise.source)}\n")
    return f"{part}.py", text.encode()


@pytest.fixture(scope="module")
def verdicts():
    """The verdicts on a submission that is right, on one with a mistake, and on one with an endless loop."""
    step, net = EXERCISES["keras_step"], EXERCISES["build_convnet"]
    head = step.source.splitlines()[0]
    edits = dict(net.mistakes[0].edits)
    mistaken = net.source
    for old, new in edits.items():
        mistaken = mistaken.replace(old, new)
    files = {
        "right": (solved("mlp_keras"), solved("conv_keras")),
        "mistaken": (solved("mlp_keras"), solved("conv_keras", build_convnet=mistaken)),
        "looping": (solved("mlp_keras", keras_step=f"{head}\n    {LOOP}"), solved("conv_keras")),
    }
    judge = Judge(5, limits=Limits(submission=60.0, exercise=5.0, keras_exercise=15.0))
    try:
        graded = {name: judge.grade(Submission(name, "", made)) for name, made in files.items()}
    finally:
        judge.close()
    return {name: {one.name: one for one in made.verdicts} for name, made in graded.items()}


def test_our_solutions_are_right(verdicts):
    assert {verdicts["right"][one.name].status for one in KERAS} == {"right"}


def test_a_mistake_is_named(verdicts):
    found = verdicts["mistaken"]["build_convnet"]
    assert (found.status, found.causes) == ("wrong", (EXERCISES["build_convnet"].mistakes[0].sentence,))


def test_an_endless_loop_costs_its_own_function(verdicts):
    found = verdicts["looping"]
    assert found["keras_step"].status == "wrong" and "endless loop" in found["keras_step"].lines[0]
    assert {found[one.name].status for one in KERAS if one.name != "keras_step"} == {"right"}
