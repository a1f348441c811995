"""`rdfia sweep`: experiments x settings x seeds, each trial an ordinary run, then one table and two pictures of all."""

import functools
import importlib.util
import re
from typing import Annotated

import typer

from rdfia_keras.commands._options import DryRun, command
from rdfia_keras.config import AT_LEAST_1, FRACTION, RunOptions, Setting
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.experiments import declare_sweep
from rdfia_keras.result import Result


@command(
    options=("out", "data_dir", "quick", "device", "deterministic"),
    examples=(
        "rdfia sweep circles --set lr=0.03,0.07,0.2 --seeds 20",
        "rdfia sweep learning-rate",
        "rdfia sweep ladder --seeds 3",
        "rdfia sweep cnn --set dataset=digits --set normalize=true --set dropout_rate=0,0.25,0.5 --dry-run",
        "rdfia sweep ladder --address auto --num-gpus 0.5",
    ),
)
def sweep(
    options: RunOptions,
    names: Annotated[
        list[str],
        typer.Argument(
            help="Experiments or sweeps by name (see rdfia list), ladder, modern, bonus, or a bare section: mlp, cnn.",
            metavar="NAME...",
        ),
    ],
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=V1,V2,...",
            help="Values of a setting, by its name or its option; repeat it for a grid. crop+flip is one value.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        Setting(
            "Number of seeds per configuration: 0, 1, ...", check=AT_LEAST_1, shown_default="3; a named sweep's own"
        ),
    ] = None,
    name: Annotated[
        str | None, Setting("Name of the sweep's folder.", shown_default="made of the names and fields")
    ] = None,
    dry_run: DryRun = False,
    ray: Annotated[
        bool,
        typer.Option(
            "--ray",
            help="Train as many trials at once as this machine has cores for; needs the extra 'cluster'.",
            rich_help_panel="Cluster",
        ),
    ] = False,
    address: Annotated[
        str | None,
        Setting("Train on the Ray cluster at this address; auto: the one that this machine is part of.", "Cluster"),
    ] = None,
    num_cpus: Annotated[
        int | None, Setting("Cores of each trial.", "Cluster", check=AT_LEAST_1, shown_default="1")
    ] = None,
    num_gpus: Annotated[
        float | None,
        Setting("GPUs of each trial; with 0.5 two share one.", "Cluster", check=FRACTION, shown_default="0"),
    ] = None,
) -> Result:
    """Train experiments with every combination of some settings, from several seeds: means and standard deviations.

    Finished trials on the same data are not trained again, and interrupted ones resume: run the same command again.
    More seeds add trials, more epochs lengthen them.
    """
    on_cluster = ray or address is not None
    if not on_cluster and (num_cpus or num_gpus) is not None:
        raise ConfigError("--num-cpus and --num-gpus need --ray or --address: without them trials take turns")
    declared = declare_sweep(names, assignments or (), seeds, name)
    from rdfia_keras.analysis.run_sweep import run_sweep
    from rdfia_keras.training.get_or_train import Resources

    if not on_cluster:
        return run_sweep(declared, Resources(options), dry_run)
    check_cluster(options, address, num_gpus)
    from rdfia_keras.training.cluster import Cluster, train

    cluster = Cluster(address, num_cpus or 1, num_gpus or 0.0)
    return run_sweep(declared, Resources(options), dry_run, functools.partial(train, cluster=cluster))


def check_cluster(options: RunOptions, address: str | None, num_gpus: float | None) -> None:
    """Refuse options of a cluster that cannot be, before anything starts.

    Raises:
        ConfigError: If device and number of GPUs contradict each other, or the address is not valid.
        RdfiaError: If Ray is not installed.
    """
    if address not in (None, "auto") and not re.fullmatch(r".+:\d+", str(address)):
        raise ConfigError(f"--address must be HOST:PORT, or auto, not {address!r}")
    if options.device == "gpu" and not num_gpus:
        raise ConfigError("--device gpu needs --num-gpus, such as --num-gpus 1")
    if options.device == "cpu" and num_gpus:
        raise ConfigError("--num-gpus and --device cpu exclude each other: leave one out")
    if importlib.util.find_spec("ray") is None:
        raise RdfiaError("Ray is not installed: run pip install '.[cluster]' in a checkout")
