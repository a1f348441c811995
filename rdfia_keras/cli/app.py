"""The application: every command registered, and what happens around them."""

import os
import sys
from typing import Annotated

import typer

from rdfia_keras import __version__
from rdfia_keras.cli import explain, learn, models, report, runs, sections, sweeps
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


for group in (sections, sweeps, runs, models, report, explain, learn):
    group.register(app)


def main() -> None:
    """The `rdfia` command."""
    if "--debug" not in sys.argv:
        silence_native_logs()
    try:
        app()
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
