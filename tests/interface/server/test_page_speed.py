"""What a view costs in a real Chromium: processor time of the server, time until a choice shows, bytes. `make browser`
prints the figures."""

import sys
import time

import pytest

from tests.interface.server.test_page_browser import (
    CHROMIUM,
    QUOTE,
    VIEWS,
    browser,
    chart_is_ready,
    site,
    tab,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH (apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
__all__ = ["browser", "site", "tab"]

PAST_VIEWS = [f"{view}{'&' if '?' in view else '?'}as_of=2026-09-15" for view in ("/", "/prices", QUOTE)]
"""Of a day that somebody looked at before: the first look reads the log."""
COMPARISONS = [
    "/history?gpu=h100-sxm-80gb,a100-sxm-80gb,h200-sxm-141gb,l40s-48gb",
    "/history?gpu=h100-sxm-80gb&region=region-7",
    "/history?gpu=h100-sxm-80gb:8",
]
RESULT_MS, SERVER_MS, HISTORY_MS, WEIGHT_BYTES = 200, 100, 300, 250_000


def processor_ms(process_id: int) -> float:
    """Processor time that a process has used so far, to the nanosecond, threads that have ended included."""
    # the clock of another process, as clock_getcpuclockid(3) makes its number
    return time.clock_gettime(~process_id << 3 | 2) * 1000


def tell(text: str) -> None:
    """A measurement, for whoever runs this with -s."""
    sys.stdout.write(f"\n{text}\n")


def renderer_ms(tab) -> float:
    """Time that the tab's main thread has worked so far."""
    session = tab.context.new_cdp_session(tab)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return metrics["TaskDuration"] * 1000


def replaced_by(tab, site, action: str) -> float:
    """Milliseconds of processor time, the server's and the tab's together, from an action to the page that it makes
    of itself: on an idle machine nobody waits longer, and a busy one does not lengthen it."""
    before = processor_ms(site.process_id) + renderer_ms(tab)
    tab.evaluate(
        f"""() => new Promise((resolve) => {{
             const drawn = () => requestAnimationFrame(() => setTimeout(resolve));
             document.addEventListener("replaced", drawn, {{ once: true }});
             {action};
           }})"""
    )
    return processor_ms(site.process_id) + renderer_ms(tab) - before


@pytest.mark.parametrize("address", VIEWS)
def test_a_view_weighs_less_than_250_kb(tab, address):
    tab.goto(address, wait_until="networkidle")
    weight = tab.evaluate(
        """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
           .reduce((sum, entry) => sum + entry.transferSize, 0)"""
    )
    tell(f"{address[:12]:<12} {weight / 1000:.0f} kB")
    assert 1000 < weight < WEIGHT_BYTES


@pytest.mark.parametrize("address", [*VIEWS, *PAST_VIEWS, *COMPARISONS])
def test_the_server_answers_a_view_within_100_ms_of_processor_time(tab, site, address):
    """All threads together, on a browser that has been there before: the best of ten answers. Another address every
    time, so that no kept answer is sent; parts that the page asks for afterwards are not part of it."""
    tab.route("**/quote/*", lambda route: route.fulfill(body="", content_type="text/html"))
    tab.route("**/history/moves*", lambda route: route.fulfill(body="", content_type="text/html"))
    times = []
    for number in range(12):
        began = processor_ms(site.process_id)
        tab.goto(f"{address}{'&' if '?' in address else '?'}n={number}")
        times.append(processor_ms(site.process_id) - began)
    tell(f"{address[:60]:<60} first {times[0]:.0f}, best {min(times[2:]):.0f} ms of processor time")
    assert min(times[2:]) < SERVER_MS


@pytest.mark.parametrize("address", COMPARISONS)
def test_a_history_that_nobody_asked_about_yet_is_answered_within_300_ms_of_processor_time(
    tab, site, address
):
    """With region, count or four accelerators; PAGE_STEP_HOURS=1 makes the year an hourly one."""
    tab.route("**/history/moves*", lambda route: route.fulfill(body="", content_type="text/html"))
    times = []
    for day in range(1, 8):
        began = processor_ms(site.process_id)
        tab.goto(f"{address}&from=2026-02-0{day}")
        times.append(processor_ms(site.process_id) - began)
    tell(f"{address[:60]:<60} first {times[0]:.0f}, best {min(times):.0f} ms of processor time, nothing kept")
    assert min(times) < HISTORY_MS


def test_a_filter_shows_its_result_within_200_ms(tab, site):
    tab.goto("/prices?gpu=H100-SXM&show=all", wait_until="networkidle")
    times = []
    for count in ("8", "4", "2", "1"):
        times.append(
            replaced_by(tab, site, f"document.querySelector(\"#facet-count input[value='{count}']\").click()")
        )
        cells = tab.locator(".offers tbody td:nth-child(2)").all_inner_texts()
        assert {text.strip() for text in cells} == {count}
    tell(f"filter {min(times):.0f} ms of processor time (best of {len(times)})")
    assert min(times) < RESULT_MS
    assert "count=1" in tab.url


def test_a_picked_gpu_is_drawn_within_200_ms(tab, site):
    tab.goto("/history", wait_until="networkidle")
    chart_is_ready(tab)
    times = []
    for gpu in ("a100-sxm-80gb", "l40s-48gb", "b200-sxm-180gb", "mi300x-192gb", "h200-sxm-141gb"):
        tab.fill("#filters input[name=gpu]", gpu)
        times.append(replaced_by(tab, site, "document.querySelector('#filters button[type=submit]').click()"))
        chart_is_ready(tab)
        assert gpu in tab.url
        tab.wait_for_load_state("networkidle")
    tell(f"picked GPU {min(times):.0f} ms of processor time (best of {len(times)})")
    assert min(times) < RESULT_MS
