# make serve        set up what is needed and serve every API on http://127.0.0.1:8000 (ARGS="--port 9000" for options)
# make test         set up what is needed and pass the tests
# make check        format, lint, types, architecture
# make test-all     make test, and what takes minutes: long random walks, schemathesis for every role and seed
# make test-clients the vendor's own client and generated ones against a running server
# make contracts    set up what is needed and verify a deployment (ARGS="run --target http://127.0.0.1:8000 --config fixtures/contracts.toml")
# make bench        speed beside Prism, WireMock and bare Starlette, and in worlds of a million charges (ARGS=--quick)
# make bench-contracts  the toolkit beside stock Schemathesis, over the same planted defects
# make lint-specs   Redocly on the assembled documents
# make matrix       rewrite the generated pages that are compared in tests

# PYTHON=... names a Python; else the first one that is new enough is taken.

.DEFAULT_GOAL := help
.PHONY: help serve contracts test check test-all test-clients bench bench-contracts lint-specs matrix clean
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

help:
	@sed -n 's/^# //p' Makefile

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; install it, or say: make PYTHON=/path/to/python3 ..."; exit 1; }
	@echo "making $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml | $(BIN)/python
	@echo "installing what serving needs (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.contracts: pyproject.toml | $(BIN)/python
	@echo "installing what verifying needs (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[contracts]'
	@touch $@ $(VENV)/.serve

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing what the tests need (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.serve $(VENV)/.contracts

serve: $(VENV)/.serve
	@$(BIN)/mockserver $(ARGS)

contracts: $(VENV)/.contracts
	@$(BIN)/contracts $(ARGS)

test: $(VENV)/.dev
	$(BIN)/pytest -n auto -m "not slow" $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-all: $(VENV)/.dev
	$(BIN)/pytest -n auto $(ARGS)

test-clients: $(VENV)/.serve
	$(BIN)/python tests/clients/run.py $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python tests/bench/run.py $(ARGS)

bench-contracts: $(VENV)/.dev
	$(BIN)/python -m tests.bench_contracts.run $(ARGS)

lint-specs: $(VENV)/.serve
	$(BIN)/python tests/lint_specs.py

matrix: $(VENV)/.serve
	$(BIN)/python -m specs.expand $(patsubst specs/%/openapi.yaml,%,$(wildcard specs/*/openapi.yaml)) --write

clean:
	rm -rf $(VENV) .cache build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
