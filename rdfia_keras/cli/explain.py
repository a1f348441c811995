"""`rdfia explain`: a command for each registered explanation."""

import typer

from rdfia_keras.analysis.explanations import EXPLANATIONS
from rdfia_keras.cli.command import command


def register(app: typer.Typer) -> None:
    """Add the group of commands to the application."""
    group = typer.Typer(
        help="Answer questions by computing, without training: conv, layers, receptive-field, ...",
        no_args_is_help=True,
    )
    for topic, known in EXPLANATIONS.items():
        command(group, topic, options=known.options)(known.function)
    app.add_typer(group, name="explain")
