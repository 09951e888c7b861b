# brokerbus: `make demo` shows it, `make test` proves it. Both need Python >= 3.11 with pip and a package registry.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PARTS := bus front deploy
SOURCES := bus front deploy workers tests bench

.DEFAULT_GOAL := help
.PHONY: help demo test check format typecheck bench chaos lock clean

help:            ## this list
	@sed -n 's/^\([a-z]*\): .*## /  make \1	/p' Makefile | expand -t 20

$(VENV)/.installed: Makefile requirements-dev.txt $(PARTS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "brokerbus needs Python 3.11 or later: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(BIN)/uv pip install -q --python $(BIN)/python $(PARTS:%=-e ./%) -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.installed  ## a paper and a Futu instance on bundled simulators, until Ctrl-C
	@$(BIN)/brokerbus demo

test: check typecheck  ## everything that CI runs
	$(BIN)/python -m pytest -q bus/tests front/tests deploy/tests tests

check: $(VENV)/.installed  ## style
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check -q $(SOURCES)

format: $(VENV)/.installed  ## rewrites the sources in the house's format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format -q $(SOURCES)

typecheck: $(VENV)/.installed  ## mypy --strict
	$(BIN)/mypy

chaos: $(VENV)/.installed  ## orders while everything is killed, in the long form
	BROKERBUS_CHAOS=long BROKERBUS_KILLS=200 BROKERBUS_LEDGER_RUNS=1000 $(BIN)/python -m pytest -q \
		tests/chaos bus/tests/test_journal.py bus/tests/test_order_ledger.py

bench: $(VENV)/.installed  ## against httptrading, as ratios in one run
	$(BIN)/python -m bench

lock: $(VENV)/.installed  ## resolves the workers' requirements anew
	$(BIN)/python -m brokerbus_deploy.lock

clean:           ## removes what make made here; virtualenvs of workers stay in the cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis
