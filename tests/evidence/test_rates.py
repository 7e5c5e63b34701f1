"""Exchange rates that the ledger can contradict."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from gpuledger.core.alias import Aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import ExchangeRate, Offer
from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.core.store.batch import Batch
from gpuledger.core.store.evidence import Weighing
from gpuledger.core.store.record import record
from gpuledger.core.store.staging import Located
from gpuledger.flows.validate import judge, read_documents
from gpuledger.scrapers.registry import get

DAY = date(2026, 10, 5)
USUAL = {"EUR": "1.16", "GBP": "1.33", "JPY": "0.0066", "CHF": "1.25", "SEK": "0.105", "NOK": "0.099"}


class Rates:
    def __init__(self, connection) -> None:
        self.connection = connection
        self.runs = 0

    def say(self, day: date, *, hours: int = 16, **changed: str) -> None:
        """The rates of a day, read on that day unless more hours are given."""
        self.runs += 1
        facts = [
            ExchangeRate(currency=name, usd_per_unit=Decimal(value), rate_date=day)
            for name, value in {**USUAL, **changed}.items()
        ]
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hours, seconds=self.runs)
        self.run(facts, at)

    def run(self, facts: list[ExchangeRate], at: datetime) -> None:
        source = replace(get("ecb"), parse=lambda document: iter(facts))
        document = Document(
            source="ecb", request=Request(url="https://ecb.example/"), body=b"x", fetched_at=at
        )
        manifest = Manifest(
            run_id=run_id("ecb", at), source="ecb", started_at=at, observed_at=at, documents=()
        )
        parsed = read_documents(source, manifest, [document])
        self.skipped = [row.reason for row in parsed.skipped]
        record(self.connection, judge(parsed, aliases=Aliases(()), usd_per_unit={}), Aliases(()))

    def now(self, currency: str) -> str:
        (row,) = self.connection.execute(
            "select usd_per_unit from usd_rate(null) where currency = $1", [currency]
        ).fetchall()
        return format(row[0].normalize(), "f")

    def states(self, currency: str) -> list[str]:
        rows = self.connection.execute(
            "select state from disputed_rate where currency = $1 order by observed_at", [currency]
        ).fetchall()
        return [state for (state,) in rows]


@pytest.fixture
def rates():
    import duckdb

    from gpuledger.core.store.migrate import migrate
    from gpuledger.flows.pipeline import source_row

    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        migrate(connection, sources=[source_row(get("ecb")), source_row(get("runpod"))], aliases=())
        made = Rates(connection)
        made.say(DAY)
        yield made


def test_a_usual_move_and_a_missing_day_are_believed(rates):
    rates.say(DAY + timedelta(days=1), EUR="1.19")
    rates.say(DAY + timedelta(days=9), EUR="1.24")
    assert (rates.now("EUR"), rates.states("EUR")) == ("1.24", [])


def test_a_rate_that_moves_by_more_than_a_tenth_waits_for_a_second_day(rates):
    rates.say(DAY + timedelta(days=1), EUR="0.61")
    assert (rates.now("EUR"), rates.now("GBP")) == ("1.16", "1.33")
    rates.say(DAY + timedelta(days=1), EUR="0.61")
    assert (rates.now("EUR"), rates.states("EUR")) == ("1.16", ["disputed"])
    rates.say(DAY + timedelta(days=2), EUR="0.62")
    assert (rates.now("EUR"), rates.states("EUR")) == ("0.62", ["disputed", "confirmed"])


def test_a_wild_rate_that_is_taken_back_lapses(rates):
    rates.say(DAY + timedelta(days=1), JPY="0.66")
    rates.say(DAY + timedelta(days=2))
    assert (rates.now("JPY"), rates.states("JPY")) == ("0.0066", ["disputed", "lapsed"])


def test_all_currencies_that_move_alike_say_that_the_dollar_was_misread(rates):
    moved = {name: format(Decimal(value) * Decimal("1.07"), "f") for name, value in USUAL.items()}
    rates.say(DAY + timedelta(days=1), **moved)
    assert {name: rates.now(name) for name in USUAL} == USUAL


def test_a_rate_of_a_future_day_is_left_out_and_counted(rates):
    rates.run(
        [ExchangeRate(currency="EUR", usd_per_unit=Decimal("1.17"), rate_date=date(2099, 1, 1))],
        datetime(2026, 10, 6, 16, tzinfo=UTC),
    )
    assert rates.skipped == ["an exchange rate of a future day"]
    rates.say(DAY + timedelta(days=2), EUR="1.15")
    assert rates.now("EUR") == "1.15"


def test_a_correction_takes_the_place_of_the_day_in_a_new_row(rates):
    rates.say(DAY, hours=20, EUR="1.161")
    assert rates.now("EUR") == "1.161"
    rows = rates.connection.execute(
        "select usd_per_unit from exchange_rate where currency = 'EUR' order by run_no"
    ).fetchall()
    assert [format(row[0].normalize(), "f") for row in rows] == ["1.16", "1.161"]


@pytest.mark.parametrize("currency", ["EUR", "JPY"])
def test_a_price_is_held_to_what_it_cost_in_its_own_currency(rates, currency):
    for day, amount in ((0, "400"), (10, "380"), (45, "390")):
        at = datetime(DAY.year, DAY.month, DAY.day, 18, tzinfo=UTC) + timedelta(days=day)
        offer = Offer(
            provider="runpod",
            sku="h100",
            gpu_label="H100",
            gpu_count=Decimal(1),
            purchase_option="on_demand",
            price=Price(amount=Decimal(amount), unit=Unit.HOUR, currency=currency),
        )
        manifest = Manifest(
            run_id=run_id("runpod", at), source="runpod", started_at=at, observed_at=at, documents=()
        )
        batch = Batch(
            manifest=manifest,
            kind="live",
            parser_version=1,
            offers=[Located(fact=offer, document_no=0)],
            weighing=Weighing(every=timedelta(hours=1), started_at=at),
        )
        weighed = record(rates.connection, batch, Aliases(())).weighed
        assert weighed is not None
        assert weighed.evidence == ()
