#!/usr/bin/env bash
# Snakemake runs this in the project's folder once it has made the environment of lss.yaml, with that one active.
set -euo pipefail
python -m pip install -c requirements.txt -e .
