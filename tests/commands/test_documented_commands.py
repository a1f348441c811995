"""The commands of the documentation, with each of their options; test_documented_ladders.py has those of many runs."""

import pytest
from documented import trains_several
from test_docs import EXECUTED


@pytest.mark.parametrize("command", [command for command in EXECUTED if not trains_several(command)])
def test_a_documented_command_runs(run_documented, command):
    run_documented(command)
