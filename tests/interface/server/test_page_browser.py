"""The page in a real Chromium: loads, filters, draws, quotes, complains about nothing. `make browser`."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpuledger.core.store.home import Home
from tests.interface.server.large_ledger import fill

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (dev dependency)")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH (apt-get install chromium)"),
    # the clients of the browser leave sockets to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

QUIET = ("gpu", "quic", "background-networking", "component-update", "sync")
ARGUMENTS = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in QUIET)]
QUOTE = "/quote?model=llama-2-7b&method=qlora&deadline_hours=72&budget_usd=500"
VIEWS = ["/", "/prices", "/history", QUOTE, "/sources", "/sql"]

# counts shifts that nobody caused by typing or clicking
WATCH_SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


class Site(str):
    """The server's address."""

    process_id: int


@contextmanager
def served(home: Home) -> Iterator[Site]:
    """A ledger under `gpuledger serve` in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-c", "from gpuledger.cli.main import run; run()", "serve", "--rate", "0"]
    program += ["--port", str(port)]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home.path), "GPULEDGER_HOME": str(home.path)}
    with subprocess.Popen(program, env=environ, stderr=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        found = Site(f"http://127.0.0.1:{port}")
        found.process_id = server.pid
        yield found
        server.terminate()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """60,000 offers with a year of steps, under `gpuledger serve` in a process of its own.

    Daily steps make 1.7 million price changes; PAGE_STEP_HOURS=1 makes the 40 million of hourly refreshes.
    PAGE_HOME names a ledger that was filled before.
    """
    home = Home(tmp_path_factory.mktemp("year"))
    if "PAGE_HOME" in os.environ:
        home = Home(Path(os.environ["PAGE_HOME"]))
    else:
        fill(home, now=datetime.now(UTC), step_hours=int(os.environ.get("PAGE_STEP_HOURS", "24")))
    with served(home) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


def is_complaint(message) -> bool:
    # the tests themselves read the canvas back
    return message.type in ("error", "warning") and "willReadFrequently" not in message.text


@pytest.fixture
def tab(browser, site) -> Iterator[object]:
    """A tab that fails the test on any console message of weight, failed request, or foreign address."""
    context = browser.new_context(viewport={"width": 1280, "height": 850}, base_url=site)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.add_init_script(WATCH_SHIFTS)
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if is_complaint(m) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((site, "data:")) else complaints.append(r.url))
    yield page
    assert complaints == []
    context.close()


def until(tab, condition: str) -> None:
    """Wait for a condition, frame by frame; the page's policy forbids what playwright's own waiting does."""
    tab.evaluate(
        f"""() => new Promise((resolve, reject) => {{
             const end = performance.now() + 10000;
             const look = () => {{
               if ({condition}) resolve();
               else if (performance.now() > end) reject(new Error("waited 10 s in vain"));
               else requestAnimationFrame(look);
             }};
             look();
           }})"""
    )


def chart_is_ready(tab) -> None:
    until(tab, "document.querySelector('#chart')?.dataset.drawn && document.querySelector('#chart canvas')")


@pytest.mark.parametrize("address", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_view_loads_without_a_shift_and_axe_finds_nothing_serious(tab, address, scheme, width):
    tab.set_viewport_size({"width": width, "height": 850})
    tab.emulate_media(color_scheme=scheme)
    # a slow machine paints a page before all of it has come, and shows what moves then
    session = tab.context.new_cdp_session(tab)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    tab.goto(address, wait_until="networkidle")
    assert tab.evaluate("window.shift") == 0
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    # the page itself does not scroll sideways; wide tables do in their own box
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = axe.Axe().run(tab).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"][:120])
        for one in found
        if one["impact"] in ("serious", "critical")
    ] == []


def test_half_a_word_is_no_error_enter_says_what_is_wrong_and_back_restores_form_and_table(tab):
    tab.goto("/prices?show=all", wait_until="networkidle")
    rows = tab.locator(".offers tbody tr").count()
    tab.locator("#filters input[name=gpu]").first.press_sequentially("H2", delay=30)
    tab.wait_for_timeout(900)
    assert tab.locator("[role=alert]").count() == 0
    assert tab.locator(".offers tbody tr").count() == rows
    tab.locator("#filters input[name=gpu]").first.press_sequentially("00", delay=30)
    until(
        tab, "[...document.querySelectorAll('.offers tbody th')].every((c) => c.textContent.includes('H200'))"
    )
    assert tab.evaluate("document.activeElement.name") == "gpu"
    tab.locator("#filters input[name=gpu]").first.press_sequentially("99", delay=30)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("[role=alert]")
    assert tab.locator("#wrong a").count() >= 1
    assert tab.locator(".offers tbody tr").count() > 0, "the table stays"
    tab.go_back()
    until(tab, "document.querySelector('#filters input[name=gpu]').value === ''")
    assert tab.locator(".offers tbody tr").count() == rows
    assert tab.locator("[role=alert]").count() == 0
    tab.go_forward()
    until(
        tab, "[...document.querySelectorAll('.offers tbody th')].every((c) => c.textContent.includes('H200'))"
    )


def test_a_column_sorts_by_keyboard_and_says_so(tab):
    tab.goto("/prices?gpu=H100&show=all", wait_until="networkidle")
    tab.focus("th a:text('$/h')")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("th[aria-sort=ascending] a:text('$/h')")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("th[aria-sort=descending] a:text('$/h')")
    cells = tab.locator(".offers tbody td:nth-child(5)").all_inner_texts()
    prices = [float(text.replace(",", "")) for text in cells]
    assert prices == sorted(prices, reverse=True)


def test_the_chart_zooms_reads_out_hides_lines_and_keeps_all_of_it_in_the_address(tab):
    tab.goto("/history", wait_until="networkidle")
    chart_is_ready(tab)
    box = tab.locator("#chart .u-over").bounding_box()
    tab.mouse.move(box["x"] + 300, box["y"] + 100)
    tab.wait_for_selector(".chart-tip:not([hidden])")
    assert "$" in tab.inner_text(".chart-tip")
    tab.mouse.down()
    tab.mouse.move(box["x"] + 600, box["y"] + 100, steps=4)
    tab.mouse.up()
    until(tab, "location.search.includes('zoom=')")
    tab.locator("#legend button").first.click()
    until(tab, "location.search.includes('hide=')")
    shared = tab.url
    again = tab.context.new_page()
    again.goto(shared, wait_until="networkidle")
    assert again.locator("#legend button[aria-pressed=false]").count() == 1
    assert again.url == shared
    again.close()
    tab.focus("#chart")
    tab.keyboard.press("0")
    until(tab, "!location.search.includes('zoom=')")
    tab.keyboard.press("ArrowRight")
    first = tab.inner_text("#readout")
    tab.keyboard.press("ArrowLeft")
    assert tab.inner_text("#readout") != first


def test_a_quote_is_made_end_to_end(tab):
    tab.goto("/quote")
    tab.fill("input[name=model]", "llama-2-7b")
    tab.select_option("select[name=method]", "qlora")
    tab.fill("input[name=data]", "5000 x 600")
    tab.fill("input[name=deadline_hours]", "72")
    tab.fill("input[name=budget_usd]", "500")
    tab.click("#plan button[type=submit]")
    tab.wait_for_selector("table.quotes")
    assert "deadline_hours=72" in tab.url
    assert "max_gpus" not in tab.url, "empty fields stay out of the address"
    providers = tab.locator("table.quotes tbody th").all_inner_texts()
    assert len(providers) == len({text.split()[0] for text in providers}) >= 10
    tab.wait_for_selector("svg.scatter circle")
    assert tab.locator("svg.scatter circle").count() >= 2
    total = tab.inner_text(".usd").split()[0].lstrip("$")
    tab.click("text=Copy link")
    shared = tab.evaluate("navigator.clipboard.readText()")
    assert shared == tab.url
    tab.click(".answer a:text('Receipt')")
    tab.wait_for_selector("tr.sum")
    assert tab.inner_text("tr.sum td.number") == total
    assert "https://prices.example/list" in tab.inner_text("main")


def test_a_query_runs_by_keyboard_and_loads_as_csv(tab):
    tab.goto("/sql")
    tab.fill("#q", "select gpu_id, count(*) as offers from offer_latest group by gpu_id order by gpu_id")
    tab.press("#q", "Control+Enter")
    tab.wait_for_selector("#results table")
    assert tab.locator("#results tbody tr").count() == 60
    with tab.expect_download() as download:
        tab.click("a:text-is('CSV')")
    assert download.value.suggested_filename == "gpuledger.csv"
    tab.click("#draw")
    tab.wait_for_selector("#sql-chart canvas")
    tab.click(".questions a >> nth=0")
    assert tab.input_value("#q").startswith("--")
    assert tab.locator("#results table").count() == 1


def test_light_and_dark_can_be_switched_and_are_remembered(tab):
    tab.emulate_media(color_scheme="light")
    tab.goto("/history", wait_until="networkidle")
    light = tab.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    tab.click("#theme")
    dark = tab.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert light != dark
    tab.goto("/")
    assert tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark


def test_every_control_is_reached_by_tab_and_shows_its_focus(tab):
    tab.goto("/prices")
    reached = []
    for _ in range(16):
        tab.keyboard.press("Tab")
        reached.append(
            tab.evaluate("document.activeElement.name || document.activeElement.textContent.trim()")
        )
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert reached[0] == "Skip to content"
    for name in ("History", "SQL", "gpu", "as_of", "max_usd_per_gpu_hour"):
        assert name in reached


def test_without_scripts_filters_charts_and_quotes_still_work(browser, site):
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto("/prices?gpu=H100-SXM")
    page.check("input[name=provider][value=aws]")
    page.check("input[name=provider][value=gcp]")
    page.click("#filters button[type=submit]")
    cells = page.locator(".offers tbody td.b a").all_inner_texts()
    assert set(cells) == {"aws", "gcp"}
    page.goto("/history?gpu=h100-sxm-80gb,a100-sxm-80gb")
    assert page.locator("#chart svg path.line").count() >= 2
    page.click("a:text('List the changes')")
    assert page.locator("tbody tr").count() > 5
    page.goto(QUOTE)
    assert page.inner_text(".usd").startswith("$")
    page.click("a:text('Rank the best of each provider')")
    assert page.locator("table.quotes tbody tr").count() >= 10
    context.close()
