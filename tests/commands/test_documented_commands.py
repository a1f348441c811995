"""Every command of the documentation is executed; those that train several runs are in test_documented_ladders.py."""

import pytest
from documented import trains_several
from test_docs import EXECUTED


@pytest.mark.parametrize("command", [command for command in EXECUTED if not trains_several(command)])
def test_a_documented_command_runs(run_documented, command):
    run_documented(command)
