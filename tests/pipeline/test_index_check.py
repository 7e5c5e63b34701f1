"""Days of the index computed anew from archived bytes: they agree, and where the ledger was changed it says whose."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, Offer
from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import current, publish, reading
from gpuledger.flows.index_check import IndexCheck, check_index
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import read_run, record_runs
from gpuledger.flows.validate import Parsed
from gpuledger.scrapers.source import Source
from tests.template import made_once

DAY_ONE = datetime(2026, 3, 1, tzinfo=UTC)
H100 = ("h100-sxm-80gb",)
DAYS = 6
EVERY = 12


def parse(document: Document) -> Iterator[Fact]:
    for sku, usd in document.json().items():
        yield Offer(
            provider=document.source if document.source != "list" else "lambda",
            sku=sku,
            gpu_label="NVIDIA H100 80GB HBM3",
            gpu_count=Decimal(1),
            purchase_option="on_demand",
            price=Price(
                amount=Decimal(str(usd)),
                unit=Unit.GPU_HOUR,
                currency="EUR" if document.source == "verda" else "USD",
            ),
            availability=Availability.UNKNOWN,
            observed_at=document.fetched_at if document.source == "list" else None,
        )


def toy(name: str, **more: Any) -> Source:
    return Source(
        name=name,
        provider="lambda" if name == "list" else name,
        homepage="https://prices.example/",
        every=timedelta(hours=EVERY),
        requests=(Request(url=f"https://{name}.example/list"),),
        parse=parse,
        contract=Contract(min_offers=1, must_have=()),
        covers="a test",
        licence="none",
        currencies=("EUR",) if name == "verda" else ("USD",),
        **more,
    )


SOURCES = (
    *(toy(name) for name in ("runpod", "verda", "crusoe", "vultr")),
    toy("list", is_dated_list=True, confidence="observed"),
)


def price(source: str, sku: str, day: int) -> Decimal:
    """What is shown on a day: most prices stand; two move on the fifth."""
    base = Decimal(2) + Decimal(sum(map(ord, source)) % 40 + ord(sku[-1])) / 100
    if day >= 4 and (source, sku) == ("runpod", "a"):
        return base * Decimal("0.9")
    if day >= 4 and source == "verda":
        return base * Decimal("1.05")
    return base


@dataclass
class Kept:
    ledger: LedgerWriter

    def fetched(self, source: Source, at: datetime, shown: dict[str, Decimal]) -> Parsed:
        document = Document(
            source=source.name,
            request=source.requests[0],
            body=json.dumps({sku: str(usd) for sku, usd in shown.items()}).encode(),
            fetched_at=at,
        )
        manifest = Manifest(
            run_id=run_id(source.name, at),
            source=source.name,
            started_at=at,
            observed_at=at,
            documents=(self.ledger.archive.put(document),),
        )
        self.ledger.archive.write_manifest(manifest)
        parsed = read_run(self.ledger, manifest)
        assert parsed is not None
        return parsed

    def change(self, *statements: str) -> None:
        """Change the ledger behind its own back, and publish what follows."""
        with turn(self.ledger.home):
            with writing(self.ledger.home) as connection:
                for statement in statements:
                    connection.execute(statement)
            publish(self.ledger.home, now=self.ledger.clock())

    def check(self, first: int, last: int | None = None, segment: str = "all") -> IndexCheck:
        days = [
            (DAY_ONE + timedelta(number)).date() for number in (first, last if last is not None else first)
        ]
        with reading(self.ledger.home) as connection:
            return check_index(
                self.ledger,
                connection,
                H100,
                first=days[0],
                last=days[1],
                purchase_option="on_demand",
                segment=segment,
            )


@pytest.fixture(scope="module")
def written() -> Kept:
    """Only to be copied."""
    return kept_in(made_once("index-check", lambda folder: write(kept_in(folder))))


def kept_in(folder: Path) -> Kept:
    clock = lambda: DAY_ONE + timedelta(days=DAYS, hours=1)  # noqa: E731
    return Kept(LedgerWriter(home=Home(folder), sources=SOURCES, clock=clock))


def write(kept: Kept) -> None:
    kept.ledger.home.create()
    runs = [
        kept.fetched(
            SOURCES[0], DAY_ONE - timedelta(hours=EVERY), {"a": price("runpod", "a", 0), "b": Decimal(2)}
        )
    ]
    for step in range(2 * DAYS):
        at = DAY_ONE + timedelta(hours=EVERY * step)
        for source in SOURCES:
            # one is not read on two days, one shows another offer from the fourth
            if source.name == "crusoe" and step // 2 in (2, 3):
                continue
            skus = "ab" if source.name != "vultr" or step < 5 else "abc"
            shown = {sku: price(source.name, sku, step // 2) for sku in skus}
            runs.append(kept.fetched(source, at + timedelta(minutes=SOURCES.index(source)), shown))
    report = record_runs(kept.ledger, runs[:1], do_publish=False)
    kept.change(
        "insert into exchange_rate by name select 'EUR' as currency, date '2026-02-01' + d::integer as rate_date,"
        " 1.1 + d / 1000 as usd_per_unit, 1 as run_no from range(60) as days(d)"
    )
    report = record_runs(kept.ledger, runs[1:])
    assert {run.outcome for run in report.runs} == {"accepted"}


@pytest.fixture
def kept(written: Kept, tmp_path: Path) -> Kept:
    shutil.copytree(written.ledger.home.path, tmp_path / "home")
    return Kept(replace(written.ledger, home=Home(tmp_path / "home")))


def of(check: IndexCheck, state: str) -> list[tuple[date, str | None]]:
    return [(row["price_date"], row["provider"]) for row in check.rows if row["state"] == state]


@pytest.mark.deep
def test_every_day_agrees_with_its_bytes_and_then_whoever_changes_the_ledger_is_found(kept):
    whole = kept.check(1, DAYS - 1)
    assert of(whole, "differs") == of(whole, "no bytes") == []
    assert len(of(whole, "agrees")) > 5 * (DAYS - 1)
    assert {row["provider"] for row in whole.rows} == {None, "runpod", "verda", "crusoe", "vultr", "lambda"}
    moved = {row["provider"]: row["recomputed"] for row in kept.check(4).rows}
    # half of the log of 0.9: the median of an offer that fell and one that stood
    assert moved["runpod"] == pytest.approx(0.9**0.5)
    assert moved["lambda"] == 1.0
    assert moved["verda"] != pytest.approx(1.05, abs=1e-6), "its euros are changed at the rate of the day"

    a_day = DAY_ONE + timedelta(4)
    kept.change(
        f"update price_change set amount = amount * 0.8 where observed_at >= timestamptz '{a_day}'"
        " and offer_no in (select offer_no from offer where source = 'runpod' and sku = 'a')",
        "update offer_current set amount = amount * 0.8 where offer_no in"
        " (select offer_no from offer where source = 'runpod' and sku = 'a')",
        "delete from derived",
    )
    check = kept.check(4)
    assert of(check, "differs") == [(a_day.date(), "runpod"), (a_day.date(), None)]
    (row,) = [row for row in check.rows if row["provider"] == "runpod"]
    assert "relative 0.848528 stored, 0.948683 by the archived bytes" in row["detail"]
    assert of(kept.check(3), "differs") == []


TAMPERED = [
    (
        "a vote of the derived table",
        "update gpu_vote_day set log_change = 0.1 where provider = 'crusoe' and price_date = date '2026-03-02'",
        ["crusoe"],
    ),
    (
        "a vote that vanished",
        "delete from gpu_vote_day where provider = 'vultr' and price_date = date '2026-03-02'",
        ["vultr"],
    ),
    (
        "a vote of a provider that showed nothing",
        "insert into gpu_vote_day select * replace ('nobody' as provider) from gpu_vote_day where provider = 'vultr'",
        ["nobody"],
    ),
    (
        "the figure of the index alone",
        "update gpu_index_day set price_index = price_index * 0.97 where price_date = date '2026-03-02'",
        [None],
    ),
]


@pytest.mark.parametrize(
    ("what", "statement", "found"),
    [
        pytest.param(*case, id=case[0], marks=() if place == 0 else pytest.mark.deep)
        for place, case in enumerate(TAMPERED)
    ],
)
def test_what_was_changed_is_named(kept, what, statement, found):
    # in the snapshot, so that no publishing derives it again
    with duckdb.connect(str(current(kept.ledger.home))) as connection:
        connection.execute(statement)
    check = kept.check(1)
    assert [row["provider"] for row in check.rows if row["state"] == "differs"] == found


def test_bytes_that_are_gone_verify_nothing_and_are_named(kept):
    with reading(kept.ledger.home) as connection:
        (sha256,) = connection.execute(
            "select sha256 from document inner join scrape_run using (run_no) where source = 'vultr'"
            " and observed_at::date = date '2026-03-02' limit 1"
        ).fetchone()
    kept.ledger.archive.path(sha256).unlink()
    check = kept.check(1)
    assert of(check, "no bytes") == [(date(2026, 3, 2), "vultr")]
    assert of(check, "differs") == []
    (row,) = [row for row in check.rows if row["provider"] == "vultr"]
    assert f"the archive lacks {sha256}" in row["detail"]


@pytest.mark.deep
def test_a_segment_is_checked_by_its_own_votes(kept):
    check = kept.check(4, segment="neocloud")
    assert of(check, "differs") == []
    assert of(check, "agrees")
