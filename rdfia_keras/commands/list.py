"""`rdfia list`: every experiment and explanation."""

from typing import Annotated

from rdfia_keras.commands._options import command
from rdfia_keras.config import Setting
from rdfia_keras.result import Result

SECTIONS = ("mlp", "svm", "cnn", "improve", "explain")


@command("list", options=(), examples=("rdfia list", "rdfia list --section improve", "rdfia list --json"))
def list_all(
    section: Annotated[str | None, Setting("Show only this section.", choices=SECTIONS, shown_default="all")] = None,
) -> Result:
    """List every experiment and explanation, with its figure, question, published value and command."""
    from rdfia_keras.analysis import tables
    from rdfia_keras.analysis.catalogue import list_experiments

    rows = [row for row in list_experiments() if section is None or row["section"] == section]
    return Result(data={"experiments": rows}, table=tables.catalogue(rows))
