"""The chain that the other tests of this folder kill is the workflow's own."""

from __future__ import annotations

import re
from pathlib import Path

from killed_stages import STAGES


def test_every_verb_of_a_rule_is_among_the_stages_that_are_killed(project_root: Path) -> None:
    """Verbs with what follows them literally; external cohorts are worked on by the same functions."""
    rules = "".join(path.read_text() for path in sorted((project_root / "workflow/rules").glob("*.smk")))
    shells = set(re.findall(r'"(?:trap : TERM; )?lss ([a-z_]+(?: --(?:folds|externals))?)', rules))
    assert {"evaluate --folds", "evaluate", "pseudo_mask"} <= shells
    killed = {
        " ".join(verb[:2] if verb[1:] in [("--folds",)] else verb[:1]) for verbs in STAGES.values() for verb in verbs
    }
    assert shells - killed == {"evaluate --externals"}
