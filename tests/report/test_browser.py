"""The report in a real browser: no error, no request, every image drawn, no sideways scroll on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from report.browser import NAMES, Browser, find_browser
from report.conftest import MakeRun, parzen_record

from gantool.report.page import write_report
from gantool.runs import Run

PHONE, DESK = 375, 1_280


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    executable = find_browser()
    if executable is None:
        pytest.skip(f"there is no browser here: none of {', '.join(NAMES)} is on the path")
    with Browser(executable, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module", params=["one run", "two runs", "a run that has only begun"])
def page(
    request: pytest.FixtureRequest,
    full_run: Run,
    bare_run: Run,
    make_run: MakeRun,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    other = [make_run("ring2d", scores=(parzen_record(num_samples=99),))] if request.param == "two runs" else []
    runs = [bare_run] if request.param == "a run that has only begun" else [full_run, *other]
    out = tmp_path_factory.mktemp("page") / "report.html"
    write_report(runs, out)
    return out


def undrawn(browser: Browser) -> list[str]:
    return browser.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt || i.src)")


def overflow(browser: Browser, width: int) -> int:
    """Pixels that stick out to the right. A phone zooms out until all fits: its own innerWidth would tell nothing."""
    return browser.evaluate("document.documentElement.scrollWidth") - width


def test_the_check_sees_what_is_wrong_with_a_page(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text(
        "<!doctype html><meta name=viewport content='width=device-width'>"
        "<img src=gone.png><p style='width:900px'>wide</p>"
        "<script>console.error('told'); undefined.fault</script>",
        encoding="utf-8",
    )
    browser.resize(PHONE)
    browser.open(page)
    said = " ".join(browser.errors())
    assert "told" in said
    assert "exception" in said
    assert "ERR_FILE_NOT_FOUND" in said
    assert any(address.endswith("gone.png") for address in browser.requests())
    assert len(undrawn(browser)) == 1
    assert overflow(browser, PHONE) > 0


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_report_opens_without_a_fault(browser: Browser, page: Path, width: int) -> None:
    browser.resize(width)
    browser.open(page)
    assert browser.errors() == []
    assert browser.requests() == [page.as_uri()]
    assert undrawn(browser) == []
    assert overflow(browser, width) <= 0
    assert browser.evaluate("document.compatMode") == "CSS1Compat"
    assert browser.evaluate("[...document.images].every(i => i.alt.length > 30)")


def test_nothing_sticks_out_on_a_phone_when_all_is_unfolded(browser: Browser, page: Path) -> None:
    browser.resize(PHONE)
    browser.open(page)
    browser.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert overflow(browser, PHONE) <= 0
    boxes = browser.evaluate("[...document.querySelectorAll('.scroll')].map(box => getComputedStyle(box).overflowX)")
    assert set(boxes) <= {"auto"}


def test_a_dark_page_has_light_text_and_its_own_charts(browser: Browser, full_page: tuple[Path, object]) -> None:
    seen = {}
    try:
        for scheme, media in (("light", ""), ("dark", ""), ("dark", "print")):
            browser.prefer(scheme, media)
            browser.open(full_page[0])
            paper = browser.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
            ink = browser.evaluate("getComputedStyle(document.body).color.match(/\\d+/g).map(Number)")
            charts = browser.evaluate("[...document.images].filter(i => i.offsetWidth > 0).map(i => i.className)")
            seen[scheme, media] = (sum(ink) > sum(paper), set(charts))
    finally:
        browser.prefer("light")
    assert seen == {
        ("light", ""): (False, {"light", "any"}),
        ("dark", ""): (True, {"dark", "any"}),
        ("dark", "print"): (False, {"light", "any"}),
    }


def test_runs_stand_side_by_side_where_there_is_room(
    browser: Browser, full_run: Run, make_run: MakeRun, out: Path
) -> None:
    write_report([full_run, make_run()], out)
    browser.resize(DESK)
    browser.open(out)
    tops = "[...document.querySelectorAll('article')].map(part => Math.round(part.getBoundingClientRect().top))"
    assert len(set(browser.evaluate(tops))) == 1
    browser.resize(PHONE)
    assert len(set(browser.evaluate(tops))) == 2
