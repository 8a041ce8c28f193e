# `make demo` and `make test` set up what they need; nothing else has to be run first.
PYTHON ?= python3
BIN    := .venv/bin
# uv ignores pip's settings: hand it pip's wheel folder where one is set, else let it choose the torch build for this machine.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
TORCH  := $(if $(strip $(UV_FIND_LINKS)),,--torch-backend=auto)
SOURCES := pyproject.toml constraints.txt $(wildcard segdata/core/kernels/_compiled/*.pyx)

# What calls kernels is tried again with those in numpy, but for tests of kernels, which try both, and for files whose tests
# call none or read some small dataset on the way.
REFERENCE_TESTS := tests/core tests/measure $(addprefix --ignore=tests/core/test_,$(addsuffix .py,\
    archives atomic_files bootstrap candidates cluster_portions config coverage errors format guideline image_files lazy_loading\
    paths rule_settings safe_text table taxonomy tiff_files validation))\
    $(addprefix --ignore=tests/measure/test_,$(addsuffix .py,duplicates registry source_cache stored_tables))

.PHONY: demo test test-lowest check bench install clean

$(BIN)/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q uv

.venv/.installed: $(SOURCES) | $(BIN)/uv
	$(BIN)/uv pip install -q --python $(BIN)/python $(TORCH) -c constraints.txt -e '.[all]' --group test
	@touch $@

install: .venv/.installed

demo: install
	$(BIN)/segdata demo build/demo

test: install
	$(BIN)/python -m pytest -q -n 3 --dist worksteal
	SEGDATA_KERNELS=reference $(BIN)/python -m pytest -q -n 3 --dist worksteal -m "not both_kernels" $(REFERENCE_TESTS)

# The oldest versions that pyproject.toml allows, in an environment of their own: do they still pass?
build/lowest/.installed: $(SOURCES) | $(BIN)/uv
	$(BIN)/uv venv -q --clear --seed --python $(BIN)/python build/lowest
	$(BIN)/uv pip install -q --python build/lowest/bin/python $(TORCH) --resolution lowest-direct -e '.[all]' --group test
	@touch $@

test-lowest: build/lowest/.installed
	build/lowest/bin/python -m pytest -q -n 3 --dist worksteal

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_floors.py

build/peers/.installed: benchmarks/peers/requirements.txt | $(BIN)/uv
	$(BIN)/uv venv -q --clear build/peers
	$(BIN)/uv pip install -q --python build/peers/bin/python -r benchmarks/peers/requirements.txt
	@touch $@

bench: install build/peers/.installed
	$(BIN)/python -m benchmarks.speed.against_peers 500 20000
	$(BIN)/python -m benchmarks.speed.masks
	$(BIN)/python -m benchmarks.speed.at_scale
	$(BIN)/python -m benchmarks.speed.kernels
	$(BIN)/python -m benchmarks.speed.growth --quick

clean:
	rm -rf .venv build segdata.egg-info segdata/core/kernels/_compiled/*.c segdata/core/kernels/_compiled/*.so
