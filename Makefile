# Every target sets itself up: it needs only make and Python 3.11 or newer.
# To choose the interpreter: make test PYTHON=python3.12 (after `make clean`, if .venv exists).

PYTHON ?= python3
PYTEST_WORKERS ?= 2
PYTEST_ARGS ?=
TORCH_PYTHON ?= $(PYTHON)
PEERS_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
BENCHMARKS := $(sort $(wildcard benchmarks/[a-z]*.py))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-all lint format bench bench-peers docs fidelity clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
		awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: $(VENV)/.run ## the main job on real input; figures go to demo/
	@$(BIN)/snnjax demo

test: $(VENV)/.test ## the tests, without the slow ones
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) $(PYTEST_ARGS)

test-all: $(VENV)/.test ## all tests
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) -m "slow or not slow" $(PYTEST_ARGS)

lint: $(VENV)/.lint ## style and types, changing nothing
	@$(BIN)/python -m ruff check
	@$(BIN)/python -m ruff format --check
	@$(BIN)/python -m pyright --pythonpath $(BIN)/python

format: $(VENV)/.lint ## lay out the code, and fix what can be fixed safely
	@$(BIN)/python -m ruff check --fix
	@$(BIN)/python -m ruff format

bench: $(VENV)/.run ## every benchmark, one after the other
	@set -e; for script in $(BENCHMARKS); do \
		echo "== $$script"; $(BIN)/python "$$script"; done

bench-peers: $(VENV)/.run ## training against other libraries, each in its own environment
	@$(BIN)/python benchmarks/peers/install.py --torch-python "$(TORCH_PYTHON)"
	@$(BIN)/python benchmarks/peers/run.py $(PEERS_ARGS)

docs: $(VENV)/.test ## the API reference, from the docstrings, into build/api/
	@$(BIN)/python docs/make_api.py

fidelity: $(VENV)/.test ## measure every row of docs/fidelity.md and write it
	@$(BIN)/python -m tests.fidelity

clean: ## remove the virtual environments, caches and what was built
	rm -rf $(VENV) .peers build dist demo .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is touched once its extra is installed, and is out of date once pyproject.toml is
# newer. Each adds to the same environment.
$(VENV)/.run: EXTRA =
$(VENV)/.test: EXTRA = [test]
$(VENV)/.lint: EXTRA = [dev]

$(VENV)/.run $(VENV)/.test $(VENV)/.lint: pyproject.toml | $(BIN)/python
	@echo "Installing snnjax$(EXTRA) into $(VENV) (once; it can take a few minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(EXTRA)'
	@touch $@

$(BIN)/python:
	@"$(PYTHON)" -c '' 2>/dev/null || { \
		echo "make: cannot run '$(PYTHON)'. Name a Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; \
		exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: snnjax needs Python 3.11 or newer, but '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1)." \
			"Name another: make PYTHON=python3.12" >&2; \
		exit 1; }
	@rm -rf $(VENV)
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
