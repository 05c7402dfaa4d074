"""Every page of the built book: labs alive, no complaint, no request elsewhere, no sideways scroll."""

import importlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import without

ROOT = Path(__file__).parents[2]
BOOK = Path(os.environ.get("LRBOOK_HTML", ROOT / "_build" / "html"))
MOMENTUM = "chapters/step_size/momentum.html"
ROOMS = ("lrlib", "tuning", "updates", "widgets")  # of the pages of the reference, which are made alike
PAGES = sorted(
    str(page.relative_to(BOOK))
    for page in BOOK.rglob("*.html")
    if "_static" not in page.parts
    and page.name not in {"genindex.html", "search.html", "py-modindex.html"}
    and 'http-equiv="Refresh"' not in page.read_text(encoding="utf-8")  # a page that only leads to another
    and (page.parent.name != "reference" or page.stem in ROOMS)
)


def test_the_book_is_there() -> None:
    if not PAGES:
        without(f"NO BOOK: there is nothing in {BOOK}; build it first")
    contents = re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert all((BOOK / f"{name}.html").exists() for name in contents)


@pytest.mark.parametrize(
    "room", sorted(path.stem for path in ROOT.glob("chapters/reference/*.md") if path.stem != "lrlib")
)
def test_every_public_name_is_in_the_reference(room: str) -> None:
    page = BOOK / "chapters" / "reference" / f"{room}.html"
    if not page.exists():
        without(f"NO BOOK: there is no {page}; build it first")
    told = set(re.findall(r'id="(lrlib\.[^"]+)"', page.read_text(encoding="utf-8")))
    assert {f"lrlib.{room}.{name}" for name in importlib.import_module(f"lrlib.{room}").__all__} <= told


@pytest.mark.parametrize("name", PAGES)
def test_page_on_the_web(name: str, visit: Callable[..., Any], serve: Callable[[Path], str]) -> None:
    origin = serve(BOOK)
    watched = visit(f"{origin}/{name}", origin=origin, formulas=False)  # they take as long as all else on a page
    _labs_are_alive(watched.page)
    watched.assert_clean()


@pytest.mark.skipif(MOMENTUM not in PAGES, reason="NO BOOK: there is no such page")
def test_formulas_are_set_on_the_web_too(visit: Callable[..., Any], serve: Callable[[Path], str]) -> None:
    origin = serve(BOOK)
    watched = visit(f"{origin}/{MOMENTUM}", origin=origin)
    assert _formulas(watched.page) > 50
    watched.assert_clean()


@pytest.mark.parametrize("name", PAGES)
def test_page_from_a_file_on_a_phone_and_in_the_dark(name: str, visit: Callable[..., Any]) -> None:
    watched = visit(f"{BOOK.as_uri()}/{name}", origin=BOOK.as_uri(), width=390)
    page = watched.page
    assert _formulas(page) >= page.locator("article .math.notranslate").count()
    assert _too_wide(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 391
    _labs_are_alive(page)
    assert _too_wide(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 391
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert _pictures_on_a_card(page) == []
    watched.assert_clean()


def _formulas(page: Any) -> int:
    """How many formulas are set, none of them with an error in it."""
    if page.locator("script[src*=mathjax]").count():
        page.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
        page.evaluate("MathJax.startup.promise")
    assert page.locator("mjx-merror").all_inner_texts() == []
    return page.locator("mjx-container").count()


def _labs_are_alive(page: Any) -> None:
    for i in range(page.locator(".lrlab-host").count()):
        host = page.locator(".lrlab-host").nth(i)
        assert host.locator(".lrlab-still").count() == 0
        _moving_the_rate_redraws(page, host)


def _moving_the_rate_redraws(page: Any, host: Any) -> None:
    lab = host.locator("[data-settings]")
    if not lab.count():  # a question
        return
    slider = host.locator("input[type=range]").first  # the first slider of a lab that trains is a rate
    trains = "rate" in slider.get_attribute("name")
    before = lab.get_attribute("data-settings")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "([lab, before]) => lab.dataset.settings !== before && lab.dataset.done !== 'false'",
        arg=[lab.element_handle(), before],
    )
    assert ("Trained in this browser" if trains else "Recorded") in host.locator(".lrlab-status").inner_text()


def _too_wide(page: Any) -> list[str]:
    """What in a lab reaches over the edge of a phone."""
    return page.evaluate(
        """[...document.querySelectorAll('.lrlab-host *')].filter((e) => e.getBoundingClientRect().right > 391
        && !e.closest('svg')).map((e) => e.className)"""
    )


def _pictures_on_a_card(page: Any) -> list[str]:
    """The theme would put pictures on a light card and dim them; ours are drawn for both."""
    return page.evaluate(
        """[...document.querySelectorAll('article img')].filter((image) => {
        const look = getComputedStyle(image);
        return look.filter !== 'none' || look.backgroundColor !== 'rgba(0, 0, 0, 0)';
        }).map((image) => image.alt)"""
    )


def _kinds_of_labs(name: str) -> list[str]:
    """Of the labs and questions of a page, one word each."""
    return re.findall(r'class="lrlab-host" id="lrlab-(\w+)-', (BOOK / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PAGES)
def test_each_lab_brings_what_is_shown_without_scripts(name: str) -> None:
    still = re.findall(r'class="[^"]*\blrlab-still"', (BOOK / name).read_text(encoding="utf-8"))
    assert len(still) == len(_kinds_of_labs(name))


# For each kind of lab the first page that has it.
@pytest.mark.parametrize(
    "name", sorted(set({kind: name for name in PAGES[::-1] for kind in _kinds_of_labs(name)}.values()))
)
def test_page_without_scripts(name: str, visit: Callable[..., Any]) -> None:
    page = visit(f"{BOOK.as_uri()}/{name}", origin=BOOK.as_uri(), scripts=False).page
    hosts = page.locator(".lrlab-host")
    assert page.locator(".lrlab-still").count() == hosts.count() > 0
    for i in range(hosts.count()):
        assert hosts.nth(i).locator(".lrlab-still").is_visible()


@pytest.mark.skipif("chapters/index.html" not in PAGES, reason="NO BOOK: there is no front page")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_front_page_opens_with_a_lab_and_keeps_its_answer(width: int, visit: Any, serve: Any) -> None:
    origin = serve(BOOK)
    page = visit(f"{origin}/chapters/index.html", origin=origin, width=width).page
    article = page.locator("article")
    first = page.locator(".lrlab-host").first
    slider, curve, budget = (
        first.locator(name) for name in ("input[type=range]", "[data-name=loss]", "[data-name=budget]")
    )
    screenful = 800 if width > 1000 else 1000
    for part in (slider, curve, budget):
        box = part.first.bounding_box()
        assert box["y"] + box["height"] < screenful
    assert article.locator("div.cell_input:visible, summary:visible, img:visible").count() == 0  # no code, no figure
    question = page.locator(".lrlab-predict")
    assert question.locator("[data-name=curve]").count() == 0
    assert question.locator(".lrlab-reason").count() == 0
    question.locator("svg[role=slider]").focus()
    page.keyboard.press("ArrowRight")
    question.get_by_role("button").click()
    assert question.locator("[data-name=curve]").count() == 1
    assert question.locator(".lrlab-reason").is_visible()
    weight = page.evaluate(
        """async () => { const labs = [...document.querySelectorAll('.lrlab-host script')].map((e) => e.textContent);
        const zipped = new Blob(labs).stream().pipeThrough(new CompressionStream('gzip'));
        return (await new Response(zipped).arrayBuffer()).byteLength; }"""
    )
    assert weight <= 300_000


@pytest.mark.skipif("chapters/index.html" not in PAGES, reason="NO BOOK: there is no front page")
def test_without_scripts_the_front_page_folds_its_answer(visit: Any, serve: Any) -> None:
    origin = serve(BOOK)
    page = visit(f"{origin}/chapters/index.html", origin=origin, scripts=False).page
    fold = page.locator(".lrlab-predict details")
    assert not fold.locator("svg[role=img]").is_visible()
    fold.locator("summary").click()
    assert fold.locator("svg .lrlab-line").count() == 1
