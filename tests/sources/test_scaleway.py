"""Scaleway's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.offer import Offer
from gpuledger.scrapers import scaleway
from tools.captures import skipped_by_reason

AT = datetime(2026, 10, 7, tzinfo=UTC)


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="scaleway", request=Request(url=url), body=content.encode(), fetched_at=AT)


URL = "https://api.scaleway.com/instance/v1/zones/nl-ams-1/products/servers?per_page=100&page=1"


def parse(name: str = "H100-SXM-8-80G", **fields: Any) -> list[Any]:
    known: dict[str, Any] = {
        "gpu": 8,
        "gpu_info": {"gpu_name": "H100", "gpu_memory": 85899345920},
        "hourly_price": 23.028,
        "monthly_price": 16810.44,
        "mig_profile": None,
        "end_of_service": False,
    }
    return list(scaleway.parse(document({"servers": {name: known | fields}}, URL)))


def test_amounts_are_euros_per_hour_and_instance():
    (offer,) = parse()
    assert (offer.price.amount, offer.price.currency, offer.price.unit) == (Decimal("23.028"), "EUR", "hour")
    assert (offer.gpu_count, offer.gpu_memory_gib) == (8, 80)


def test_the_zone_is_read_from_the_address():
    (offer,) = parse()
    assert (offer.region, offer.zone) == ("nl-ams", "nl-ams-1")


def test_an_answer_of_unknown_origin_has_an_unknown_zone():
    facts = scaleway.parse(
        document({"servers": {"L4-1-24G": {"gpu": 1, "gpu_info": {"gpu_name": "L4"}, "hourly_price": 0.75}}})
    )
    (offer,) = facts
    assert isinstance(offer, Offer)
    assert offer.zone == "unknown"


@pytest.mark.parametrize(
    ("name", "gpu_name", "gpu_id"),
    [
        ("H100-1-80G", "H100", "h100-pcie-80gb"),
        ("H100-1-80G", "H100-PCIe", "h100-pcie-80gb"),
        ("H100-SXM-2-80G", "H100", "h100-sxm-80gb"),
        ("H100-SXM-2-80G", "H100-SXM", "h100-sxm-80gb"),
        ("L40S-4-48G", "L40S", "l40s-48gb"),
    ],
)
def test_the_plain_h100_is_the_pcie_card(name: str, gpu_name: str, gpu_id: str):
    (offer,) = parse(name, gpu_info={"gpu_name": gpu_name})
    assert seed_aliases().resolve("scaleway", offer.gpu_label, None) == gpu_id


@pytest.mark.parametrize("gpu", [0, None])
def test_a_type_without_a_gpu_is_left_out(gpu: int | None):
    assert skipped_by_reason(parse(gpu=gpu)) == {"no accelerator": 1}


def test_a_slice_of_unknown_size_is_left_out():
    assert skipped_by_reason(parse(mig_profile="1g.10gb")) == {"a slice of unknown size": 1}


def test_a_type_at_the_end_of_its_service_is_left_out():
    assert skipped_by_reason(parse(end_of_service=True)) == {"no longer sold": 1}


def test_a_month_in_place_of_the_hour_leaves_the_row_out():
    facts = parse(hourly_price=8176.0, monthly_price=11.2)
    assert skipped_by_reason(facts) == {"hourly and monthly price contradict each other": 1}


def test_pages_are_asked_for_while_they_are_full():
    full = {"servers": {f"DEV1-{number}": {"gpu": 0} for number in range(100)}}
    (request,) = scaleway.follow(document(full, URL))
    assert request.url == URL.replace("page=1", "page=2").replace("per_page=200", "per_page=100")
    assert request.context == {"zone": "nl-ams-1"}
    assert list(scaleway.follow(document({"servers": {}}, URL))) == []
