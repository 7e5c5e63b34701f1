"""The price list that ships with the program: dated, sourced prices of 2022 to 2026 of seven providers.

`sql/seeds/bundled_price.csv`, one row per offer and day seen, in the provider's own words and units; it
answers the first question without a network and says how old its prices are. Offers have the identity that
the provider's own source gives them. `price_source` cites the page, answer or collection and its date. Where
a source states only a month, the first of it is the day.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, Offer
from gpuledger.scrapers.read_json import priced
from gpuledger.scrapers.source import Source

COLUMNS = (
    "observed_at",
    "provider",
    "sku",
    "instance_type",
    "region",
    "tier",
    "gpu_label",
    "gpu_count",
    "gpu_memory_gib",
    "purchase_option",
    "term_months",
    "payment",
    "upfront_amount",
    "amount",
    "currency",
    "unit",
    "min_gpus",
    "max_gpus",
    "price_source",
)


def parse(document: Document) -> Iterator[Fact]:
    """The offers of the list, each with its own `observed_at`.

    Raises:
        ParseError: other columns, a value that cannot be read, a price without its source, or two prices of
            one offer on one day; names the line.
    """
    body = document.text()
    head = body[:1000].splitlines()[:1]
    if head != [",".join(COLUMNS)]:
        raise document.error(f"the columns are {head}")
    reader = csv.DictReader(io.StringIO(body, newline=""), strict=True)
    seen: set[tuple[str, datetime | None]] = set()
    try:
        for row in reader:
            offer = _offer(row)
            if not isinstance(offer, Offer) or not row["price_source"]:
                raise document.error(f"line {reader.line_num} cannot be an offer: {row}")
            if (offer.offer_id, offer.observed_at) in seen:
                raise document.error(f"line {reader.line_num} has a second price of one offer and day: {row}")
            seen.add((offer.offer_id, offer.observed_at))
            yield offer
    except (csv.Error, ValueError, InvalidOperation, TypeError, AttributeError) as error:
        raise document.error(f"line {reader.line_num}: {error!r}") from error


def _offer(row: Mapping[str, str]) -> Fact:
    return priced(
        row,
        provider=row["provider"],
        sku=row["sku"],
        instance_type=row["instance_type"],
        region=row["region"],
        tier=row["tier"] or None,
        gpu_label=row["gpu_label"],
        gpu_count=Decimal(row["gpu_count"]),
        gpu_memory_gib=_decimal(row["gpu_memory_gib"]),
        purchase_option=row["purchase_option"],
        term_months=_decimal(row["term_months"]),
        payment=row["payment"] or None,
        upfront_amount=_decimal(row["upfront_amount"]),
        price=Price(amount=Decimal(row["amount"]), currency=row["currency"], unit=Unit(row["unit"])),
        min_gpus=int(row["min_gpus"]) if row["min_gpus"] else None,
        max_gpus=int(row["max_gpus"]) if row["max_gpus"] else None,
        observed_at=datetime.combine(date.fromisoformat(row["observed_at"]), time(), UTC),
    )


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None


SOURCE = Source(
    name="bundled",
    provider="several",
    homepage="",
    every=timedelta(days=365),
    requests=(),
    is_dated_list=True,
    parse=parse,
    contract=Contract(
        min_offers=120,
        must_have=("h100", "a100", "l4"),
        # Rows of different days stand side by side, so a spot price may top an older on-demand price.
        spot_below_on_demand=False,
    ),
    covers="dated list prices of RunPod, Lambda, CoreWeave, AWS, Google Cloud, Azure and Oracle since 2022",
    licence="facts with their source and date; see the column price_source",
)
