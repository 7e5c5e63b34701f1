"""Hyperstack's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Offer, PurchaseOption
from gpuledger.scrapers import hyperstack
from tools.captures import read_capture, skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "hyperstack"
AT = datetime(2026, 10, 7, tzinfo=UTC)


def captured(name: str) -> list[Offer]:
    return [
        fact
        for fact in hyperstack.parse(read_capture("hyperstack", CAPTURES / name))
        if isinstance(fact, Offer)
    ]


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="hyperstack", request=Request(url=url), body=content.encode(), fetched_at=AT)


PAGE = (CAPTURES / "gpu-pricing.html").read_text()


def parse(body: str) -> list[Any]:
    return list(hyperstack.parse(document(body)))


@pytest.mark.parametrize("label", ["NVIDIA H100", "NVIDIA H100 NVLink", "NVIDIA H100 PCIe"])
def test_an_h100_without_sxm_in_its_name_is_the_pcie_card(label: str):
    assert seed_aliases().resolve("hyperstack", label, Decimal(80)) == "h100-pcie-80gb"


def test_an_a100_of_known_memory_is_the_pcie_card_as_well():
    assert seed_aliases().resolve("hyperstack", "NVIDIA A100", Decimal(80)) == "a100-pcie-80gb"
    assert seed_aliases().resolve("hyperstack", "NVIDIA A100 SXM", Decimal(80)) == "a100-sxm-80gb"


def test_a_reservation_has_a_starting_price_only():
    assert skipped_by_reason(parse(PAGE))["starting price only"] == 2
    assert {offer.purchase_option for offer in captured("gpu-pricing.html")} == {
        PurchaseOption.ON_DEMAND,
        PurchaseOption.SPOT,
    }


def test_columns_are_found_by_their_header():
    swapped = (
        PAGE.replace("VRAM (GB)", "?")
        .replace("Max RAM (GB) per GPU", "VRAM (GB)")
        .replace("?", "Max RAM (GB) per GPU")
    )
    offer = next(fact for fact in parse(swapped) if isinstance(fact, Offer))
    assert (offer.gpu_memory_gib, offer.memory_gib, offer.price.amount) == (225, 141, Decimal("3.99"))


@pytest.mark.parametrize("cell", ["Contact us", "€3.99", "$3,99", "from $3.99", "$0.00", ""])
def test_what_is_no_dollar_amount_is_no_price(cell: str):
    facts = parse(PAGE.replace("$3.99", cell))
    assert not [fact for fact in facts if isinstance(fact, Offer) and fact.sku == "NVIDIA H200 SXM"]
    assert skipped_by_reason(facts)["no published price"] == 3


def test_a_page_without_a_known_price_column_is_an_error():
    with pytest.raises(ParseError, match="none with a column"):
        parse(PAGE.replace("Pricing Per Hour", "Tarif").replace("Spot VM</span></div>", "Tarif</span></div>"))


H100 = {"id": 14, "name": "H100-80G-SXM5", "value": 3.2, "original_value": 3.2, "discount_applied": False}


def booked(**change: Any) -> Any:
    (fact,) = hyperstack.parse(document([{**H100, "start_time": None, "end_time": None, **change}]))
    return fact


def test_the_pricebook_continues_the_offers_of_the_page():
    on_page = {(offer.sku, offer.purchase_option): offer.offer_id for offer in captured("gpu-pricing.html")}
    in_book = {(offer.sku, offer.purchase_option): offer.offer_id for offer in captured("pricebook.json")}
    shared = on_page.keys() & in_book.keys()
    assert ("NVIDIA H100", PurchaseOption.ON_DEMAND) in shared
    assert ("NVIDIA H100 PCIe", PurchaseOption.SPOT) in shared
    assert all(on_page[key] == in_book[key] for key in shared)


def test_page_and_pricebook_together_have_each_offer_once():
    documents = [
        read_capture("hyperstack", CAPTURES / name) for name in ("gpu-pricing.html", "pricebook.json")
    ]
    facts = [fact for _, fact in hyperstack.parse_batch(documents)]
    ids = [fact.offer_id for fact in facts if isinstance(fact, Offer)]
    assert len(ids) == len(set(ids)) > len(captured("gpu-pricing.html"))


def test_a_discount_of_the_account_is_no_list_price():
    assert booked(value=2.56, discount_applied=True).price.amount == Decimal("3.2")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": 2.56}, "two prices that differ"),
        ({"value": None, "original_value": None}, "no published price"),
        ({"original_value": 0}, "no published price"),
        ({"start_time": "2026-10-01T00:00:00"}, "a price for a limited time"),
        ({"name": "H100-80G-PCIe-k8s"}, "no GPU of a virtual machine"),
        ({"name": "Cloud-SSD"}, "no GPU of a virtual machine"),
        ({"name": "Public IP"}, "no GPU of a virtual machine"),
    ],
)
def test_a_resource_without_a_list_price_of_a_gpu_is_left_out(change: dict[str, Any], reason: str):
    assert booked(**change).reason == reason
