"""Google Cloud without a key: the accelerator-optimized price page, and the list of all regions that the
project Cyclenerd/google-cloud-pricing-cost-calculator builds from the catalog every week.

Both price whole machines in US dollars. The page shows one region (Iowa) per hour, in tables that are told
by their header, and the same again per month. The list has all regions, also such where the GPU is not
offered: `hour` and `hour_spot` per hour, `month_1y` and `month_3y` per committed month; `about.timestamp`
dates it. Where both speak of a machine the page, Google's own word, counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import yaml

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import HOURS_PER_MONTH, Price, Unit
from gpuledger.core.offer import Fact, Offer, PurchaseOption, Skipped, StoragePrice, TransferPrice
from gpuledger.core.provider import InstanceShape, instance_shape
from gpuledger.scrapers.read_html import leading_number, soup, words
from gpuledger.scrapers.read_json import each_once, fields, leaf, per_gb
from gpuledger.scrapers.source import DAILY, Source

if TYPE_CHECKING:
    from bs4 import Tag

# What Google's price lists leave to the documentation of its machine series.


@dataclass(frozen=True)
class Build:
    """How a machine series is put together: families of its vCPU and memory SKUs, of which the first that is
    sold in a region counts, none where the GPU's price holds all; and GiB of local SSD with each GPU."""

    families: tuple[str, ...] = ()
    ssd_gib_per_gpu: int = 0


BUILDS = {
    "n1-standard": Build(("N1 Predefined",)),
    "g2-standard": Build(("G2",)),
    "g4-standard": Build(("G4",)),
    "a2-highgpu": Build(("A2",)),
    "a2-megagpu": Build(("A2",)),
    "a2-ultragpu": Build(("A2",), 375),
    "a3-highgpu": Build(("A3",), 750),
    "a3-megagpu": Build(("A3Plus", "A3"), 750),
    "a3-ultragpu": Build(("A3Ultra",), 1500),
    "a4-highgpu": Build(),
    "ct5lp-hightpu": Build(),
    "ct5p-hightpu": Build(),
    "ct6e-standard": Build(),
    "tpu7x-standard": Build(),
}
"""Compute Engine machine type documentation, read 2026."""
NOT_ON_DEMAND = re.compile(r"a4-|a3-ultragpu-|a3-highgpu-[124]g")
"""Sold as spot, flex-start or by reservation only, though SKUs price them (Compute Engine consumption
options documentation, read 2026)."""


PAGE = "https://cloud.google.com/products/compute/pricing/accelerator-optimized?hl=en"
LIST = "https://raw.githubusercontent.com/Cyclenerd/google-cloud-pricing-cost-calculator/master/pricing.yml"
MAX_DEPTH = 30

ON_DEMAND, SPOT, RESERVED = PurchaseOption.ON_DEMAND, PurchaseOption.SPOT, PurchaseOption.RESERVED
PAGE_COLUMNS: tuple[tuple[str, PurchaseOption, int | None], ...] = (
    ("price (usd)", ON_DEMAND, None),
    ("dws calendar", PurchaseOption.CAPACITY_BLOCK, None),
    ("current spot pricing", SPOT, None),
    ("compute resource cuds - 1 year", RESERVED, 12),
    ("compute resource cuds - 3 year", RESERVED, 36),
)
LIST_KEYS: tuple[tuple[str, PurchaseOption, int | None, Unit], ...] = (
    ("hour", ON_DEMAND, None, Unit.HOUR),
    ("hour_spot", SPOT, None, Unit.HOUR),
    ("month_1y", RESERVED, 12, Unit.MONTH),
    ("month_3y", RESERVED, 36, Unit.MONTH),
)
ACCELERATORS = ("a100", "a100-80gb", "h100-80gb", "h100-80gb-mega", "l4", "rtx6000")
DISKS = {"balanced": "block", "ssd": "block"}
BUCKETS = {"standard": "object", "archiv": "archive"}
EGRESS_TIERS = {"0-1": 0, "1-10": 1024, "10n": 10240}

_HOURLY = re.compile(r"\$([0-9,]+(?:\.[0-9]+)?) / 1 hour")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]{1,2}")
_PLAIN = re.compile(r"[0-9]{1,10}(\.[0-9]{1,18})?")
"""Hours of the list have up to 14 decimals: they are its months over 730 in binary floating point."""
_THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?|[0-9]+(\.[0-9]+)?")


def parse(document: Document) -> Iterator[Fact]:
    """The facts of the page or of the list, whichever the document is."""
    start = document.text()[:500].lstrip()
    if start.startswith("<"):
        yield from each_once(_page(document), document)
    elif start.startswith(("---", "about:")):
        yield from _list(document)
    else:
        raise document.error(f"neither the page nor the list; it begins {start[:60]!r}")


def _page(document: Document) -> Iterator[Fact]:
    region = document.context.get("region", "us-central1")
    tables = 0
    for table in soup(document).find_all("table"):
        header, *body = [[words(cell) for cell in row.find_all(["th", "td"])] for row in _rows(table)] or [[]]
        if header[:1] == ["Machine type"]:
            tables += 1
            for cells in body:
                yield from _page_row(header, cells, region)
        elif header[:1] == ["Model"]:
            for cells in body:
                yield Skipped("a GPU without its machine", cells)
    if not tables:
        raise document.error("no table of machine types")


def _rows(table: Tag) -> list[Tag]:
    return [row for row in table.find_all("tr") if row.find_parent("table") is table]


def _page_row(header: list[str], cells: list[str], region: str) -> Iterator[Fact]:
    row = dict(zip(header, cells, strict=False))
    if len(cells) != len(header) or len(row) != len(header):
        yield Skipped("a row that does not fit its header", cells)
        return
    if any("/ 1 month" in cell for cell in cells):
        yield Skipped("the same per month", cells)
        return
    shape = instance_shape("gcp", cells[0])
    reason = _refusal(shape, _vcpus(row.get("Components", "")))
    if shape is None or reason:
        yield Skipped(reason, cells)
        return
    prices = {
        (option, months): Price(amount=amount, unit=Unit.HOUR)
        for prefix, option, months in PAGE_COLUMNS
        for name, cell in row.items()
        if name.lower().startswith(prefix) and (amount := _hourly(cell))
    }
    yield from _machine(shape, region, prices, cells, None)


def _vcpus(components: str) -> Decimal | None:
    match = re.search(r"vCPUs?: ([0-9]{1,4})\b", components)
    return leading_number(match[1]) if match else None


def _hourly(cell: str) -> Decimal | None:
    """The amount of `$84.80 / 1 hour`; `None` for `N/A` and anything else."""
    match = _HOURLY.fullmatch(cell)
    amount = _amount(match[1].replace(",", "")) if match and _THOUSANDS.fullmatch(match[1]) else None
    return amount or None


def _amount(text: Any) -> Decimal | None:
    """The number in a plain decimal text of moderate size; `None` for anything else."""
    return Decimal(text) if isinstance(text, str) and _PLAIN.fullmatch(text) else None


def _refusal(shape: InstanceShape | None, vcpus: Decimal | None) -> str:
    if shape is None:
        return "a machine type of unknown shape"
    if vcpus is None or vcpus != shape.vcpus:
        return "vCPUs that contradict the machine type"
    return ""


Prices = dict[tuple[PurchaseOption, int | None], Price]


def _machine(
    shape: InstanceShape, region: str, prices: Prices, row: Any, built_at: datetime | None
) -> Iterator[Fact]:
    """The offers of one machine in one region, held against each other first."""
    hourly = {
        terms: price.amount / (HOURS_PER_MONTH if price.unit is Unit.MONTH else 1)
        for terms, price in prices.items()
    }
    full = hourly.get((ON_DEMAND, None))
    one, three = hourly.get((RESERVED, 12)), hourly.get((RESERVED, 36))
    if not prices:
        yield Skipped("no price", row)
    elif (full and max(hourly.values()) > full) or (one and three and three > one):
        yield Skipped("prices that contradict each other", row)
    else:
        for (option, months), price in prices.items():
            if option is ON_DEMAND and NOT_ON_DEMAND.match(shape.instance_type):
                yield Skipped("sold only as spot, flex-start or by reservation", row)
                continue
            yield Offer(
                provider="gcp",
                sku=shape.instance_type,
                region=region,
                gpu_label=shape.gpu_label,
                gpu_count=shape.gpu_count,
                purchase_option=option,
                term_months=None if months is None else Decimal(months),
                price=price,
                instance_type=shape.instance_type,
                gpu_memory_gib=shape.gpu_memory_gib,
                vcpus=shape.vcpus,
                memory_gib=shape.memory_gib,
                effective_at=built_at,
            )


def _list(document: Document) -> Iterator[Fact]:
    # YAML has no closing mark: cut within its last number it would still be read.
    if not document.body.endswith(b"\n"):
        raise document.error("the list does not end with a line end")
    tree = _tree(document)
    instances = fields(leaf(tree, "compute", "instance"))
    if not instances:
        raise document.error("no compute.instance in the list")
    built = _amount(leaf(tree, "about", "timestamp"))
    built_at = datetime.fromtimestamp(int(built), UTC) if built and built < 4 * 10**9 else None
    for name, entry in instances.items():
        yield from _list_machine(name, fields(entry), built_at)
    for kind, parts, per_month in (
        (DISKS, leaf(tree, "compute", "storage"), "disk"),
        (BUCKETS, leaf(tree, "storage", "bucket"), "bucket"),
    ):
        for name, entry in fields(parts).items():
            for region, amount in _by_region(leaf(entry, "cost")) if name in kind else ():
                yield StoragePrice(
                    provider="gcp",
                    sku=f"{per_month} {name}",
                    region=region,
                    kind=kind[name],
                    amount_per_gb_month=per_gb(amount),
                )
    tiers = fields(leaf(tree, "compute", "network", "traffic", "egress", "internet", "cost"))
    for tier, start in EGRESS_TIERS.items():
        for region, amount in _by_region(tiers.get(tier)):
            yield TransferPrice(
                provider="gcp",
                sku="premium tier",
                region=region,
                direction="egress",
                amount_per_gb=per_gb(amount),
                from_gb=Decimal(start),
            )


def _by_region(cost: Any) -> Iterator[tuple[str, Decimal]]:
    for region, entry in fields(cost).items():
        amount = _amount(leaf(entry, "month"))
        if amount and amount < 10 and _REGION.fullmatch(region):
            yield region, amount


def _list_machine(name: str, entry: dict[str, Any], built_at: datetime | None) -> Iterator[Fact]:
    row = {key: value for key, value in entry.items() if key != "cost"} | {"name": name}
    counts = [amount for key in ACCELERATORS if (amount := _amount(entry.get(key)))]
    shape = instance_shape("gcp", name)
    if not counts and (shape is None or "cpu" not in entry):
        yield Skipped("no accelerator", row)
        return
    reason = _refusal(shape, _amount(entry.get("cpu")))
    if shape is None or reason:
        yield Skipped(reason, row)
    elif counts != [shape.gpu_count] or _amount(entry.get("ram")) != shape.memory_gib:
        yield Skipped("accelerators or memory that contradict the machine type", row)
    else:
        for region, cost in fields(entry.get("cost")).items():
            here = {"name": name, "region": region, "cost": cost}
            if not _REGION.fullmatch(region):
                yield Skipped("no region", here)
                continue
            if any(_contradicts(cost, *pair) for pair in (("hour", "month"), ("hour_spot", "month_spot"))):
                yield Skipped("an hour and a month that contradict each other", here)
                continue
            prices: Prices = {
                (option, months): Price(amount=amount, unit=unit)
                for key, option, months, unit in LIST_KEYS
                if (amount := _amount(leaf(cost, key)))
            }
            yield from _machine(shape, region, prices, here, built_at)


def _contradicts(cost: Any, hour_key: str, month_key: str) -> bool:
    """Whether a month of this list is not 730 of its hours; both are there or neither."""
    hour, month = _amount(leaf(cost, hour_key)), _amount(leaf(cost, month_key))
    if hour is None or month is None:
        return leaf(cost, hour_key) is not None or leaf(cost, month_key) is not None
    return abs(hour * HOURS_PER_MONTH - month) > month / 1000


def _tree(document: Document) -> dict[str, Any]:
    """The YAML as objects, arrays and the text of scalars: no floats, no dates, no anchors, and no key twice.

    Built from the parser's events, for the loaders of PyYAML recurse until the process dies.
    """
    root: list[Any] = []
    stack: list[Any] = [root]
    keys: list[str | None] = [None]
    try:
        for event in yaml.parse(document.text(), Loader=yaml.CSafeLoader):
            if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                stack.pop()
                keys.pop()
                continue
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise document.error("an anchor in the list")
            if not isinstance(event, (yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                continue
            value: Any = event.value if isinstance(event, yaml.ScalarEvent) else None
            if value is None:
                value = {} if isinstance(event, yaml.MappingStartEvent) else []
            top: Any = stack[-1]
            key = keys[-1]
            if isinstance(top, list):
                top.append(value)  # pyright: ignore[reportUnknownMemberType]
            elif key is None:
                if not isinstance(value, str) or value in top:
                    raise document.error(f"a key that is no text, or is there twice: {value!r:.80}")
                keys[-1] = value
                continue
            else:
                top[key], keys[-1] = value, None
            if not isinstance(value, str):
                stack.append(value)
                keys.append(None)
                if len(stack) > MAX_DEPTH:
                    raise document.error("the list is nested too deeply")
    except yaml.YAMLError as error:
        raise document.error(f"not YAML: {str(error)[:200]}") from error
    return fields(root[0] if root else None)


SOURCE = Source(
    name="gcp_page",
    provider="gcp",
    homepage="https://cloud.google.com/products/compute/pricing/accelerator-optimized",
    every=DAILY,
    requests=(Request(url=LIST), Request(url=PAGE, context={"region": "us-central1"})),
    fallback=(Request(url=LIST),),
    parse=parse,
    contract=Contract(
        min_offers=100, must_have=("h100", "a100", "l4"), usd_per_gpu_hour=between("0.05", "60")
    ),
    covers="GPU machines of all regions (list) and of Iowa (page): on-demand, spot, committed; disks, egress",
    licence="the page: Google's terms; the list: Apache-2.0, Nils Knieling",
)
