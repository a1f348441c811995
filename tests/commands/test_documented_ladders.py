"""The documented commands that train several runs, in a file of their own: two processes share the work."""

import pytest
from documented import trains_several
from test_docs import EXECUTED


@pytest.mark.parametrize("command", filter(trains_several, EXECUTED))
def test_a_documented_command_runs(run_documented, command):
    run_documented(command)
