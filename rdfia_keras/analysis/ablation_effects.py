"""The results of an ablation: the effect of each ingredient on the test accuracy of the last epoch."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rdfia_keras.analysis.base_differences import interval
from rdfia_keras.analysis.seeds import paired_difference
from rdfia_keras.analysis.tables import Row, make_table
from rdfia_keras.experiments import Experiment
from rdfia_keras.experiments.ablation import Ablation

NEEDED = "needed by others"
NEEDS_OTHERS = "needs others"


def effects(ablation: Ablation, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the effect of each ingredient, paired by seed, in the whole and alone: mean, interval and n.

    The rows are those of its sweep's `sweep.json`: one for each of its experiments, in their order.
    """
    # Not by name: one network can occur with two numbers of epochs.
    row_of = dict(zip(ablation.sweep(None).bases, rows, strict=True))

    def effect(before: Experiment | None, after: Experiment | None) -> dict[str, Any] | None:
        if before is None or after is None:
            return None
        difference = paired_difference(_by_seed(row_of[before]), _by_seed(row_of[after]))
        return asdict(difference) if difference else None

    return [
        {
            "ingredient": each.name,
            "left_out": each.left_out and each.left_out.name,
            "alone": each.alone and each.alone.name,
            "in_the_whole": effect(each.left_out, ablation.whole),
            "added_alone": effect(ablation.start, each.alone),
            "epochs_to_90_with": row_of[ablation.whole]["epochs_to_90"],
            "epochs_to_90_without": row_of[each.left_out]["epochs_to_90"] if each.left_out else None,
        }
        for each in ablation.ingredients
    ]


def _by_seed(row: Mapping[str, Any]) -> dict[int, float]:
    return dict(zip(row["seeds"], row["final"]["values"], strict=True)) if row["final"] else {}


def with_changes(ablation: Ablation, trials: Iterable[Mapping[str, str]]) -> list[Row]:
    """Return the listed trials of an ablation's sweep, with what each leaves out or adds."""
    # Two trainings of one network may differ by their epochs alone.
    words = {(each.name, str(each.config.epochs)): changed for each, changed in ablation.changes().items()}
    return [{**row, "ablation": words[re.sub(r"-seed-\d+$", "", row["trial"]), row["epochs"]]} for row in trials]


def table(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the effects in points, with their 95 % intervals."""
    return make_table(
        rows,
        {
            "ingredient": "{ingredient}",
            "gain in the whole": lambda row: _points(row["in_the_whole"], row["left_out"], NEEDED),
            "gain alone": lambda row: _points(row["added_alone"], row["alone"], NEEDS_OTHERS),
            "epochs to 90 % with it": "{epochs_to_90_with}",
            "without it": "{epochs_to_90_without}",
        },
    )


def _points(effect: Mapping[str, Any] | None, trained: str | None, otherwise: str) -> str:
    if trained is None:
        return otherwise
    if effect is None:
        return "-"
    ends = f" [{interval(effect['interval'])}]" if effect["interval"] else ""
    return f"{100 * effect['mean']:+.2f}{ends}, n = {effect['n']}"
