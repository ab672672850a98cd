# make demo, make test: each does all of the set-up on a machine with Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
ROOTFS ?= rootfs
PYTEST ?=

.PHONY: demo test test-slow test-image lint docs clean

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

# Two processes of one thread each; a file's tests stay together, for they share what is slow to make. The compiled
# tests are kept, whatever the environment says: compiling takes nearly half of the time of their collection.
test: lint
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(VENV)/installed
	$(BIN)/python -m pytest -m slow

$(VENV)/docs: $(VENV)/installed
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[docs]'
	@touch $@

# The site of the documents and of the programming interface: site/index.html, which reads and searches without a server.
# A link that leads nowhere and a page that is not in the navigation end it.
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The image's root file system without a container engine, as root: docs/containers.md.
$(ROOTFS):
	containers/rootfs.sh build $@ $(if $(TEMPLATE_DIR),--templates $(TEMPLATE_DIR))

$(ROOTFS).tests: $(ROOTFS)
	containers/rootfs.sh layer $(ROOTFS) $@

# The demo at tiny size in the image, and the fast tests: as UID 12345, read-only, without network and HOME.
test-image: $(ROOTFS).tests
	containers/rootfs.sh run $(ROOTFS) -- gliomorph-check
	containers/rootfs.sh run $(ROOTFS) --layer $(ROOTFS).tests --bind $(CURDIR):/src --cd /src --set PYTHONSAFEPATH=1 -- \
	  pytest -p no:cacheprovider $(PYTEST)

clean:
	rm -rf $(VENV) $(DEMO) site $(ROOTFS) $(ROOTFS).tests
