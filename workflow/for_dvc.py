"""Run Snakemake for the stage that DVC is at, as the commands in dvc.yaml do.

    python workflow/for_dvc.py --allowed-rules train train_all -- train_all     # DVC_STAGE=train in the environment

DVC leaves a stage's outputs where they are (`persist`), since finished trainings lie among them. They may be of other
settings, code or inputs than those of now, which Snakemake sees only of what it made itself: those are forced.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lss.errors import LssError
from lss.lineage.fresh import outdated
from lss.project.models import manifests_by_stage
from lss.project.params import load_params


def main() -> None:
    """Become Snakemake, with what is out of date as its --forcerun."""
    options, targets = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") :]
    try:
        params = load_params()
        forced = outdated(manifests_by_stage(params)[os.environ["DVC_STAGE"]], params)
    except LssError as error:
        raise SystemExit(f"lss: {error}") from None
    for manifest, reason in forced.items():
        print(f"out of date: {manifest}: {reason}", file=sys.stderr)
    snakemake = str(Path(sys.executable).parent / "snakemake")
    os.execv(snakemake, [snakemake, "--quiet", *options, *(["--forcerun", *forced] if forced else []), *targets])


if __name__ == "__main__":
    main()
