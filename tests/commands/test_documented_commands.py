"""The commands of the documentation, with each of their options."""

import pytest
from test_docs import EXECUTED


@pytest.mark.parametrize("command", EXECUTED)
def test_a_documented_command_runs(run_documented, command):
    run_documented(command)
