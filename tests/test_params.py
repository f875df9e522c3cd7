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


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("train", {"batch_size": 7}, "train: batch_size (7) must be a multiple of micro_batch_size (8)"),
        ("ablation", {"repeats": 1, "backbones": ["smolvlm", "llava_med"]}, "llava_med must be among train.backbones"),
    ],
)
def test_settings_that_do_not_fit_together_are_told_in_one_line(project_root, section, changes, message):
    raw = load_params(project_root / "params.yaml").model_dump(mode="json")
    raw["train"]["backbones"] = ["smolvlm"]
    raw[section] |= changes
    with pytest.raises(LssError) as refused:
        check_params(raw)
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) == 2 and "{" not in str(refused.value)
