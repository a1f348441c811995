"""`rdfia list`: every experiment, named sweep and explanation."""

from typing import Annotated, Any

from rdfia_keras.analysis.tables import Column, make_table, published
from rdfia_keras.commands._options import command
from rdfia_keras.commands.explain import EXPLANATIONS
from rdfia_keras.config import Setting
from rdfia_keras.experiments import LADDER, REGISTRY, SWEEPS, Experiment, figures_of
from rdfia_keras.result import Result

# A section, or a command of its own: `improve` trains networks of the section cnn.
PARTS = ("mlp", "svm", "cnn", "improve", "explain")
# Part 5 of the homework, `rdfia improve`, begins with this question.
FIRST_QUESTION_OF_PART_5 = 19
# What a row has; a sweep and an explanation leave some of it empty.
FACTS: dict[str, Any] = {
    "name": "",
    "part": "",
    "figures": [],
    "question": "",
    "published": None,
    "published_at_end": False,
    "comment": "",
    "epochs": None,
    "dataset": "",
    "shows": "",
}
COLUMNS: dict[str, Column] = {
    "experiment": "{name}",
    "part": "{part}",
    "figure": lambda row: ", ".join(row["figures"]) or "-",
    "question": "{question}",
    "published": published,
    "epochs": "{epochs}",
    "command": "{command}",
}


@command("list", options=(), examples=("rdfia list", "rdfia list --part improve", "rdfia list --json"))
def list_all(
    part: Annotated[str | None, Setting("Show only this part.", choices=PARTS, shown_default="all")] = None,
) -> Result:
    """List every experiment and explanation, with its figure, question, published value and command."""
    rows = [experiment_row(experiment) for experiment in REGISTRY.values()]
    for name, sweep in SWEEPS.items():
        rows.append({"name": name, "part": "mlp", "question": sweep.question, "command": f"rdfia sweep {name}"})
    for topic, facts in EXPLANATIONS.items():
        rows.append({"name": topic, "part": "explain", **facts, "command": f"rdfia explain {topic}"})
    chosen = [{**FACTS, **row} for row in rows if part is None or row["part"] == part]
    return Result(data={"experiments": chosen}, table=make_table(chosen, COLUMNS))


def experiment_row(experiment: Experiment) -> dict[str, Any]:
    """Return what the report says of an experiment, and the command that trains or draws it."""
    figures, claim = figures_of(experiment.name), experiment.report
    part, command = experiment.section, f"rdfia improve {experiment.name}"
    if part == "cnn":
        in_part_5 = claim.question.isdigit() and int(claim.question) >= FIRST_QUESTION_OF_PART_5
        part = "improve" if experiment in LADDER[1:] or in_part_5 else "cnn"
    else:
        command = f"rdfia figure {figures[0]}" if figures else f"rdfia {part}"
    return {
        "name": experiment.name,
        "part": part,
        "figures": figures,
        "question": claim.question,
        "published": claim.published,
        "published_at_end": claim.published_at_end,
        "comment": claim.comment,
        "epochs": experiment.config.epochs,
        "dataset": experiment.config.dataset,
        "command": command,
    }
