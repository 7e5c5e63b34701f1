"""Ten tasks of people who come to the page, in a real Chromium, from `/` by clicking: each at most four clicks, none a
dead end, with Back and Forward at every step; on a wide screen and on a phone. `make browser`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interface.server.test_page_browser import CHROMIUM, browser, site, tab, until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH (apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
__all__ = ["browser", "site", "tab"]


class Person:
    """Clicks like a person, counts, and after every step that leads to another address goes back and forward."""

    def __init__(self, page) -> None:
        self.page = page
        self.clicks = 0
        self.steps = 0

    def click(self, selector: str) -> None:
        self.clicks += 1
        self._step(lambda: self.page.locator(selector).first.click())

    def enter(self, selector: str, text: str) -> None:
        """Fill in a field and press Enter."""

        def type_and_send() -> None:
            self.page.fill(selector, text)
            self.page.press(selector, "Enter")

        self._step(type_and_send)

    def go(self, view: str) -> None:
        self.click(f"nav a:text-is('{view}')")

    def _step(self, act: Callable[[], None]) -> None:
        before = self._seen()
        act()
        self._settle()
        after = self._seen()
        if after["address"] == before["address"]:
            return
        self.steps += 1
        self.page.go_back()
        self._settle()
        assert self._seen() == before
        self.page.go_forward()
        self._settle()
        assert self._seen() == after

    def _settle(self) -> None:
        self.page.wait_for_load_state("networkidle")
        # a search begins after a pause
        self.page.wait_for_timeout(400)
        self.page.wait_for_load_state("networkidle")
        # what a script asks for is no part of loading
        until(self.page, "!document.querySelector('#work[aria-busy=true]')")

    def _seen(self) -> dict[str, object]:
        """What a person would miss: the place, its heading, the numbers in its tables, what is filled in, and errors;
        nothing of the parts that come after their page."""
        return self.page.evaluate(
            """() => {
                 const all = (selector) =>
                   [...document.querySelectorAll(selector)].filter((one) => !one.closest(".late"));
                 return {
                   address: location.href,
                   heading: document.querySelector("h1").innerText,
                   cells: all("tbody .price").map((one) => one.textContent.trim()),
                   asked: all("#filters input[name=gpu]:not([type=checkbox])").map((one) => one.value),
                   wrong: all("[role=alert]").length,
                 };
               }"""
        )


def eight_in_one_place(person: Person) -> None:
    """The cheapest eight of a card, on demand."""
    person.go("Prices")
    person.enter("#filters input[name=gpu]", "H100-SXM:8")
    until(
        person.page,
        "[...document.querySelectorAll('.offers tbody td:nth-child(2)')].every((c) => c.textContent === '8')",
    )
    assert person.page.locator(".offers tbody .price").first.inner_text()


def two_cards_over_a_year(person: Person) -> None:
    """A100 against H100."""
    person.go("History")
    person.enter("#filters input[name=gpu]", "h100-sxm-80gb,a100-sxm-80gb")
    until(person.page, "document.querySelectorAll('#legend button').length === 2")
    assert person.page.locator("#latest tbody tr").count() == 2


def when_prices_changed(person: Person) -> None:
    """Dates, from, to, per cent."""
    person.go("History")
    person.page.wait_for_selector("#moves tbody tr")
    assert "%" in person.page.locator("#moves tbody tr").first.inner_text()


def adapter_under_twenty_dollars(person: Person) -> None:
    """LoRA of an 8B model, named as the hub does, on 20M tokens."""
    person.go("Quote")
    person.page.fill("#plan input[name=model]", "meta-llama/Llama-3.1-8B")
    person.page.select_option("#plan select[name=method]", "lora")
    person.page.fill("#plan input[name=data]", "20M")
    person.page.fill("#plan input[name=budget_usd]", "20")
    person.click("#plan button[type=submit]")
    person.page.wait_for_selector(".answer")
    assert "budget" in person.page.inner_text(".verdicts")


def two_plans(person: Person) -> None:
    """The same by QLoRA and by LoRA."""
    person.click(".oneline button[type=submit]")
    person.page.wait_for_selector(".answer")
    person.page.select_option("select[name=other_method]", "lora")
    person.click("form[action='/quote/compare'] button")
    person.page.wait_for_selector("#comparison")
    assert person.page.locator("#comparison td.best").count() >= 1


def why_a_provider_is_left_out(person: Person) -> None:
    """By provider, accelerator and reason, with a way to the offers."""
    person.click(".oneline button[type=submit]")
    person.page.wait_for_selector("#left-out tbody tr")
    person.click("#left-out tbody a")
    person.page.wait_for_selector(".offers tbody tr")


def share(person: Person) -> None:
    """The address of a question on the clipboard."""
    person.go("Prices")
    person.click("#results [data-copy-link]")
    assert person.page.evaluate("navigator.clipboard.readText()") == person.page.url


def all_rows_as_csv(person: Person) -> None:
    """Every row of what is shown."""
    person.go("Prices")
    person.clicks += 1
    with person.page.expect_download(timeout=120_000) as download:
        person.page.click("#results a:text-is('CSV')")
    total = int(person.page.inner_text("#results .count b").replace(",", ""))
    assert len(Path(download.value.path()).read_text().splitlines()) == total + 1


def stale_sources(person: Person) -> None:
    """What is not fresh, first."""
    person.go("Sources")
    assert "fresh" in person.page.inner_text("h1")
    assert person.page.locator("tbody .strip").count() >= 1


def a_question_in_sql(person: Person) -> None:
    """A saved question, its rows, and a chart of them."""
    person.go("SQL")
    person.click(".questions a:text('cheapest now per GPU')")
    person.page.wait_for_selector("#results table")
    person.click("#draw")
    person.page.wait_for_selector("#sql-chart canvas")


TASKS: list[Callable[[Person], None]] = [
    *(
        eight_in_one_place,
        two_cards_over_a_year,
        when_prices_changed,
        adapter_under_twenty_dollars,
        two_plans,
    ),
    *(why_a_provider_is_left_out, share, all_rows_as_csv, stale_sources, a_question_in_sql),
]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("task", TASKS, ids=[task.__name__ for task in TASKS])
def test_a_task_takes_four_clicks_at_most_and_back_and_forward_work_at_every_step(tab, task, width):
    tab.set_viewport_size({"width": width, "height": 850})
    tab.goto("/", wait_until="networkidle")
    person = Person(tab)
    task(person)
    assert person.clicks <= 4
    assert person.steps >= 1
    assert tab.locator("[role=alert]").count() == 0
