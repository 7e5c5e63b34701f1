"""The page in a real Chromium: loads, filters, draws, quotes, complains about nothing. `make browser`."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
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
VIEWS = ["/", "/history", QUOTE, "/sources", "/sql"]
RESULT_MS, SERVER_MS, WEIGHT_BYTES = 200, 100, 500_000

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


def processor_ms(process_id: int) -> float:
    """Processor time that a process has used so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """60,000 offers with a year of steps, under `gpuledger serve` in a process of its own.

    Daily steps make 1.7 million price changes; PAGE_STEP_HOURS=1 makes the 40 million of hourly refreshes.
    """
    home = Home(tmp_path_factory.mktemp("year"))
    fill(home, now=datetime.now(UTC), step_hours=int(os.environ.get("PAGE_STEP_HOURS", "24")))
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


def tell(text: str) -> None:
    """A measurement, for whoever runs this with -s."""
    sys.stdout.write(f"\n{text}\n")


def drawn_pixels(tab) -> int:
    """Pixels of the chart that are not background."""
    return tab.evaluate(
        """() => {
          const canvas = document.querySelector("#chart canvas");
          const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          let count = 0;
          for (let i = 3; i < data.length; i += 4) if (data[i] > 0) count++;
          return count;
        }"""
    )


def colours(tab) -> int:
    """How many different opaque colours the chart holds."""
    return tab.evaluate(
        """() => {
          const canvas = document.querySelector("#chart canvas");
          const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          const seen = new Set();
          for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] === 255) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
          }
          return seen.size;
        }"""
    )


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
    until(
        tab, "document.querySelector('#chart canvas').dataset.drawn && document.querySelector('#legend li')"
    )


@pytest.mark.parametrize("address", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_view_loads_without_a_shift_and_axe_finds_nothing_serious(tab, address, scheme, width):
    tab.set_viewport_size({"width": width, "height": 850})
    tab.emulate_media(color_scheme=scheme)
    tab.goto(address, wait_until="networkidle")
    assert tab.evaluate("window.shift") < 0.001
    # the page itself does not scroll sideways; wide tables do in their own box
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = axe.Axe().run(tab).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"][:120])
        for one in found
        if one["impact"] in ("serious", "critical")
    ] == []


@pytest.mark.parametrize("address", VIEWS)
def test_the_server_answers_a_view_within_100_ms(tab, site, address):
    """Not from kept answers: another address every time. The best of seven, or on a machine that others use as well
    the processor time of an answer, all threads together."""
    # what the page asks for afterwards must not slow the next view down
    tab.route("**/quote/frontier*", lambda route: route.fulfill(body="", content_type="text/html"))
    tab.goto(address)
    times, began = [], processor_ms(site.process_id)
    for number in range(7):
        tab.goto(f"{address}{'&' if '?' in address else '?'}n={number}")
        entry = tab.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
        times.append(entry["responseStart"] - entry["requestStart"])
    cpu = (processor_ms(site.process_id) - began) / len(times)
    tell(
        f"{address[:12]:<12} server {min(times):.0f} ms (best of {len(times)}), {cpu:.0f} ms of processor time"
    )
    assert min(*times, cpu) < SERVER_MS


@pytest.mark.parametrize("address", VIEWS)
def test_a_view_weighs_less_than_500_kb(tab, address):
    tab.goto(address, wait_until="networkidle")
    weight = tab.evaluate(
        """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
           .reduce((sum, entry) => sum + entry.transferSize, 0)"""
    )
    tell(f"{address[:12]:<12} {weight / 1000:.0f} kB")
    assert 1000 < weight < WEIGHT_BYTES


def test_a_filter_shows_its_result_within_200_ms(tab):
    tab.goto("/", wait_until="networkidle")
    times = []
    for provider in ("aws", "gcp", "lambda", "vast", "nebius"):
        started = time.perf_counter()
        tab.select_option("select[name=provider]", provider)
        until(
            tab,
            f"document.querySelector('.offers tbody td:nth-child(3)').textContent.trim() === '{provider}'",
        )
        times.append((time.perf_counter() - started) * 1000)
    tell(f"filter {min(times):.0f} ms (best of {len(times)})")
    assert min(times) < RESULT_MS
    assert "provider=nebius" in tab.url
    cells = tab.locator(".offers tbody tr td:nth-child(3)").all_inner_texts()
    assert len(cells) == 50
    assert set(cells) == {"nebius"}


def test_typing_filters_and_the_back_button_goes_back(tab):
    tab.goto("/", wait_until="networkidle")
    tab.fill("input[name=gpu]", "H200")
    until(
        tab, "[...document.querySelectorAll('.offers tbody th')].every((c) => c.textContent.includes('h200'))"
    )
    tab.fill("input[name=gpu]", "H2000")
    tab.wait_for_selector("[role=alert]")
    assert "did you mean" in tab.inner_text("[role=alert]")
    tab.go_back()
    tab.wait_for_selector(".offers tbody th")


def test_a_column_sorts_by_keyboard_and_says_so(tab):
    tab.goto("/?gpu=H100", wait_until="networkidle")
    tab.focus("th a:text('$/h')")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("th[aria-sort=ascending] a:text('$/h')")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("th[aria-sort=descending] a:text('$/h')")
    prices = [
        float(text.replace(",", ""))
        for text in tab.locator(".offers tbody td:nth-child(6)").all_inner_texts()
    ]
    assert prices == sorted(prices, reverse=True)


def test_a_picked_gpu_is_drawn_within_200_ms(tab):
    tab.goto("/history", wait_until="networkidle")
    chart_is_ready(tab)
    assert drawn_pixels(tab) > 20_000
    assert colours(tab) >= 8
    times = []
    for gpu in ("a100-sxm-80gb", "l40s-48gb", "b200-sxm-180gb", "mi300x-192gb", "h200-sxm-141gb"):
        before = int(tab.evaluate("document.querySelector('#chart canvas').dataset.drawn"))
        started = time.perf_counter()
        tab.evaluate(
            """(gpu) => { const box = document.querySelector('#picker input[name=gpu]');
               box.value = gpu; box.dispatchEvent(new Event('change', { bubbles: true })); }""",
            gpu,
        )
        until(
            tab,
            f"Number(document.querySelector('#chart canvas').dataset.drawn) > {before} "
            f"&& document.title.startsWith('{gpu}')",
        )
        times.append((time.perf_counter() - started) * 1000)
        assert drawn_pixels(tab) > 20_000
    tell(f"picked GPU {min(times):.0f} ms (best of {len(times)})")
    assert min(times) < RESULT_MS


def test_the_chart_zooms_by_mouse_and_by_keyboard_and_reads_out(tab):
    tab.goto("/history", wait_until="networkidle")
    chart_is_ready(tab)
    whole = tab.screenshot(clip=tab.locator("#chart").bounding_box())
    box = tab.locator("#chart").bounding_box()
    tab.mouse.move(box["x"] + 300, box["y"] + 100)
    assert "median of" in tab.inner_text("#readout")
    tab.mouse.down()
    tab.mouse.move(box["x"] + 600, box["y"] + 100, steps=4)
    tab.mouse.up()
    tab.mouse.move(box["x"] + 5, box["y"] + 900)
    zoomed = tab.screenshot(clip=box)
    assert zoomed != whole
    tab.focus("#chart")
    tab.keyboard.press("0")
    tab.keyboard.press("ArrowRight")
    first = tab.inner_text("#readout")
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#readout") != first
    before = tab.evaluate("document.querySelector('#chart canvas').dataset.drawn")
    tab.keyboard.press("+")
    assert tab.evaluate("document.querySelector('#chart canvas').dataset.drawn") != before


def test_a_provider_can_be_taken_out_of_the_chart(tab):
    tab.goto("/history", wait_until="networkidle")
    chart_is_ready(tab)
    before = drawn_pixels(tab)
    button = tab.locator("#legend button[aria-pressed=true]").first
    button.click()
    assert tab.locator("#legend button").nth(0).get_attribute("aria-pressed") in ("true", "false")
    assert drawn_pixels(tab) != before


def test_a_quote_is_made_end_to_end(tab):
    tab.goto("/quote")
    tab.fill("input[name=model]", "llama-2-7b")
    tab.select_option("select[name=method]", "qlora")
    tab.fill("input[name=tokens]", "2e7")
    tab.fill("input[name=deadline_hours]", "72")
    tab.fill("input[name=budget_usd]", "500")
    tab.click("#plan button[type=submit]")
    tab.wait_for_selector("table.quotes")
    assert "deadline_hours=72" in tab.url
    assert "max_gpus" not in tab.url, "empty fields stay out of the address"
    assert tab.locator("table.quotes tbody tr").count() == 10
    assert tab.locator("svg.bars rect").count() >= 10
    tab.wait_for_selector("svg.scatter circle")
    assert tab.locator("svg.scatter circle").count() >= 2
    tab.locator(".receipt-button").first.click()
    drawer = tab.locator("dialog[open]")
    assert "sha256" not in drawer.inner_text()
    assert "https://prices.example/list" in drawer.inner_text()
    total = drawer.locator("tr.sum td.number").inner_text()
    assert total == tab.locator("table.quotes tbody td.price").first.inner_text()
    tab.keyboard.press("Escape")
    assert tab.locator("dialog[open]").count() == 0
    tab.click("#share")
    shared = tab.evaluate("navigator.clipboard.readText()")
    again = tab.context.new_page()
    again.goto(shared)
    # but for the age, which goes on
    cells = "table.quotes tbody tr:first-child > *:not(:nth-child(11))"
    assert again.locator(cells).all_inner_texts() == tab.locator(cells).all_inner_texts()


def test_a_query_runs_by_keyboard_and_loads_as_csv(tab):
    tab.goto("/sql")
    tab.fill("#q", "select gpu_id, count(*) as offers from offer_latest group by gpu_id order by gpu_id")
    tab.press("#q", "Control+Enter")
    tab.wait_for_selector("#results table")
    assert tab.locator("#results tbody tr").count() == 60
    with tab.expect_download() as download:
        tab.click("button[name=csv]")
    assert download.value.suggested_filename == "gpuledger.csv"
    tab.click(".questions a >> nth=0")
    assert tab.input_value("#q").startswith("--")


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
    tab.goto("/")
    reached = []
    for _ in range(16):
        tab.keyboard.press("Tab")
        reached.append(
            tab.evaluate("document.activeElement.name || document.activeElement.textContent.trim()")
        )
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert reached[0] == "Skip to content"
    for name in ("History", "SQL", "gpu", "provider", "max_usd_per_gpu_hour"):
        assert name in reached


def test_without_scripts_filters_and_quotes_still_work(browser, site):
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.select_option("select[name=provider]", "aws")
    page.click("#filters button")
    assert set(page.locator(".offers tbody td:nth-child(3)").all_inner_texts()) == {"aws"}
    page.goto(QUOTE)
    assert page.locator("table.quotes tbody tr").count() == 10
    context.close()
