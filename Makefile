# Two commands do all set-up: `make launch` and `make test`. Both can be repeated, in a folder with any name.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: launch test test-slow faults mutants check docs dashboard docker-check docker-replay clean

launch: $(VENV)/installed
	$(RUN) -m kdsearch launch studies/jhmdb_weights.py

# One process more than there are cores, since many tests wait for a process of theirs; at most 4.
PROCESSES = $$(($$(getconf _NPROCESSORS_ONLN) < 3 ? $$(getconf _NPROCESSORS_ONLN) + 1 : 4))
PYTEST = OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(PROCESSES) --dist loadscope --no-loadscope-reorder

# All tests but those of more than ten seconds each.
test: $(VENV)/installed-dev
	$(PYTEST) -m "not slow"

# Those: whole launches, processes killed, Ray, the commands in the docs; SLOW: what more pytest is told.
SLOW ?=
test-slow: $(VENV)/installed-dev
	$(PYTEST) -m slow $(SLOW)

# Workers, launchers and databases killed, disks full, runs that hang: about 15 minutes.
faults: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(RUN) -m pytest tests/faults --faults all

# How many of a random sample of small faults in the code the tests of their room notice, and which not: an hour or two.
SEED ?= 0
SIZE ?= 200
mutants: $(VENV)/installed-mutants
	$(RUN) -m tests.mutants --seed $(SEED) --size $(SIZE)

# Linter, formatter, type checker, import order of the rooms.
check: $(VENV)/installed-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports

# The documentation, into build/docs; a warning is an error.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

# docker/Dockerfile and docker/compose.yaml, also by hadolint and Docker Compose; neither needs a Docker engine.
docker-check: $(VENV)/installed-docker
	$(RUN) -m pytest tests/docker

# The steps of docker/Dockerfile in a temporary folder of 2 GB: 2 minutes. It installs from package indexes. Where that of
# PyTorch is not reached: make docker-replay BUILD_ARGS='--build-arg TORCH_INDEX=https://pypi.org/simple'
BUILD_ARGS ?=
docker-replay: $(VENV)/installed-dev
	$(RUN) -m tests.docker.replay $(BUILD_ARGS)

dashboard: $(VENV)/installed
	$(RUN) -m kdsearch dashboard

$(VENV)/installed: pyproject.toml setup.py constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kdsearch needs Python 3.11 or newer: make PYTHON=python3.11 launch")'
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV)/installed-mutants: $(VENV)/installed-dev
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev,mutants]'
	touch $@

$(VENV)/installed-docker: $(VENV)/installed-dev
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev,docker]'
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
