"""`lss show-masks`: which slices are picked, and that the masks shown are those of the cohort."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lss.errors import LssError
from lss.imaging.codec import pixels_to_bytes
from lss.project import layout
from lss.project.params import Params, load_params
from lss.stages import denoise, pseudo_mask
from lss.storage.io import write_parquet
from lss.storage.schemas import SLICES, SPLIT
from lss.tools.show_masks import pick_slices, show_masks


def test_slices_are_picked_evenly_and_by_the_seed_alone() -> None:
    grades = {
        f"{grade}{number}": grade for grade, count in (("A", 40), ("BC", 30), ("D", 2)) for number in range(count)
    }
    chosen = pick_slices(grades, 12, 3)
    assert Counter(grades[key] for key in chosen) == {"A": 5, "BC": 5, "D": 2}
    assert chosen == pick_slices(dict(reversed(grades.items())), 12, 3) != pick_slices(grades, 12, 4)
    assert [grades[key] for key in chosen] == sorted(grades[key] for key in chosen)
    assert set(pick_slices(grades, 1000, 3)) == set(grades)


@pytest.fixture
def cohort(project_root: Path, draw_axial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Four drawn slices, worked on up to their masks, in the present folder."""
    monkeypatch.chdir(tmp_path)
    params = load_params(project_root / "params.yaml")
    params = params.model_copy(update={"cohort": params.cohort.model_copy(update={"batches": 1})})
    slices, split = [], []
    for number, grade in enumerate(("A", "BC", "D", "BC")):
        image = draw_axial(down=4 * number).image
        key = {"slice_key": f"S{number}", "grade": grade, "level": "L4-L5"}
        size = {"rows": 320, "columns": 320, "row_spacing_mm": 0.6875, "column_spacing_mm": 0.6875, "weighting": "T2"}
        slices.append(dict.fromkeys(SLICES.names) | key | size | {"pixels": pixels_to_bytes(image)})
        split.append(dict.fromkeys(SPLIT.names) | key | {"subset": "train"})
    paths = {name: Path(getattr(layout, name).format(batch="00")) for name in ("SLICES", "DENOISED", "PSEUDO_MASKS")}
    write_parquet(paths["SLICES"], slices, SLICES)
    write_parquet(layout.SPLIT, split, SPLIT)
    common = {"slices": paths["SLICES"], "split": Path(layout.SPLIT), "denoised": paths["DENOISED"]}
    execution = params.execution.model_copy(update={"device": "cpu"})
    denoise.run(params.denoise, 1, execution=execution, **common, manifest=Path("d.json"))
    pseudo_mask.run(params.pseudo_mask, 1, **common, masks=paths["PSEUDO_MASKS"], manifest=Path("m.json"))
    return params


def test_the_verb_draws_the_cohort(cohort: Params, tmp_path: Path) -> None:
    written = show_masks(cohort, 3, tmp_path / "sheets/masks.png")
    assert [path.name for path in written] == ["masks.png", "masks.svg"]
    with Image.open(written[0]) as picture:
        assert picture.width > 700
        colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
    assert len(colours) > 200


def test_masks_of_other_settings_are_not_shown(cohort: Params, tmp_path: Path) -> None:
    other = cohort.pseudo_mask.model_copy(update={"roi_margin_mm": 6.0})
    with pytest.raises(LssError, match="made with other settings of pseudo_mask"):
        show_masks(cohort.model_copy(update={"pseudo_mask": other}), 4, tmp_path / "x.png")
