"""Grade a class: what is known of a submission is kept, so that only what changed is run again."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.checking import RIGHT, UNWRITTEN, WRONG, Verdict
from rdfia_keras.learn.exercise import VERSION
from rdfia_keras.learn.exercises import EXERCISES
from rdfia_keras.learn.grading.judge import Graded, Judge, Limits
from rdfia_keras.learn.grading.submissions import Submission
from rdfia_keras.learn.grading.wire import plain
from rdfia_keras.runs.files import write_atomic

KEPT = ".rdfia-grades"


def grade_class(
    submissions: Sequence[Submission],
    kept: Path,
    *,
    seed: int,
    isolated: bool = True,
    limits: Limits | None = None,
    told: Callable[[Graded, int, int], None] = lambda graded, number, of: None,
) -> list[Graded]:
    """Grade submissions, a few at a time.

    Args:
        submissions: In any order; the result has the same.
        kept: A folder for what came of each submission. One that has not changed since is not run again.
        seed: Decides the inputs.
        isolated: Whether submissions are locked in.
        limits: How long each may take.
        told: Called after each submission that was run, with its number and how many are to be run.

    A submission on which the judge itself fails has everything wrong and says so; it is run again the next time.

    Raises:
        RdfiaError: When isolation is asked for and something for it is missing, or the folder cannot be written.
    """
    limits = limits or Limits()
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RdfiaError(f"cannot make {kept}: {error.strerror}; choose another --out") from error
    files = [kept / f"{_key(one, seed, isolated, limits)}.json" for one in submissions]
    found = [_read(file) for file in files]
    todo = [i for i, graded in enumerate(found) if graded is None]
    if not todo:
        return [graded for graded in found if graded]
    judge = Judge(seed, isolated, limits)
    pool = ThreadPoolExecutor(os.cpu_count() or 1)

    def run(i: int) -> Graded:
        try:
            graded = judge.grade(submissions[i])
        except RdfiaError:
            raise
        except Exception as error:
            return _not_judged(submissions[i], error)
        if not judge.closed:
            write_atomic(files[i], json.dumps(asdict(graded)).encode())
        return graded

    try:
        for number, (i, graded) in enumerate(zip(todo, pool.map(run, todo), strict=True), 1):
            found[i] = graded
            told(graded, number, len(todo))
    finally:
        # In this order: after Ctrl-C nobody waits for the submissions that run.
        judge.close()
        pool.shutdown(cancel_futures=True)
    return [graded for graded in found if graded]


def _not_judged(submission: Submission, error: Exception) -> Graded:
    why = plain(f"{type(error).__name__}: {error}", 200)
    problem = f"It could not be judged ({why}): look at it yourself, and please report this."
    verdicts = tuple(Verdict(name, WRONG, ("It could not be judged.",)) for name in EXERCISES)
    return Graded(submission.student, submission.number, submission.digest, verdicts, (*submission.problems, problem))


def _key(submission: Submission, seed: int, isolated: bool, limits: Limits) -> str:
    """Changes with whatever the verdicts on a submission depend on."""
    exercises = "".join(exercise.source for exercise in EXERCISES.values())
    facts = (submission.digest, seed, isolated, asdict(limits), VERSION, exercises)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _read(file: Path) -> Graded | None:
    """What is kept of a submission; nothing where it cannot be read."""
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        values["verdicts"] = [Verdict.from_dict(one) for one in values["verdicts"]]
        made: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        return Graded(**made)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True)
class ExerciseOverview:
    """How a class did in one exercise.

    Attributes:
        name: The exercise.
        right, wrong, unwritten: Numbers of students.
        causes: The likely causes, with how many students have each, the most common first.
    """

    name: str
    right: int
    wrong: int
    unwritten: int
    causes: tuple[tuple[str, int], ...]


def overview(class_: Sequence[Graded]) -> list[ExerciseOverview]:
    """How a class did in each exercise, in order."""
    found = []
    for number, name in enumerate(EXERCISES):
        verdicts = [graded.verdicts[number] for graded in class_]
        statuses = Counter(verdict.status for verdict in verdicts)
        causes = Counter(cause for verdict in verdicts for cause in verdict.causes)
        counts = (statuses[RIGHT], statuses[WRONG], statuses[UNWRITTEN])
        found.append(ExerciseOverview(name, *counts, tuple(causes.most_common())))
    return found


def overview_page(class_: Sequence[Graded], totals: Sequence[float], most: float, picture: str) -> str:
    """A page for the teacher: the picture, which exercise most fail, which mistake is most common.

    Args:
        picture: Where the picture is, from the page.
    """
    from html import escape

    rows = overview(class_)
    hardest = sorted(rows, key=lambda one: -one.wrong)
    common = sorted(((count, one.name, cause) for one in rows for cause, count in one.causes), key=lambda c: -c[0])
    mean = sum(totals) / len(totals)
    told = [f"{len(class_)} submissions, {mean:.1f} of {most:g} points on average."]
    if hardest[0].wrong:
        told.append(f"Most often wrong: {hardest[0].name}, by {hardest[0].wrong}.")
    if common:
        told.append(f"Most common mistake, by {common[0][0]}, in {common[0][1]}: {common[0][2]}")
    table = "".join(
        f"<tr><th scope=row>{escape(one.name)}<td>{one.right}<td>{one.wrong}<td>{one.unwritten}"
        f"<td>{escape(f'{one.causes[0][0]} ({one.causes[0][1]})') if one.causes else ''}"
        for one in rows
    )
    copies = [f"{graded.student}: {', '.join(graded.copies)}" for graded in class_ if graded.copies]
    equal = (
        "<h2>Equal to our solution but for names</h2><ul>" + "".join(f"<li>{escape(one)}" for one in copies) + "</ul>"
        if copies
        else ""
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>The class</title>'
        '<meta name="viewport" content="width=device-width"><style>body{font:16px/1.5 system-ui,sans-serif;'
        "max-width:60rem;margin:2rem auto;padding:0 1rem}img{max-width:100%}table{border-collapse:collapse}"
        "td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #ccc;vertical-align:top}</style>"
        f"<main><h1>The class</h1>{''.join(f'<p>{escape(one)}</p>' for one in told)}"
        f'<img src="{escape(picture)}" alt="Students who have each exercise right, wrong and not written; the table '
        'below has the numbers">'
        "<table><tr><th scope=col>exercise<th scope=col>right<th scope=col>wrong<th scope=col>not written"
        f"<th scope=col>most common cause</tr>{table}</table>{equal}</main></html>\n"
    )
