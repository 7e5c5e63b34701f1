"""DigitalOcean's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Availability, Offer, PurchaseOption, Skipped
from gpuledger.scrapers import digitalocean
from tools.captures import read_capture, skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "digitalocean"
AT = datetime(2026, 10, 7, tzinfo=UTC)


def captured(name: str) -> list[Offer]:
    return [
        fact
        for fact in digitalocean.parse(read_capture("digitalocean", CAPTURES / name))
        if isinstance(fact, Offer)
    ]


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="digitalocean", request=Request(url=url), body=content.encode(), fetched_at=AT)


def size(**fields: Any) -> dict[str, Any]:
    known = {
        "slug": "gpu-h100x8-640gb",
        "price_hourly": 23.92,
        "price_monthly": 17796.48,
        "regions": ["nyc1"],
        "available": True,
        "gpu_info": {"count": 8, "model": "nvidia_h100", "vram": {"amount": 640, "unit": "gib"}},
    }
    return known | fields


def parse(*sizes: dict[str, Any]) -> list[Any]:
    return list(digitalocean.parse(document({"sizes": sizes})))


def test_the_memory_of_a_size_is_that_of_all_its_gpus():
    (offer,) = parse(size())
    assert (offer.gpu_memory_gib, offer.gpu_count, offer.price.amount) == (80, 8, Decimal("23.92"))


def test_a_size_has_one_offer_per_region():
    assert [offer.region for offer in parse(size(regions=["nyc1", "tor1"]))] == ["nyc1", "tor1"]


@pytest.mark.parametrize("state", [{"regions": []}, {"available": False}, {"regions": None}])
def test_a_size_that_is_not_for_sale_is_sold_out_and_keeps_its_price(state: dict[str, Any]):
    (offer,) = parse(size(**state))
    assert (offer.availability, offer.price.amount) == (Availability.SOLD_OUT, Decimal("23.92"))


def test_the_page_prices_one_gpu_of_an_hgx_droplet_of_eight():
    offers = {(offer.sku, offer.purchase_option): offer for offer in captured("gpu-droplets.html")}
    offer = offers["NVIDIA HGX H200", PurchaseOption.ON_DEMAND]
    assert (offer.price.amount, offer.price.unit, offer.gpu_count) == (Decimal("3.40"), "gpu_hour", 8)
    assert offers["NVIDIA HGX H200", PurchaseOption.SPOT].price.amount == Decimal("2.10")
    assert offers["NVIDIA HGX H200", PurchaseOption.RESERVED].term_months == 12


def test_a_row_of_the_page_without_a_price_is_left_out_with_a_reason():
    facts = list(digitalocean.parse(read_capture("digitalocean", CAPTURES / "gpu-droplets.html")))
    assert [fact.row for fact in facts if isinstance(fact, Skipped)] == [
        "NVIDIA HGX B300",
        "AMD Instinct MI325X $3,80 /GPU/hour",
    ]


def test_a_slug_that_contradicts_the_count_leaves_the_row_out():
    info = {"count": 1, "model": "nvidia_h100", "vram": {"amount": 640}}
    assert skipped_by_reason(parse(size(gpu_info=info))) == {"the GPU counts contradict each other": 1}


def test_a_month_in_place_of_the_hour_leaves_the_row_out():
    facts = parse(size(price_hourly=17796.48 / 3, price_monthly=23.92))
    assert skipped_by_reason(facts) == {"hourly and monthly price contradict each other": 1}


def test_the_token_goes_to_the_api_only():
    (request,) = digitalocean.follow(read_capture("digitalocean", CAPTURES / "sizes.json"))
    assert request.credential == digitalocean.TOKEN
    elsewhere = {"sizes": [], "links": {"pages": {"next": "https://evil.example/v2/sizes?page=2"}}}
    assert list(digitalocean.follow(document(elsewhere))) == []
    assert list(digitalocean.follow(read_capture("digitalocean", CAPTURES / "gpu-droplets.html"))) == []


def test_a_page_without_prices_is_an_error():
    with pytest.raises(ParseError, match="without a price per GPU"):
        list(digitalocean.parse(document("<html><body>Just a moment</body></html>")))
