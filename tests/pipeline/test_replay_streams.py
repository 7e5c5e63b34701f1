"""Runs that are rebuilt many at a time leave the rows that recording them one by one leaves."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuledger.core.document import Document
from gpuledger.core.offer import Fact, Offer
from gpuledger.core.store import run_stack
from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.core.store.database import writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.shared.lake import TABLES
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import open_ledger, read_run, record_one
from gpuledger.flows.rebuild import Rebuild
from gpuledger.scrapers import registry
from gpuledger.scrapers.source import Source
from tests.depth import IS_DEEP, examples
from tests.pipeline.price_stream import CARDS, CHANGES, ODD, SOURCES, START, put_run, write_archive
from tests.sources.oracle import CAPTURES
from tools.captures import captures, read_capture


def rows_of(home: Home) -> dict[str, list[tuple[object, ...]]]:
    tables = (*TABLES, "offer_current")
    with writing(home) as connection:
        return {
            table: connection.execute(f"select * from {table} order by all").fetchall() for table in tables
        }


def recorded(ledger: LedgerWriter) -> dict[str, list[tuple[object, ...]]]:
    with writing(ledger.home) as connection:
        aliases = open_ledger(ledger, connection)
        for run in ledger.archive.run_ids(None):
            parsed = read_run(ledger, ledger.archive.manifest(run))
            assert parsed is not None
            record_one(connection, parsed, aliases)
    return rows_of(ledger.home)


def rebuilt(ledger: LedgerWriter) -> dict[str, list[tuple[object, ...]]]:
    rebuild = Rebuild(ledger)
    rebuild.begin()
    rebuild.go_on()
    return rows_of(rebuild.home)


def ledger_in(folder: Path) -> LedgerWriter:
    home = Home(folder)
    home.create()
    return LedgerWriter(home=home, sources=SOURCES, clock=lambda: START + timedelta(days=400))


def alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources of runs that the rebuild recorded by themselves, as they come."""
    runs: list[str] = []
    record = run_stack.record

    def counted(connection, batch, aliases):
        runs.append(batch.manifest.source)
        return record(connection, batch, aliases)

    monkeypatch.setattr(run_stack, "record", counted)
    return runs


@settings(max_examples=examples(60, share=30, least=2), suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), changes=st.sampled_from((CHANGES, ODD)))
def test_any_stream_of_runs_is_rebuilt_as_it_was_recorded(tmp_path_factory, seed, changes):
    ledger = ledger_in(tmp_path_factory.mktemp("stream"))
    write_archive(ledger, seed, 40 if IS_DEEP else 24, changes)
    assert rebuilt(ledger) == recorded(ledger)


def test_runs_whose_prices_drift_are_written_together(tmp_path, monkeypatch):
    ledger = ledger_in(tmp_path)
    write_archive(ledger, 7, 60, ("drift", "drift", "stock"))
    runs = alone(monkeypatch)
    before = rebuilt(ledger)
    assert len(runs) <= len(SOURCES) + 2
    assert len(before["price_change"]) > 2 * len(before["offer_current"])


def test_a_price_below_every_other_provider_is_weighed_against_the_ledger(tmp_path, monkeypatch):
    ledger = ledger_in(tmp_path)
    write_archive(ledger, 7, 15, ("none",))
    runs = alone(monkeypatch)
    rebuilt(ledger)
    quiet = len(runs)
    other = ledger_in(tmp_path / "other")
    write_archive(other, 7, 15, ("slip",))
    rebuilt(other)
    assert len(runs) - quiet > quiet


def steps(ledger: LedgerWriter, lists: Sequence[Sequence[str | None]]) -> None:
    """Daily runs of one source, each with the prices of its machines; None: not listed."""
    for day, amounts in enumerate(lists):
        rows = [
            {
                "sku": f"sku-{number}",
                "gpu": CARDS[number % 3][0],
                "count": "1",
                "region": f"place-{number % 4}",
                "option": "on_demand",
                "vcpus": "16",
                "amount": amount,
                "unit": "gpu_hour",
                "stock": "available",
            }
            for number, amount in enumerate(amounts)
            if amount is not None
        ]
        at = START + timedelta(days=day)
        put_run(ledger, SOURCES[0], at, at + timedelta(seconds=2), rows)


OTHERS = [f"{2 + number / 10:.1f}" for number in range(24)]
SWING = ("2.00", "3.00", "4.40", "4.00", "3.64", "3.32", "3.02", "2.75", "2.52", "2.30", "2.10")
"""No step needs evidence, and the last ones are below 0.6 of what it cost in the week."""


def test_small_steps_that_go_far_within_a_week_are_disputed_in_a_rebuild_too(tmp_path):
    ledger = ledger_in(tmp_path)
    steps(ledger, [[*OTHERS, amount] for amount in SWING])
    rows = rebuilt(ledger)
    assert rows == recorded(ledger)
    assert [row[3:5] for row in rows["disputed_price"]][:1] == [("disputed", "price")]


GONE = {
    "three of many come back": [[None] * 3 + OTHERS[3:]] * 3 + [OTHERS],
    "some go one after another": [[None] * count + OTHERS[count:] for count in (1, 2, 2, 2)] + [OTHERS] * 2,
    "back at another price": [[None, *OTHERS[1:]]] * 3 + [["2.05", *OTHERS[1:]]],
    "a whole place": [[None if number % 4 == 1 else one for number, one in enumerate(OTHERS)]] * 3 + [OTHERS],
    "a fifth of the list": [[None if number % 5 == 1 else one for number, one in enumerate(OTHERS)]] * 3
    + [OTHERS],
}


@pytest.mark.recovery
@pytest.mark.parametrize("lists", GONE.values(), ids=GONE.keys())
def test_offers_that_go_and_return_are_rebuilt_as_they_were_recorded(tmp_path, lists):
    ledger = ledger_in(tmp_path)
    steps(ledger, [OTHERS, OTHERS, *lists])
    assert rebuilt(ledger) == recorded(ledger)


def drifting(source: Source) -> Source:
    """The real adapter, of whose prices some move a little with the day; whatever it lists is enough."""

    def moved_now(document: Document, facts: Iterable[Fact]) -> Iterator[Fact]:
        rng = random.Random(f"{source.name} {document.fetched_at:%Y-%m-%d}")
        for fact in facts:
            if isinstance(fact, Offer) and document.fetched_at > START and rng.random() < 0.1:
                amount = (fact.price.amount * Decimal(f"{rng.uniform(0.95, 1.05):.3f}")).quantize(
                    Decimal("1e-6")
                )
                fact = fact.model_copy(update={"price": fact.price.model_copy(update={"amount": amount})})
            yield fact

    def batch(documents: Sequence[Document]) -> Iterator[tuple[Document, Fact]]:
        assert source.parse_batch is not None
        for document, fact in source.parse_batch(documents):
            yield document, next(iter(moved_now(document, [fact])))

    return replace(
        source,
        parse=lambda document: moved_now(document, source.parse(document)),
        parse_batch=None if source.parse_batch is None else batch,
        contract=replace(source.contract, min_offers=1, must_have=()),
    )


REAL = tuple(
    drifting(one) for one in registry.SOURCES if not one.is_dated_list and (CAPTURES / one.name).is_dir()
)


@pytest.mark.deep
def test_real_lists_are_rebuilt_as_they_were_recorded(tmp_path, monkeypatch):
    home = Home(tmp_path)
    home.create()
    ledger = LedgerWriter(home=home, sources=REAL, clock=lambda: START + timedelta(days=400))
    for day in range(4):
        for number, each in enumerate(REAL):
            at = START + timedelta(days=day, minutes=number)
            documents = [
                replace(read_capture(each.name, path), fetched_at=at)
                for path in captures(CAPTURES / each.name)
            ]
            ledger.archive.write_manifest(
                Manifest(
                    run_id=run_id(each.name, at),
                    source=each.name,
                    started_at=at,
                    observed_at=at + timedelta(seconds=2),
                    documents=tuple(ledger.archive.put(document) for document in documents),
                )
            )
    runs = alone(monkeypatch)
    rows = rebuilt(ledger)
    quick = len(rows["scrape_run"]) - len(runs)
    assert quick > len(REAL)
    assert rows == recorded(ledger)
