"""Grade a class: the results of a submission are kept, so that only what changed is run again."""

import hashlib
import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.checker import RIGHT, UNWRITTEN, WRONG, Checker, Verdict
from rdfia_keras.learn.exercise import VERSION
from rdfia_keras.learn.exercises import EXERCISES
from rdfia_keras.learn.protocol import plain
from rdfia_keras.learn.sandbox import Workers
from rdfia_keras.learn.session import LIMITS, Limits
from rdfia_keras.learn.submissions import Submission, home_of, is_copy, modules, versions
from rdfia_keras.runs.files import make_folder, write_atomic

RESULTS = ".rdfia-grades"


@dataclass(frozen=True)
class GradedSubmission:
    """The grading of a submission.

    Attributes:
        student, number: See `Submission`.
        verdicts: On every exercise, in order.
        problems: What of it could not be read or run, a sentence each.
        copies: Exercises whose function equals our solution but for names.
    """

    student: str
    number: str
    verdicts: tuple[Verdict, ...]
    problems: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()


def grade_submission(submission: Submission, checker: Checker) -> GradedSubmission:
    """Grade all exercises of a submission.

    Raises:
        RdfiaError: If its functions cannot be run.
    """
    with checker.judging:
        files = modules(submission)
        homes = [(exercise, home_of(exercise, files)) for exercise in EXERCISES.values()]
        targets = [(exercise, home) for exercise, home in homes if home]
        copies = [exercise.name for exercise, home in targets if is_copy(exercise, home)]
    problems = [*submission.problems, *(problem for file in files for problem in file.problems)]
    if not files:
        problems.append("There is no .py or .ipynb file in it.")
    checked, import_problems = checker.check(files, targets)
    problems += [*import_problems, *versions(targets, files)]
    by_name = {verdict.name: verdict for verdict in checked}
    verdicts = tuple(by_name.get(name) or Verdict(name, UNWRITTEN) for name in EXERCISES)
    return GradedSubmission(submission.student, submission.number, verdicts, tuple(problems), tuple(copies))


def grade_class(
    submissions: Sequence[Submission],
    folder: Path,
    *,
    seed: int,
    isolated: bool = True,
    limits: Limits = LIMITS,
    report: Callable[[GradedSubmission, int, int], None] = lambda graded, number, of: None,
) -> list[GradedSubmission]:
    """Grade submissions, a few at a time.

    A submission on which the checker itself fails has everything wrong and says so; it is run again the next time.

    Args:
        submissions: In any order; the result has the same.
        folder: Where the results are kept. A submission that has not changed since is not run again.
        seed: Decides the inputs.
        isolated: Whether submissions are locked in.
        limits: How long each may take.
        report: Called after each submission that was run, with its number and how many are to be run.

    Raises:
        RdfiaError: If isolation is asked for and does not work here, or the folder cannot be written.
    """
    make_folder(folder)
    files = [folder / f"{_key(submission, seed, isolated, limits)}.json" for submission in submissions]
    results = [_read(file) for file in files]
    todo = [i for i, graded in enumerate(results) if graded is None]
    if not todo:
        return [graded for graded in results if graded]
    workers = Workers(isolated, hidden=True)
    checker = Checker(workers, seed, limits)
    pool = ThreadPoolExecutor(os.cpu_count() or 1)

    def run(i: int) -> GradedSubmission:
        try:
            graded = grade_submission(submissions[i], checker)
        except RdfiaError:
            raise
        except Exception as error:
            return _not_judged(submissions[i], error)
        if not workers.closed:
            write_atomic(files[i], json.dumps(asdict(graded)).encode())
        return graded

    try:
        for number, (i, graded) in enumerate(zip(todo, pool.map(run, todo), strict=True), 1):
            results[i] = graded
            report(graded, number, len(todo))
    finally:
        # In this order: after Ctrl-C nobody waits for the submissions that run.
        workers.close()
        pool.shutdown(cancel_futures=True)
    return [graded for graded in results if graded]


def restrict(class_: Sequence[GradedSubmission], names: Collection[str]) -> list[GradedSubmission]:
    """Return the graded submissions with what is said of some exercises only."""
    return [
        replace(
            graded,
            verdicts=tuple(verdict for verdict in graded.verdicts if verdict.name in names),
            copies=tuple(name for name in graded.copies if name in names),
        )
        for graded in class_
    ]


def seed_of(folder: Path, seed: int | None) -> int:
    """Return the seed to grade with: the given one, else that of the earlier call, else a new one.

    It is kept in the folder of the results.

    Raises:
        RdfiaError: If the folder cannot be written.
    """
    file = make_folder(folder) / "seed.txt"
    if seed is None:
        kept = file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""
        # Students check with seed 0.
        is_seed = kept.isdecimal() and kept.isascii() and len(kept) < 1000
        seed = int(kept) if is_seed else 1 + secrets.randbelow(10**6)
    write_atomic(file, f"{seed}\n".encode())
    return seed


def _not_judged(submission: Submission, error: Exception) -> GradedSubmission:
    why = plain(f"{type(error).__name__}: {error}", 200)
    problem = f"It could not be judged ({why}): look at it yourself, and please report this."
    verdicts = tuple(Verdict(name, WRONG, ("It could not be judged.",)) for name in EXERCISES)
    problems = (*submission.problems, problem)
    return GradedSubmission(submission.student, submission.number, verdicts, problems)


def _key(submission: Submission, seed: int, isolated: bool, limits: Limits) -> str:
    """Return a text that changes with whatever the verdicts on a submission depend on."""
    exercises = "".join(exercise.source for exercise in EXERCISES.values())
    facts = (submission.digest, seed, isolated, asdict(limits), VERSION, exercises)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _read(file: Path) -> GradedSubmission | None:
    """Return what is kept of a submission; nothing where it cannot be read."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        verdicts = [Verdict(**_with_tuples(verdict)) for verdict in values["verdicts"]]
        return GradedSubmission(**_with_tuples({**values, "verdicts": verdicts}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Return values of JSON with tuples for its lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


# --- overview ---------------------------------------------------------------------------------------------------------


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


def overview(class_: Sequence[GradedSubmission]) -> list[ExerciseOverview]:
    """Return how a class did in each exercise, in order."""
    rows = []
    for number, name in enumerate([verdict.name for verdict in class_[0].verdicts]):
        verdicts = [graded.verdicts[number] for graded in class_]
        statuses = Counter(verdict.status for verdict in verdicts)
        causes = Counter(cause for verdict in verdicts for cause in verdict.causes)
        counts = (statuses[RIGHT], statuses[WRONG], statuses[UNWRITTEN])
        rows.append(ExerciseOverview(name, *counts, tuple(causes.most_common())))
    return rows


def average(totals: Sequence[float], most: float) -> str:
    """Return how many submissions there are, and how many of the most points they have on average."""
    mean = sum(totals) / len(totals)
    return f"{len(totals)} submission{'s' * (len(totals) != 1)}, {mean:.1f} of {most:g} points on average"


def _students(number: int) -> str:
    return f"{number} student{'s' * (number != 1)}"


def overview_page(class_: Sequence[GradedSubmission], totals: Sequence[float], most: float, picture: str) -> str:
    """Return a page for the teacher: the picture, which exercise most fail, which mistake is most common.

    Args:
        class_: The graded submissions.
        totals: Their points for exercises.
        most: What the points could be.
        picture: Its path from the page.
    """
    from jinja2 import Environment, PackageLoader

    rows = overview(class_)
    hardest = max(rows, key=lambda row: row.wrong)
    common = max(((count, row.name, cause) for row in rows for cause, count in row.causes[:1]), default=None)
    lines = [f"{average(totals, most)}."]
    if hardest.wrong:
        lines.append(f"Most often wrong: {hardest.name} ({_students(hardest.wrong)}).")
    if common:
        lines.append(f"Most common likely cause: {common[1]}, {_students(common[0])}. {common[2]}")
    loader = PackageLoader("rdfia_keras", "learn")
    templates = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return templates.get_template("overview.html").render(lines=lines, rows=rows, class_=class_, picture=picture)
