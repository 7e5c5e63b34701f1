"""Answers of neoclouds and marketplaces of the wild, read from GPULEDGER_RECORDED. Skipped without it.

What holds for every recorded answer is in `test_recorded.py`; here is what each of these must come to.

Two files have no shape of their provider and are held to a typed error: the OVH one is a price list that a
plug-in's test server made of a web page, without a currency, and SF Compute is no source of ours.
"""

import json
import os
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Fact, MarketSample, Offer, PurchaseOption, StoragePrice
from gpuledger.scrapers.registry import get
from tools.captures import skipped_by_reason

RECORDED = os.environ.get("GPULEDGER_RECORDED")
pytestmark = pytest.mark.skipif(RECORDED is None, reason="GPULEDGER_RECORDED is not set")

FR_PAR_1 = "https://api.scaleway.com/instance/v1/zones/fr-par-1/products/servers?per_page=100&page=1"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    source: str
    path: str
    rows: int
    """What the file lists: rows of its tables or objects of its arrays."""
    offers: int
    skipped: int
    url: str = "https://recorded.example/"
    day: datetime = datetime(2026, 10, 7, tzinfo=UTC)


FILES = [
    Recorded(source="vast", path="vastai/bundles_2026-07-18.json", rows=48, offers=45, skipped=27),
    Recorded(source="nebius", path="nebius/prices_2026-09.html", rows=35, offers=5, skipped=16),
    Recorded(source="crusoe", path="crusoe/cloud_pricing_2026-10.html", rows=16, offers=6, skipped=16),
    Recorded(source="hyperstack", path="hyperstack/gpu_pricing_2026-10.html", rows=30, offers=18, skipped=12),
    Recorded(source="verda", path="verda/instance_types_excerpt.json", rows=4, offers=6, skipped=1),
    Recorded(source="vultr", path="vultr/plans_raw_2026-04-01.json", rows=22, offers=22, skipped=13),
    Recorded(source="digitalocean", path="digitalocean/sizes_excerpt.json", rows=3, offers=2, skipped=1),
    Recorded(
        source="scaleway",
        path="scaleway/products_servers_fr-par-1_2025-11-12.json",
        rows=68,
        offers=5,
        skipped=63,
        url=FR_PAR_1,
    ),
    Recorded(source="linode", path="linode/types.json", rows=37, offers=4, skipped=33),
    Recorded(
        source="prime_intellect",
        path="primeintellect/availability_response.json",
        rows=8,
        offers=8,
        skipped=0,
    ),
]


def parse(recorded: Recorded) -> list[Fact]:
    assert RECORDED is not None
    body = (Path(RECORDED) / recorded.path).read_bytes()
    request = Request(url=recorded.url)
    document = Document(source=recorded.source, request=request, body=body, fetched_at=recorded.day)
    return list(get(recorded.source).parse(document))


def offers(recorded: Recorded) -> list[Offer]:
    return [fact for fact in parse(recorded) if isinstance(fact, Offer)]


by_source = pytest.mark.parametrize("recorded", FILES, ids=lambda recorded: recorded.source)


@by_source
def test_every_row_is_an_offer_another_fact_or_left_out_with_a_reason(recorded: Recorded):
    facts = parse(recorded)
    found = [fact for fact in facts if isinstance(fact, Offer)]
    reasons = skipped_by_reason(facts)
    assert (len(found), sum(reasons.values())) == (recorded.offers, recorded.skipped)
    assert len([fact for fact in facts if not isinstance(fact, MarketSample)]) >= recorded.rows


def amounts(source: str) -> dict[Any, Decimal]:
    (recorded,) = [recorded for recorded in FILES if recorded.source == source]
    return {
        (offer.sku, offer.gpu_count, offer.purchase_option.value): offer.price.amount
        for offer in offers(recorded)
    }


@pytest.mark.parametrize(
    ("source", "sku", "count", "option", "amount"),
    [
        ("nebius", "NVIDIA HGX H100", 1, "on_demand", "4.50"),
        ("crusoe", "NVIDIA A100 80GB PCIe", 1, "on_demand", "2.00"),
        ("hyperstack", "NVIDIA H100 NVLink", 1, "on_demand", "2.60"),
        ("verda", "2A6000.20V", 2, "spot", "0.70"),
        ("vultr", "vbm-112c-2048gb-8-h100-gpu", 8, "on_demand", "23.92"),
        ("vultr", "vbm-64c-2048gb-8-l40-gpu", 8, "spot", "11.92"),
        ("digitalocean", "gpu-h100x8-640gb", 8, "on_demand", "23.92"),
        ("scaleway", "L4-8-24G", 8, "on_demand", "6.0"),
        ("linode", "g1-gpu-rtx6000-4", 4, "on_demand", "6.0"),
        ("prime_intellect", "NVIDIA H100 PCIe", 1, "on_demand", "2.4068"),
    ],
)
def test_a_price_is_read_as_it_was_published(source: str, sku: str, count: int, option: str, amount: str):
    assert amounts(source)[sku, Decimal(count), option] == Decimal(amount)


def test_vast_prices_the_offer_and_describes_the_market_per_gpu():
    (recorded,) = [recorded for recorded in FILES if recorded.source == "vast"]
    facts = parse(recorded)
    eight = amounts("vast")["machine 20897", Decimal(8), "on_demand"]
    assert eight == Decimal("17.60222222222222")
    (sample,) = [
        fact
        for fact in facts
        if isinstance(fact, MarketSample)
        and (fact.gpu_label, fact.gpu_count, fact.region, fact.purchase_option)
        == ("H100 SXM", 1, "global", PurchaseOption.ON_DEMAND)
    ]
    listed = [
        offer.price.amount
        for offer in offers(recorded)
        if (offer.gpu_label, offer.gpu_count, offer.purchase_option)
        == ("H100 SXM", 1, PurchaseOption.ON_DEMAND)
    ]
    assert sample.offers == len(listed)
    assert sample.min_usd_per_gpu_hour == round(min(listed), 6)


def test_nebius_before_october_has_the_standing_prices():
    (recorded,) = [recorded for recorded in FILES if recorded.source == "nebius"]
    before = Recorded(**(vars(recorded) | {"day": datetime(2026, 9, 20, tzinfo=UTC)}))
    assert {offer.sku: offer.price.amount for offer in offers(before)}["NVIDIA HGX H100"] == Decimal("3.85")


def test_nebius_storage_is_kept_per_gb():
    (recorded,) = [recorded for recorded in FILES if recorded.source == "nebius"]
    storage = [fact for fact in parse(recorded) if isinstance(fact, StoragePrice)]
    assert Counter(price.kind for price in storage) == {"file": 2, "object": 4, "block": 3, "local": 1}


def test_a_price_list_without_a_currency_is_no_ovh_catalogue():
    assert RECORDED is not None
    body = (Path(RECORDED) / "ovh" / "prices_catalog.json").read_bytes()
    assert isinstance(json.loads(body), list)
    request = Request(url="https://api.ovh.com/1.0/order/catalog/public/cloud?ovhSubsidiary=FR")
    document = Document(
        source="ovh", request=request, body=body, fetched_at=datetime(2026, 10, 7, tzinfo=UTC)
    )
    with pytest.raises(ParseError, match="answer is list, not an object"):
        list(get("ovh").parse(document))
