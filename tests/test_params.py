"""Settings that a type alone does not check."""

import pytest

from lss.errors import LssError
from lss.params import check_params, load_params


@pytest.mark.parametrize(
    ("section", "key", "names"),
    [
        ("segmentation", "losses", ["pid_tversky", "tversky", "pid_tversky"]),
        ("classification", "losses", ["cross_entropy", "cross_entropy"]),
        ("report", "losses", ["focal", "focal"]),
        (None, "backbones", ["smolvlm", "smolvlm"]),
    ],
)
def test_a_list_names_everything_once(project_root, section, key, names):
    raw = load_params(project_root / "params.yaml").model_dump(mode="json")
    (raw["train"][section] if section else raw["train"])[key] = names
    with pytest.raises(LssError, match=rf"{key}: names '{names[0]}' twice"):
        check_params(raw)
