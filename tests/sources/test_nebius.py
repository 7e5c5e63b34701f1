"""Nebius's peculiarities, one each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Offer, PurchaseOption, StoragePrice, TransferPrice
from gpuledger.scrapers import nebius
from tools.captures import read_capture, skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "nebius"
AT = datetime(2026, 10, 7, tzinfo=UTC)


def captured(name: str) -> list[Offer]:
    return [fact for fact in nebius.parse(read_capture("nebius", CAPTURES / name)) if isinstance(fact, Offer)]


def document(body: Any, url: str = "https://a.example/") -> Document:
    content = body if isinstance(body, str) else json.dumps(body)
    return Document(source="nebius", request=Request(url=url), body=content.encode(), fetched_at=AT)


PAGE = (CAPTURES / "prices.html").read_text()
LATER = "GPU-hour (Effective January 1, 2027)"


def page(body: str, at: datetime = AT) -> list[Any]:
    request = Request(url="https://nebius.com/prices")
    return list(nebius.parse(Document(source="nebius", request=request, body=body.encode(), fetched_at=at)))


def h100(facts: list[Any]) -> Offer:
    (found,) = [fact for fact in facts if isinstance(fact, Offer) and fact.sku == "NVIDIA HGX H100"]
    return found


@pytest.mark.parametrize(
    ("day", "amount", "effective"),
    [
        (datetime(2026, 9, 30, 23, tzinfo=UTC), "3.85", None),
        (datetime(2026, 10, 1, tzinfo=UTC), "4.50", datetime(2026, 10, 1, tzinfo=UTC)),
        (datetime(2027, 1, 1, tzinfo=UTC), "4.75", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_newest_column_in_effect_counts(day: datetime, amount: str, effective: datetime | None):
    offer = h100(page(PAGE, day))
    assert (offer.price.amount, offer.effective_at) == (Decimal(amount), effective)


def test_a_price_that_begins_with_from_is_no_price():
    facts = page(PAGE)
    assert skipped_by_reason(facts)["starting price only"] == 3
    assert not [fact for fact in facts if isinstance(fact, Offer) and "L40S" in fact.sku]


def test_preemptible_is_a_table_of_its_own():
    (spot,) = [offer for offer in captured("prices.html") if offer.purchase_option is PurchaseOption.SPOT]
    assert (spot.sku, spot.price.amount) == ("NVIDIA HGX H200", Decimal("2.45"))


def test_a_page_without_classes_reads_the_same():
    bare = PAGE
    for name in ("block__cell", "block__row", "block__content", "block"):
        bare = bare.replace(f' class="pc-highlight-table-{name}"', "")
    assert page(bare) == page(PAGE)


def test_a_row_of_another_width_is_left_out():
    short = PAGE.replace("<p>20</p></div>", "<p>20</p></div></div><div>", 1)
    assert skipped_by_reason(page(short))["another number of columns than the header"] == 2


def test_a_swapped_column_is_followed_by_its_header():
    swapped = (
        PAGE.replace("On-demand, GPU-hour", "?").replace(LATER, "On-demand, GPU-hour").replace("?", LATER)
    )
    assert h100(page(swapped, datetime(2027, 1, 1, tzinfo=UTC))).price.amount == Decimal("3.85")


def test_a_date_that_cannot_be_read_is_an_error():
    with pytest.raises(ParseError, match="unknown date"):
        page(PAGE.replace("Effective October 1, 2026", "effective soon"))


def test_a_page_without_the_gpu_table_is_an_error():
    with pytest.raises(ParseError, match="GPU Instances"):
        page(PAGE.replace("GPU Instances", "Machines"))


def test_prices_per_gib_are_kept_per_gb():
    storage = {fact.sku: fact for fact in page(PAGE) if isinstance(fact, StoragePrice)}
    assert storage["Object storage — Standard (volume)"].amount_per_gb_month == Decimal("0.013690442")
    assert storage["Block volumes — local SSD disk"].kind == "local"


def test_free_egress_is_a_fact():
    transfers = [
        fact for fact in page(PAGE) if isinstance(fact, TransferPrice) and fact.sku.startswith("Networking")
    ]
    assert {(fact.direction, fact.amount_per_gb) for fact in transfers} == {("egress", 0), ("ingress", 0)}
