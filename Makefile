# `make train` and `make test` need Python 3.11 or newer and nothing else: they set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train debug test test-all test-fast test-lowest test-onnx test-rllib coverage check lint docs format clean

train: $(VENV)/.run
	@echo "starting: Python and JAX load in some seconds"
	$(BIN)/python -m screwpush_jax.train --config configs/cpu.yaml --headless

debug: SHELL := /bin/bash
debug: $(VENV)/.video
	@runs=$$(mktemp -d); took=; SECONDS=0; \
	step() { \
		local begun=$$SECONDS; \
		$(BIN)/python -m screwpush_jax."$$@" --runs-dir "$$runs" || exit 1; \
		took+="$$1 $$((SECONDS - begun)) s, "; \
	}; \
	step train --config configs/debug.yaml --headless; \
	step evaluate --checkpoint latest; \
	step play --checkpoint latest --episodes 1 --size 160 120; \
	step train --checkpoint latest --total-env-steps 768 --headless; \
	rm -r "$$runs"; echo "$${took}together $$SECONDS s; what they wrote was for trying, and is removed"

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2

# what is heavy, too: other people's learners, a browser (chromium, and xvfb for the window, where there are
# such), the services' own clients; RLlib pins another Gymnasium, so its tests have an environment of their own
test-all: $(VENV)/.all
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m ""
	$(MAKE) test-onnx test-rllib
RLLIB := build/rllib
test-rllib:
	test -x $(RLLIB)/bin/python || $(PYTHON) -m venv $(RLLIB)
	$(RLLIB)/bin/python -m pip install --quiet --editable '.[rllib]' torch==2.13.0 pytest
	$(RLLIB)/bin/python -m pytest -m "" tests/doors

# an environment of its own: the converter asks for an older orbax-checkpoint than the newest
ONNX := build/onnx
test-onnx:
	test -x $(ONNX)/bin/python || $(PYTHON) -m venv $(ONNX)
	$(ONNX)/bin/python -m pip install --quiet --editable '.[onnx]' pytest
	$(ONNX)/bin/python -m pytest -m "" tests/test_export_onnx.py tests/policy_file/test_onnx.py

test-fast: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m "not slow and not heavy"

# the bounds of pyproject.toml, with Python 3.11: what is installed is the lowest that they allow
LOWEST := build/lowest
test-lowest:
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) .ci/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/constraints.txt \
		--editable '.[video]' mujoco-warp nvidia-ml-py pytest pytest-xdist
	touch $(LOWEST)/.run $(LOWEST)/.video
	$(MAKE) debug VENV=$(LOWEST)
	$(LOWEST)/bin/python -m pytest -n 2 $(addprefix tests/,test_config.py test_loggers.py algorithms/common/test_gae.py \
		sim/test_registry.py sim/test_bridge.py sim/engines/test_mujoco_cpu.py sim/engines/test_mujoco_warp.py sim/test_gpu.py)

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term
	$(BIN)/coverage report --show-missing --fail-under=90 --include='screwpush_jax/algorithms/*'
	$(BIN)/coverage report --show-missing --fail-under=90 --include='screwpush_jax/tasks/*'
	$(BIN)/coverage report --show-missing --fail-under=90 --include='sim/*'

check: lint test

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	mkdir -p build/import && ln -sfn ../../sim build/import/screwpush_sim
	$(BIN)/pyright --pythonpath $(BIN)/python

# warnings are errors, see mkdocs.yml
docs: $(VENV)/.dev
	mkdir -p build/import && ln -sfn ../../sim build/import/screwpush_sim
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.run: pyproject.toml
	@echo "installing what training needs into $(VENV), once; how long depends on the network"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.video: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[video]'
	touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev,video]'
	touch $(VENV)/.run $(VENV)/.video $@

$(VENV)/.all: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,video,view,wandb,swanlab,tensorboard,rsl-rl,skrl,stable-baselines3]' playwright
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
