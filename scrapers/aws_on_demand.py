"""AWS: on-demand prices of EC2 accelerator types, and of storage and internet egress beside them.

Read from the maps that the price pages load: one per region, keyless, undocumented, published about once a
day; the region list says which there are. Prices are US dollars per *instance*-hour, Linux, shared tenancy
(answer of 2026-10-06; reference list of 2026-09). An entry whose vCPUs differ from the seed's is left out:
either is wrong.

One shape serves all maps: `regions`, then the place's name, then charges whose keys are sentences. Known
sentences of the EBS, S3 and data transfer maps become storage and transfer prices; keys and tiers as seen in
2026. The first 100 GB a month to the internet are free over all regions (AWS, 2026), so the first paid tier
begins there. The price page's feed before the maps (`linux-od`, until about 2016) is read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped, StoragePrice, TransferPrice
from gpuledger.core.provider import region_code
from gpuledger.scrapers.ec2 import (
    FAMILIES,
    MOST_USD,
    NOT_A_REGION,
    feed_rows,
    is_region,
    shape_or_reason,
    sold,
)
from gpuledger.scrapers.read_json import array, charged, each_once, fields, leaf, mapping, price_or_reason
from gpuledger.scrapers.source import DAILY, Source

MAPS = "https://b0.p.awsstatic.com/pricing/2.0/meteredUnitMaps"
PLACE = ("name", "code", "type")
ON_DEMAND = MAPS + "/ec2/USD/current/ec2-ondemand-without-sec-sel/{location}/Linux/index.json"

STORAGE = {
    "Storage General Purpose gp3 GB Mo": ("gp3", "block", 0),
    "Storage General Purpose gp2 GB Mo": ("gp2", "block", 0),
    "Storage Provisioned IOPS io2 GB Mo": ("io2", "block", 0),
    "Storage Throughput Optimized HDD st1 GB Mo": ("st1", "block", 0),
    "Storage Cold HDD sc1 GB Mo": ("sc1", "block", 0),
    "Standard Storage First 50 TB per GB Mo": ("s3-standard", "object", 0),
    "Standard Storage Next 450 TB per GB Mo": ("s3-standard", "object", 50 * 1024),
    "Standard Storage Over 500 TB per GB Mo": ("s3-standard", "object", 500 * 1024),
}
"""Charge: sku, kind, lower bound of the tier in GB."""

TRANSFER = {
    "DataTransfer External Inbound": ("ingress", 0),
    "DataTransfer External Outbound Next 10 TB": ("egress", 100),
    "DataTransfer External Outbound Next 40 TB": ("egress", 10 * 1024),
    "DataTransfer External Outbound Next 100 TB": ("egress", 50 * 1024),
    "DataTransfer External Outbound Greater than 150 TB": ("egress", 150 * 1024),
}
"""Charge: direction, lower bound of the monthly tier in GB."""

CURRENCY = re.compile(r"[A-Z]{3}")
DISKS = re.compile(r"(\d{1,3}) x (\d{1,6})(?: GB)?(?: NVMe)? SSD")


def parse(document: Document) -> Iterator[Fact]:
    """Facts of one map; the region list has none and is read by `follow`.

    Raises:
        ParseError: neither a map nor the region list.
    """
    answer = mapping(document.json(), document, "answer")
    if "regions" in answer:
        return each_once(_map(answer, document), document)
    if "config" in answer:
        return each_once(_old_feed(mapping(answer["config"], document, "config"), document), document)
    places = _places(answer, document)
    return (Skipped(NOT_A_REGION, place) for place in places if not _is_region(place))


def follow(document: Document) -> Iterator[Request]:
    """The map of every region on the region list."""
    answer = mapping(document.json(), document, "answer")
    for place in () if "regions" in answer or "config" in answer else _places(answer, document):
        if _is_region(place):
            url = ON_DEMAND.format(location=quote(place["name"]))
            context = {"region": place["code"], "location": place["name"]}
            yield Request(url=url, may_be_missing=True, context=context)


def _places(answer: Mapping[str, Any], document: Document) -> list[dict[str, str]]:
    places = [fields(place) for place in answer.values()]
    if not places or not all(isinstance(place.get(k), str) for place in places for k in PLACE):
        raise document.error("neither `regions` nor a list of places with name, code and type")
    return places


def _is_region(place: Mapping[str, str]) -> bool:
    return place["type"] == "AWS Region" and is_region(place["code"])


def _map(answer: Mapping[str, Any], document: Document) -> Iterator[Fact]:
    currency = fields(answer.get("manifest")).get("currencyCode", "USD")
    if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
        raise document.error(f"the manifest's currency is {currency!r}")
    regions = mapping(answer["regions"], document, "regions")
    for location, entries in regions.items():
        region = region_code("aws", location)
        if region is None and len(regions) == 1:
            region = document.context.get("region")
        for name, entry in mapping(entries, document, f"regions[{location!r}]").items():
            row = {**fields(entry), "location": location, "charge": name}
            if region is None:
                yield Skipped("a place without a region code", row)
            elif "Instance Type" in row:
                yield _offer(row, region, currency)
            else:
                yield _charge(row, region, currency)


def _old_feed(config: Mapping[str, Any], document: Document) -> Iterator[Fact]:
    """The price page's feed until about 2016; the spot feed still looks like it, but has no sizes in it."""
    if config.get("rate") != "perhr" or "vCPU" not in array(config.get("valueColumns")):
        raise document.error("`config` is not that of an hourly feed with vCPUs")
    for column in feed_rows(config, document):
        row = {
            "Instance Type": column["size"],
            "vCPU": column["vCPU"],
            "Operating System": "Linux" if column.get("name") == "linux" else column.get("name"),
            "price": leaf(column, "prices", "USD"),
        }
        is_named = is_region(column["region"])
        yield _offer(row, column["region"], "USD") if is_named else Skipped("not a region", row)


def _offer(row: Mapping[str, Any], region: str, currency: str) -> Fact:
    filed = row.get("Instance Family") in FAMILIES or row.get("plc:InstanceFamily") == "Accelerated Computing"
    shape = shape_or_reason(str(row["Instance Type"]), is_accelerated=filed)
    amount = price_or_reason(row.get("price"), MOST_USD)
    if isinstance(shape, str):
        return Skipped(shape, row)
    if row.get("Operating System") != "Linux":
        return Skipped("not Linux", row)
    if row.get("Pre Installed S/W", "NA") not in ("NA", ""):
        return Skipped("with licensed software", row)
    if shape.vcpus is None or row.get("vCPU") != format(shape.vcpus, "f"):
        return Skipped("vCPUs differ from the seed", row)
    if isinstance(amount, str):
        return Skipped(amount, row)
    disks = DISKS.fullmatch(str(row.get("Storage")))
    return sold(
        row,
        shape,
        region,
        PurchaseOption.ON_DEMAND,
        Price(amount=amount, currency=currency, unit=Unit.HOUR),
        local_storage_gb=Decimal(disks[1]) * Decimal(disks[2]) if disks else None,
        network=row.get("Network Performance"),
        billing_increment_seconds=1,
        minimum_billing_seconds=60,
    )


def _charge(row: Mapping[str, Any], region: str, currency: str) -> Fact:
    storage, transfer = STORAGE.get(row["charge"]), TRANSFER.get(row["charge"])
    amount = price_or_reason(row.get("price"), MOST_USD, zero_is_a_price=transfer is not None)
    where = {"provider": "aws", "region": region, "currency": currency}
    if storage is None and transfer is None:
        return Skipped("another charge", row)
    if isinstance(amount, str):
        return Skipped(amount, row)
    if storage:
        sku, kind, from_gb = storage
        return charged(
            row, StoragePrice, **where, sku=sku, kind=kind, from_gb=from_gb, amount_per_gb_month=amount
        )
    direction, from_gb = transfer or ("egress", 0)
    terms = {"sku": f"internet-{direction}", "direction": direction, "from_gb": from_gb}
    return charged(row, TransferPrice, **where, **terms, amount_per_gb=amount)


SOURCE = Source(
    name="aws_on_demand",
    provider="aws",
    homepage="https://aws.amazon.com/ec2/pricing/on-demand/",
    every=DAILY,
    requests=(
        Request(url="https://b0.p.awsstatic.com/locations/1.0/aws/current/locations.json"),
        Request(url=f"{MAPS}/ec2/USD/current/ebs.json", may_be_missing=True),
        Request(url=f"{MAPS}/s3/USD/current/s3-standard.json", may_be_missing=True),
        Request(url=f"{MAPS}/datatransfer/USD/current/datatransfer.json", may_be_missing=True),
    ),
    parse=parse,
    follow=follow,
    contract=Contract(
        min_offers=300, must_have=("h100", "a100", "t4"), usd_per_gpu_hour=between("0.1", "40")
    ),
    covers="on-demand Linux instances with accelerators in all commercial regions; EBS, S3 and egress prices",
    licence="undocumented data behind the public price page; no stated licence, AWS site terms apply",
    seconds_between_requests=0.2,
)
