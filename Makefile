# Two commands do all set-up: `make launch` and `make test`. Both work again and from a folder of any name.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: launch test check dashboard clean

launch: $(VENV)/installed
	$(RUN) -m kdsearch launch studies/jhmdb_weights.py

test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --maxprocesses 4 --dist loadscope

# Linter, formatter, type checker, import order of the rooms.
check: $(VENV)/installed-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports

dashboard: $(VENV)/installed
	$(RUN) -m kdsearch dashboard

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kdsearch needs Python 3.11 or newer: make PYTHON=python3.11 launch")'
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(RUN) -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
