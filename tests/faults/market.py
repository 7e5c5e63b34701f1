"""A market of one small source with pages, and answers whose every price is told apart from all others."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, Offer, Skipped
from gpuledger.scrapers.source import Source

SKUS = ("a", "b", "c")


def parse(document: Document) -> Iterator[Fact]:
    content = document.json()
    if not isinstance(content, dict) or not isinstance(content.get("offers"), list):
        raise document.error("no list of offers")
    for row in content["offers"]:
        if not row["usd"]:
            yield Skipped("no price", row)
            continue
        yield Offer(
            provider="runpod",
            sku=row["sku"],
            gpu_label="NVIDIA H100 80GB HBM3",
            gpu_count=Decimal(1),
            purchase_option="on_demand",
            price=Price(amount=Decimal(str(row["usd"])), unit=Unit.GPU_HOUR),
            availability=Availability(row.get("stock", "available")),
        )


def follow(document: Document) -> Iterator[Request]:
    content = document.json()
    if content["offers"] and content.get("next"):
        yield Request(url=f"https://prices.example/{content['next']}")


def source(name: str = "runpod") -> Source:
    return Source(
        name=name,
        provider="runpod",
        homepage="https://prices.example/",
        every=timedelta(hours=1),
        fresh_for=timedelta(hours=3),
        requests=(Request(url="https://prices.example/list"),),
        parse=parse,
        follow=follow,
        contract=Contract(min_offers=2, must_have=("h100",)),
        covers="a test",
        licence="none",
        seconds_between_requests=0,
        max_body_mib=2,
    )


def listing(number: int = 0, *, next: str | None = None, skus: tuple[str, ...] = SKUS) -> bytes:
    """Answer number N: every sku at a price that no other number has, so that a lost or doubled one shows."""
    rows = [
        {"sku": sku, "usd": round(2.5 + place / 10 + number % 2000 / 100_000, 6)}
        for place, sku in enumerate(skus)
    ]
    return json.dumps({"offers": rows} | ({"next": next} if next else {})).encode()
