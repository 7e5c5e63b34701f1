"""Verda's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.offer import PurchaseOption
from gpuledger.scrapers import verda
from tools.captures import skipped_by_reason

AT = datetime(2026, 10, 7, tzinfo=UTC)


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="verda", request=Request(url=url), body=content.encode(), fetched_at=AT)


def instance(**fields: Any) -> dict[str, Any]:
    known = {
        "instance_type": "8H100.80S.240V",
        "price_per_hour": "31.60",
        "spot_price": "13.60",
        "currency": "usd",
        "gpu": {"description": "8x H100 SXM5 80GB", "number_of_gpus": 8},
        "gpu_memory": {"size_in_gigabytes": 640},
    }
    return known | fields


def parse(**fields: Any) -> list[Any]:
    return list(verda.parse(document([instance(**fields)])))


def test_the_price_is_that_of_the_instance_and_the_memory_its_total():
    on_demand, spot = parse()
    assert (on_demand.price.amount, on_demand.gpu_count, on_demand.gpu_memory_gib) == (
        Decimal("31.60"),
        8,
        80,
    )
    assert (spot.purchase_option, spot.price.amount) == (PurchaseOption.SPOT, Decimal("13.60"))


def test_memory_that_is_not_the_total_gives_way_to_the_description():
    (offer, *_) = parse(
        instance_type="4V100.20V",
        gpu={"description": "4x Tesla V100 16GB", "number_of_gpus": 4},
        gpu_memory={"size_in_gigabytes": 16},
    )
    assert offer.gpu_memory_gib == 16


def test_a_dynamic_price_is_not_read():
    assert [offer.price.amount for offer in parse(dynamic_price="9.99", max_dynamic_price="12.00")] == [
        Decimal("31.60"),
        Decimal("13.60"),
    ]


@pytest.mark.parametrize("price", ["31,60", "$31.60", "31.60 usd", "", None, "0", 0, "1e3"])
def test_what_is_no_plain_decimal_is_no_price(price: object):
    assert skipped_by_reason(parse(price_per_hour=price, spot_price=None)) == {"no price": 1}


@pytest.mark.parametrize("spot", [None, "0", "0.00", 0])
def test_a_spot_price_of_nothing_is_absent(spot: object):
    assert [offer.purchase_option for offer in parse(spot_price=spot)] == [PurchaseOption.ON_DEMAND]


def test_a_count_that_the_description_contradicts_leaves_the_row_out():
    facts = parse(gpu={"description": "8x H100 SXM5 80GB", "number_of_gpus": 1})
    assert skipped_by_reason(facts) == {"the GPU counts contradict each other": 1}


def test_a_cpu_instance_is_left_out():
    assert skipped_by_reason(parse(gpu={"description": "", "number_of_gpus": 0})) == {"no accelerator": 1}


def test_euros_stay_euros():
    assert {offer.price.currency for offer in parse(currency="eur")} == {"EUR"}
    assert skipped_by_reason(parse(currency="ils")) == {"an unknown currency": 1}
