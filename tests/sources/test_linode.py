"""Linode's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.offer import StoragePrice, TransferPrice
from gpuledger.scrapers import linode
from tools.captures import read_capture, skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "linode"
AT = datetime(2026, 10, 7, tzinfo=UTC)


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="linode", request=Request(url=url), body=content.encode(), fetched_at=AT)


def kind(**fields: Any) -> dict[str, Any]:
    known = {
        "id": "g1-gpu-rtx6000-4",
        "label": "Dedicated 128GB + RTX6000 GPU x4",
        "price": {"hourly": 6.0, "monthly": 4000.0},
        "region_prices": [],
        "gpus": 4,
        "class": "gpu",
    }
    return known | fields


def parse(*kinds: dict[str, Any]) -> list[Any]:
    return list(linode.parse(document({"data": kinds})))


@pytest.mark.parametrize(
    ("label", "count", "gpu_label"),
    [
        ("Dedicated 128GB + RTX6000 GPU x4", 4, "RTX6000"),
        ("RTX4000 Ada x1 Small", 1, "RTX4000 Ada"),
        ("RTX4000 Ada x2 Medium", 2, "RTX4000 Ada"),
    ],
)
def test_the_gpu_stands_in_the_label(label: str, count: int, gpu_label: str):
    (offer,) = parse(kind(label=label, gpus=count))
    assert (offer.gpu_label, offer.gpu_count) == (gpu_label, count)


def test_the_rtx6000_is_the_quadro_of_24_gb():
    assert seed_aliases().resolve("linode", "RTX6000", None) == "rtx-6000-24gb"


@pytest.mark.parametrize("change", [{"gpus": 8}, {"label": "Something else"}, {"label": None}])
def test_a_label_that_contradicts_the_count_leaves_the_row_out(change: dict[str, Any]):
    assert skipped_by_reason(parse(kind(**change))) == {"label and GPU count contradict each other": 1}


def test_a_region_price_overrides_the_base_price():
    base, regional = parse(kind(region_prices=[{"id": "id-cgk", "hourly": 7.2, "monthly": 4800.0}]))
    assert (base.region, base.price.amount) == ("global", Decimal("6.0"))
    assert (regional.region, regional.price.amount) == ("id-cgk", Decimal("7.2"))


def test_a_video_card_is_no_gpu():
    assert skipped_by_reason(parse(kind(label="NETINT VPU x1", gpus=0))) == {"no accelerator": 1}


def test_transfer_is_priced_per_gb_in_the_hourly_field():
    facts = list(linode.parse(read_capture("linode", CAPTURES / "network-transfer.json")))
    prices = {
        (fact.sku, fact.region): fact.amount_per_gb for fact in facts if isinstance(fact, TransferPrice)
    }
    assert prices["network_transfer", "global"] == Decimal("0.005")
    assert prices["network_transfer", "id-cgk"] == Decimal("0.015")


def test_a_volume_is_priced_per_gb_in_the_monthly_field():
    volume = {"id": "volume", "price": {"hourly": 0.00015, "monthly": 0.1}, "region_prices": []}
    (fact,) = parse(volume)
    assert isinstance(fact, StoragePrice)
    assert fact.amount_per_gb_month == Decimal("0.1")
    swapped = volume | {"price": {"hourly": 0.1, "monthly": 0.00015}}
    assert skipped_by_reason(parse(swapped)) == {"hourly and monthly price contradict each other": 1}


def test_pages_are_followed_to_the_last():
    first = document(
        {"data": [], "page": 1, "pages": 3}, "https://api.linode.com/v4/linode/types?page_size=500"
    )
    (request,) = linode.follow(first)
    assert request.url == "https://api.linode.com/v4/linode/types?page_size=500&page=2"
    assert list(linode.follow(document({"data": [], "page": 3, "pages": 3}))) == []
