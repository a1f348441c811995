"""The benchmark times what users get."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
# What Keras's back end finds set when it is imported, and by what.
SPY = """
import importlib.abc, os, sys

class Spy(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "keras":
            print("onednn", os.environ.get("TF_ENABLE_ONEDNN_OPTS"), flush=True)
            sys.meta_path.remove(self)

sys.meta_path.insert(0, Spy())
sys.path.insert(0, sys.argv[1])
from contenders import CONTENDERS
function, arguments, *named = CONTENDERS[sys.argv[2]][sys.argv[3]]
work, units = function(*arguments, **dict(*named))
work()
print("units", units, flush=True)
os._exit(0)  # As the worker does: `fit` waits in a thread for its next epoch.
"""


@pytest.mark.parametrize(("group", "name"), [("cnn", "ours: float32, crop + flip"), ("mlp", "ours: manual")])
def test_ours_sets_the_back_end_up_before_keras_is_imported(group, name):
    """A contender that imported Keras first ran at half the speed on a CPU without AVX-512."""
    env = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    command = [sys.executable, "-c", SPY, str(BENCHMARKS), group, name]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "onednn 1"
    assert int(done.stdout.split()[-1]) > 0
