# `make train` and `make test` need Python 3.11 or newer and nothing else: they set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test coverage check lint format clean

train: $(VENV)/.run
	$(BIN)/python -m screwpush_jax.train --config configs/cpu.yaml --headless

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term
	$(BIN)/coverage report --show-missing --fail-under=90 --include='screwpush_jax/ppo/*'
	$(BIN)/coverage report --show-missing --fail-under=90 --include='screwpush_jax/tasks/*'
	$(BIN)/coverage report --show-missing --fail-under=90 --include='sim/*'

check: lint test

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.run: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev,video]'
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) build *.egg-info
