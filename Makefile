# Two commands for a new machine: `make demo` runs the main job on embedded data, `make test` lints and tests.
# Only python3 (3.11 to 3.13, with venv) is needed; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin
# A process of TensorFlow for each; more than four gain nothing on this suite.
WORKERS := -n auto --maxprocesses 4 --dist worksteal
# Workers that share the cores gain nothing from threads of their own.
ONE_THREAD := TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 OMP_NUM_THREADS=1
# What XLA compiles runs for milliseconds in a test: LLVM need not optimize it. `make faults` and `make xla` do as users do.
COMPILE_FAST := XLA_FLAGS=--xla_backend_optimization_level=0

IGNORED := $(addprefix --ignore=tests/,faults browser commands xla)

.PHONY: demo test commands faults browser xla docs site mutants bench bench-gpu test-lowest test-pythons extras clean

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -e

demo: .venv/installed
	$(BIN)/rdfia demo

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports > /dev/null || $(BIN)/lint-imports
	@$(BIN)/ruff check --quiet --exit-zero --statistics --select C901,PLR0913,ANN001,ANN201 rdfia_keras
	$(ONE_THREAD) $(COMPILE_FAST) $(BIN)/python -m pytest $(WORKERS) $(IGNORED)

# Whole trainings, the documented commands with each of their options, the wheel, the benchmarks.
commands: .venv/installed-test
	$(ONE_THREAD) $(COMPILE_FAST) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=10 tests/commands

faults: .venv/installed-cluster
	$(BIN)/python -m pytest $(WORKERS) tests/faults

# The pages in a headless Chromium, the system's own; its tests skip where there is none.
browser: .venv/installed-browser .venv/axe
	$(BIN)/python -m pytest -rs -n 2 --dist loadfile tests/browser

# What a GPU would run, compiled by XLA on the CPU. `make xla ALL=1` takes every experiment in every precision: some twenty
# minutes.
xla: .venv/installed-test
	$(if $(ALL),RDFIA_ALL_GRAPHS=1) $(BIN)/python -m pytest $(WORKERS) tests/xla

# The documentation from docs/templates/ and the reference results, and its pictures.
docs: .venv/installed
	$(BIN)/python -m tools.docs

# The documentation as a website in docs/_build/html, which needs no server. A broken link is an error.
site: .venv/installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

# Every small change of an exercise's solution must be called wrong by the checker: two minutes; with Keras, some more.
mutants: .venv/installed-test
	$(ONE_THREAD) $(BIN)/python -m tools.mutants

# The page is about a CPU, so a GPU is left alone.
bench: .venv/installed-bench
	$(BIN)/python -m benchmarks --device cpu --page docs/templates/performance.md.j2

# The same on a GPU, after a check of the installation; see docs/gpu.md.
bench-gpu: .venv/installed
	@! command -v nvidia-smi > /dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[gpu]'
	$(BIN)/python -m benchmarks --device gpu

# The lowest versions that pyproject.toml allows, in an environment of their own.
test-lowest: .venv/installed-test
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/lowest
	$(BIN)/uv pip install --quiet --python .venv/lowest --resolution lowest-direct -e '.[test]'
	.venv/lowest/bin/python -m pytest $(WORKERS) $(IGNORED)

# A smoke test on each Python that is promised and installed.
test-pythons: .venv/installed-test
	@for version in 3.11 3.12 3.13; do \
	  $(BIN)/uv python find --quiet --no-python-downloads $$version > /dev/null || { echo "Python $$version: not installed"; continue; }; \
	  $(BIN)/uv venv --quiet --clear --no-python-downloads --python $$version .venv/python$$version && \
	  $(BIN)/uv pip install --quiet --python .venv/python$$version '.[test]' && \
	  .venv/python$$version/bin/python -m pytest -q tests/test_config.py tests/test_experiments.py tests/test_records.py && \
	  .venv/python$$version/bin/rdfia demo --quick --out .venv/python$$version/results && \
	  echo "Python $$version: passed" || exit 1; \
	done

clean:
	rm -rf .venv

$(BIN)/python: | check-python
	"$(PYTHON)" -m venv .venv

# A stamp is written only after a whole installation, so that one cut short is done again.
.venv/installed: pyproject.toml | $(BIN)/python
	$(INSTALL) .
	@touch $@

.venv/installed-test: pyproject.toml | $(BIN)/python
	$(INSTALL) '.[test]'
	@touch .venv/installed $@

.venv/installed-cluster .venv/installed-browser: .venv/installed-%: pyproject.toml .venv/installed-test
	$(INSTALL) '.[$*]'
	@touch $@

.venv/installed-docs .venv/installed-bench: .venv/installed-%: pyproject.toml .venv/installed
	$(INSTALL) '.[$*]'
	@touch $@

# What `faults`, `site` and `browser` need beside the tests, in one installation: the CI takes it.
extras: .venv/installed-test
	$(INSTALL) '.[cluster,docs,browser]'
	@touch .venv/installed-cluster .venv/installed-docs .venv/installed-browser

.venv/axe: .venv/installed-browser
	@! command -v npm > /dev/null || npm install --silent --no-save --no-audit --no-fund --prefix $@ axe-core@4.14.1 \
	  || echo "axe-core cannot be installed here: its tests skip" >&2
	@mkdir -p $@ && touch $@

.PHONY: check-python
check-python:
	@command -v "$(PYTHON)" >/dev/null || { echo "error: no $(PYTHON) here; install Python 3.11 to 3.13, or say make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "error: $(PYTHON) is not Python 3.11, 3.12 or 3.13; say make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
