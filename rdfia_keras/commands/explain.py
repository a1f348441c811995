"""`rdfia explain`: a command for each explanation of `analysis/explanations.py`."""

import typer

from rdfia_keras.analysis.explanations import EXPLANATIONS
from rdfia_keras.commands._options import Command, PlainGroup

app = typer.Typer(
    help="Answer questions that need no training: conv, layers, receptive-field, ...",
    no_args_is_help=True,
    cls=PlainGroup,
)
for _name, _explanation in EXPLANATIONS.items():
    _data = " --dataset digits" if "data_dir" in _explanation.options else ""
    Command(_explanation.function, _name, None, _explanation.options, (f"rdfia explain {_name}{_data}",)).register(app)
