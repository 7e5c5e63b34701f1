"""Thunder Compute: one US dollar amount per instance-hour and product code. Keyless.

Product codes are `h100_x8_production`: GPU, count and mode. In `prototyping` mode a GPU is shared in time with other
users over the network; that is no whole card, and the rows are left out. Other rows price disks, snapshots and
further vCPUs. Looked at 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.read_json import mapping, priced, within
from gpuledger.scrapers.source import FOUR_TIMES_A_DAY, Source

_PRODUCT = re.compile(r"(?P<gpu>[a-z0-9]+)_x(?P<count>\d{1,2})_(?P<mode>[a-z]+)")


def parse(document: Document) -> Iterator[Fact]:
    """One offer per product code of the mode that rents whole GPUs.

    Raises:
        ParseError: no object of prices.
    """
    prices = mapping(mapping(document.json(), document, "answer").get("pricing"), document, "pricing")
    for code, amount in prices.items():
        yield _fact(code, amount)


def _fact(code: str, amount: Any) -> Fact:
    shown = {code: amount}
    match = _PRODUCT.fullmatch(code)
    usd = within(amount, 10_000)
    if match is None:
        return Skipped("no accelerator", shown)
    if match["mode"] != "production":
        return Skipped("a GPU that is shared in time with others", shown)
    if usd is None:
        return Skipped("no price", shown)
    return priced(
        shown,
        provider="thundercompute",
        sku=code,
        gpu_label=match["gpu"],
        gpu_count=Decimal(match["count"]),
        purchase_option=PurchaseOption.ON_DEMAND,
        price=Price(amount=usd, unit=Unit.HOUR),
    )


SOURCE = Source(
    name="thundercompute",
    homepage="https://www.thundercompute.com/pricing",
    every=FOUR_TIMES_A_DAY,
    requests=(Request(url="https://api.thundercompute.com:8443/v1/pricing"),),
    parse=parse,
    contract=Contract(min_offers=2, must_have=("a100",), usd_per_gpu_hour=between("0.05", "15")),
    covers="instances with whole GPUs per instance-hour",
    licence="public interface, keyless; no licence for the data is stated",
)
