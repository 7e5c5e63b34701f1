"""The page of a release in a real Chromium, from a plain file server that knows nothing. `make browser`."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import gpuledger
from gpuledger.release.write import release
from gpuledger.web.page.state import Currency

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


def test_the_first_view_needs_latest_json_alone(tab, site, folder):
    Files.given = []
    tab.goto(site)
    tab.wait_for_selector('[aria-label="Accelerators"]')
    asked = {path.lstrip("/").partition("?")[0] or "index.html" for path in Files.given}
    assert asked <= {"index.html", "page.css", "theme.js", "icon.svg", "release.js", "latest.json"}
    assert sum((folder / name).stat().st_size for name in asked) < FIRST_VIEW_BYTES
    assert tab.complaints == []


def money(usd: object) -> str:
    """As `gpuledger serve` writes a price."""
    return "" if usd is None else Currency("USD", Decimal(1), ()).price(usd)


def percent(share: float | None, places: int) -> str:
    return "" if share is None else f"{100 * share:+.{places}f} %"


def test_the_first_view_is_the_overview_that_the_server_shows(tab, site, ledger):
    tab.goto(site)
    tab.wait_for_selector('[aria-label="Accelerators"]')
    expected = [
        [
            f"{row['name']}\n{row['memory_gib']:g} GB",
            "\n".join(filter(None, (money(row["usd_per_gpu_hour_on_demand"]), row["provider_on_demand"]))),
            money(row["median_usd_per_gpu_hour_on_demand"]),
            money(row["usd_per_gpu_hour_spot"]),
            money(row["usd_per_gpu_hour_reserved"]),
            str(row["providers"]),
            percent(row["index_change_of_30_days"], 1),
            money(row["usd_per_peak_petaflop_hour"]),
            money(row["usd_per_gib_hour"]),
            row["price_state"],
        ]
        for row in ledger.overview()
    ]
    shown = [
        ["\n".join(line.strip() for line in cell.splitlines()) for cell in row]
        for row in cells(tab, "Accelerators")
    ]
    for row in shown:
        row.pop(7)  # the line of a year
        row[3] = row[3].partition("\n")[0]
    assert len(shown) > 40
    assert shown == expected


@pytest.mark.parametrize(("view", "name"), [("overview", "Accelerators"), ("prices/h100-sxm-80gb", "Offers")])
def test_on_a_phone_the_price_is_seen_without_moving_the_page(browser, site, view, name):
    context = browser.new_context(viewport={"width": 390, "height": 800})
    narrow = context.new_page()
    narrow.goto(f"{site}#{view}")
    narrow.wait_for_selector(f'[aria-label="{name}"]')
    boxes = [cell.bounding_box() for cell in narrow.query_selector_all(f'[aria-label="{name}"] tbody .price')]
    assert max(box["x"] + box["width"] for box in boxes) <= 390
    assert narrow.evaluate("document.documentElement.scrollWidth") == 390
    context.close()


def test_an_old_release_says_that_it_is_old(tab, site):
    tab.clock.set_fixed_time(NOW + timedelta(days=10, hours=1))
    tab.goto(site)
    tab.wait_for_selector("#age:not([hidden])")
    assert tab.inner_text("#age").startswith("This release is 10 days old")


def test_prices_are_the_programs_prices(tab, site, ledger):
    tab.goto(f"{site}#prices/h100-sxm-80gb/on_demand")
    tab.wait_for_selector('[aria-label="Offers"]')
    rows = cells(tab, "Offers")
    expected = ledger.offers("h100-sxm-80gb", purchase_options="on_demand")
    assert tab.inner_text("#total") == str(len(expected))
    assert [row[3] for row in rows] == [money(row["usd_per_gpu_hour"]) for row in expected]
    assert [row[4] for row in rows] == [money(row["usd_per_hour"]) for row in expected]
    assert [row[2].partition("\n")[0].strip() for row in rows] == [row["provider"] for row in expected]
    assert [row[7] for row in rows] == [row["price_state"] for row in expected]
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
        (
            "select min(observed_at)::date as first, sum(gpu_count) as cards, max(amount) as dearest from prices"
            " where sku = 'p4d.24xlarge'",
            "select min(observed_at)::date as first, sum(gpu_count)::double as cards, max(amount)::double as dearest"
            " from price_change join offer using (offer_no) where sku = 'p4d.24xlarge'",
        ),
        (
            "select max(price_date) as last, 1.5::decimal(9, 3) as exact, count(price_index)::hugeint as days"
            " from price_index",
            "select max(price_date) as last, '1.500' as exact, count(price_index) as days from gpu_price_index",
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


def test_columns_that_a_later_query_names_are_read_then(tab, site, ledger):
    tab.goto(f"{site}#sql")
    for column in ("sku", "region"):
        tab.fill("#query", f"select count(distinct {column}) as many from prices")
        tab.click("text=Run")
        tab.wait_for_selector("text=Loading the database", state="detached", timeout=60_000)
        (row,) = ledger.query(
            f"select count(distinct {column}) as many from price_change join offer using (offer_no)"
        )
        assert cells(tab, "Result") == [[str(row["many"])]]


def test_a_wrong_query_is_told_in_words(tab, site):
    tab.goto(f"{site}#sql")
    tab.fill("#query", "select nothing from nowhere")
    tab.click("text=Run")
    tab.wait_for_selector('[role="alert"]', timeout=60_000)
    assert "nowhere" in tab.inner_text('[role="alert"]')


def test_every_program_beside_the_data_comes_with_its_licence(folder):
    licences = sorted((folder / "vendor").glob("*.LICENSE.txt"))
    assert [path.name.removesuffix(".LICENSE.txt") for path in licences] == [
        *("apache-arrow", "duckdb-wasm", "fzstd", "hyparquet")
    ]
    assert all("WITHOUT WARRANTIES" in text or 'THE SOFTWARE IS PROVIDED "AS IS"' in text
               for text in (path.read_text() for path in licences))  # fmt: skip


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
