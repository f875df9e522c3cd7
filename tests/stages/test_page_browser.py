"""The page in headless Chromium: it works, at desk and phone width, in light and dark, by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from synthetic_results import Evaluated, write_page
from webdriver import Browser, missing

pytestmark = [pytest.mark.browser, pytest.mark.skipif(missing() is not None, reason=missing() or "")]

TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"


@pytest.fixture(scope="module")
def page(compared: Evaluated, drawn: Evaluated) -> Path:
    return write_page(compared, compared.folder / "browser", drawn, cases=9)


@pytest.fixture(scope="module", params=[(1280, 900, False), (390, 844, True)], ids=["desktop light", "phone dark"])
def browser(page: Path, request: pytest.FixtureRequest) -> Iterator[Browser]:
    with Browser(*request.param) as opened:
        opened.open(page)
        yield opened


def test_no_message_in_the_console_and_no_request(browser: Browser) -> None:
    assert browser.console() == []
    loaded = browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [address for address in loaded if not address.startswith("data:")] == []


def test_nothing_is_wider_than_the_window(browser: Browser) -> None:
    assert browser.run("return document.documentElement.scrollWidth") <= browser.width


def test_figures_are_legible_and_captions_whole_at_any_width(browser: Browser) -> None:
    """Figures are shown at the size for which their letters are at least 9 pixels high; a phone scrolls sideways."""
    widths = browser.run("return [...document.querySelectorAll('figure .enlarge img')].filter(i => i.checkVisibility())"
                         ".map(i => [i.getBoundingClientRect().width, i.naturalWidth])")  # fmt: skip
    assert widths and all(shown >= min(1000, natural) for shown, natural in widths)
    right = browser.run("return Math.max(...[...document.querySelectorAll('.scroll caption, figcaption')]"
                        ".map(e => e.getBoundingClientRect().right))")  # fmt: skip
    assert right <= browser.width


def test_colours_follow_the_system_and_the_button(browser: Browser) -> None:
    def background() -> str:
        return browser.run("return getComputedStyle(document.body).backgroundColor")

    def figures() -> list[str]:
        shown = "[...document.querySelectorAll('.enlarge img')].filter(image => image.checkVisibility())"
        return browser.run(f"return {shown}.map(image => image.className)")

    dark, light = "rgb(20, 24, 29)", "rgb(255, 255, 255)"
    assert background() == (dark if browser.dark else light)
    assert set(figures()) == {"on-dark" if browser.dark else "on-light"}
    browser.click("#theme")
    assert background() == (light if browser.dark else dark)
    assert set(figures()) == {"on-light" if browser.dark else "on-dark"} and len(figures()) > 5
    browser.click("#theme")
    assert background() == (dark if browser.dark else light)


def test_text_has_contrast(browser: Browser) -> None:
    """WCAG AA: 4.5 to 1 between the colours of text and what lies behind it."""
    pairs = browser.run("""
        const behind = (e) => { while (e) { const c = getComputedStyle(e).backgroundColor;
          if (!c.includes('rgba(0, 0, 0, 0)')) return c; e = e.parentElement; } return 'rgb(255, 255, 255)'; };
        return [...document.querySelectorAll('p, li, td, th, dt, dd, h1, h2, h3, a, figcaption, .paper, .interval')]
          .map((e) => [getComputedStyle(e).color, behind(e), e.className || e.tagName]);""")
    assert pairs
    for text, ground, where in pairs:
        light, dark = sorted((_luminance(text), _luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (where, text, ground)


def _luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_tables_sort_both_ways_by_number(browser: Browser) -> None:
    heading = "#table1 thead th:nth-child(3) button"
    script = """return [...document.querySelectorAll('#table1 tbody tr')].map(r => r.cells[2].dataset.value)
        .filter(v => v !== undefined && v !== '').map(Number);"""
    browser.click(heading)
    values = browser.run(script)
    assert len(values) > 5 and values == sorted(values)
    assert browser.run("return document.querySelector('#table1 thead th:nth-child(3)').ariaSort") == "ascending"
    browser.click(heading)
    assert browser.run(script) == sorted(values, reverse=True)


def test_long_tables_fold_to_their_main_rows(browser: Browser) -> None:
    shown = "return [...document.querySelectorAll('#table4 tbody tr')].filter(r => r.offsetHeight > 0).length"
    rows = browser.run("return document.querySelectorAll('#table4 tbody tr').length")
    button = "#table4 button.unfold"
    assert 0 < browser.run(shown) < rows / 2
    assert browser.run(f"return document.querySelector('{button}').ariaExpanded") == "false"
    browser.click(button)
    assert browser.run(shown) == rows
    assert browser.run(f"return document.querySelector('{button}').ariaExpanded") == "true"
    browser.click(button)
    assert 0 < browser.run(shown) < rows / 2


def test_figures_enlarge_and_close_by_keyboard(browser: Browser) -> None:
    opened = "return document.getElementById('large').open"
    browser.run("document.querySelector('#figure4 button').focus()")
    browser.press(ENTER)
    assert browser.run(opened)
    assert browser.run("return document.querySelector('#large img').naturalWidth") > 300
    browser.press(ESCAPE)
    assert not browser.run(opened)


def test_first_tab_stop_skips_to_the_results(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.press(TAB)
    assert browser.run("return document.activeElement.textContent") == "Skip to the results"


def test_everything_to_operate_can_be_reached_by_keyboard(browser: Browser) -> None:
    reachable = browser.run("""return [...document.querySelectorAll('button, select, input, summary, a[href]')]
        .filter(e => e.tabIndex < 0).length""")
    assert reachable == 0


def test_cases_filter_by_grade_model_and_disagreement(browser: Browser) -> None:
    def shown() -> list[str]:
        return browser.run("return [...document.querySelectorAll('.card h3')].map(e => e.textContent)")

    def choose(name: str, value: str) -> None:
        browser.run("""const e = document.getElementById(arguments[0]); e.value = arguments[1];
            e.dispatchEvent(new Event('change'));""", name, value)  # fmt: skip

    total = browser.run("return document.querySelectorAll('.card').length")
    everything = shown()
    assert len(everything) == total >= 9
    choose("case-grade", "D")
    severe = shown()
    assert 0 < len(severe) < total and all(title.startswith("Grade D") for title in severe)
    choose("case-grade", "")
    choose("case-why", "worst")
    assert len(shown()) == 3
    choose("case-why", "")
    choose("case-model", "LLaVA-Med")
    browser.click("#case-disagree")
    doubtful = browser.run("""return [...document.querySelectorAll('.card')].map(c =>
        c.querySelector('.disagreements') !== null || new Set([...c.querySelectorAll('.marks li')]
          .map(e => e.textContent.split(' ').at(-2))).size > 1)""")
    assert doubtful and all(doubtful)
    browser.click("#case-disagree")
    assert len(shown()) == total


def test_a_changed_case_leads_into_the_browser_of_cases(browser: Browser) -> None:
    browser.run("""document.getElementById('case-grade').value = 'A';
        document.getElementById('case-grade').dispatchEvent(new Event('change'));""")
    key, model = browser.run("""const button = document.querySelector('.to-case');
        return [button.dataset.case, button.dataset.model];""")
    browser.click(".to-case")
    assert browser.run("return document.activeElement.id") == f"case-{key}"
    assert browser.run("return document.getElementById('case-model').value") == model
    top, height = browser.run("""const box = document.activeElement.getBoundingClientRect();
        return [box.top, innerHeight];""")
    assert -height < top < height


def test_a_table_fades_where_it_goes_on(browser: Browser) -> None:
    """Below and to the right, as long as there is more; whether a table goes on is asked of its sizes."""
    box = "document.querySelector('#table4 .scroll')"
    shown = f"return ['more-below', 'more-right'].map(name => {box}.classList.contains(name))"
    goes_on = browser.run(
        f"return [{box}.scrollHeight > {box}.clientHeight + 2, {box}.scrollWidth > {box}.clientWidth + 2]"
    )
    assert goes_on[0] and browser.run(shown) == goes_on
    browser.run(f"{box}.scrollTo(1e6, 1e6)")
    for _ in range(100):  # until the next frame is drawn
        if browser.run(shown) == [False, False]:
            break
    assert browser.run(shown) == [False, False]
    browser.run(f"{box}.scrollTo(0, 0)")


def test_layers_switch_on_and_off(browser: Browser) -> None:
    def visible(layer: str) -> bool:
        return browser.run(f"return getComputedStyle(document.querySelector('.card .{layer}')).display !== 'none'")

    assert visible("mask") and visible("reference") and not visible("attention")
    browser.click("#layer-attention")
    browser.click("#layer-mask")
    assert visible("attention") and not visible("mask")
    browser.click("#layer-attention")
    browser.click("#layer-mask")
