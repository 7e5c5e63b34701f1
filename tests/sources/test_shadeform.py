"""Shadeform's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.offer import Availability
from gpuledger.scrapers import shadeform
from tools.captures import skipped_by_reason

AT = datetime(2026, 10, 7, tzinfo=UTC)


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="shadeform", request=Request(url=url), body=content.encode(), fetched_at=AT)


def machine(configuration: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    known = {
        "cloud": "hyperstack",
        "shade_instance_type": "H100_sxm5x8",
        "cloud_instance_type": "n3-H100-SXM5x8",
        "hourly_price": 2560,
        "deployment_type": "vm",
        "configuration": {
            "gpu_type": "H100_sxm5",
            "num_gpus": 8,
            "vram_per_gpu_in_gb": 80,
            "interconnect": "sxm5",
        },
        "availability": [{"region": "canada-1", "available": True}],
    }
    known["configuration"] |= configuration or {}
    return known | fields


def parse(*machines: dict[str, Any]) -> list[Any]:
    return list(shadeform.parse(document({"instance_types": machines})))


def test_prices_are_whole_cents():
    (offer,) = parse(machine())
    assert (offer.price.amount, offer.gpu_count) == (Decimal("25.60"), 8)


@pytest.mark.parametrize("price", [25.6, "2560", 0, None, -1, True])
def test_what_is_no_whole_number_of_cents_is_no_price(price: object):
    assert skipped_by_reason(parse(machine(hourly_price=price))) == {"not a price in whole cents": 1}


@pytest.mark.parametrize(
    ("cloud", "provider"),
    [
        ("hyperstack", "hyperstack"),
        ("lambdalabs", "lambda"),
        ("datacrunch", "verda"),
        ("Massed Compute", "massedcompute"),
    ],
)
def test_the_provider_is_the_cloud_that_runs_the_machine(cloud: str, provider: str):
    (offer,) = parse(machine(cloud=cloud))
    assert (offer.provider, offer.via) == (provider, "shadeform")


def test_each_region_is_an_offer_with_its_stock():
    regions = [{"region": "canada-1", "available": True}, {"region": "norway-1", "available": False}]
    assert [(offer.region, offer.availability) for offer in parse(machine(availability=regions))] == [
        ("canada-1", Availability.AVAILABLE),
        ("norway-1", Availability.SOLD_OUT),
    ]


@pytest.mark.parametrize(
    ("gpu_type", "interconnect", "gpu_id"),
    [
        ("H100_sxm5", "sxm5", "h100-sxm-80gb"),
        ("H100", "pcie", "h100-pcie-80gb"),
        ("A100_80G", "sxm4", "a100-sxm-80gb"),
        ("L40S", "pcie", "l40s-48gb"),
    ],
)
def test_the_form_factor_is_in_the_name_or_beside_it(gpu_type: str, interconnect: str, gpu_id: str):
    (offer,) = parse(machine({"gpu_type": gpu_type, "interconnect": interconnect}))
    assert seed_aliases().resolve(offer.provider, offer.gpu_label, None) == gpu_id


def test_a_count_that_the_name_contradicts_leaves_the_row_out():
    assert skipped_by_reason(parse(machine({"num_gpus": 1}))) == {"the GPU counts contradict each other": 1}


def test_a_cpu_machine_is_left_out():
    assert skipped_by_reason(parse(machine({"gpu_type": "CPU", "num_gpus": 0}))) == {"no accelerator": 1}


def test_bare_metal_is_a_product_of_its_own():
    virtual, metal = parse(machine(), machine(deployment_type="baremetal", hourly_price=2300))
    assert virtual.offer_id != metal.offer_id


def test_without_its_key_there_is_nothing_to_ask():
    assert all(request.credential == shadeform.KEY for request in shadeform.SOURCE.requests)
    assert not shadeform.SOURCE.fallback
