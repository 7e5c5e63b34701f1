"""Crusoe's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Offer, PurchaseOption, Skipped, StoragePrice
from gpuledger.scrapers import crusoe
from tools.captures import read_capture, skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "crusoe"
AT = datetime(2026, 10, 7, tzinfo=UTC)


def captured(name: str) -> list[Offer]:
    return [fact for fact in crusoe.parse(read_capture("crusoe", CAPTURES / name)) if isinstance(fact, Offer)]


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="crusoe", request=Request(url=url), body=content.encode(), fetched_at=AT)


def card(name: str, chips: list[str], *cells: str) -> str:
    tags = "".join(f'<div class="pricing-tag">{chip}</div>' for chip in chips)
    rich = "".join(f'<div class="pricing-rich"><p>{cell}</p></div>' for cell in cells)
    heading = f'<h4 class="pricing-item-heading">{name}</h4>'
    return f'<div class="prixing-item">{heading}{tags}{rich}</div>'


def parse(*cards: str, columns: tuple[str, ...] = ("GPU model", "On-demand", "Current spot")) -> list[Any]:
    header = "".join(f'<div class="pricing-heading">{column}</div>' for column in columns)
    rows = "".join(cards)
    return list(
        crusoe.parse(document(f'<html><div class="pricing-table-heading">{header}</div>{rows}</html>'))
    )


H100 = card("NVIDIA H100", ["80GB", "HGX"], "$3.90/GPU-hr", "$1.60/GPU-hr")


def test_the_first_cell_is_on_demand_and_the_second_spot():
    on_demand, spot = parse(H100)
    assert (on_demand.purchase_option, on_demand.price.amount) == (PurchaseOption.ON_DEMAND, Decimal("3.90"))
    assert (spot.purchase_option, spot.price.amount) == (PurchaseOption.SPOT, Decimal("1.60"))


def test_without_a_header_the_order_of_the_cells_holds():
    facts = list(crusoe.parse(document(f"<html><body>{H100}</body></html>")))
    assert facts == parse(H100)


def test_two_a100_rows_differ_by_their_chips():
    labels = {offer.gpu_label for offer in captured("pricing.html") if "A100" in offer.gpu_label}
    assert labels == {"NVIDIA A100 80GB SXM", "NVIDIA A100 80GB PCIe"}


@pytest.mark.parametrize(
    "cell", ["Contact sales", "$3.45/hr", "$3.45", "from $3.45/GPU-hr", "€3.45/GPU-hr", ""]
)
def test_only_a_price_per_gpu_hour_is_a_price(cell: str):
    (*_, fact) = parse(H100, card("AMD MI300X", ["192GB"], cell, "Contact sales"))
    assert isinstance(fact, Skipped)
    assert skipped_by_reason(parse(H100, card("AMD MI300X", ["192GB"], cell, "Contact sales"))) == {
        "no published price per GPU-hour": 2
    }


def test_a_dedicated_endpoint_is_another_product():
    endpoint = card("NVIDIA H100", ["80GB", "HGX"], "$5.50/GPU-hr")
    assert skipped_by_reason(parse(endpoint, columns=("Model host", "Dedicated endpoint"))) == {
        "an unknown column": 1
    }
    assert skipped_by_reason(parse(endpoint)) == {"another number of columns than the header": 1}


def test_a_page_of_other_cards_is_an_error():
    with pytest.raises(ParseError, match="none with a price per GPU-hr"):
        parse(card("General-purpose", [], "$0.04/vCPU-hr"))


def test_storage_is_kept_per_gb():
    facts = crusoe.parse(read_capture("crusoe", CAPTURES / "pricing.html"))
    storage = {fact.kind: fact.amount_per_gb_month for fact in facts if isinstance(fact, StoragePrice)}
    assert storage == {
        "block": Decimal("0.074505806"),
        "file": Decimal("0.06519258"),
        "object": Decimal("0.055879354"),
    }
