"""AWS: spot prices of EC2 accelerator types and how often spot capacity was reclaimed.

Three answers, told apart by their content. Prices are US dollars per *instance*-hour, Linux (Windows columns
are left out; for some sizes they are cheaper than Linux, feed of 2026-10).

- The feed behind the spot page, keyless, one price per region, renewed every few minutes. Its regions have
  old names (`us-east`, `apac-tokyo`), sizes may be listed twice, amounts are text such as `0.0615`, `9.0E-4`
  or `N/A*`. The copy at spot-price.s3.amazonaws.com stands still since 2024-05-13.
- The spot advisor, keyless: bands of how often capacity was reclaimed in the last month (`<5%` to `>20%`).
- `DescribeSpotPriceHistory`, with AWS credentials: a price per availability zone, asked for by
  `gpuledger.scrapers.http.aws_api`. Of each zone the newest price counts.

The instance type is the GPU label; see `sql/seeds/instance_type.csv`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.offer import Fact, InterruptionBand, Offer, PurchaseOption, Skipped
from gpuledger.core.provider import InstanceShape
from gpuledger.scrapers.ec2 import (
    CREDENTIALS,
    MOST_USD,
    NOT_A_REGION,
    asked_region,
    feed_instant,
    feed_rows,
    is_region,
    is_zone,
    items,
    shape_or_reason,
    sold,
)
from gpuledger.scrapers.read_json import each_once, fields, leaf, mapping, price_or_reason, rows
from gpuledger.scrapers.source import FIVE_MINUTES, HOURLY, Source

OLD_REGIONS = {
    "us-east": "us-east-1",
    "us-west": "us-west-1",
    "eu-ireland": "eu-west-1",
    "apac-sin": "ap-southeast-1",
    "apac-syd": "ap-southeast-2",
    "apac-tokyo": "ap-northeast-1",
}
"""Names of the first regions in the feed (feed of 2026-10); later regions have their codes."""

BANDS = {
    "<5%": (0.0, 0.05),
    "5-10%": (0.05, 0.10),
    "10-15%": (0.10, 0.15),
    "15-20%": (0.15, 0.20),
    ">20%": (0.20, 1.0),
}
"""The advisor's labels as shares."""

_CALLBACK = re.compile(rb"\s*callback\((.*)\);?\s*", re.DOTALL)


def parse(document: Document) -> Iterator[Fact]:
    """Facts of the feed, the advisor or one page of the price history.

    Raises:
        ParseError: none of the three.
    """
    if document.body.lstrip()[:1] == b"<":
        return _history(document)
    wrapped = _CALLBACK.fullmatch(document.body)
    if wrapped:
        document = replace(document, body=wrapped[1])
    answer = mapping(document.json(), document, "answer")
    if "spot_advisor" in answer:
        return _advisor(answer, document)
    if "config" not in answer:
        raise document.error(f"neither `config` nor `spot_advisor` among {sorted(answer)[:5]}")
    return each_once(_feed(mapping(answer["config"], document, "config"), document), document)


def _feed(config: Mapping[str, Any], document: Document) -> Iterator[Fact]:
    if config.get("rate") != "perhr" or config.get("valueColumns") != ["linux", "mswin"]:
        raise document.error("`config` is not that of the hourly feed with Linux and Windows columns")
    for row in feed_rows(config, document):
        yield _size(row, str(row["region"]))


def _size(row: Mapping[str, Any], name: str) -> Fact:
    region = OLD_REGIONS.get(name, name)
    shape = shape_or_reason(row.get("size"), is_accelerated=str(row["family"]).startswith("gpu"))
    amount = price_or_reason(leaf(row, "prices", "USD"), MOST_USD)
    if isinstance(shape, str):
        return Skipped(shape, row)
    if not is_region(region):
        return Skipped(NOT_A_REGION, row)
    if row.get("name") != "linux":
        return Skipped("not Linux", row)
    return Skipped(amount, row) if isinstance(amount, str) else _spot(row, shape, region, amount)


def _spot(row: Any, shape: InstanceShape, region: str, amount: Decimal, **terms: Any) -> Offer | Skipped:
    terms |= {"billing_increment_seconds": 1, "minimum_billing_seconds": 60}
    return sold(row, shape, region, PurchaseOption.SPOT, amount, **terms)


def _advisor(answer: Mapping[str, Any], document: Document) -> Iterator[Fact]:
    ranges = rows(answer.get("ranges"), document, "ranges")
    labels = {str(entry.get("index")): str(entry.get("label")) for entry in ranges}
    for region, systems in mapping(answer["spot_advisor"], document, "spot_advisor").items():
        for system, types in mapping(systems, document, region).items():
            for instance_type, rates in mapping(types, document, system).items():
                row = {"region": region, "system": system, "type": instance_type, **fields(rates)}
                shape = shape_or_reason(instance_type, is_accelerated=False)
                band = BANDS.get(labels.get(str(row.get("r")), ""))
                if isinstance(shape, str):
                    yield Skipped(shape, row)
                elif system != "Linux":
                    yield Skipped("not Linux", row)
                elif not is_region(region):
                    yield Skipped(NOT_A_REGION, row)
                elif band is None:
                    yield Skipped("an unknown band", row)
                else:
                    low, high = band
                    yield InterruptionBand(
                        provider="aws", instance_type=instance_type, region=region, low=low, high=high
                    )


def _history(document: Document) -> Iterator[Fact]:
    """Offers per zone. Only the newest price of each is one; the region was asked for and is not answered."""
    region = asked_region(document)
    dated: list[tuple[datetime, InstanceShape, dict[str, str]]] = []
    for row in items(document, "DescribeSpotPriceHistory", "spotPriceHistorySet"):
        since = feed_instant(row.get("timestamp"))
        shape = shape_or_reason(row.get("instanceType"), is_accelerated=False)
        zone = row.get("availabilityZone", "")
        if isinstance(shape, str):
            yield Skipped(shape, row)
        elif row.get("productDescription") not in ("Linux/UNIX", "Linux/UNIX (Amazon VPC)"):
            yield Skipped("not Linux", row)
        elif since is None or not is_zone(zone, region):
            yield Skipped("no time, or not a zone of the region", row)
        else:
            dated.append((since, shape, row))
    newest = {_place(entry): entry for entry in sorted(dated, key=lambda entry: entry[0])}
    for entry in dated:
        since, shape, row = entry
        amount = price_or_reason(row.get("spotPrice"), MOST_USD)
        if entry is not newest[_place(entry)]:
            yield Skipped("an older price of the same zone", row)
        elif isinstance(amount, str):
            yield Skipped(amount, row)
        else:
            yield _spot(row, shape, region, amount, zone=row["availabilityZone"], effective_at=since)


def _place(entry: tuple[datetime, InstanceShape, dict[str, str]]) -> tuple[str, str]:
    return entry[1].instance_type, entry[2]["availabilityZone"]


SOURCE = Source(
    name="aws_spot",
    provider="aws",
    homepage="https://aws.amazon.com/ec2/spot/pricing/",
    every=HOURLY,
    shortest=FIVE_MINUTES,
    requests=(
        Request(url="https://website.spot.ec2.aws.a2z.com/spot.json"),
        Request(url="https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json"),
    ),
    parse=parse,
    credentials=CREDENTIALS,
    contract=Contract(min_offers=300, must_have=("t4", "a10g"), usd_per_gpu_hour=between("0.01", "30")),
    covers="spot Linux instances with accelerators per region, with credentials per zone; interruption bands",
    licence="undocumented data behind public AWS pages, and the EC2 API; no stated licence, AWS terms apply",
)
