.DEFAULT_GOAL := help
.PHONY: help run ui report docs backup restore test lint format sample bench diff lock clean clean-all

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What `make clean` removes: all of it can be made again. A run writes the page of its own day only.
PAGES := $(filter-out data/report/state_of_the_data_%.html,$(wildcard data/report/* data/report/.[!.]*))
MADE_AGAIN := $(VENV) .venv-lock data/sample $(PAGES) data/diff.md dbt_project/target dbt_project/logs dbt_project/.user.yml logs \
	build dist greenery_assets.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
# With those that --new-source renamed: data/greenery.sample-<time>.duckdb and the like.
WAREHOUSES := data/greenery.duckdb* data/greenery.*.duckdb*

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.11 ...")'
	@echo "Setting up, once: a Python environment in $(VENV) (seconds)"
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing the packages of requirements.lock (about a minute; longer on a slow network)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --editable .
	@echo "The environment is ready."
	@touch $@

run: $(READY) ## run the daily job on your source, or on sample data; ARGS=--full-refresh rebuilds everything
	@$(BIN)/python -m greenery_assets run $(ARGS)

ui: $(READY) ## open the Dagster web interface, with the daily schedule running
	@$(BIN)/python -m greenery_assets ui

report: $(READY) ## write the page about the state of the data, and its picture, without a run
	@$(BIN)/python -m greenery_assets report

docs: $(READY) ## write dbt's documentation of tables and tests as one page
	@$(BIN)/python -m greenery_assets docs

backup: $(READY) ## copy what cannot be rebuilt into a new folder: ARGS=/backups/2026-11-27
	@$(if $(ARGS),,$(error Name a new folder: make backup ARGS=/backups/monday))$(BIN)/python -m greenery_assets backup $(ARGS)

restore: $(READY) ## restore a backup into an empty place: ARGS=/backups/2026-11-27
	@$(if $(ARGS),,$(error Name the folder of a backup: make restore ARGS=/backups/monday))$(BIN)/python -m greenery_assets restore $(ARGS)

test: $(READY) ## run the tests; ARGS=--whole adds the few that take longest, as CI does
	@$(BIN)/python -m pytest $(ARGS)

lint: $(READY) ## check format, lint, types, imports and SQL
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@GREENERY_WAREHOUSE_PATH=:memory: $(BIN)/sqlfluff lint dbt_project

format: $(READY) ## format Python and SQL
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@GREENERY_WAREHOUSE_PATH=:memory: $(BIN)/sqlfluff fix dbt_project

sample: $(READY) ## write sample data; ARGS="--defect second_checkout" plants defects, ARGS=--help shows more
	@$(BIN)/python -m greenery_assets.sample $(ARGS)

bench: $(READY) ## measure what runs cost, for an hour or more; ARGS=equality, job, cost or engines for a part, ARGS=--help for more
	@$(BIN)/python -m bench $(or $(ARGS),all)

diff: $(READY) ## what the change does to tables, figures and checks, for a pull request: BASE=main
	@$(BIN)/python -m diff_tables "$(or $(BASE),main)"

lock: ## pin the newest versions that pyproject.toml allows in requirements.lock; ARGS="duckdb" raises one alone
	@for each in $(ARGS); do grep -qi "^$${each%%[=<>]*}==" requirements.lock || \
		{ echo "$$each is not in requirements.lock"; exit 1; }; done
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
# Upon the present pins pip raises what is named, and what that needs in another version.
	@$(if $(ARGS),.venv-lock/bin/python -m pip install -qq --disable-pip-version-check -r requirements.lock)
	@.venv-lock/bin/python -m pip install -qq --disable-pip-version-check --upgrade ".[dev]" $(ARGS)
	@.venv-lock/bin/python -m pip freeze --exclude greenery-assets > requirements.lock
	@rm -rf .venv-lock build

clean: ## remove what can be rebuilt: environment, sample data, pages, what dbt writes; keeps warehouse and history
	@echo "Removing: $(or $(strip $(wildcard $(MADE_AGAIN))),nothing; it is clean)"
	@rm -rf $(MADE_AGAIN)
	@echo "  If you made a sample with arguments of your own (make sample ARGS=...), it must be made again with them."
	@echo "Keeping: data/greenery.duckdb* (with the history in schema snapshots), what --new-source renamed"
	@echo "  (data/greenery.sample-<time>.duckdb and the like), dagster_home (Dagster's history,"
	@echo "  alerts.sqlite, the memory of the alerts), and the pages of days (data/report/state_of_the_data_<day>.html),"
	@echo "  which cannot be rebuilt. make clean-all removes them too."
	@echo "  What GREENERY_WAREHOUSE_PATH, DAGSTER_HOME or another setting places elsewhere is never removed."

clean-all: ## remove the warehouse and all history in the project's folder too: they cannot be rebuilt
	@echo "Removing: $(or $(strip $(wildcard $(MADE_AGAIN))),nothing that can be made again)"
	@echo "Removing for good: $(or $(strip $(wildcard $(WAREHOUSES))),no warehouse), the pages of days, and all in dagster_home but dagster.yaml"
	@echo "  What GREENERY_WAREHOUSE_PATH, DAGSTER_HOME or another setting places elsewhere is never removed."
	@rm -rf $(MADE_AGAIN) $(WAREHOUSES) data/report
	@find dagster_home -mindepth 1 ! -name dagster.yaml -delete
