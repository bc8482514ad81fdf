# make          install what is needed into .venv, run the studies of config.yaml, say where the report is
# make help     the other targets

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Jobs start Python anew and would compile every module again without their byte code.
unexport PYTHONDONTWRITEBYTECODE
# Packages of another environment must not shadow those of the lock.
unexport PYTHONPATH

BIN := .venv/bin
RUNTIME := .venv/.runtime
DEV := .venv/.dev
CORES ?= all
PYTEST_WORKERS ?= 2

.PHONY: run install dev slurm test lint format bench lock unlock clean distclean help

run: $(RUNTIME) ## Run the studies of config.yaml (CORES=2 for fewer cores)
	$(BIN)/snakemake --cores $(CORES)
	@echo "The report is results/report/index.html"

install: $(RUNTIME) ## Install what jobs need into .venv
dev: $(DEV) ## Install what tests and linters need as well
slurm: $(RUNTIME) ## Install what submitting jobs to Slurm needs as well
	@envs/install.sh slurm

$(RUNTIME): envs/requirements.lock envs/constraints.txt envs/install.sh pyproject.toml
	@envs/install.sh runtime
	@touch $@

$(DEV): envs/requirements-dev.lock envs/requirements-slurm.lock $(RUNTIME)
	@envs/install.sh dev
	@touch $@

test: $(DEV) ## Run all tests
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS)

lint: $(DEV) ## Check style, types and the workflow
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

format: $(DEV) ## Rewrite the sources in the style that lint asks for
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile rules

bench: $(DEV) ## Time the workflow beside its peers
	$(BIN)/python -m benchmarks

lock: ## Resolve the dependencies anew: locks and conda files
	$(if $(wildcard $(BIN)/python),$(BIN)/python,python3.11) envs/update.py

unlock: $(RUNTIME) ## Release the folder after Snakemake was killed
	$(BIN)/snakemake --unlock

clean: ## Remove results and caches
	rm -rf results .snakemake .orrery-cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -path ./.venv -prune -o -path ./.git -prune -o -name __pycache__ -type d -print0 | xargs -0r rm -rf

distclean: clean ## Remove .venv as well
	rm -rf .venv src/*.egg-info

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{ printf "make %-10s %s\n", $$1, $$2 }' Makefile
