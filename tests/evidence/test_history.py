"""Recorded price histories of real providers: how many of their true changes would have waited, and for how long.

Reads change logs beside the checkout where `GPULEDGER_HISTORY` names their folder; without it the tests skip.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from gpuledger.core.alias import Aliases, seed_rows
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Offer, PurchaseOption
from gpuledger.core.provider import instance_shape
from gpuledger.core.published import usd_per_hour
from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.core.store.batch import Batch
from gpuledger.core.store.evidence import Weighing
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.record import record
from gpuledger.core.store.staging import Located
from gpuledger.flows.pipeline import source_row
from gpuledger.scrapers.registry import SOURCES

HISTORY = os.environ.get("GPULEDGER_HISTORY")
DAY = timedelta(days=1)
MOST_DISPUTED = {"gcp_page": 0.01, "azure_retail": 0.01, "aws_on_demand": 0.02}
"""Share of true changes that may wait; measured on 2026-11-30: 0.0069, 0.0074 and 0.0140."""

TAKEN_BACK = timedelta(days=30)
"""A price that its source took back within so long was a slip of the archive, and no true change."""


def google(row: dict[str, str]) -> Offer | None:
    options: dict[str, tuple[PurchaseOption, Decimal | None, Unit]] = {
        "hour": (PurchaseOption.ON_DEMAND, None, Unit.HOUR),
        "hour_spot": (PurchaseOption.SPOT, None, Unit.HOUR),
        "month_1y": (PurchaseOption.RESERVED, Decimal(12), Unit.MONTH),
        "month_3y": (PurchaseOption.RESERVED, Decimal(36), Unit.MONTH),
    }
    option, term, unit = options[row["metric"]]
    return made(
        "gcp", row["machine_type"], row["region"], row["accelerator"], row["accelerator_count"], row["price_usd"],
        option, term, unit,
    )  # fmt: skip


def azure(row: dict[str, str]) -> Offer | None:
    return made("azure", row["arm_sku_name"], row["region"], row["arm_sku_name"], "1", row["price_usd_hour"])


def aws(row: dict[str, str]) -> Offer | None:
    if (row["os"], row["tenancy"]) != ("Linux", "Shared"):
        return None
    shape = instance_shape("aws", row["instance_type"])
    if shape is None or not shape.gpu_count:
        return None
    count = str(shape.gpu_count)
    return made(
        "aws", row["instance_type"], row["region"], row["instance_type"], count, row["price_usd_hour"]
    )


def made(
    provider: str, sku: str, region: str, label: str, count: str, amount: str,
    option: PurchaseOption = PurchaseOption.ON_DEMAND, term: Decimal | None = None, unit: Unit = Unit.HOUR,
) -> Offer | None:  # fmt: skip
    if not amount or not Decimal(amount):
        return None
    return Offer(
        provider=provider,
        sku=sku,
        instance_type=sku,
        region=region,
        gpu_label=label,
        gpu_count=Decimal(count or 1),
        purchase_option=option,
        term_months=term,
        # as the store rounds, so that a slip and its dispute have one amount
        price=Price(amount=Decimal(amount).quantize(Decimal("0.000001")), unit=unit),
    )


LOGS = {
    "gcp_cyclenerd_2022_2026/changes.csv": ("gcp_page", google),
    "azure_karpenter_2023_2026/gpu_changes.csv": ("azure_retail", azure),
    "aws_ec2details_2018_2022/changes.csv": ("aws_on_demand", aws),
}


@dataclass
class Past:
    """A ledger that read one provider's list at every change, and a day and two days after each dispute."""

    source: str
    connection: duckdb.DuckDBPyConnection
    aliases: Aliases
    offers: dict[str, Offer] = field(default_factory=dict)
    at: datetime | None = None
    changes: list[tuple[datetime, Offer | None, str]] = field(default_factory=list)
    """When, what it became, and its offer_id."""

    def note(self, offer_id: str, offer: Offer | None, at: datetime) -> None:
        before = self.offers.get(offer_id)
        if offer is None:
            self.offers.pop(offer_id, None)
        else:
            self.offers[offer_id] = offer
        if (before and before.price) != (offer and offer.price):
            self.changes.append((at, offer, offer_id))

    def slips(self) -> set[tuple[str, Decimal]]:
        """Offers and amounts that cannot have been asked: taken back at once, or a commitment that costs no less
        than the same machine on demand, or next to nothing beside it."""
        found: set[tuple[str, Decimal]] = set()
        last: dict[str, tuple[datetime, Offer | None]] = {}
        for at, offer, offer_id in self.changes:
            since, before = last.get(offer_id, (None, None))
            if since is not None and before is not None and at - since < TAKEN_BACK:
                found.add((offer_id, before.price.amount))
            last[offer_id] = (at, offer)
        on_demand: dict[object, list[tuple[datetime, Decimal]]] = {}
        for at, offer, _ in self.changes:
            if offer is not None and offer.purchase_option is PurchaseOption.ON_DEMAND:
                on_demand.setdefault((offer.sku, offer.region), []).append((at, usd_per_hour(offer)))
        for at, offer, offer_id in self.changes:
            if offer is None or offer.purchase_option is not PurchaseOption.RESERVED:
                continue
            prices = [usd for since, usd in on_demand.get((offer.sku, offer.region), []) if since <= at]
            share = usd_per_hour(offer) / prices[-1] if prices else Decimal("0.5")
            if not Decimal("0.15") < share < Decimal("0.97"):
                found.add((offer_id, offer.price.amount))
        return found

    def read(self, at: datetime) -> int:
        self.at = max(at, self.at + timedelta(seconds=1)) if self.at else at
        manifest = Manifest(
            run_id=run_id(self.source, self.at),
            source=self.source,
            started_at=self.at,
            observed_at=self.at,
            documents=(DOCUMENT | {"fetched_at": self.at.isoformat()},),
        )
        batch = Batch(
            manifest=manifest,
            kind="live",
            parser_version=1,
            offers=[Located(fact=offer, document_no=0) for offer in self.offers.values()],
            weighing=Weighing(every=DAY, started_at=self.at),
        )
        weighed = record(self.connection, batch, self.aliases).weighed
        return weighed.disputed if weighed else 0


DOCUMENT = {
    "url": "https://history.example/", "method": "GET", "context": {}, "sha256": "0" * 64, "body_bytes": 0,
    "status": 200, "content_type": "text/csv",
}  # fmt: skip


def versions(path: Path) -> Iterator[tuple[datetime, list[dict[str, str]]]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for commit in dict.fromkeys((row["observed_at"], row["commit"]) for row in rows):
        at = datetime.fromisoformat(commit[0]).astimezone(UTC)
        yield at, [row for row in rows if (row["observed_at"], row["commit"]) == commit]


@pytest.mark.accuracy
@pytest.mark.skipif(not HISTORY, reason="GPULEDGER_HISTORY is not set")
@pytest.mark.parametrize("log", LOGS)
def test_of_recorded_changes_few_wait(log: str, record_property):
    source, read = LOGS[log]
    aliases = seed_rows()
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        migrate(connection, sources=[source_row(each) for each in SOURCES], aliases=aliases)
        past = Past(source, connection, Aliases(aliases))
        for at, rows in sorted(versions(Path(HISTORY or "") / log), key=lambda version: version[0]):
            for row in rows:
                offer = read(row | {key: row[key] or "0" for key in row if key.startswith("price")})
                if row["event"] == "removed" or offer is None:
                    gone = read(row | {key: "1" for key in row if key.startswith("price")})
                    if gone is not None:
                        past.note(gone.offer_id, None, at)
                    continue
                past.note(offer.offer_id, offer, at)
            days = 0
            while past.read(at + days * DAY) and days < 2:
                days += 1
        slips = past.slips()
        first = past.changes[0][0]
        true = [
            key
            for at, offer, key in past.changes
            if offer and at > first and (key, offer.price.amount) not in slips
        ]
        disputes = connection.execute(
            "select offer_id, amount, claim, purchase_option, evidence, since_at from disputed_price"
            " where state = 'disputed' and claim <> 'absence'"
            " and observed_at > (select min(observed_at) from scrape_run)"
        ).fetchall()
        waited = [row for row in disputes if (row[0], row[1]) not in slips]
        longest = connection.execute(
            "select coalesce(max(observed_at - since_at), interval 0 day) from disputed_price"
            " where state = 'confirmed'"
        ).fetchall()[0][0]
        caught = len(disputes) - len(waited)
        share = len(waited) / len(true)
    record_property("history", (log, len(true), len(waited), caught, str(longest)))
    assert share < MOST_DISPUTED[source], (log, len(true), len(waited), waited[:8])
