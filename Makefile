# Everything starts from a plain Python 3.11, 3.12 or 3.13: each target makes .venv first, once.
# PYTHON: the newest that really runs (.ci/pythons), unless told. An existing .venv is kept, unless PYTHON is told and
# is of another version.
TOLD := $(if $(filter undefined,$(origin PYTHON)),,$(PYTHON))
PYTHON ?= $(lastword $(shell .ci/pythons | head -n 1))
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed$(if $(TOLD),-$(shell $(TOLD) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null))
DEMO ?= build/demo
export POOL_TYPE BASE TAG BUILD_ARGS
# Where this is set, every process compiles all that it imports anew: three seconds for a day, ten times its other start.
unexport PYTHONDONTWRITEBYTECODE
DAYS ?= 12
PORT ?= 8080
PYTEST_ARGS ?=
CRASH_ARGS ?=
REHEARSAL_ARGS ?=
CASES_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: docs docs-reference help setup demo image browser test test-integration test-all test-cpu test-slow fuzz examples crash rehearsal fencing soak attacks audit licences cases bench conus lint format serve deploy worker lock clean

help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 12

setup: $(STAMP)  ## make .venv with everything in it

# uv (the one on the PATH, else the locked one, which pip brings) where it reaches a package index, else pip.
# --no-deps: the lock file is complete, and pip 23.2 refuses hashes of requirements named with extras otherwise.
# --seed: some tests ask for a pip in the environment.
LOCKED := --no-deps --require-hashes -r requirements-dev.lock
ITSELF := --no-deps --no-build-isolation -e .
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
$(STAMP): requirements-dev.lock pyproject.toml
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "vadose needs Python 3.11, 3.12 or 3.13: install one, or set PYTHON=/path/to/python of one that runs" >&2; exit 1; }
	@$(if $(TOLD),test "$$($(BIN)/python -V 2>/dev/null)" = "$$($(PYTHON) -V)",$(BIN)/python -V >/dev/null 2>&1) || { \
		echo "making $(VENV) with $(PYTHON)"; \
		{ uv venv --quiet --clear --seed --no-python-downloads --python "$$(command -v $(PYTHON))" $(VENV) 2>/dev/null || \
			$(PYTHON) -m venv --clear $(VENV); }; }
	@command -v uv >/dev/null || test -x $(BIN)/uv || { sed -n '/^uv==/,/^[a-z]/{/^uv==/p;/^ /p}' requirements-dev.lock >$(VENV)/uv.txt && \
		$(PIP) --no-deps --require-hashes -r $(VENV)/uv.txt 2>/dev/null || true; }
	@uv=$$(command -v uv || echo $(BIN)/uv); if $$uv pip install --quiet --python $(BIN)/python $(LOCKED) \
		&& $$uv pip install --quiet --python $(BIN)/python $(ITSELF); then echo "installed by uv into $(VENV)"; else \
		$(PIP) $(LOCKED) && $(PIP) $(ITSELF) && echo "installed by pip into $(VENV)"; fi
	@touch $@

demo: setup  ## simulated sample -> prior -> model -> catalogue and playground under build/demo (DEMO=DIR DAYS=N)
	$(BIN)/vadose demo --out $(DEMO) --days $(DAYS)

# Two processes, whole files each, since the tests of a file share what they set up.
# pytest's own exit code is kept in build/TARGET-exit, since make answers 2 to every failure.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile
KEEP = code=$$?; mkdir -p build; echo $$code > build/$@-exit; exit $$code

test: setup  ## run the tests, but for those that start servers, kill processes or train for long (PYTEST_ARGS=...)
	@rm -f build/$@-exit
	$(PYTEST) -m "not integration and not slow" $(PYTEST_ARGS); $(KEEP)

test-integration: setup  ## run the tests that start servers and browsers, kill processes or train for long (PYTEST_ARGS=...)
	@rm -f build/$@-exit
	$(PYTEST) --no-loadscope-reorder -m "integration and not slow" $(PYTEST_ARGS); $(KEEP)

test-all: setup  ## run both halves, one after the other
	@code=0; $(MAKE) test || code=1; $(MAKE) test-integration || code=1; exit $$code

test-cpu: setup  ## run both halves at once and tell the CPU seconds of each folder (PYTEST_ARGS=...)
	PYTHONPATH=tests/helpers $(PYTEST) -m "not slow" -p cpu_by_folder $(PYTEST_ARGS)

FUZZ_ARGS ?= --inputs 10000
fuzz: setup  ## try every reader and every body of the service on 10,000 changed inputs each (FUZZ_ARGS=...)
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

EXAMPLES ?= 20
examples: setup  ## try the property tests on new examples, EXAMPLES=20 times as many; what fails becomes an @example
	VADOSE_FUZZ=$(EXAMPLES) $(PYTEST) -m "hypothesis and not slow" $(PYTEST_ARGS)

test-slow: setup  ## run the tests that take minutes each (PYTEST_ARGS=...)
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

crash: setup  ## kill a backfill of 30 days 100 times with kill -9, resume it, compare (CRASH_ARGS=...)
	$(BIN)/python -m tests.crash --kills 100 $(CRASH_ARGS)

rehearsal: setup  ## the compose file's services as plain processes: schedule, backfill under kills, restore (REHEARSAL_ARGS=...)
	PYTHONPATH=tests/helpers $(BIN)/python -m tests.rehearsal $(REHEARSAL_ARGS)

FENCING_ARGS ?= --rounds 200
fencing: setup  ## stop a run before its commit, let another overtake it, go on: 200 rounds in a folder and on S3
	$(BIN)/python -m tests.crash.fencing $(FENCING_ARGS)

SOAK_ARGS ?=
soak: setup  ## 1,000 days with faults; the service under 50 clients for 10 minutes: memory, descriptors, threads flat
	$(BIN)/python -m tests.soak $(SOAK_ARGS)

attacks: setup  ## the service under each kind of attack: how long its health check and a good search take meanwhile
	$(BIN)/python -m tests.soak.attacks

audit: setup  ## our code's own risks, hashes of the locks, licences, known vulnerabilities
	$(BIN)/python -m tests.audit

licences: setup  ## write docs/reference/licences.md from the locks
	$(BIN)/python -m tests.audit --write

cases: setup  ## run the public oddities of ../shared/cases/inputs against what was expected of each
	$(BIN)/python -m tests.cases $(CASES_ARGS)

bench: setup  ## run the benchmarks (ratios within one run)
	$(BIN)/python -m pytest tests/benchmarks -q -s -o python_files='bench_*.py' $(PYTEST_ARGS)

CONUS ?= build/conus
CONUS_ARGS ?=
conus: setup  ## a simulated continent: sample, prior, model, three days, cube, check, and what each costs (CONUS=DIR CONUS_ARGS=...)
	$(BIN)/python -m tests.benchmarks.conus.continent $(CONUS) $(CONUS_ARGS)

lint: setup  ## ruff (format and rules) and mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup  ## let ruff put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The sources of STAC Browser come from npm and stay in ignored folders.
browser:  ## build STAC Browser and the map's state and county lines into build/browser (needs Node.js and npm)
	@command -v npm >/dev/null || { echo "STAC Browser needs Node.js 20 or newer with npm" >&2; exit 1; }
	cd deploy/browser && npm ci --no-progress && npm run build

serve: setup  ## serve the demo catalogue over HTTP with range requests (DEMO=DIR PORT=N)
	$(BIN)/vadose serve $(DEMO)/catalog --port $(PORT)

deploy: setup  ## work pool, queues, deployments and automations on the Prefect server of PREFECT_API_URL (POOL_TYPE=process)
	@PATH="$(abspath $(BIN)):$$PATH" deploy/setup.sh

TARGETS ?= worker api
image:  ## container images by docker, podman or buildah (TARGETS="worker api gpu" BASE=IMAGE TAG=TAG)
	@deploy/image/build.sh $(TARGETS)

# The worker's own Python makes the runs, and it looks for the next twice a second (left alone: every 10 s).
worker: setup  ## work on the pool `vadose` of PREFECT_API_URL's server
	PATH="$(abspath $(BIN)):$$PATH" PREFECT_WORKER_QUERY_SECONDS=$${PREFECT_WORKER_QUERY_SECONDS:-0.5} $(BIN)/prefect worker start --pool vadose

# What is locked stays as it is where it still fits; LOCK_ARGS=--upgrade looks for newer releases of everything.
# --universal: one file for all Pythons and systems, with markers. No host or folder of the machine stands in the files.
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(patsubst %,--extra %,insitu hydrodata dask serve pgstac cube zones places)
LOCK_ARGS ?=
lock: setup  ## resolve pyproject.toml anew into requirements.lock (to run) and requirements-dev.lock (and to develop)
	$(LOCK) $(LOCK_ARGS) -o requirements.lock
	$(LOCK) $(LOCK_ARGS) --extra dev --extra docs -c requirements.lock -o requirements-dev.lock

docs: setup  ## build the documentation site strictly into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

docs-reference: setup  ## write docs/reference/ from the code
	$(BIN)/python docs/generate.py

clean:  ## remove what was built (not .venv)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
