"""Settings that a type alone does not check."""

import inspect
from collections.abc import Callable
from importlib import import_module
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lss.errors import LssError
from lss.imaging.denoise import denoise, denoise_batch, nlm
from lss.imaging.denoise_gpu import nlm_batch
from lss.imaging.pseudo_mask import steps
from lss.imaging.roi import region_of_interest
from lss.project.code import code_parts
from lss.project.params import Params, check_params, load_params


def test_settings_go_to_another_process(project_root: Path) -> None:
    """As `multiprocessing` hands them on: stages deal work to processes."""
    params = load_params(project_root / "params.yaml")
    assert ForkingPickler.loads(ForkingPickler.dumps(params)) == params


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
def test_settings_that_do_not_fit_together_are_reported_in_one_line(project_root, section, changes, message):
    raw = load_params(project_root / "params.yaml").model_dump(mode="json")
    raw["train"]["backbones"] = ["smolvlm"]
    raw[section] |= changes
    with pytest.raises(LssError) as refused:
        check_params(raw)
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) == 2 and "{" not in str(refused.value)


@pytest.fixture
def edited(project_root, tmp_path):
    """params.yaml with one text put in place of another that stands there once."""

    def edit(old, new):
        text = (project_root / "params.yaml").read_text()
        assert text.count(old) == 1
        (tmp_path / "params.yaml").write_text(text.replace(old, new))
        return tmp_path / "params.yaml", text[: text.index(old)].count("\n") + 1

    return edit


def refusal(path):
    with pytest.raises(LssError) as refused:
        load_params(path)
    return str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "down", "message"),
    [
        ("  gamma: 0.75", "  gamma 0.75", 1, "could not find expected ':'"),
        ("  gamma: 0.75", "\tgamma: 0.75", 0, "cannot start any token"),
        ("backbones: [biomedclip, smolvlm, llava_med]", "backbones: [biomedclip, smolvlm", 1, "expected ',' or ']'"),
        ("title: Lumbar", 'title: "Lumbar', 2, "found unexpected end of stream"),
    ],
)
def test_a_mistake_of_yaml_is_named_with_its_line(edited, old, new, down, message):
    path, line = edited(old, new)
    stated = refusal(path)
    assert stated.startswith(f"{path}, line {line + down}, column ") and message in stated


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [("  gamma: 0.75", "  gamma: 0.75\n  gamma: 2.0", "train.gamma"), ("seed: 20250", "seed: 20250\nseed: 1", "seed")],
)
def test_a_key_given_twice_is_named_with_both_lines(edited, old, new, name):
    path, line = edited(old, new)
    assert f"line {line + 1}: {name} stands there a second time, first in line {line}." in refusal(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gamma: 0.75", "gamma: .nan", "train.gamma: Input should be a finite number"),
        ("kp: 0.05", "kp: nan", "train.pid.kp: Input should be a finite number"),
        ("crop_mm: 88", "crop_mm: .inf", "shards.crop_mm: Input should be a finite number"),
        ("h_factor: 1.2", "h_factor: .inf", "denoise.h_factor: Input should be a finite number"),
        ("focal_gamma: 2.0", "focal_gamma: yes", "train.report.focal_gamma: is no switch"),
        ("batches: 4", "batches: true", "cohort.batches: is no switch"),
        (
            "kernel_severe: 9",
            "kernel_severe: 8",
            "pseudo_mask.kernel_severe: must be odd, so that it has a centre pixel",
        ),
        ("kernel_small: 3", "kernel_small: 2", "pseudo_mask.kernel_small: must be odd"),
        ("patch_size: 5", "patch_size: 4", "denoise.patch_size: must be odd"),
        ("fold: 0", "fold: 5", "split: fold is 5, but folds is null"),
        ("folds: null", "folds: 2", "split.folds: Input should be greater than or equal to 3"),
        ("train: 0.6, val: 0.2, test: 0.2", "train: 0.8, val: 0.2, test: 0", "split: fractions: test must be above 0"),
        ("weighting: [T2]", "weighting: []", "split.weighting: Value should have at least 1 item"),
        ("max_tokens: 192", "max_tokens: 19.5", "train.report.max_tokens: Input should be a valid integer"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_line_and_field(edited, old, new, message):
    path, line = edited(old, new)
    stated = refusal(path)
    assert f"{path}: 1 wrong setting(s)" in stated and message in stated
    assert message.startswith("split: ") or f"line {line}: {message}" in stated  # of two settings: the section's line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]", "line 2: *a stands for another part. Write the part out."),
        ("a: &a\n  b: *a", "line 2: *a stands for another part"),
        ("a: " + "[" * 1500 + "]" * 1500, "holds a value that cannot be read (maximum recursion"),
        ("seed: 2020-13-45", "holds a value that cannot be read (month must be in 1..12)"),
        ("seed: " + "9" * 5000, "holds a value that cannot be read"),
        ("seed: !!python/object/apply:os.system [ls]", "could not determine a constructor for the tag"),
        ("- a\n- b", "should hold sections such as 'train:', found list"),
    ],
)
def test_yaml_that_no_settings_need_is_refused(tmp_path, text, message):
    (tmp_path / "params.yaml").write_text(text)
    assert message in refusal(tmp_path / "params.yaml")


def test_numbers_as_people_write_them_are_taken(edited):
    """YAML 1.1 reads 1e-3, which has no point, as text."""
    path, _ = edited("  gamma: 0.75", "  gamma: 1e-1")
    assert load_params(path).train.gamma == 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": {"folds": 5, "fold": 5}}, r"fold \(5\) must be below folds \(5\)"),
        ({"split": {"folds": 5, "file": "mine.csv"}}, "file and folds are both set"),
        ({"split": {"folds": 49}}, r"split.folds \(49\) must not exceed cohort.phantom.patients \(48\)"),
        ({"train": {"baselines": ["unet"], "mask_size": 31}}, r"mask_size \(31\) must be at least 32"),
        ({"train": {"mask_size": 31}, "ablation": {"repeats": 1}}, r"train.mask_size \(31\) must be at least 32"),
    ],
)
def test_settings_that_exclude_each_other(project_root, changes, message):
    raw = load_params(project_root / "params.yaml").model_dump(mode="json")
    for section, values in changes.items():
        raw[section] |= values
    with pytest.raises(LssError, match=message):
        check_params(raw)


def sections(model: type[BaseModel]) -> set[type[BaseModel]]:
    """A section's type and those of all sections in it."""
    result = {model}
    for field in model.model_fields.values():
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                result |= sections(kind)
    return result


def test_every_section_stands_in_the_settings_of_the_room_that_reads_it() -> None:
    rooms = {section.__module__ for section in sections(Params) - {Params}}
    assert all(room.endswith(".settings") and room.count(".") == 2 for room in rooms), rooms
    for room in rooms:  # settings are read by every command: before pydantic none may load a library of seconds
        assert not hasattr(import_module(room), "torch")
    assert not [part for part in code_parts("train") if part.endswith("settings.py") and part.count("/") == 2
                and part != "lss/project/plan_settings.py"]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "section"),
    [(denoise, "denoise"), (denoise_batch, "denoise"), (nlm, "denoise"), (nlm_batch, "denoise"),
     (steps, "pseudo_mask"), (region_of_interest, "pseudo_mask")],
)  # fmt: skip
def test_what_a_function_takes_by_itself_is_what_the_settings_say(
    project_root: Path, function: Callable[..., Any], section: str
) -> None:
    """A number that stands as a function's default and in params.yaml is one number."""
    settings = load_params(project_root / "params.yaml").model_dump()[section]
    settings |= {name.removeprefix("roi_"): value for name, value in settings.items()}
    defaults = {name: of.default for name, of in inspect.signature(function).parameters.items() if name in settings}
    stated = {name: default for name, default in defaults.items() if isinstance(default, int | float | bool)}
    assert stated and stated == {name: settings[name] for name in stated}


def test_a_wrong_key_in_a_section_that_may_be_left_out(tmp_path: Path, project_root: Path) -> None:
    """Found by fuzzing: the section's type is "this or nothing", which has no keys of its own."""
    text = (project_root / "params.yaml").read_text(encoding="utf-8")
    assert text.count("\n      hub_id: openai/") == 1
    (tmp_path / "params.yaml").write_text(text.replace("\n      hub_id: openai/", "\n      hub_idea: openai/"))
    with pytest.raises(LssError, match=r"companion\.hub_idea: no such setting\. Allowed here: hub_id, revision"):
        load_params(tmp_path / "params.yaml")
