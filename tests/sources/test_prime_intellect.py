"""Prime Intellect's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.contract import check_contract
from gpuledger.core.document import Document, Request
from gpuledger.core.offer import Availability, Offer, PurchaseOption
from gpuledger.scrapers import prime_intellect
from tools.captures import read_capture, skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "prime_intellect"
AT = datetime(2026, 10, 7, tzinfo=UTC)


def captured(name: str) -> list[Offer]:
    return [
        fact
        for fact in prime_intellect.parse(read_capture("prime_intellect", CAPTURES / name))
        if isinstance(fact, Offer)
    ]


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="prime_intellect", request=Request(url=url), body=content.encode(), fetched_at=AT)


def box(**fields: Any) -> dict[str, Any]:
    known = {
        "cloudId": "8x_h100",
        "gpuType": "H100_80GB",
        "socket": "SXM5",
        "provider": "hyperstack",
        "dataCenter": "CANADA-1",
        "country": "CA",
        "region": "canada",
        "gpuCount": 8,
        "gpuMemory": 640,
        "stockStatus": "Low",
        "security": "secure_cloud",
        "prices": {"onDemand": 25.6, "communityPrice": None, "currency": "USD"},
        "isSpot": None,
    }
    return known | fields


def parse(*boxes: dict[str, Any]) -> list[Any]:
    return list(prime_intellect.parse(document({"items": boxes, "totalCount": len(boxes)})))


def test_price_and_memory_are_those_of_the_box():
    (offer,) = parse(box())
    assert (offer.price.amount, offer.gpu_count, offer.gpu_memory_gib) == (Decimal("25.6"), 8, 80)
    assert (offer.provider, offer.via, offer.tier) == ("hyperstack", "prime_intellect", "secure")


def test_the_disk_that_comes_by_default_is_in_the_price():
    offer = captured("gpus.json")[0]
    assert offer.price.amount == Decimal("2.69") + 120 * Decimal("0.00014")


def test_a_community_price_stands_in_for_a_missing_one():
    prices = {"onDemand": None, "communityPrice": 0.3568, "currency": "USD"}
    (offer,) = parse(box(prices=prices, security="community_cloud"))
    assert (offer.price.amount, offer.tier) == (Decimal("0.3568"), "community")


def test_spot_is_a_flag_of_the_item():
    assert [offer.purchase_option for offer in parse(box(isSpot=True))] == [PurchaseOption.SPOT]


@pytest.mark.parametrize(
    ("status", "availability"),
    [
        ("Available", Availability.AVAILABLE),
        ("High", Availability.AVAILABLE),
        ("Low", Availability.LIMITED),
        ("Unavailable", Availability.SOLD_OUT),
        (None, Availability.UNKNOWN),
    ],
)
def test_stock_is_told_apart_from_the_price(status: str | None, availability: Availability):
    (offer,) = parse(box(stockStatus=status))
    assert offer.availability is availability


def test_memory_that_contradicts_the_count_leaves_the_row_out():
    assert skipped_by_reason(parse(box(gpuCount=1))) == {"GPU count and memory contradict each other": 1}


def test_another_currency_is_left_out():
    facts = parse(box(prices={"onDemand": 25.6, "currency": "EUR"}))
    assert skipped_by_reason(facts) == {"an unknown currency": 1}


def test_an_empty_answer_breaks_the_contract():
    facts = list(prime_intellect.parse(read_capture("prime_intellect", CAPTURES / "empty.json")))
    report = check_contract([], prime_intellect.SOURCE.contract, bands={})
    assert facts == []
    assert "0 offers, at least 5 expected" in report.breaches


def test_pages_are_walked_until_the_total_is_reached():
    first = read_capture("prime_intellect", CAPTURES / "gpus.json")
    (request,) = prime_intellect.follow(first)
    assert request.url.endswith("?page=2&page_size=100")
    assert request.credential == prime_intellect.KEY
    second = Document(source="prime_intellect", request=request, body=first.body, fetched_at=AT)
    assert list(prime_intellect.follow(second)) == []
