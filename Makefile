# Every target sets up what it needs: a virtual environment of its own, then the packages, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint bench chaos browser

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run ## the dashboard on http://127.0.0.1:8501, with a database and a demo shop of its own
	@exec $(BIN)/python -m metrics run

test: $(VENV)/dev browser lint ## every test, two files at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/dev ## format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/run ## how long questions take, how many beacons a second; BENCH="--size full" for a million customers
	$(BIN)/python -m bench $(BENCH)

chaos: $(VENV)/run ## kills, cuts and fills what the shop stands on while it is open, then counts; CHAOS="--kills 10" for less
	$(BIN)/python -m chaos $(CHAOS)

# The Chromium of this machine, else the package manager's, else playwright's own.
browser: $(VENV)/dev
	@command -v chromium chromium-browser google-chrome >/dev/null \
		|| { command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium; } \
		|| $(BIN)/playwright install chromium

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed: set PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/run
