# `make train PIPELINE=fraud` and `make test` set everything up themselves. `make help` lists the rest.
PYTHON   ?= python3.11
VENV     ?= .venv
BIN      := $(VENV)/bin
PIPELINE ?= fraud
DATASET  ?=
EXTRAS   ?=
ARGS     ?=
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help setup train score compare ui data format lint types architecture test test-slow cover check bench wheel clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

LOCKS := requirements.lock $(if $(EXTRAS),requirements-$(EXTRAS).lock)
STAMP := $(VENV)/.installed$(if $(EXTRAS),-$(EXTRAS))

setup: $(STAMP) ## Make the environment (EXTRAS=best adds CatBoost)

$(STAMP): $(LOCKS) pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: '$(PYTHON)' was not found; name yours with PYTHON=python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, '$(PYTHON)' is older; name another with PYTHON="; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (some minutes the first time)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check $(foreach lock,$(LOCKS),-r $(lock))
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps -e .
	@touch $@

DATASET_ARG := $(if $(DATASET),--dataset $(DATASET))

train: setup ## Train a pipeline: PIPELINE=fraud|credit|readmission [DATASET=banksim]
	@$(BIN)/stackml train $(PIPELINE) $(DATASET_ARG) $(ARGS)

score: setup ## Score a batch with the champion: PIPELINE=fraud [DATASET=banksim] [INPUT=rows.csv OUTPUT=out.csv]
	@$(BIN)/stackml score models:/$(PIPELINE)$(if $(DATASET),-$(DATASET))@champion $(or $(INPUT),$(if $(DATASET),$(error INPUT=rows.csv is needed with DATASET=$(DATASET)),data/samples/$(PIPELINE)_sim.csv)) $(or $(OUTPUT),runs/$(PIPELINE)-scores.csv) $(ARGS)

compare: setup ## Put runs side by side: RUNS="id id", or the pipeline's latest; models: MODELS="a.stack b.stack" DATA=rows.csv
	@$(BIN)/stackml compare $(if $(MODELS),$(MODELS) --data $(or $(DATA),$(error DATA=rows.csv is needed with MODELS)),$(if $(RUNS),$(RUNS),--pipeline $(PIPELINE))) $(ARGS)

ui: setup ## Open the MLflow UI on the project's store
	@$(BIN)/stackml ui $(ARGS)

data: setup ## List the known tables and where they are
	@$(BIN)/stackml data list

format: setup ## Rewrite the code in its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lint: setup ## Check style; changes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## Check types
	@$(BIN)/mypy

architecture: setup ## Check that rooms import downwards only
	@$(BIN)/lint-imports

test: setup ## Run the tests (under 15 minutes on 2 cores)
	@$(BIN)/pytest -m "not slow" $(ARGS)

test-slow: setup ## Run the slow tests too
	@$(BIN)/pytest $(ARGS)

cover: setup ## Run the tests with coverage
	@$(BIN)/pytest -m "not slow" --cov --cov-report=term-missing:skip-covered $(ARGS)

check: lint types architecture test ## Everything CI checks; changes nothing

bench: setup ## Measure every claim beside the peers: [ARGS="--quick"], [ARGS="--parts import fit-ratio"]
	@$(BIN)/python experiments/0006-race/run.py $(ARGS)

wheel: setup ## Build the wheel into dist/
	@$(BIN)/python -m pip wheel --quiet --no-deps -w dist .

clean: ## Remove caches and builds: .mypy_cache .ruff_cache .hypothesis build dist
	@rm -rf .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
