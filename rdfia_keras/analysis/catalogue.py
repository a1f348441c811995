"""The catalogue: every experiment, named sweep and explanation, with its figure, question and command."""

from typing import Any

from rdfia_keras.analysis.explanations import EXPLANATIONS
from rdfia_keras.experiments import LADDER, REGISTRY, SWEEPS, Experiment, figures_of

# Part 5 of the homework, `rdfia improve`, begins with this question.
FIRST_QUESTION_OF_PART_5 = 19


def list_experiments() -> list[dict[str, Any]]:
    """Return a row for each experiment, sweep and explanation, in the order of the report."""
    rows = [_experiment(experiment) for experiment in REGISTRY.values()]
    rows += [
        _row(name, "mlp", question=sweep.question, command=f"rdfia sweep {name}") for name, sweep in SWEEPS.items()
    ]
    rows += [
        _row(topic, "explain", question=explanation.question, shows=explanation.shows, command=f"rdfia explain {topic}")
        for topic, explanation in EXPLANATIONS.items()
    ]
    return rows


def _experiment(experiment: Experiment) -> dict[str, Any]:
    figures, claim = figures_of(experiment.name), experiment.report
    part, command = experiment.section, f"rdfia improve {experiment.name}"
    if part == "cnn":
        in_part_5 = claim.question.isdigit() and int(claim.question) >= FIRST_QUESTION_OF_PART_5
        part = "improve" if experiment in LADDER[1:] or in_part_5 else "cnn"
    else:
        command = f"rdfia figure {figures[0]}" if figures else f"rdfia {part}"
    return _row(
        experiment.name,
        part,
        figures=figures,
        question=claim.question,
        published=claim.published,
        published_at_end=claim.published_at_end,
        comment=claim.comment,
        epochs=experiment.config.epochs,
        dataset=experiment.config.dataset,
        command=command,
    )


def _row(name: str, part: str, **facts: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"figures": [], "question": "", "published": None, "published_at_end": False, "comment": ""}
    return {"name": name, "part": part, **empty, "epochs": None, "dataset": "", "shows": "", **facts}
