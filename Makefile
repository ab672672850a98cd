# make demo, make test: each does all of the set-up on a machine with Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo

.PHONY: demo test test-slow lint clean

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gliomorph needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[test]'
	@touch $@

# Six simulated patients at 2 mm, registered in two ways, and their atlas. Run it again: it resumes.
demo: $(VENV)/installed
	$(BIN)/gliomorph-simulate $(DEMO)/bids --subjects 6 --seed 1 --resolution 2
	$(BIN)/gliomorph $(DEMO)/bids $(DEMO)/derivatives participant group -w $(DEMO)/work \
	  -d truth=$(DEMO)/bids/derivatives/truth --resolution 2 --registration metamorph-r syn-cfm

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

test-slow: $(VENV)/installed
	$(BIN)/python -m pytest -m slow

clean:
	rm -rf $(VENV) $(DEMO)
