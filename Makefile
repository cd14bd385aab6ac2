# `make study` and `make test` set up all they need; run again, they do only what is missing.
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
BIN := .venv/bin

.PHONY: study test check lint schema campaign

study: .venv/.installed
	$(BIN)/python -m scaling.sweep --space depth_width
	$(BIN)/python -m scaling.report depth_width

# Two tests at a time; those that start clusters of their own are one group, and come one by one.
test: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

# Thousands of faults of disk, clock and workers; some minutes.
campaign: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.campaign --seeds 200

check: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not slow" -n 2

lint: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

schema: .venv/.installed
	$(BIN)/python -m scaling.space > search_spaces/space.schema.json

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e .
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[dev]'
	touch $@
