# `make demo` and `make test` are all a newcomer needs; both set up what is missing first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 1000
PROTOCOL ?= pbft
COMPILE := uv pip compile -q --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11

.PHONY: help setup demo test check format lint types imports ci protobuf docs requirements hunt mutants experiments matrix kill bench clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/run.stamp: requirements/run.txt requirements/lab.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt -r requirements/lab.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

setup: $(VENV)/run.stamp ## Make .venv with `raclette` on its path

demo: setup ## Five real processes, a crash, a restart, a late joiner; then the same in the simulator
	$(BIN)/raclette demo

test: $(VENV)/dev.stamp ## Run the tests
	$(BIN)/python -m pytest -n auto --dist worksteal

check: lint types imports test ## Everything that must be green: lint, types, import rules, tests

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

imports: $(VENV)/dev.stamp
	$(BIN)/lint-imports --no-cache

ci: test lint types imports ## What .ci/run runs

format: $(VENV)/dev.stamp ## Format the code
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

hunt: setup ## Hunt PROTOCOL (pbft) through SEEDS (1000) schedules of faults, liars and messages, over all cores
	$(BIN)/raclette hunt $(PROTOCOL) --seeds $(SEEDS)

mutants: setup ## Plant every known bug in turn: the hunt must find each
	$(BIN)/raclette mutants

experiments: setup ## Reproduce the papers, a few minutes: writes docs/experiments.md
	$(BIN)/python -m raclette.lab.experiments.reference docs/experiments.md

matrix: $(VENV)/dev.stamp ## Every protocol with every ledger, simulated and as real processes
	RACLETTE_MATRIX=1 $(BIN)/python -m pytest -q tests/test_matrix.py

kill: $(VENV)/dev.stamp ## Kill a node KILLS (60) times under load: every promise is kept (SEED chooses node and moments)
	RACLETTE_KILLS=$(or $(KILLS),60) RACLETTE_SEED=$(or $(SEED),10) $(BIN)/python -m pytest -q -s tests/live/test_kill_node.py

bench: setup ## Every benchmark, one after another
	for name in verify trie mine sim live; do $(BIN)/raclette bench $$name || exit 1; done

protobuf: $(VENV)/dev.stamp ## Generate the protobuf code anew
	cd src && for file in $$(find raclette -name '*.proto' | sort); do \
		../$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. $$file || exit 1; done

docs: $(VENV)/dev.stamp ## Generate the reference pages anew
	$(BIN)/python -m raclette.rpc.reference > docs/rpc.md
	RACLETTE_WRITE_DOCS=1 $(BIN)/python -m pytest tests/cli/test_cli_reference.py tests/live/test_config.py tests/lab/test_scenario_docs.py -k current

requirements: ## Resolve requirements/*.in anew (needs uv)
	$(COMPILE) requirements/run.in -o requirements/run.txt
	$(COMPILE) -c requirements/run.txt requirements/lab.in -o requirements/lab.txt
	$(COMPILE) requirements/dev.in -o requirements/dev.txt

clean: ## Remove what the other targets made
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
