"""OVHcloud's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Availability, StoragePrice
from gpuledger.scrapers import ovh
from tools.captures import skipped_by_reason

AT = datetime(2026, 10, 7, tzinfo=UTC)


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="ovh", request=Request(url=url), body=content.encode(), fetched_at=AT)


def addon(**fields: Any) -> dict[str, Any]:
    known = {
        "planCode": "h100-380.consumption",
        "pricings": [{"price": 280000000, "formattedPrice": "2.80 €", "intervalUnit": "none"}],
        "blobs": {"technical": {"gpu": {"model": "H100", "number": 1, "memory": {"size": 80}}}},
    }
    return known | fields


def parse(*addons: dict[str, Any], currency: str = "EUR", subsidiary: str = "FR") -> list[Any]:
    locale = {"currencyCode": currency, "subsidiary": subsidiary}
    return list(ovh.parse(document({"locale": locale, "addons": addons})))


@pytest.mark.parametrize(
    ("code", "price", "shown", "option", "amount", "unit"),
    [
        ("h100-380.consumption", 280000000, "2.80 €", "on_demand", "2.8", "hour"),
        ("h100-380.monthly.postpaid", 194000000000, "1940.00 €", "reserved", "1940", "month"),
        ("ai-training.h100-1-gpu.minute.consumption", 5166667, "0.05 €", "on_demand", "3.1000002", "hour"),
    ],
)
def test_the_plan_code_says_for_how_long_a_price_is(
    code: str, price: int, shown: str, option: str, amount: str, unit: str
):
    (offer,) = parse(addon(planCode=code, pricings=[{"price": price, "formattedPrice": shown}]))
    assert (offer.purchase_option, offer.price.unit) == (option, unit)
    assert (offer.price.amount, offer.price.currency) == (Decimal(amount), "EUR")


def test_a_managed_service_at_a_price_per_minute_is_no_instance():
    facts = parse(addon(planCode="ai-app.l4-1-gpu.minute.consumption"))
    assert skipped_by_reason(facts) == {"neither an instance nor AI Training": 1}


@pytest.mark.parametrize("shown", ["28.00 €", "0.03 €", "2,90 €", "free"])
def test_a_displayed_price_that_contradicts_the_amount_leaves_the_row_out(shown: str):
    facts = parse(addon(pricings=[{"price": 280000000, "formattedPrice": shown}]))
    assert skipped_by_reason(facts) == {"no price, or it contradicts the displayed one": 1}


def test_a_displayed_price_is_rounded_to_cents():
    (offer,) = parse(addon(pricings=[{"price": 155819000, "formattedPrice": "$1.56 USD"}]), currency="USD")
    assert offer.price.amount == Decimal("1.55819")


@pytest.mark.parametrize("pricings", [[], None, [{"price": 1}, {"price": 2}]])
def test_of_several_prices_none_is_chosen(pricings: object):
    assert skipped_by_reason(parse(addon(pricings=pricings))) == {"not exactly one price": 1}


@pytest.mark.parametrize("price", [0, None, "280000000", 2.8, True])
def test_an_amount_is_a_whole_number_of_units(price: object):
    facts = parse(addon(pricings=[{"price": price}]))
    assert skipped_by_reason(facts) == {"no price, or it contradicts the displayed one": 1}


def test_a_windows_flavour_is_the_same_machine_with_a_licence():
    assert skipped_by_reason(parse(addon(planCode="win-h100-380.consumption"))) == {
        "Windows licence included": 1
    }


def test_a_local_zone_is_a_region_of_its_own():
    here, there = parse(addon(), addon(planCode="h100-380.consumption.LZ.AF"))
    assert (here.region, there.region) == ("global", "global LZ.AF")


def test_the_american_book_has_a_region_of_its_own():
    (offer,) = parse(addon(), currency="USD", subsidiary="US")
    assert (offer.region, offer.price.currency) == ("us", "USD")


def test_what_is_announced_cannot_be_had():
    blobs = addon()["blobs"] | {"tags": ["active", "coming_soon"]}
    (offer,) = parse(addon(blobs=blobs))
    assert offer.availability is Availability.SOLD_OUT


@pytest.mark.parametrize(("currency", "subsidiary"), [("PLN", "PL"), ("EUR", "QC"), ("", "FR")])
def test_a_book_of_an_unknown_currency_or_company_is_an_error(currency: str, subsidiary: str):
    with pytest.raises(ParseError, match="a book of"):
        parse(addon(), currency=currency, subsidiary=subsidiary)


@pytest.mark.parametrize(
    ("code", "region"),
    [
        ("volume.classic.consumption", "global"),
        ("volume.high-speed-gen2.consumption", "global"),
        ("volume.classic.consumption.LZ.AF", "global LZ.AF"),
    ],
)
def test_a_block_volume_is_priced_per_gb_and_hour_and_kept_per_month(code: str, region: str):
    (fact,) = parse({"planCode": code, "pricings": [{"price": 5900, "interval": 1}], "blobs": None})
    assert isinstance(fact, StoragePrice)
    assert (fact.kind, fact.sku, fact.region, fact.currency) == ("block", code, region, "EUR")
    assert fact.amount_per_gb_month == Decimal("0.04307")


@pytest.mark.parametrize(
    ("pricings", "reason"),
    [
        ([{"price": 4800000}], "not a price per GB and hour"),
        ([{"price": 0}], "no price, or it contradicts the displayed one"),
        ([{"price": 5900}, {"price": 6000}], "not exactly one price"),
    ],
)
def test_a_volume_without_a_sure_price_is_left_out(pricings: list[dict[str, int]], reason: str):
    facts = parse({"planCode": "volume.classic.consumption", "pricings": pricings})
    assert skipped_by_reason(facts) == {reason: 1}
