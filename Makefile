# `make` alone lists what there is.
VENV ?= .venv
BIN := $(VENV)/bin
# The first of these that is Python 3.11 to 3.13; `make PYTHON=/path/to/python3.12 env` chooses one by hand.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $(call supported,$$p) && echo $$p && break; done)
supported = $(1) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make pins'
CODE := detector tests docs benchmarks $(wildcard notebooks)
# Tests that need Spark bring their own Java process; two at a time are too many for a small machine.
LONG := long or spark or browser or postgres

.DEFAULT_GOAL := help
.PHONY: help env env-spark env-bench demo test format long bench quality notebooks pins docs clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

env: $(VENV)/.ready ## make the environment in .venv, or bring it up to date
env-spark: $(VENV)/.ready-spark ## the same, with Spark (half a gigabyte more)
env-bench: $(VENV)/.ready-bench ## the same, with Polars and PyOD, which `make bench` compares with

$(BIN)/python:
	@$(call supported,$(or $(PYTHON),false)) || { \
		echo "This needs Python 3.11, 3.12 or 3.13; found: '$(PYTHON)' ($$($(or $(PYTHON),python3) -V 2>&1))." \
			"Install one, then: make PYTHON=/path/to/python3.12 env" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The build tools are among the pinned requirements, hence no build isolation, which would fetch unpinned ones.
$(VENV)/.ready: requirements-dev.txt setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements-dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-spark: requirements-spark.txt $(VENV)/.ready
	$(PIP) install --require-hashes --no-build-isolation -r requirements-spark.txt
	@touch $@

$(VENV)/.ready-bench: requirements-bench.txt $(VENV)/.ready
	$(PIP) install --require-hashes --no-build-isolation -r requirements-bench.txt
	@touch $@

demo: env ## simulate a portal, learn, train, and score the day of the attack
	@rm -rf demo
	$(BIN)/detector simulate demo/portal --preset demo
	$(BIN)/detector learn $$(ls demo/portal/events/*.parquet | sed '$$d') --mapping demo/portal/mapping.toml --history demo/history
	$(BIN)/detector train --history demo/history
	$(BIN)/detector score $$(ls demo/portal/events/*.parquet | tail -n 1) --mapping demo/portal/mapping.toml \
		--history demo/history --out demo/out --complete --dry-run

test: env ## formatting, lint, types and tests: what CI runs
	$(BIN)/ruff format --check --quiet $(CODE)
	$(BIN)/ruff check --quiet $(CODE)
	$(BIN)/mypy
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

format: env ## format the code and mend what the linter can mend
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

long: env-spark ## the tests that take longer, Spark and browser included
	$(BIN)/python -m pytest -m "$(LONG)" --timeout 1800

bench: env-bench ## time and memory on large days, beside DuckDB, pandas and Polars: docs/performance.md
	$(BIN)/python -m benchmarks.speed

quality: env ## measure detection on simulated portals, and rewrite the measured pages
	$(BIN)/python -m detector.evaluate.quality --jobs 2

notebooks: env ## run the notebooks and store their outputs
	$(BIN)/python -m nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

docs: env ## rewrite the pages that are made from the code
	$(BIN)/python docs/generate.py

pins: | $(BIN)/python ## choose the newest versions again and pin them with their hashes
	@test -x $(BIN)/uv || $(PIP) install uv
	$(COMPILE) setup.cfg --extra dev --extra notebooks --extra postgres --output-file requirements-dev.txt
	$(COMPILE) setup.cfg --extra postgres --constraint requirements-dev.txt --output-file requirements.txt
	echo setuptools | $(COMPILE) - --constraint requirements-dev.txt --output-file requirements-build.txt
	$(COMPILE) setup.cfg --constraint requirements-dev.txt --extra spark --output-file requirements-spark.txt
	$(COMPILE) setup.cfg --constraint requirements-dev.txt --extra bench --output-file requirements-bench.txt

clean: ## remove the environment, caches, builds and the demo
	rm -rf $(VENV) build dist demo *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
