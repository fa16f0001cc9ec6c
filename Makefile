# Rushlight's commands. Each makes its environment first, in .venv, from Python 3.11 or newer with pip and venv.
#
#   make run      train the examples' models on real data (writes checkpoints and pictures to out/)
#   make test     lint, types, layers, then every test; PARITY=1 also installs PyTorch and compares with it
#   make test-versions the tests without comparisons under every Python from 3.11 on that is found, each in its own environment
#   make test-gpu the tests that need an NVIDIA GPU; installs CuPy with CUDA's libraries
#   make lint     ruff, mypy and the layers' contract alone
#   make format   let ruff format and mend what it can
#   make bench    compare with PyTorch on this machine
#   make coverage how much of PyTorch's own test databases is right; WRITE=1 writes docs/coverage.md
#   make clean    remove caches and outputs;  make distclean: and the environment

VENV ?= .venv
# The first of these that is new enough; `make PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
# 1: install PyTorch, so that the tests that compare with it run. Without it they skip, and say so.
PARITY ?= 0
PYTEST_ARGS ?=
RUN_ARGS ?=
BENCH_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Two processes of tests, one BLAS thread each: more threads than processors make every test slower.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

RUN_READY := $(VENV)/.ready-run
TEST_READY := $(VENV)/.ready-test
PARITY_READY := $(VENV)/.ready-parity
ifeq ($(PARITY),1)
READY := $(PARITY_READY)
else
READY := $(TEST_READY)
endif

.DELETE_ON_ERROR:
.PHONY: run test test-versions test-gpu lint format bench coverage clean distclean

run: $(RUN_READY)
	$(BIN)/python examples/train_all.py $(RUN_ARGS)

test: $(READY) lint
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

# python3.11, python3.12, ... of the PATH, and those that pyenv has but does not put there.
VERSIONS ?= $(shell for minor in 11 12 13 14; do for p in python3.$$minor $$(ls -rd "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.$$minor.*/bin/python 2>/dev/null); do \
	if $$p -c '' 2>/dev/null; then echo $$p; break; fi; done; done)

test-versions:
	@failed=; for p in $(VERSIONS); do \
		version=$$($$p -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "== Python $$version"; \
		{ [ -e $(VENV)-$$version/pyvenv.cfg ] || $$p -m venv $(VENV)-$$version; } && \
		$(VENV)-$$version/bin/python -m pip --disable-pip-version-check install --quiet -e '.[test,mpi]' && \
		$(ONE_THREAD) $(VENV)-$$version/bin/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS) || failed="$$failed $$version"; \
	done; if [ -n "$$failed" ]; then echo "make: failed under Python$$failed" >&2; exit 1; fi

test-gpu: $(READY)
	$(PIP) install --quiet -e '.[cuda]'
	$(ONE_THREAD) $(BIN)/python -m pytest -m gpu tests $(PYTEST_ARGS)

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-cache

format: $(TEST_READY)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

bench: $(PARITY_READY)
	$(BIN)/python benchmarks/eager.py $(BENCH_ARGS)
	$(BIN)/python benchmarks/compiled.py $(BENCH_ARGS)

coverage: $(PARITY_READY)
	$(ONE_THREAD) $(BIN)/python tests/parity/coverage.py $(if $(WRITE),--write,--check)
	$(ONE_THREAD) PYTHONPATH=. $(BIN)/python -m tests.parity.module_coverage

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist out
	find src tests docs examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean
	rm -rf $(VENV) $(VENV)-3.*

# The environment. A .ready file says what is installed; it is older than pyproject.toml when that has changed.
$(VENV)/pyvenv.cfg:
	@if [ -z "$(PYTHON)" ]; then echo "make: no Python 3.11 or newer found; set PYTHON=/path/to/python" >&2; exit 1; fi
	$(PYTHON) -m venv $(VENV)

$(RUN_READY): pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing Rushlight and what the examples use into $(VENV) ..."
	$(PIP) install --quiet -e '.[examples]'
	@touch $@

$(TEST_READY): pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing Rushlight and the test tools into $(VENV) ..."
	$(PIP) install --quiet -e '.[test,examples]'
	@touch $@

$(PARITY_READY): $(TEST_READY)
	@echo "Installing PyTorch, to compare with, into $(VENV) ..."
	$(PIP) install --quiet torch==2.13.0
	$(PIP) install --quiet -e '.[parity]'
	@touch $@
