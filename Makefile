# The whole house from one place. `make` says what there is.
#
#   make demo ARGS="--speed 60"      ARGS goes to the command behind the target
#   make setup PYTHON=python3.12     another Python than the first fitting one found

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
PYTHON ?=
ARGS ?=
PY := $(VENV)/bin/python
READY := $(VENV)/.whaleline-ready
# A process more than there are cores, four at most; whatever shares a broker or a file stays in one. ARGS="-n 0" for a debugger.
SIDE_BY_SIDE = -n auto --maxprocesses 4 --no-loadscope-reorder
LOCKING = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

# Nothing from the caller's shell may leak another project's modules into ours.
unexport PYTHONPATH PYTHONHOME
# Scores must have the same bits on every machine, so Intel's own math library stays out.
export NUMBA_DISABLE_INTEL_SVML := 1

.PHONY: help setup demo test check bench bench-worker peers fuzz browser eval monitoring-check deploy-check rolling-check upgrade-check chaos moves soak overload chaos-controls failures schedules broker lock audit sbom docs clean

help: ## print these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## build .venv from the lock, once (again when the lock or pyproject changes)

# A Python that is only a shim without a version behind it, or one without venv, is passed over.
$(PY):
	@fits='import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'; \
	for name in $(or $(PYTHON),python3.11 python3.12 python3.13 python3); do \
	    if "$$name" -c "$$fits" 2>/dev/null; then echo "Building $(VENV) with $$name"; exec "$$name" -m venv $(VENV); fi; \
	done; \
	echo "whaleline needs Python 3.11, 3.12 or 3.13 with the venv module (Debian: apt-get install python3.11-venv);" \
	     "none of these fits: $(or $(PYTHON),python3.11 python3.12 python3.13 python3)." \
	     "Name one with 'make setup PYTHON=/path/to/python'." >&2; \
	exit 1

$(READY): requirements.lock pyproject.toml | $(PY)
	@$(PY) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	    || { echo "$(VENV) holds a Python that whaleline does not run on: 'make clean-venv', then 'make setup'." >&2; exit 1; }
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(VENV)/bin/whaleline compile
	@touch $@

demo: $(READY) ## watch it work: an embedded broker, a real worker, a simulated year
	$(VENV)/bin/whaleline demo $(ARGS)

test: $(READY) ## every test; with Java and Maven there, against a real Kafka too
	@$(PY) -m tests.broker.kafka fetch
	$(PY) -m pytest $(SIDE_BY_SIDE) $(ARGS)

check: $(READY) ## lint, format, types, and the direction of imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(READY) ## measure the hot paths, in one process and without a broker
	$(PY) -m tests.bench $(ARGS)

bench-worker: $(READY) ## measure a whole worker on a real Kafka (ARGS="--events 1000000 --rates 2000,20000")
	@$(PY) -m tests.broker.kafka fetch
	$(PY) -m tests.bench.worker $(ARGS)

peers: $(READY) ## the same events through whaleline, Flink and Kafka Streams (needs a JDK and Maven; ARGS="--runs 5")
	$(PY) -m tests.bench.peers $(ARGS)

fuzz: $(READY) ## hostile bytes through the kernels that read, with and without bounds checks (ARGS="--count 10000000")
	$(PY) -m tests.fuzz $(ARGS)

BROWSES := $(VENV)/.whaleline-browses
$(BROWSES): requirements-browser.lock | $(READY)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-browser.lock
	@touch $@

browser: $(READY) $(BROWSES) ## the desk in a real Chromium (Debian: apt-get install chromium; ARGS="--pictures")
	$(PY) -m pytest -n 0 tests/browser $(ARGS)

EVALUATES := $(VENV)/.whaleline-evaluates
$(EVALUATES): requirements-eval.lock | $(READY)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-eval.lock
	@touch $@

eval: $(READY) $(EVALUATES) ## judge made-up worlds whose truth is known (ARGS="--seeds 5 --customers 4000")
	$(PY) -m tests.eval $(ARGS)

monitoring-check: $(READY) ## rules, dashboards and alerts against a real Prometheus (Debian: prometheus prometheus-alertmanager)
	$(PY) -m tests.monitoring

deploy-check: $(READY) ## deployment files against the validators of whoever reads them (needs Go and kubectl; builds a reader once)
	$(PY) -m tests.deploy

KILLS ?= 20
chaos: $(READY) ## kill and freeze workers and brokers at random, and compare the topics with an oracle (KILLS=200)
	$(PY) -m tests.chaos run --kills $(KILLS) $(ARGS)

MOVES ?= 50
moves: $(READY) ## let workers come and go in order under load, and measure how long a partition pauses (MOVES=50)
	$(PY) -m tests.chaos moves --moves $(MOVES) $(ARGS)

MINUTES ?= 30
soak: $(READY) ## a steady load with a fault each minute; nothing may be wrong, nothing may grow (MINUTES=30)
	$(PY) -m tests.chaos soak --minutes $(MINUTES) $(ARGS)

overload: $(READY) ## send a worker twice what it can do for five minutes; it must not grow, and must catch up
	$(PY) -m tests.chaos overload $(ARGS)

chaos-controls: $(READY) ## do without each safeguard in turn: chaos must notice each time
	$(PY) -m tests.chaos controls $(ARGS)

failures: $(READY) ## what can go wrong around a worker, on a real Kafka: each ends in recovery or in a refusal
	$(PY) -m pytest -n 0 tests/broker/failures.py $(ARGS)

SEEDS ?= 1000
schedules: $(READY) ## crashes, zombies and moves in schedules drawn from seeds, with the real judge (SEEDS=100000)
	$(PY) -m tests.sim --seeds $(SEEDS) $(ARGS)

rolling-check: $(READY) ## restart three workers one by one under load on a real Kafka, and judge by the topics
	$(PY) -m tests.broker.rolling $(ARGS)

# The newest commit of an earlier row layout that is still read; there is no release yet to take.
FROM ?= 0d1f532
upgrade-check: $(READY) ## replace workers of an earlier commit one by one by this one's, under load (FROM=commit)
	$(PY) -m tests.broker.upgrade $(FROM)

broker: $(READY) ## run a real Kafka on 127.0.0.1:9092 until Ctrl-C (needs Java 17; ARGS="--port N")
	$(PY) -m tests.broker.kafka run $(ARGS)

lock: $(READY) ## resolve requirements.lock and deploy/requirements.lock anew from pyproject.toml
	@$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(LOCKING) --extra demo --extra dev pyproject.toml --output-file requirements.lock
	$(LOCKING) --extra demo --extra dev --extra eval --constraint requirements.lock pyproject.toml --output-file requirements-eval.lock
	$(LOCKING) --extra demo --extra dev --extra browser --constraint requirements.lock pyproject.toml --output-file requirements-browser.lock
	$(LOCKING) --constraint requirements.lock pyproject.toml --output-file deploy/requirements.lock
	$(LOCKING) tests/audit/requirements.in --output-file tests/audit/requirements.lock
	$(LOCKING) tests/site/requirements.in --output-file tests/site/requirements.lock

AUDITS := build/audit/bin/.ready
$(AUDITS): tests/audit/requirements.lock | $(PY)
	$(PY) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

audit: $(AUDITS) ## known vulnerabilities in what the locks name (asks the package index; ARGS="-s osv" asks osv.dev)
	build/audit/bin/pip-audit --strict --disable-pip --require-hashes -r deploy/requirements.lock $(ARGS)
	build/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock $(ARGS)

sbom: $(AUDITS) ## what the image holds of Python, as build/whaleline.cdx.json (CycloneDX)
	PYTHONWARNINGS=ignore build/audit/bin/cyclonedx-py requirements deploy/requirements.lock --pyproject pyproject.toml --output-reproducible \
	    --output-file build/whaleline.cdx.json

SITES := build/docs-tools/bin/.ready
$(SITES): tests/site/requirements.lock | $(PY)
	$(PY) -m venv build/docs-tools
	build/docs-tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

docs: $(READY) $(SITES) ## the documentation as a site in build/docs/site; a warning or a dead link fails
	$(PY) -m tests.site

clean: ## remove what builds and tests leave behind (clean-venv: .venv too)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov
	find schemas kernels streams tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: clean-venv
clean-venv: clean
	rm -rf $(VENV)
