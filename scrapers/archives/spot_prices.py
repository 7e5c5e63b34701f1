"""orf/spot-prices: Parquet of AWS spot prices, `region, availability_zone, instance_type, spot_price,
timestamp`.

One row per change and zone, USD per instance and hour, times in UTC. The release does not say which operating
system its prices are for; they agree with Linux, so rows are labelled as reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gpuledger.core.document import Document
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.archives.archive_row import Sighting, fact, instant_of_text
from gpuledger.scrapers.archives.changes import LIST_CONTRACT
from gpuledger.scrapers.archives.table import table_rows
from gpuledger.scrapers.source import Source

COLUMNS = ("region", "availability_zone", "instance_type", "spot_price", "timestamp")


def parse(document: Document) -> Iterator[Fact]:
    """All rows of accelerated instance types.

    Raises:
        ParseError: other columns.
    """
    for row in table_rows(document):
        if missing := [name for name in COLUMNS if name not in row]:
            raise document.error(f"no column {missing[0]!r}; there are {list(row)}")
        observed_at = instant_of_text(row["timestamp"])
        if observed_at is None:
            yield Skipped("no time of observation", dict(row))
            continue
        yield fact(
            Sighting(
                provider="aws",
                sku=str(row["instance_type"]),
                observed_at=observed_at,
                amount=str(row["spot_price"]),
                option=PurchaseOption.SPOT,
                region=str(row["region"]),
                zone=str(row["availability_zone"]),
            ),
            dict(row),
        )


def _list_kind(document: Document) -> str:
    """A row is written when a price changed."""
    return "changes"


SOURCE = Source(
    name="spot-prices",
    provider="aws",
    homepage="https://github.com/orf/spot-prices",
    every=timedelta(days=1),
    list_kind=_list_kind,
    requests=(),
    is_dated_list=True,
    confidence="reported",
    parse=parse,
    contract=LIST_CONTRACT,
    covers="AWS spot prices per zone and change, all regions, several years",
    licence="no licence is stated",
    max_body_mib=2048,
)
