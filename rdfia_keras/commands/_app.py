"""The application: every command, and what happens around them."""

import os
import sys
import warnings
from typing import Annotated

import typer

from rdfia_keras import __version__
from rdfia_keras.commands import (
    ablate,
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
from rdfia_keras.commands._options import PlainGroup
from rdfia_keras.commands._output import drop_unwritten, output_error, prepare_streams
from rdfia_keras.system.native_logs import silence_native_logs

app = typer.Typer(
    name="rdfia",
    help="A deep-learning homework, section by section, in Keras 3.",
    epilog="Start with: rdfia demo",
    no_args_is_help=True,
    cls=PlainGroup,
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
PANELS = {
    "Start": (demo.demo, list.list_all),
    "Train": (mlp.mlp, svm.svm, cnn.cnn, improve.improve, sweep.sweep, ablate.ablate, resume.resume),
    "Results": (runs.runs, compare.compare, verify.verify, figure.figure, report.report),
    "A trained network": (predict.predict, inspect.inspect),
    "Pages and pictures": (playground.playground, augment_preview.augment_preview),
}
for panel, commands in PANELS.items():
    for command in commands:
        command.register(app, panel)
app.add_typer(explain.app, name="explain", rich_help_panel="Start")
app.add_typer(learn.app, name="learn", rich_help_panel="Start")


def main() -> None:
    """Run the `rdfia` command."""
    prepare_streams()
    # Jupyter names a back end of its own for the commands after `!`, which may be absent. No command opens a window.
    os.environ["MPLBACKEND"] = "agg"
    # A file system without locks has others in their place, which serve as well.
    warnings.filterwarnings("ignore", message="flock not supported")
    if "--debug" not in sys.argv:
        silence_native_logs()
    try:
        app()
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        sys.exit(1)
    except OSError as error:  # Of a help page.
        print(f"error: {output_error(error)}", file=sys.stderr)
        sys.exit(1)
    finally:
        drop_unwritten()
