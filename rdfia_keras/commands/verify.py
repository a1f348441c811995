"""`rdfia verify`: a record beside today's code."""

from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import Runs, command
from rdfia_keras.config import RunOptions
from rdfia_keras.result import Result, percent

if TYPE_CHECKING:
    from rdfia_keras.training.verification import Verification


@command(
    options=("out", "data_dir", "device", "deterministic"),
    examples=("rdfia verify cnn/augment", "rdfia verify reference/mlp/circles --epochs 5"),
)
def verify(
    options: RunOptions,
    names: Runs,
    epochs: Annotated[int, typer.Option(min=1, help="Number of epochs to train again.", show_default=True)] = 1,
) -> Result:
    """Train the first epochs of runs again and compare them with their records.

    The answer is equal (all digits), close (the training loss within 2 %) or different.
    """
    from rdfia_keras.runs.store import find_run
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.verification import verify as verify_run

    resources = Resources(options)
    found = [find_run(name, options.out) for name in names]
    checked, exit_code = [], 0
    for run in found:
        verification = verify_run(run, epochs, options, resources)
        if verification.verdict == "interrupted":
            exit_code = verification.exit_code
            break
        checked.append(verification)
    rows = [_row(verification) for verification in checked]
    reasons = sorted({reason for verification in checked for reason in verification.changes})
    different = any(verification.verdict != "equal" for verification in checked)
    lines = [f"This machine has {', '.join(reasons)}."] if different and reasons else []
    return Result(
        data={"runs": [{**row, "changes": list(each.changes)} for row, each in zip(rows, checked, strict=True)]},
        table=rows,
        lines=lines,
        hint="interrupted; the same command begins again" if exit_code else "",
        exit_code=exit_code or int(any(verification.verdict == "different" for verification in checked)),
    )


def _row(verification: "Verification") -> dict[str, str]:
    # A training that diverged has fewer epochs than its record.
    recorded, repeated = list(zip(verification.recorded, verification.repeated, strict=False))[-1]
    commit = verification.run.record.environment.get("commit") if verification.run.record else None
    return {
        "run": verification.run.name,
        "commit": commit or "-",
        "epoch": str(recorded["epoch"]),
        "training loss, recorded": f"{recorded['train_loss']:.4f}",
        "training loss, now": f"{repeated['train_loss']:.4f}",
        "test accuracy, recorded": percent(recorded["test_accuracy"], 2),
        "test accuracy, now": percent(repeated["test_accuracy"], 2),
        "result": verification.verdict,
    }
