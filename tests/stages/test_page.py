"""Stage page: what the HTML holds."""

from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_results import SEED, Evaluated, make, run_evaluate, write_page

from lss.project import layout
from lss.reporting.cards import Card
from lss.reporting.figures import figure_records
from lss.reporting.overview import overview
from lss.reporting.page import Picture, opening_case, render_page
from lss.storage.io import write_json
from lss.storage.schemas import REPORT


@pytest.fixture(scope="module")
def page(drawn: Evaluated) -> str:
    return write_page(drawn, drawn.folder / "results", drawn).read_text(encoding="utf-8")


HOSTILE_REPORT = "Narrow canal <!--<script> </script> <b> &amp; at L4/5."


@pytest.fixture(scope="module")
def page_of_changed_reports(drawn: Evaluated, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A few slices, where SmolVLM's reports were replaced and LLaVA-Med's are markup."""
    folder = tmp_path_factory.mktemp("changed")
    inputs = make(folder / "inputs", patients=3, slices=3)
    changes = {
        "smolvlm": {"origin": "template", "attempts": 4, "first_report": "What the generator wrote.",
                    "area_percent": 99.0},
        "llava_med": {"report": HOSTILE_REPORT},
    }  # fmt: skip
    for backbone, change in changes.items():
        path = inputs.predictions[backbone, "report", "focal"]
        rows = [row | change for row in pq.read_table(path).to_pylist()]
        pq.write_table(pa.Table.from_pylist(rows, schema=REPORT), path)
    return write_page(run_evaluate(inputs, folder), folder, drawn).read_text(encoding="utf-8")


class Links(HTMLParser):
    """Collects what a browser would load, ids, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        result = dict(attrs)
        self.ids.add(result.get("id") or "")
        if tag == "a":
            self.links.append(result["href"] or "")
        else:
            self.loaded += [value for name in ("src", "href", "srcset") if (value := result.get(name))]


def test_self_contained(page: str) -> None:
    links = Links()
    links.feed(page)
    assert links.loaded and all(address.startswith("data:") for address in links.loaded)
    assert not re.search(r"@import|url\((?!data:)", page)
    assert all((link[0] == "#" and link[1:] in links.ids) or link.startswith("data:text/csv") for link in links.links)


def test_opens_on_what_was_run_and_how_far_to_trust_it(page: str) -> None:
    places = [page.index(text) for text in (
        "Research software, not a medical device", "A radiologist reads the images and decides",
        "<h2>What was run on what", "<h2>How far to trust it", "The cohort is the phantom", "Table 1. ")]  # fmt: skip
    assert places == sorted(places)


def test_holds_all_tables_figures_and_cases(page: str) -> None:
    assert all(f'id="table{number}"' in page for number in layout.TABLES)
    headed = [int(number) for number in re.findall(r"<h3>Table (\d+)\.", page)]
    empty = [int(number) for number in re.findall(r'<li id="table(\d+)">', page)]
    assert headed == sorted(headed) and sorted(headed + empty) == sorted(layout.TABLES)
    assert 7 in empty and 1 in headed  # nothing was ablated
    assert [int(number) for number in re.findall(r'<a href="#table(\d+)">', page)] == headed
    assert all((f'id="figure{number}"' in page) == (number != 10) for number in layout.FIGURES)  # 10: the ablation's
    cases = json.loads(re.search(r'id="case-data">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert len(cases) == 9
    assert [case["why"] for case in cases].count("worst") == 3
    assert {len(case["models"]) for case in cases} == {3}
    worst = [sum(m["dice"] for m in case["models"]) for case in cases if case["why"] == "worst"]
    best = [sum(m["dice"] for m in case["models"]) for case in cases if case["why"] == "best"]
    assert max(worst) < min(best)


def test_the_paper_s_numbers_and_n_have_columns_of_their_own(page: str) -> None:
    assert re.search(
        r'<td class="paper"[^>]*><span class="paper">0\.9512</span> <span class="interval">\(0\.938–0', page
    )
    assert re.search(r'<span class="paper" title="[^"]*cannot be[^"]*">0\.9056 †', page)
    assert re.search(r'<td class="count" data-value="48"><span class="count">48 \(\d+\)</span></td>', page)


def test_manifests_are_shown(drawn: Evaluated, tmp_path: Path) -> None:
    machine = {"versions": {"torch": "9.9"}, "platform": "Linux-test"}
    facts = {
        "cohort": {"cohort": "phantom", "caveat": None},
        "split": {"slices": 100, "used": 60, "rejects": {"truncated file": 2, "empty note": 7},
                  "unused": {"plane sagittal": 40}, "absent_grades": {"val": ["D"]},
                  "subsets": {"test": {"patients": 12, "slices": {"A": 20, "D": 4}}}},
        "train": {"backbone": "smolvlm", "task": "segmentation", "loss": "pid_tversky", "weights": {"source": "tiny"},
                  "parameters": 1234567, "trained_parameters": 4321, "best_epoch": 2, "epochs": 2, "device": "cpu",
                  "leak": False, "quantised": {"vision": {"layers": 8, "weights": 5000, "kinds": ["fc1", "qkv"]}}},
    }  # fmt: skip
    for stage, messages in facts.items():
        write_json(tmp_path / f"{stage}.json", {"stage": stage, "facts": messages, "outputs": {}, "seed": SEED,
                   "seconds": 1.5, "machine": machine, "params": {}})  # fmt: skip
    html = write_page(drawn, tmp_path, drawn, sorted(tmp_path.glob("*.json"))).read_text(encoding="utf-8")
    expected = [
        "60 in use of 100 read",
        "1,234,567",
        "vision: 8 layers (fc1, qkv)",
        "tiny, random",
        "no slice of grade D",
        "torch 9.9",
        "phantom (images and notes made by this program)",
    ]
    for text in expected:
        assert text in html, text
    assert html.index("empty note") < html.index("truncated file")  # more frequent first


def test_when_and_how_long_changes_no_byte_of_the_page(evaluated: Evaluated) -> None:
    machine = {"versions": {"lss": "1", "torch": "9.9"}, "platform": "Linux-test", "commit": "c0ffee"}
    manifest = {"stage": "evaluate", "facts": {}, "params": {}, "seed": SEED, "machine": machine, "seconds": 1.0,
                "process_seconds": 2.0, "finished": "2026-01-01T00:00:00+00:00"}  # fmt: skip
    later = manifest | {"seconds": 9.0, "process_seconds": 19.0, "finished": "2027-02-02T00:00:00+00:00"}
    assert overview([manifest], evaluated.statistics) == overview([later], evaluated.statistics)


def test_without_another_run_no_comparison_is_shown(page: str) -> None:
    assert 'id="comparison"' not in page and 'href="#comparison"' not in page


def test_comparison_shows_settings_models_and_changed_cases(
    compared: Evaluated, drawn: Evaluated, tmp_path: Path
) -> None:
    own = tmp_path / "train.json"
    facts = {"backbone": "smolvlm", "task": "report", "loss": "focal", "weights": {}, "parameters": 1, "device": "cpu",
             "trained_parameters": 1, "best_epoch": 1, "epochs": 1, "leak": False}  # fmt: skip
    write_json(own, {"stage": "train", "seed": SEED, "params": {"gamma": 2.0}, "facts": facts, "seconds": 1.0,
                     "machine": {"versions": {}, "platform": ""}})  # fmt: skip
    html = write_page(compared, tmp_path, drawn, [own]).read_text(encoding="utf-8")
    comparison = compared.statistics["comparison"]
    assert comparison["with"] in html and 'href="#comparison"' in html
    assert "<code>train.gamma</code></th><td>2.0</td><td>absent</td>" in html
    section = html.split('id="comparison"')[1].split("</section>")[0]
    (dice,) = [
        test
        for test in comparison["tests"]
        if (test["family"], test["backbone"], test["loss"]) == ("dice against true_mask", "smolvlm", "pid_tversky")
    ]
    assert dice["difference"] > 0
    assert f"{dice['difference']:.3f}" in section and "Dice against true mask" in section
    cases = json.loads(re.search(r'id="case-data">(.*?)</script>', html, re.DOTALL)[1])  # type: ignore[index]
    linked = re.findall(r'data-case="([^"]+)" data-model="([^"]+)"', section)
    assert len(linked) == len(comparison["cases"]) > 0
    assert {key for key, _ in linked} <= {case["key"] for case in cases}


def test_a_replaced_report_says_so_and_keeps_its_first_text(page_of_changed_reports: str) -> None:
    text = re.search(r'id="case-data">(.*?)</script>', page_of_changed_reports, re.DOTALL)[1]  # type: ignore[index]
    cases = json.loads(text)
    assert cases
    for case in cases:
        first, replaced, _ = case["models"]
        assert (first["origin"], first["firstReport"]) == ("", "")
        assert replaced["origin"].startswith("Template in place of")
        assert replaced["firstReport"] == "What the generator wrote." and replaced["contradicts"]


def test_a_report_with_markup_ends_no_script(page_of_changed_reports: str) -> None:
    embedded = re.search(r'id="case-data">(.*?)</script>', page_of_changed_reports, re.DOTALL)[1]  # type: ignore[index]
    assert "<" not in embedded and ">" not in embedded
    assert {case["models"][2]["report"] for case in json.loads(embedded)} == {HOSTILE_REPORT}
    assert "<!--" not in page_of_changed_reports


def test_markup_in_settings_and_names_is_text(evaluated: Evaluated, page: str) -> None:
    hostile = '<b title="x">&amp;</b><script>alert(1)</script>'
    statistics = evaluated.statistics | {"caveats": [hostile]}
    about = overview([], statistics) | {"opening": hostile, "facts": [(hostile, hostile)], "rejects": [(hostile, 3)]}
    html = render_page(
        title=hostile, statistics=statistics, about=about, tables=[], digits=3,
        figures=[(4, figure_records()[4], Picture("data:,", "data:,"))],
        cases=[], comparison=None, cards=[(hostile, Card(hostile, [(hostile, [(hostile, hostile)])]))],
    )  # fmt: skip
    assert "<b title" not in html and "alert(1)</script>" not in html
    assert html.count("&lt;b title=&#34;x&#34;&gt;&amp;amp;&lt;/b&gt;") >= 9
    assert html.count("<script") == page.count("<script") == 2


def test_opens_with_one_case_that_was_drawn_at_random_and_has_a_mask(page: str) -> None:
    """Without JavaScript: the slice with its sides and bar, the grades that were said, and what contradicts what."""
    cases = json.loads(re.search(r'id="case-data">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    case = opening_case(cases)
    assert case and case["why"] == "random" and case["models"][0]["empty"] not in ("both", "reference")
    text = re.search(r'<article class="opening".*?</article>', page, re.DOTALL)[0]  # type: ignore[index]
    assert text.count(case["image"]) == 2 and text.count(case["models"][0]["mask"]) == 1
    assert text.count(f'<span class="side left">{case["sides"][0]}</span>') == 2 and text.count("10 mm") == 2
    for source, grade in case["models"][0]["said"].items():
        mark = "✓" if grade == case["grade"] else "✗"
        assert f"<li>{source}: {escape(grade)} {mark}</li>" in text
    assert text.count("<li>") == len(case["models"][0]["said"]) + len(case["models"][0]["disagreements"])


def test_opening_case_falls_back_and_says_so() -> None:
    empty, filled = {"empty": "both"}, {"empty": "none"}
    worst, random_empty = {"why": "worst", "models": [filled]}, {"why": "random", "models": [empty]}
    chosen = {"why": "random", "models": [filled]}
    assert opening_case([worst, random_empty, chosen]) is chosen
    assert opening_case([worst, random_empty]) is worst and opening_case([]) is None


def test_the_program_s_commit_is_named_with_its_day(evaluated: Evaluated) -> None:
    machine = {"versions": {"lss": "1"}, "platform": "", "commit": "c0ffee", "committed": "2026-01-02"}
    manifest = {"stage": "evaluate", "facts": {}, "params": {}, "seed": SEED, "machine": machine}
    assert "Program: lss 1, commit c0ffee of 2026-01-02" in overview([manifest], evaluated.statistics)["made"]
