"""Vultr's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Availability, PurchaseOption
from gpuledger.scrapers import vultr
from tools.captures import read_capture, skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "vultr"
AT = datetime(2026, 10, 7, tzinfo=UTC)


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="vultr", request=Request(url=url), body=content.encode(), fetched_at=AT)


def plan(**fields: Any) -> dict[str, Any]:
    known = {
        "id": "vcg-a100-12c-120g-80vram",
        "vcpu_count": 12,
        "ram": 122880,
        "hourly_cost": 2.397,
        "type": "vcg",
        "gpu_vram_gb": 80,
        "gpu_type": "NVIDIA_A100",
        "locations": ["ewr"],
    }
    return known | fields


def metal(**fields: Any) -> dict[str, Any]:
    known = {
        "id": "vbm-112c-2048gb-8-h100-gpu",
        "ram": 2097152,
        "hourly_cost": 23.92,
        "hourly_cost_preemptible": 18.4,
        "deploy_ondemand": True,
        "deploy_preemptible": True,
        "locations": ["sea"],
    }
    return known | fields


def parse(*rows: dict[str, Any]) -> list[Any]:
    return list(vultr.parse(document({"plans": rows})))


@pytest.mark.parametrize(
    ("label", "memory", "count"),
    [
        ("NVIDIA_A16", 2, "0.125"),
        ("NVIDIA_A16", 16, "1"),
        ("NVIDIA_A100", 20, "0.25"),
        ("NVIDIA_A100", 160, "2"),
        ("NVIDIA_L40S", 96, "2"),
    ],
)
def test_a_plan_has_the_share_of_a_card_that_its_memory_is(label: str, memory: int, count: str):
    (offer,) = parse(plan(id="vcg-x", gpu_type=label, gpu_vram_gb=memory))
    assert offer.gpu_count == Decimal(count)
    assert offer.price.amount == Decimal("2.397")


@pytest.mark.parametrize(
    "fields",
    [{"gpu_vram_gb": 120}, {"gpu_type": "NVIDIA_Z9"}, {"gpu_vram_gb": None}, {"gpu_vram_gb": 20}],
)
def test_a_count_that_cannot_be_told_is_never_guessed(fields: dict[str, Any]):
    assert skipped_by_reason(parse(plan(**fields))) == {"GPU count cannot be told": 1}


def test_bare_metal_counts_its_gpus_in_its_id():
    on_demand, spot = parse(metal())
    assert (on_demand.gpu_label, on_demand.gpu_count) == ("H100", 8)
    assert (spot.purchase_option, spot.price.amount) == (PurchaseOption.SPOT, Decimal("18.4"))


def test_bare_metal_without_a_count_in_its_id_has_one():
    (offer, _) = parse(metal(id="vbm-72c-480gb-gh200-gpu"))
    assert offer.gpu_count == 1


def test_memory_that_contradicts_the_count_in_the_id_leaves_the_row_out():
    facts = parse(metal(gpu_type="NVIDIA_H100", gpu_vram_gb=320))
    assert skipped_by_reason(facts) == {"GPU count cannot be told": 1}


def test_a_preemptible_price_counts_only_where_it_can_be_had():
    assert [offer.purchase_option for offer in parse(metal(deploy_preemptible=False))] == [
        PurchaseOption.ON_DEMAND
    ]


@pytest.mark.parametrize(("price", "offers"), [(18.4, 2), (23.92, 1)])
def test_where_nothing_is_said_a_preemptible_price_must_be_lower(price: float, offers: int):
    row = metal(hourly_cost_preemptible=price)
    del row["deploy_preemptible"]
    assert len(parse(row)) == offers


def test_a_plan_without_locations_is_sold_out_and_keeps_its_price():
    (offer,) = parse(plan(locations=[]))
    assert (offer.region, offer.availability) == ("global", Availability.SOLD_OUT)
    assert offer.price.amount == Decimal("2.397")


def test_metal_that_can_only_be_had_preemptible_is_sold_out_on_demand():
    on_demand, spot = parse(metal(deploy_ondemand=False))
    assert (on_demand.availability, spot.availability) == (Availability.SOLD_OUT, Availability.AVAILABLE)


@pytest.mark.parametrize("monthly", [23.92, 24810.24 * 100, 2.0])
def test_a_month_that_contradicts_the_hour_leaves_the_row_out(monthly: float):
    facts = parse(metal(monthly_cost=monthly))
    assert skipped_by_reason(facts) == {"hourly and monthly price contradict each other": 1}


@pytest.mark.parametrize("price", [0, None, "2.397", "2,397", -1])
def test_a_plan_without_a_price_is_left_out(price: object):
    assert skipped_by_reason(parse(plan(hourly_cost=price))) == {"no price": 1}


def test_the_cursor_leads_to_the_next_page_once():
    first = read_capture("vultr", CAPTURES / "plans.json")
    (request,) = vultr.follow(first)
    assert request.url == "https://api.vultr.com/v2/plans?type=all&per_page=500&cursor=bmV4dF9fMTA="
    again = Document(source="vultr", request=request, body=first.body, fetched_at=AT)
    assert list(vultr.follow(again)) == []


def test_an_answer_of_neither_list_is_an_error():
    with pytest.raises(ParseError, match="neither plans nor plans_metal"):
        list(vultr.parse(document({"error": "rate limit"})))
