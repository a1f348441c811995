# Two commands for a new machine: `make demo` runs the main job on embedded data, `make test` lints and tests.
# Only python3 (3.11 to 3.13, with venv) is needed; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test faults bench clean

demo: .venv/installed
	$(BIN)/rdfia demo

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/python -m pytest --ignore=tests/faults

faults: .venv/installed-test
	$(BIN)/python -m pytest tests/faults

bench: .venv/installed-bench
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf .venv

# A stamp is written only after a whole installation, so that one cut short is done again.
.venv/installed: pyproject.toml | check-python
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/installed-test: pyproject.toml .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

.venv/installed-bench: pyproject.toml .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@

.PHONY: check-python
check-python:
	@command -v "$(PYTHON)" >/dev/null || { echo "error: no $(PYTHON) here; install Python 3.11 to 3.13, or say make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "error: $(PYTHON) is not Python 3.11, 3.12 or 3.13; say make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
