"""Scaleway's catalogue: which products are prices of keeping or sending a GB."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Skipped, StoragePrice, TransferPrice
from gpuledger.scrapers.scaleway_storage import SOURCE, follow, parse

VOLUME = {
    "sku": "/storage/block/sbs_5k/fr-par-1",
    "locality": {"zone": "fr-par-1"},
    "price": {"retail_price": {"currency_code": "EUR", "units": 0, "nanos": 118000}},
    "unit_of_measure": {"unit": "gigabyte", "size": 1},
    "properties": {"block_storage": {"min_volume_size": 1000000000}},
    "status": "general_availability",
}
EGRESS = {"properties": {"object_storage": {"internet_traffic": {"traffic_type": "egress"}}}}


def document(body: Any, url: str = SOURCE.requests[0].url) -> Document:
    return Document(
        source=SOURCE.name,
        request=Request(url=url),
        body=json.dumps(body).encode(),
        fetched_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


def only(**change: Any) -> Any:
    (fact,) = parse(document({"products": [{**VOLUME, **change}], "total_count": 1}))
    return fact


def costs(nanos: Any, units: Any = 0, currency: str = "EUR") -> dict[str, Any]:
    return {"price": {"retail_price": {"currency_code": currency, "units": units, "nanos": nanos}}}


def test_kept_data_is_billed_per_gb_and_hour():
    fact = only()
    assert isinstance(fact, StoragePrice)
    assert (fact.kind, fact.region, fact.currency) == ("block", "fr-par", "EUR")
    assert fact.amount_per_gb_month == Decimal("0.08614")


@pytest.mark.parametrize(("named", "kind"), [("standard", "object"), ("glacier", "archive")])
def test_a_storage_class_says_what_kind_of_storage_it_is(named: str, kind: str):
    fact = only(
        properties={"object_storage": {"class": {"storage_class": named}}}, locality={"region": "nl-ams"}
    )
    assert (fact.kind, fact.region) == (kind, "nl-ams")


def test_egress_is_billed_per_gb():
    fact = only(**EGRESS, **costs(10000000))
    assert isinstance(fact, TransferPrice)
    assert (fact.direction, fact.amount_per_gb) == ("egress", Decimal("0.01"))


def test_the_unit_may_stand_beside_the_price():
    within_price = {**costs(118000)["price"], "unit_of_measure": VOLUME["unit_of_measure"]}
    assert isinstance(only(price=within_price, unit_of_measure=None), StoragePrice)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (costs(86000000), "the price is out of bounds"),
        (costs(0), "no price"),
        (costs(None), "no price"),
        (costs(118000, units=None), "no price"),
        (costs(118000, currency="USD"), "no price"),
        ({"unit_of_measure": {"unit": "iops_gigabyte", "size": 1}}, "not per gigabyte"),
        ({"unit_of_measure": {"unit": "gigabyte", "size": 1000}}, "not per gigabyte"),
        ({"sku": "/storage/block/sbs_snapshot/fr-par-1"}, "a snapshot"),
        ({"locality": None}, "no sku or locality"),
        ({"status": "end_of_sale"}, "no longer sold"),
        (
            {"properties": {"object_storage": {"restore": {"restore_type": "standard"}}}},
            "another product",
        ),
        ({"properties": {"object_storage": {"class": {"storage_class": "onezone_ia"}}}}, "another product"),
        ({"properties": None}, "another product"),
    ],
)
def test_a_product_without_a_price_per_gb_is_left_out(change: dict[str, Any], reason: str):
    fact = only(**change)
    assert isinstance(fact, Skipped)
    assert fact.reason == reason


def test_pages_follow_until_all_products_are_there():
    full = {"products": [VOLUME] * 100, "total_count": 130}
    (second,) = follow(document(full))
    assert second.url.endswith("&page=2&product_types=block_storage")
    assert list(follow(document({"products": [VOLUME] * 30, "total_count": 130}, url=second.url))) == []


def test_an_answer_without_products_is_refused():
    with pytest.raises(ParseError, match="products"):
        list(parse(document({"message": "rate limited"})))
