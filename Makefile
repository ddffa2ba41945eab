# Everything a newcomer needs; `make` alone says what there is. Only Python 3.11+ and make are expected.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The program alone is what the demo needs; its tools are 362 MB of the 888 of both.
PROGRAM := $(VENV)/.program
READY := $(VENV)/.ready
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
DEMO := SYNC_DATABASE_URL=sqlite:///.demo/sync.db PREFECT_HOME=$(CURDIR)/.demo/prefect

.DEFAULT_GOAL := help
# Tools about dependencies, in an environment of their own: what they need would change the versions of ours.
TOOLS := .venv-tools
SUPPLY := uv==0.13.9 pip-audit==2.10.1 cyclonedx-bom==7.5.0

.PHONY: help setup demo lint types test test-fast test-long test-pythons coverage kill-matrix fault-matrix drift fuzz soak \
  soak-short bench lock sbom audit clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(PROGRAM): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": say make PYTHON=python3.12, for example")'
	@echo "Setting up $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --editable .
	@touch $(PROGRAM)

$(READY): $(PROGRAM)
	@echo "Adding the tools of tests and checks (once)"
	@$(INSTALL) --editable '.[dev]'
	@touch $(READY)

setup: $(READY) ## Install the project and its tools into .venv

demo: $(PROGRAM) ## Import and accrue the sandbox academy's 2024, with nothing to configure
	@mkdir -p .demo
	@$(DEMO) $(BIN)/sync-actions demo

lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY) ## Check types, strictly
	$(BIN)/mypy

test: lint types ## Check everything and run the tests, on SQLite and PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist loadgroup

test-fast: $(READY) ## The tests without servers, browsers and what is marked slow, on SQLite: under a minute
	$(BIN)/python -m pytest -n 2 -m "not prefect and not browser and not kill_matrix and not long and not soak and not slow and not postgresql"

test-long: $(READY) ## The whole runs that make test leaves out: minutes of servers and workers, and all again on PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "long and not kill_matrix"

test-pythons: ## make test on Python 3.12 and 3.13, each in an environment of its own, as far as they are installed
	@for version in 3.12 3.13; do \
	  if python$$version -c '' 2>/dev/null; then \
	    $(MAKE) --no-print-directory VENV=.venv-$$version PYTHON=python$$version test || exit 1; \
	  else echo "python$$version is not installed: left out"; fi; \
	done

coverage: $(READY) ## Which lines and branches the tests without servers and browsers go through, and which they do not
	$(BIN)/python -m pytest -n 2 -m "not prefect and not browser and not kill_matrix and not long and not soak" \
	  --cov --cov-report=term-missing:skip-covered

kill-matrix: $(READY) ## Kill runs in every way at every point, see that nothing is lost (long), and update docs/measurements.md
	@$(BIN)/python -m pytest -n 2 -m "" tests/kill_matrix --junitxml=.kill-matrix.xml || failed=1; \
	$(BIN)/python -m tests.kill_matrix.table .kill-matrix.xml --write && exit $$failed

fuzz: $(READY) ## Import more than 10,000 damaged records (long), and update docs/measurements.md
	@$(BIN)/python -m pytest -n 2 -m long tests/fuzz --junitxml=.fuzz.xml || failed=1; \
	$(BIN)/python -m tests.fuzz.figures .fuzz.xml --write && exit $$failed

fault-matrix: $(READY) ## Let each vendor endpoint go wrong in every way, see that the next run mends it (long), and update docs/measurements.md
	@$(BIN)/python -m pytest -n 2 -m "" tests/faults --junitxml=.fault-matrix.xml || failed=1; \
	$(BIN)/python -m tests.faults.table .fault-matrix.xml --write && exit $$failed

drift: $(READY) ## See for each kind of change at the vendors that a run again equals a fresh import (long), and update docs/measurements.md
	@$(BIN)/python -m pytest -n 2 -m "long" tests/steps/drift --junitxml=.drift.xml || failed=1; \
	$(BIN)/python -m tests.steps.drift.table .drift.xml --write && exit $$failed

soak: $(READY) ## Run the whole program for 20 minutes while all around it fails, and update docs/measurements.md
	@$(BIN)/python -m tests.soak --minutes 20 --report .soak.md --write

soak-short: $(READY) ## The same for a minute and a half, with few kinds of disturbances
	@$(BIN)/python -m pytest -m soak tests/soak

bench: $(READY) ## Measure imports, accruals, tracking, dispatch, starting, the history on both databases, the page and more workers (long), and update docs/measurements.md
	$(BIN)/python -m tests.benchmarks.imports --write
	$(BIN)/python -m tests.benchmarks.accruals --write
	$(BIN)/python -m tests.benchmarks.tracking --write
	$(BIN)/python -m tests.benchmarks.dispatch --write
	$(BIN)/python -m tests.benchmarks.starting --write
	$(BIN)/python -m tests.benchmarks.history --write
	$(BIN)/python -m tests.benchmarks.page --write
	$(BIN)/python -m tests.benchmarks.scale --write

$(TOOLS)/.ready: Makefile
	@echo "Setting up $(TOOLS) (once)"
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check $(SUPPLY)
	@touch $@

lock: $(TOOLS)/.ready ## Write requirements.lock: the versions of constraints.txt that a deployment needs, with hashes
	$(TOOLS)/bin/uv pip compile pyproject.toml --constraint constraints.txt --universal --generate-hashes \
	  --no-annotate --no-header --no-emit-index-url --quiet --output-file requirements.lock

sbom: $(TOOLS)/.ready ## Write sbom.json: what requirements.lock installs, with licences, as CycloneDX
	@$(PYTHON) -m venv --clear .venv-deployed
	@.venv-deployed/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@.venv-deployed/bin/python -m pip install --quiet --disable-pip-version-check --no-deps .
	$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  --output-format JSON --output-file sbom.json .venv-deployed/bin/python
	@rm -rf .venv-deployed

audit: $(TOOLS)/.ready ## Ask PyPI's vulnerability database about requirements.lock; needs the Internet
	@$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements.lock || { \
	  echo "Not passed. If vulnerabilities are listed above: raise the version in constraints.txt, then make lock."; \
	  echo "If not: PyPI's database did not answer from here, so nothing was checked; run it on a machine that reaches it."; \
	  exit 1; }

clean: ## Remove what setup and demo made
	rm -rf .venv .venv-* .demo .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
