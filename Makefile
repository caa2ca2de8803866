# make demo and make test work alone on a machine with python3 (3.11 or later), gcc/g++ and make.

TORCH ?= torch==2.13.0
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SOURCES := $(shell find csrc -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh')

# $(call patiently,WHAT,COMMAND): says what is done, and every ten seconds that it still is.
comma := ,
patiently = echo "$(1) ..."; ( s=0; while sleep 10; do s=$$((s + 10)); echo "  $$s s so far"; done ) & ticker=$$!; \
	$(2); status=$$?; kill $$ticker 2>/dev/null; exit $$status

.PHONY: install demo test lint bench native-check torture gpu-check clean

install: $(INSTALLED)

# torch first: the kernels are compiled against it, which an isolated build could not do.
$(INSTALLED): pyproject.toml setup.py gantool/native/plan.py gantool/native/libraries.py $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "gantool needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@$(call patiently,Installing $(TORCH),$(BIN)/pip install --quiet '$(TORCH)')
	@$(call patiently,Installing what compiles the kernels,$(BIN)/pip install --quiet 'setuptools>=77' wheel ninja pybind11 numpy)
	@$(call patiently,Compiling the kernels and installing gantool,\
		$(BIN)/pip install --quiet --no-build-isolation --editable '.[dev$(comma)tensorboard]')
	@touch $@

demo: install
	$(BIN)/gantool train --dataset digits --offline
	$(BIN)/gantool sample --n 100
	$(BIN)/gantool eval parzen --offline

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(SOURCES) $(wildcard tests/native/*.cpp tests/native/*.h)
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

bench: install
	$(BIN)/gantool bench parzen
	$(BIN)/gantool bench maxout

# The C++ cores by themselves: tests under sanitizers, and every CUDA file through nvcc where there is one.
native-check:
	./tests/native/check.sh

# Long: training killed at random moments and resumed; the coverage of the score's uncertainties, simulated.
torture: install
	$(BIN)/python -m pytest -m torture

# All that needs a GPU, on a machine that may have no network: nothing is installed, and PYTHON must have torch.
OUT ?= benchmarks/results
LIMIT ?= 480
gpu-check:
	$(PYTHON) benchmarks/gpu_check.py --out $(OUT) --limit $(LIMIT)

clean:
	rm -rf build dist $(VENV) *.egg-info gantool/*.so
