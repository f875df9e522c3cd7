"""Pages made of texts that are markup, opened in headless Chromium: shown as text, and nothing of them runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from synthetic_results import Evaluated, write_page
from webdriver import Browser, missing

from lss.checking.cohort import check_cohort
from lss.checking.report import summary
from lss.checking.sheet import ContactSheet
from lss.evaluation.cases import CASE_SCHEMAS
from lss.project.params import load_params
from lss.storage.io import write_json, write_parquet, write_text

pytestmark = [pytest.mark.browser, pytest.mark.skipif(missing() is not None, reason=missing() or "")]

HOSTILE = (
    "<!--<script> </script> <script>document.title = 'run'</script> "
    "<img src=x onerror=\"document.title = 'run'\"> --> ]]> &lt;b&gt; {{ 7 * 7 }} ${7 * 7} \\u003c \u2028 \x1b"
)


def test_a_note_of_markup_is_shown_as_text(evaluated: Evaluated, tmp_path: Path) -> None:
    hostile = Evaluated(tmp_path, evaluated.inputs)
    shutil.copytree(evaluated.folder / "results", tmp_path / "results", dirs_exist_ok=True)
    rows = pq.read_table(hostile.cases["report"]).to_pylist()
    rows = [row | {name: f"{row[name]} {HOSTILE}" for name in ("report", "reference")} for row in rows]
    write_parquet(hostile.cases["report"], rows, CASE_SCHEMAS["report"])
    statistics = hostile.statistics | {"caveats": [HOSTILE]}
    write_json(hostile.statistics_path, statistics)
    for stem in hostile.figures.values():
        for end in (".png", "_dark.png"):
            Path(f"{stem}{end}").parent.mkdir(exist_ok=True)
            Image.new("L", (400, 300)).save(f"{stem}{end}")
    with Browser(1280, 900) as browser:
        browser.open(write_page(hostile, tmp_path, hostile, cases=3))
        assert browser.console() == []
        assert browser.run("return document.title") == "Synthetic"
        shown = browser.run("""return [...document.querySelectorAll('.card')].map(card =>
            [...card.querySelectorAll('p')].map(p => p.textContent))""")
        assert len(shown) == 3
        assert all(sum(text.endswith(HOSTILE) for text in texts) == 2 for texts in shown), (
            "the generated report and its reference"
        )
        assert HOSTILE in browser.run("return [...document.querySelectorAll('#trust li')].map(e => e.textContent)")
        assert browser.run("return document.querySelectorAll('script').length") == 2


def test_names_of_files_and_patients_are_text_on_the_contact_sheet(tmp_path: Path, project_root: Path) -> None:
    patient = "<img src=x onerror=document.title='run'>"
    folder = tmp_path / "raw" / patient
    folder.mkdir(parents=True)
    picture = Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 251)
    names = [
        '"><script>document.title = "run"<',
        "{{ 7 * 7 }} &lt;b&gt;",
        b"not UTF-8 \xff\xfe".decode("utf-8", "surrogateescape"),
    ]
    for name in names:
        picture.save(folder / f"{name}.png")
    (folder / '<svg onload="document.title=1">.dcm').write_bytes(b"nothing")
    sheet = ContactSheet()
    result = check_cohort(load_params(project_root / "params.yaml"), tmp_path / "raw", see=sheet.add)
    write_text(tmp_path / "sheet.html", sheet.html(result, summary(result)))
    with Browser(1280, 900) as browser:
        browser.open(tmp_path / "sheet.html")
        assert browser.console() == []
        assert browser.run("return document.title") == "Contact sheet"
        text = browser.run("return document.body.textContent")
        assert patient in text and names[0] in text and names[1] in text and "not UTF-8 \\udcff\\udcfe" in text
        assert browser.run("return document.querySelectorAll('script, svg, [onerror]').length") == 0
