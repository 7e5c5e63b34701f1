"""Hot Aisle: AMD machines in Michigan, US cents per instance-hour, with a key.

The answer is a list of what can be had now, each with `Quantity` and `Specs`; memory in bytes. The address holds the
handle of a team: set `[sources.hotaisle] url` to that of your own. The key travels as `Token KEY`, which is what the
variable has to hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, PurchaseOption, Skipped
from gpuledger.scrapers.read_json import (
    array,
    divided,
    each_once,
    fields,
    leaf,
    number,
    picked,
    priced,
    rows,
    text,
    within,
)
from gpuledger.scrapers.source import FIVE_MINUTES, HOURLY, Source

KEY = Credential(variable="HOTAISLE_AUTHORIZATION", travels_as="header", name="Authorization")
BYTES_PER_GIB = 2**30
MOST_BYTES = 10**15
CENTS_PER_DOLLAR = 100


def parse(document: Document) -> Iterator[Fact]:
    """One offer per machine type.

    Raises:
        ParseError: the answer is no list of machine types.
    """
    return each_once((_fact(row) for row in rows(document.json(), document, "answer")), document)


def _fact(row: Mapping[str, Any]) -> Fact:
    shown = picked(row, "OnDemandPrice", "Quantity")
    specs = fields(row.get("Specs"))
    gpus = array(specs.get("gpus"))
    label, maker = (
        text(leaf(gpus[0], "model")) if gpus else None,
        text(leaf(gpus[0], "manufacturer")) if gpus else None,
    )
    count = within(leaf(gpus[0], "count"), 64) if gpus else None
    cents = within(row.get("OnDemandPrice"), 1_000_000)
    if label is None or count is None or len(gpus) > 1:
        return Skipped("no accelerator, or two kinds of it", shown)
    if cents is None:
        return Skipped("no price", shown)
    cores = within(specs.get("cpu_cores"), 10_000)
    memory = divided(specs.get("ram_capacity"), MOST_BYTES, BYTES_PER_GIB)
    sizes = [
        f"{size.quantize(Decimal(1)):f} {unit}" for size, unit in ((cores, "vCPU"), (memory, "GiB")) if size
    ]
    quantity = number(row.get("Quantity"))
    is_sold_out = quantity is not None and quantity <= 0
    return priced(
        shown,
        provider="hotaisle",
        sku=" ".join([f"{count.normalize():f}x", label, *sizes]),
        region="us-michigan-1",
        gpu_label=f"{maker or ''} {label}".strip(),
        gpu_count=count,
        vcpus=cores,
        memory_gib=memory,
        purchase_option=PurchaseOption.ON_DEMAND,
        price=Price(amount=cents / CENTS_PER_DOLLAR, unit=Unit.HOUR),
        availability=Availability.SOLD_OUT if is_sold_out else Availability.AVAILABLE,
    )


SOURCE = Source(
    name="hotaisle",
    homepage="https://hotaisle.xyz/pricing",
    every=HOURLY,
    shortest=FIVE_MINUTES,
    requests=(
        Request(
            url="https://admin.hotaisle.app/api/teams/your-team/virtual_machines/available/", credential=KEY
        ),
    ),
    parse=parse,
    contract=Contract(min_offers=1, must_have=("mi300x",), usd_per_gpu_hour=between("0.5", "15")),
    covers="machines of 1 to 8 AMD GPUs that can be had now; needs a key and a team",
    licence="API with a key; Hot Aisle's terms of service apply, no licence for the data is stated",
)
