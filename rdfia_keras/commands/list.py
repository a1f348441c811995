"""`rdfia list`: every experiment and explanation."""

from typing import Annotated

from rdfia_keras.commands._options import command
from rdfia_keras.config import Setting
from rdfia_keras.result import Result

# A section, or a command of its own: `improve` trains networks of the section cnn.
PARTS = ("mlp", "svm", "cnn", "improve", "explain")


@command("list", options=(), examples=("rdfia list", "rdfia list --part improve", "rdfia list --json"))
def list_all(
    part: Annotated[str | None, Setting("Show only this part.", choices=PARTS, shown_default="all")] = None,
) -> Result:
    """List every experiment and explanation, with its figure, question, published value and command."""
    from rdfia_keras.analysis import tables
    from rdfia_keras.analysis.catalogue import list_experiments

    rows = [row for row in list_experiments() if part is None or row["part"] == part]
    return Result(data={"experiments": rows}, table=tables.catalogue(rows))
