# `make up` and `make test` are all that a newcomer needs; each installs what it can and names what it cannot.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STACK ?= local
ARGS ?=
# CLUSTER=1: a real Kubernetes control plane on this machine; CLUSTER=0: manifests in a folder again.
CLUSTER ?=
WITH_CLUSTER = $(if $(CLUSTER),$(if $(filter 0,$(CLUSTER)),--no-cluster,--cluster))
# A runner's disk is gone after the run: a state kept there would be lost with it.
CHECK_BACKEND = test "$(STACK)" = local || test -z "$$CI" || test -n "$$PULUMI_BACKEND_URL$$PULUMI_ACCESS_TOKEN" || \
  { echo "Set PULUMI_BACKEND_URL or PULUMI_ACCESS_TOKEN: the state of stack $(STACK) must outlive this machine."; exit 64; }
.DEFAULT_GOAL := help
.PHONY: help up down status preview ci-preview ci-up ci-drift test test-all bench docs lint format lock engine kube clean

help:  ## Show the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "sophia-infra needs Python 3.11 or later, and $(PYTHON) is older: install it, or name another with PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: install it (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "Installing the locked Python packages into $(VENV) (up to two minutes, once) ..."
	@awk '/^[^ #]/ {own = /^uv==/} own' requirements.lock > $(VENV)/uv.lock
	@$(PIP) --require-hashes -r $(VENV)/uv.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock || \
	  { echo "uv could not; pip takes its time ..."; $(PIP) --require-hashes -r requirements.lock; }
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

up: $(INSTALLED)  ## Bring stack local up on the real engine. CLUSTER=1: on a real API server too. ARGS="--phase 1".
	@$(BIN)/sophia up --stack $(STACK) $(WITH_CLUSTER) $(ARGS)

preview: $(INSTALLED)  ## Show what `make up` would change.
	@$(BIN)/sophia preview --stack $(STACK) $(ARGS)

status: $(INSTALLED)  ## Show what runs, where, and what it costs.
	@$(BIN)/sophia status --stack $(STACK) $(ARGS)

down: $(INSTALLED)  ## Destroy stack local and stop its emulator.
	@$(BIN)/sophia down --stack $(STACK) --yes $(ARGS)

engine: $(INSTALLED)  ## Find the Pulumi engine, or build it once into the cache.
	@$(BIN)/python -m sophia_infra.engine

kube: $(INSTALLED)  ## Find the parts of a Kubernetes control plane, or build them once into the cache.
	@$(BIN)/python -m sophia_infra.control_plane build

test: $(INSTALLED)  ## Every tier that can run here; ARGS=--quick leaves out those of the engine.
	@$(BIN)/python tools/run_tests.py $(ARGS)

test-all: $(INSTALLED) engine kube  ## Every tier, engine, cluster and kill tests included; nothing may skip.
	@$(BIN)/python tools/run_tests.py --all $(ARGS)

ci-preview: $(INSTALLED)  ## What CI does for a pull request: preview with policies, cost comment in out/preview.md.
	@$(CHECK_BACKEND)
	@mkdir -p out
	@$(BIN)/sophia preview --stack $(STACK) --policy-pack policies --markdown $(ARGS) > out/preview.md; \
	  code=$$?; cat out/preview.md; exit $$code

ci-up: $(INSTALLED)  ## What CI does after a merge: policies first, then the update.
	@$(CHECK_BACKEND)
	@$(BIN)/sophia up --stack $(STACK) --policy-pack policies --yes $(ARGS)

ci-drift: $(INSTALLED)  ## What CI does every night: exit 6 when the account no longer looks like the file.
	@$(CHECK_BACKEND)
	@$(BIN)/sophia preview --stack $(STACK) --refresh --expect-no-changes $(ARGS)

bench: $(INSTALLED)  ## Measure against the speed budgets and print both.
	@$(BIN)/python -m tests.bench $(ARGS)

docs: $(INSTALLED)  ## Build the site of docs/ into out/site; a broken link or a page in no menu fails it.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

lint: $(INSTALLED)  ## ruff, mypy, the layers of the house, the workflow files.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy __main__.py
	@$(BIN)/mypy policies/__main__.py
	@$(BIN)/lint-imports
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@$(BIN)/zizmor --quiet --offline --min-severity medium .github

format: $(INSTALLED)  ## Format the code.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(INSTALLED)  ## Resolve requirements.lock anew from pyproject.toml.
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev pyproject.toml \
	  --generate-hashes --no-emit-index-url --no-header -o requirements.lock

clean:  ## Remove the virtual environment and caches. State of stack local (.sophia) stays: `make down` ends it.
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
