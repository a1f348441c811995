"""The application: every command, and what happens around them."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from rdfia_keras import __version__
from rdfia_keras.commands import (
    augment_preview,
    cnn,
    compare,
    demo,
    explain,
    figure,
    improve,
    inspect,
    learn,
    list,
    mlp,
    playground,
    predict,
    report,
    resume,
    runs,
    svm,
    sweep,
    verify,
)
from rdfia_keras.commands._options import command_of
from rdfia_keras.system.native_logs import silence_native_logs

app = typer.Typer(
    name="rdfia",
    help="A deep-learning homework, section by section, in Keras 3.",
    epilog="Start with: rdfia demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        print(f"rdfia {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


# In the order of the help page.
for function in (
    *(demo.demo, mlp.mlp, svm.svm, cnn.cnn, improve.improve),
    *(sweep.sweep, resume.resume, verify.verify, runs.runs, compare.compare),
    *(predict.predict, inspect.inspect, playground.playground),
    *(list.list_all, figure.figure, report.report, augment_preview.augment_preview),
):
    command_of(function).register(app)
app.add_typer(explain.app, name="explain")
app.add_typer(learn.app, name="learn")


def main() -> None:
    """Run the `rdfia` command."""
    # Python has no stream where the shell closed one, as `>&-` does; the first file opened would take its number.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
    if "--debug" not in sys.argv:
        silence_native_logs()
    try:
        app()
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
