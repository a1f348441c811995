"""The process that trains with the student's functions: an endless loop or an exit ends it and not the command.

Its arguments are the student's file, the file of the `Problem`, the names of the functions to take, as JSON, and the
time limit in seconds: for the file's import, for an epoch, and for the check of a function.
"""

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np

from rdfia_keras.learn.checking import check
from rdfia_keras.learn.exercises import find
from rdfia_keras.learn.files import load
from rdfia_keras.learn.trainer import Problem, Unusable, at_work, epochs
from rdfia_keras.learn.worker import Answers, time_limit


def work(path: Path, problem: Problem, names: list[str], limit: float, answers: Answers) -> None:
    """Train, then check the functions: what is wrong shows in the curves, the check says why."""
    with time_limit(limit, path, answers, path.name):
        module, problem_of_file = load(path)
    if problem_of_file:
        answers.send(problem=problem_of_file)
        return
    try:
        training = epochs(at_work(module, names, path), problem)
        while True:
            with time_limit(limit, path, answers, "an epoch of the training"):
                trained = next(training, None)
            if trained is None:
                break
            last = trained
            answers.send(epoch=len(trained.history))
    except Unusable as error:
        answers.send(problem=str(error))
        return
    answers.send(trained=last.to_json())
    functions = {name: value for name, value in module.items() if callable(value)}
    for name in names:
        with time_limit(limit, path, answers, name):
            verdict = check(find(name), module[name], 0, functions)
        answers.send(name=name, verdict=verdict.as_dict())


def main() -> None:
    answers = Answers(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")
    file, problem, names, limit = sys.argv[1:]
    with np.errstate(all="ignore"):
        work(Path(file), Problem.load(Path(problem)), json.loads(names), float(limit), answers)
    answers.send(done=True)


if __name__ == "__main__":
    main()
