"""The page of a release in a real Chromium, from a plain file server that knows nothing. `make browser`."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import gpuledger
from gpuledger.release.write import release

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (dev dependency)")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing")
ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH (apt-get install chromium)"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on the PATH to build the page with"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FIRST_VIEW_BYTES = 400_000


class Files(SimpleHTTPRequestHandler):
    """A plain file server that notes what it gave."""

    given: list[str]

    def do_GET(self) -> None:
        type(self).given.append(self.path)
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def folder(history_home, tmp_path_factory) -> Path:
    vendor = tmp_path_factory.mktemp("vendor")
    subprocess.run([ROOT / "tools" / "page" / "build.sh", vendor], check=True)
    made = tmp_path_factory.mktemp("site") / "site"
    release(gpuledger.Ledger(history_home.path, clock=lambda: NOW, environ={}), made, vendor=vendor)
    return made


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    Files.given = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def tab(browser) -> Iterator[object]:
    context = browser.new_context()
    opened = context.new_page()
    opened.complaints = []
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("console", lambda line: opened.complaints.append(line.text) if line.type == "error" else None)
    yield opened
    context.close()


def cells(tab, name: str) -> list[list[str]]:
    return [
        [cell.inner_text() for cell in row.query_selector_all("th, td")]
        for row in tab.query_selector_all(f'[aria-label="{name}"] tbody tr')
    ]


@pytest.fixture
def ledger(history_home) -> gpuledger.Ledger:
    return gpuledger.Ledger(history_home.path, clock=lambda: NOW, environ={})


def test_the_first_view_needs_latest_json_alone_and_names_the_cheapest(tab, site, folder, ledger):
    Files.given = []
    tab.goto(site)
    tab.wait_for_selector('[aria-label="Accelerators"]')
    asked = {path.lstrip("/").partition("?")[0] or "index.html" for path in Files.given}
    assert asked <= {"index.html", "page.css", "theme.js", "icon.svg", "release.js", "latest.json"}
    assert sum((folder / name).stat().st_size for name in asked) < FIRST_VIEW_BYTES
    shown = {row[0]: row for row in cells(tab, "Accelerators")}
    for gpu in ("h100-sxm-80gb", "a100-sxm-80gb", "l4-24gb"):
        best = ledger.cheapest(gpu)[0]
        usd = best["usd_per_gpu_hour"]
        assert shown[gpu][3] == f"{usd:.{3 if usd < 1 else 2}f} {best['provider']} {best['price_state']}"
    assert tab.complaints == []


def test_prices_are_the_programs_prices(tab, site, ledger):
    tab.goto(f"{site}#prices/h100-sxm-80gb/on_demand")
    tab.wait_for_selector('[aria-label="Offers"]')
    rows = cells(tab, "Offers")
    expected = ledger.offers("h100-sxm-80gb", purchase_options="on_demand")
    assert tab.inner_text("#total") == str(len(expected))
    assert [row[4] for row in rows] == [f"{row['usd_per_gpu_hour']:.2f}" for row in expected]
    assert sorted(row[2] for row in rows) == sorted(row["provider"] for row in expected)
    assert [row[8] for row in rows] == [row["price_state"] for row in expected]
    assert tab.complaints == []


def test_history_is_the_programs_index(tab, site, ledger):
    tab.goto(f"{site}#history/a100-sxm-80gb/on_demand")
    tab.wait_for_selector('[aria-label="Months"]')
    days = [row for row in ledger.index("a100-sxm-80gb") if row["floor_usd_per_gpu_hour"] is not None]
    cheapest: dict[str, float] = {}
    for row in days:
        month = row["price_date"].isoformat()[:7]
        cheapest[month] = min(cheapest.get(month, 1e9), float(row["floor_usd_per_gpu_hour"]))
    shown = {row[0]: float(row[1]) for row in cells(tab, "Months")}
    assert shown == {month: round(usd, 2) for month, usd in cheapest.items()}
    assert (
        tab.query_selector('svg[aria-label="cheapest price by day"] path').get_attribute("d").startswith("M")
    )
    assert tab.complaints == []


@pytest.mark.parametrize(
    ("query", "own"),
    [
        (
            "select provider, count(*) as offers from offers group by provider order by provider",
            "select provider, count(*) as offers from offer_latest group by provider order by provider",
        ),
        (
            "select count(*) as many from prices where sku = 'p5.48xlarge'",
            "select count(*) as many from price_change join offer using (offer_no) where sku = 'p5.48xlarge'",
        ),
    ],
)
def test_sql_gives_the_programs_rows(tab, site, ledger, query, own):
    tab.goto(f"{site}#sql")
    tab.fill("#query", query)
    tab.click("text=Run")
    tab.wait_for_selector('[aria-label="Result"], [role="alert"]', timeout=60_000)
    assert tab.query_selector('[role="alert"]') is None, tab.inner_text("#result")
    expected = [[str(value) for value in row.values()] for row in ledger.query(own)]
    assert cells(tab, "Result") == expected
    assert tab.complaints == []


def test_a_wrong_query_is_told_in_words(tab, site):
    tab.goto(f"{site}#sql")
    tab.fill("#query", "select nothing from nowhere")
    tab.click("text=Run")
    tab.wait_for_selector('[role="alert"]', timeout=60_000)
    assert "nowhere" in tab.inner_text('[role="alert"]')


def test_nothing_is_loaded_from_elsewhere(tab, site):
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    for view in ("overview", "prices", "history", "sql"):
        tab.goto(f"{site}#{view}")
        tab.wait_for_selector("h1")
    tab.click("text=Run")
    tab.wait_for_selector('[aria-label="Result"]', timeout=60_000)
    assert [url for url in asked if not url.startswith((site, "blob:", "data:"))] == []


@pytest.mark.parametrize("view", ["overview", "prices", "history", "sql"])
def test_a_view_breaks_no_rule_of_accessibility(tab, site, view):
    tab.goto(f"{site}#{view}")
    tab.wait_for_selector("h1")
    found = axe.Axe().run(tab)
    assert found.violations_count == 0, json.dumps(found.response["violations"])[:2000]


def test_without_the_other_programs_the_first_view_still_answers(tab, folder, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns("vendor", "*.parquet"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(bare)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    tab.goto(f"http://127.0.0.1:{server.server_address[1]}/")
    tab.wait_for_selector('[aria-label="Accelerators"]')
    assert len(cells(tab, "Accelerators")) > 20
    server.shutdown()
    server.server_close()
