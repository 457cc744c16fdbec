# Each target does all the set-up it needs, in .venv, and none of it twice.
# Needs Python >= 3.11 with venv and headers, a C compiler (gcc or clang) and make.
#
#   make demo    discover linear regression, then evolve a classifier on digits
#   make test    the test suite        make lint    ruff and mypy
#   make bench   the benchmark table   make clean   remove .venv and everything built

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    && echo $$python && break; done)
BIN := .venv/bin
TOOLS := .venv/tools.stamp
INSTALLED := .venv/installed.stamp
BUILT := .venv/built.stamp
SOURCES := setup.py automl_zero/ops.py \
    $(wildcard kernels/*.c kernels/*.h kernels/*.pyx kernels/*.pxd kernels/*.pxi kernels/*.py)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: all demo test bench lint clean
all: $(BUILT)

demo: $(BUILT)
	$(BIN)/automl-zero demo

test: $(BUILT)
	$(BIN)/python -m pytest

bench: $(BUILT)
	$(BIN)/python scripts/bench_engine.py

lint: $(BUILT)
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf .venv build dist *.egg-info kernels/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The build tools come first, so that one pinned Cython serves the first and every later build.
$(TOOLS): constraints.txt
	@test -n "$(PYTHON)" || { echo "make: expected Python >= 3.11 on the PATH, found none" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "creating .venv with $(PYTHON)"; $(PYTHON) -m venv .venv; }
	$(PIP) setuptools cython
	@touch $@

$(INSTALLED): $(TOOLS) pyproject.toml
	@echo "building and installing (some minutes the first time)"
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

$(BUILT): $(INSTALLED) $(SOURCES)
	$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@
