"""Every page at four widths, light and dark, as pictures to be looked at; `make browser` leaves them in build/pictures.

With GPULEDGER_WRITE_PICTURES=1 those of the documentation are written to docs/images as well. All of them show the
bundled prices and history, as a first `gpuledger serve` does."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuledger.core.store.home import Home
from tests.interface.server.test_page_browser import CHROMIUM, browser, is_complaint, served

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH (apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
__all__ = ["browser"]

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "docs" / "images"
WIDTHS = (1440, 1024, 768, 390)
QUOTE = "quote?model=meta-llama/Llama-3.1-8B&method=lora&data=20M&budget_usd=20&deadline_hours=72"
VIEWS = {
    "overview": "",
    "prices": "prices?gpu=H100,H200&price_state=any",
    "prices-wrong": "prices?gpu=H1000",
    "history": "history",
    "history-compared": "history?gpu=h100-sxm-80gb,a100-sxm-80gb&span=all",
    "history-index": "history?show=index&span=all",
    "timing": "timing?gpu=h100-sxm-80gb",
    "quote": QUOTE,
    "quote-empty": "quote",
    "compare": QUOTE.replace("quote?", "quote/compare?") + "&other_method=qlora",
    "sources": "sources",
    "sql": "sql?saved=cheapest_now_per_gpu&run=1",
    "not-found": "nothing-here",
}
DOCUMENTED = {
    "overview-light": ("overview", "light", 760),
    "history-dark": ("history", "dark", 640),
    "prices": ("prices", "light", 760),
    "quote": ("quote", "light", 760),
    "sources": ("sources", "light", 640),
    "sql": ("sql", "light", 760),
}
"""Pictures of the documentation: the page, its theme, and the height."""


@pytest.fixture(scope="module")
def first_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = Home(tmp_path_factory.mktemp("first"))
    environ = {"PATH": os.environ["PATH"], "HOME": str(home.path), "GPULEDGER_HOME": str(home.path)}
    # a first command begins the ledger
    begin = [sys.executable, "-c", "from gpuledger.cli.main import run; run()", "providers"]
    subprocess.run(begin, env=environ, check=True, capture_output=True)
    with served(home) as site:
        yield site


@pytest.mark.parametrize("name", VIEWS)
def test_a_page_is_pictured_at_four_widths_in_both_themes_and_none_scrolls_sideways(
    browser, first_site, name
):
    folder = ROOT / "build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    wide: list[str] = []
    complaints: list[str] = []
    for theme in ("light", "dark"):
        context = browser.new_context(base_url=first_site, color_scheme=theme)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if is_complaint(m) else None)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            answer = page.goto(f"/{VIEWS[name]}", wait_until="networkidle")
            assert answer.status < 500
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)
            if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
                wide.append(f"{width} {theme}")
        context.close()
    assert wide == []
    # a browser says of a page that is 4xx that it is
    assert [text for text in complaints if "status of 4" not in text] == []


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_documentation_has_a_picture_of_the_page(browser, first_site, name, tmp_path):
    view, theme, height = DOCUMENTED[name]
    context = browser.new_context(
        base_url=first_site, color_scheme=theme, viewport={"width": 1280, "height": height}
    )
    page = context.new_page()
    page.goto(f"/{VIEWS[view]}", wait_until="networkidle")
    path = tmp_path / f"{name}.png"
    page.screenshot(path=path)
    context.close()
    assert 10_000 < path.stat().st_size < 200_000
    if "GPULEDGER_WRITE_PICTURES" in os.environ:
        shutil.copy(path, IMAGES / path.name)
    assert (IMAGES / path.name).exists()
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"images/{path.name}" in page.read_text() for page in pages)


PRINTED = """
() => {
  const of = (colour) => colour.match(/\\d+/g).slice(0, 3).reduce((sum, one) => sum + Number(one), 0) / 765;
  const seen = (element) => element.checkVisibility() && element.getBoundingClientRect().height > 0;
  const style = getComputedStyle(document.documentElement);
  return {
    ink: of(style.color), paper: of(style.backgroundColor),
    rows: [...document.querySelectorAll("main tbody tr")].filter(seen).length,
    fields: [...document.querySelectorAll("input, select, textarea, button")].filter(seen).length,
  };
}
"""


@pytest.mark.parametrize("view", ["overview", "prices", "history", "quote", "sources", "sql"])
def test_a_page_prints_dark_on_white_with_its_rows_and_without_its_fields(browser, first_site, view):
    context = browser.new_context(color_scheme="dark", viewport={"width": 794, "height": 1123})
    page = context.new_page()
    page.goto(f"{first_site}/{VIEWS[view]}", wait_until="networkidle")
    page.emulate_media(media="print")
    printed = page.evaluate(PRINTED)
    context.close()
    assert printed["ink"] < 0.2
    assert printed["paper"] > 0.95
    assert printed["rows"] > 1
    assert printed["fields"] == 0
