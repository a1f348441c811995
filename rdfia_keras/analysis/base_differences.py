"""The differences of the reference's experiments to their bases, as text, for the report page and the documentation."""

import functools
from collections.abc import Sequence
from typing import Any

from rdfia_keras.analysis import seeds
from rdfia_keras.analysis.tables import Column, Data, Row, make_table, percent
from rdfia_keras.experiments import Experiment, bonus_experiments


def bonus() -> list[Row]:
    """Return the difference of each bonus experiment to its base, and whether it is settled among all of them."""
    columns: dict[str, Column] = {
        "experiment": "{experiment.name}",
        "compared with": "{experiment.base}",
        "epochs": "{compared.epochs}",
        **{heading: functools.partial(_difference, measure=name) for name, heading in reversed(seeds.MEASURES.items())},
        "95 % interval": lambda row: interval(row["compared"].interval),
        "n": "{compared.seeds[0]} / {compared.seeds[1]}",
        "result": "{result}",
    }
    return make_table(compared_with_bases(bonus_experiments()), columns)


def _difference(row: Data, measure: str) -> str:
    compared = row["compared"]
    return f"{percent(compared.means[measure])} ({100 * compared.differences[measure]:+.2f})"


def compared_with_bases(experiments: Sequence[Experiment]) -> list[dict[str, Any]]:
    """Return the experiments that can be compared with their bases, with the differences, and which are settled."""
    compared = {each: difference for each in experiments if (difference := seeds.difference_to_base(each))}
    settled = seeds.settled({each.name: difference for each, difference in compared.items()})
    words = {True: "settled", False: "not settled"}
    return [
        {
            "experiment": each,
            "compared": difference,
            "result": words[settled[each.name]] if difference.interval else "-",
        }
        for each, difference in compared.items()
    ]


def interval(ends: tuple[float, float] | None) -> str:
    """Return the ends of an interval in points; a dash where there is none."""
    return "{:+.2f} to {:+.2f}".format(*(100 * end for end in ends)) if ends else "-"
