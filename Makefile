# make demo: from nothing to a picture of scored photos.  make test: the test suite.  Both build .venv first, from
# requirements/locked.txt: every version, and the hash of every file.  docs/install.md says more.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
OLDEST_PYTHON ?= python3.10
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLDEST := .venv-oldest
UV := .venv-lock/bin/uv
DOCS := .venv-docs
LOCK = $(UV) pip compile setup.cfg --all-extras --generate-hashes --quiet --custom-compile-command 'make lock' $(UPGRADE)

.PHONY: demo test test-slow test-oldest lock reproduce-small lint docs docs-serve format clean

# Of a folder and a file of requirements: setuptools comes first, since what has no wheel is built with it and not with one
# that no hash was checked of.
define install
awk '/^[^ #]/ {on = /^setuptools==/} on' $(2) > $(1)/setuptools.txt
$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)/setuptools.txt
$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation --use-pep517 -r $(2)
$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
touch $(1)/.ready
endef

$(READY): setup.cfg pyproject.toml requirements/locked.txt
	$(PYTHON) -m venv $(VENV)
	$(call install,$(VENV),requirements/locked.txt)

$(OLDEST)/.ready: setup.cfg pyproject.toml requirements/oldest.txt
	@$(OLDEST_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' \
	|| { echo 'make test-oldest needs Python 3.10: make test-oldest OLDEST_PYTHON=/path/to/python3.10' >&2; exit 1; }
	$(OLDEST_PYTHON) -m venv $(OLDEST)
	$(call install,$(OLDEST),requirements/oldest.txt)

$(UV):
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9

$(DOCS)/.ready: requirements/docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	touch $@

demo: $(READY)
	$(BIN)/python scripts/demo.py

test: $(READY)
	$(BIN)/python -m pytest

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

# The suite with the oldest versions that setup.cfg allows, on the oldest Python.
test-oldest: $(OLDEST)/.ready
	$(OLDEST)/bin/python -m pytest

# After a change of setup.cfg; keeps the versions that still fit. All to their newest: make lock UPGRADE=--upgrade
lock: $(UV)
	$(LOCK) --universal --python-version 3.11 -o requirements/locked.txt
	$(LOCK) --resolution lowest-direct --python-version 3.10 --python-platform x86_64-manylinux_2_28 -o requirements/oldest.txt
	$(UV) pip compile requirements/docs.in --universal --python-version 3.11 --generate-hashes --quiet \
		--custom-compile-command 'make lock' $(UPGRADE) -o requirements/docs.txt

# A shortened pre-training and fine-tuning, compared with stored numbers: make reproduce-small BIQ2021=folder
reproduce-small: $(READY)
	$(BIN)/python scripts/reproduce.py $(BIQ2021)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy

# The site of the docs, into site/: about 10 s. A broken link or anchor, or a page that the order leaves out, is an error.
docs: $(DOCS)/.ready
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet

docs-serve: $(DOCS)/.ready
	$(DOCS)/bin/mkdocs serve

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OLDEST) .venv-lock $(DOCS) demo_output site
