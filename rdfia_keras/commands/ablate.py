"""`rdfia ablate`: each ingredient of a ladder's step left out, and added alone to the ladder's first step."""

from dataclasses import replace
from typing import Annotated

import typer

from rdfia_keras.commands._options import DryRun, OtherImages, command
from rdfia_keras.config import AT_LEAST_1, RunOptions, Setting, dataset_name
from rdfia_keras.experiments.ablation import Ablation
from rdfia_keras.result import Result


@command(
    options=("out", "data_dir", "quick", "device", "deterministic"),
    examples=("rdfia ablate modern-fast --dry-run", "rdfia ablate normalize --dataset digits --quick"),
)
def ablate(
    options: RunOptions,
    name: Annotated[str, typer.Argument(help="Step of a ladder, by name: see rdfia list.", metavar="STEP")],
    dataset: OtherImages = None,
    seeds: Annotated[
        int | None, Setting("Number of seeds of each: 0, 1, ...", check=AT_LEAST_1, shown_default="3")
    ] = None,
    dry_run: DryRun = False,
) -> Result:
    """Train a step of a ladder again, each time without one ingredient, and its first step with one more.

    An ingredient is what one step adds to the step before. Effects are differences in the test accuracy of the last
    epoch, in points, with 95 % intervals over the seeds.

    Finished trials on the same data are not trained again, and interrupted ones resume: run the same command again.
    """
    ablation = Ablation.of(name, dataset_name(dataset) if dataset else None)
    from rdfia_keras.analysis.ablation_effects import effects, table, with_changes
    from rdfia_keras.analysis.run_sweep import run_sweep
    from rdfia_keras.training.get_or_train import Resources

    result = run_sweep(ablation.sweep(seeds), Resources(options), dry_run)
    if dry_run:
        trials = with_changes(ablation, result.table)
        return replace(result, data={"trials": trials}, table=trials)
    rows = effects(ablation, result.data["rows"])
    return replace(result, data={**result.data, "ingredients": rows}, table=table(rows))
