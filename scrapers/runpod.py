"""RunPod: prices per single GPU and hour, in US dollars, for its two clouds.

*Secure* (partner data centres) and *community* (third-party hosts) have their own price each, the same in
all regions (reference list of 2026-08; GraphQL answers of 2026-07-18). Three answers are read, told apart by
their content:

- GraphQL, keyless, to be retired in 2027. One query asks for prices and, by aliases, for stock at 1 and 8
  GPUs of both clouds. A second document with stock alone would repeat every offer without its price.
- REST v2 with `RUNPOD_API_KEY`. Same id, tier and label, hence the same offers as GraphQL; it has no spot,
  commitments or clusters.
- The price page, last resort. It shows names instead of ids; `IDS` leads back to the same offers.

A price counts only where the cloud's flag is true: types that are not sold carry 0, 0.5 or an old price.
Optional prices (spot, commitments, cluster) that are null are absent facts and no rows; every type is
accounted for once per cloud by its on-demand price. `clusterPrice` is 1.2 times the secure price even for
types that no data centre has (RTX 4070 Ti, answers of 2025-06-19), so it counts only where a data centre is
named. `lowestPrice` is a total for the GPU count that was asked: it tells stock, and to which cloud the stock
belongs, never a price.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.count import MICRO, counted
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import HOURS_PER_MONTH, Price, Unit
from gpuledger.core.offer import Availability, Fact, Offer, PurchaseOption, Skipped
from gpuledger.scrapers.read_html import is_page, size_in, soup, words
from gpuledger.scrapers.read_json import (
    each_once,
    fields,
    mapping,
    merged,
    price_or_reason,
    priced,
    rows,
    within,
)
from gpuledger.scrapers.source import HOURLY, MINUTE, Source

_KEY = Credential(variable="RUNPOD_API_KEY")
NODE_GPUS = 8
"""GPUs of a cluster node (price page, 2026); a cluster has 2 to 8 nodes."""

PLACEHOLDER = Decimal("0.5")
"""What a type without a price carries (answers of 2025-06 and 2026-07)."""

MOST_USD = 1_000
"""No GPU-hour costs this much; larger numbers are not looked at any further."""

COMMITMENTS = {
    "oneWeekPrice": (Decimal(7 * 24) / HOURS_PER_MONTH).quantize(MICRO),
    "oneMonthPrice": Decimal(1),
    "threeMonthPrice": Decimal(3),
    "sixMonthPrice": Decimal(6),
}
"""GraphQL field and term in months."""


TIERS = ("secure", "community")

QUERY = """query Prices { gpuTypes {
  id displayName manufacturer memoryInGb secureCloud communityCloud
  securePrice communityPrice secureSpotPrice communitySpotPrice clusterPrice
  oneWeekPrice oneMonthPrice threeMonthPrice sixMonthPrice
  maxGpuCount maxGpuCountSecureCloud maxGpuCountCommunityCloud nodeGroupDatacenters { id }
  secureStock1: lowestPrice(input: {gpuCount: 1, secureCloud: true}) { stockStatus uninterruptablePrice }
  secureStock8: lowestPrice(input: {gpuCount: 8, secureCloud: true}) { stockStatus uninterruptablePrice }
  communityStock1: lowestPrice(input: {gpuCount: 1, secureCloud: false}) { stockStatus uninterruptablePrice }
  communityStock8: lowestPrice(input: {gpuCount: 8, secureCloud: false}) { stockStatus uninterruptablePrice }
} }"""

STOCK = {
    "high": Availability.AVAILABLE,
    "medium": Availability.AVAILABLE,
    "low": Availability.LIMITED,
    "none": Availability.SOLD_OUT,
}
"""Casing differs between the two interfaces."""

_GEFORCE = "RTX 3070,RTX 3080,RTX 3080 Ti,RTX 3090,RTX 3090 Ti,RTX 4070 Ti,RTX 4080,RTX 4080 SUPER,RTX 4090"
_NVIDIA = "A30,A40,B200,H100 NVL,H100 PCIe,H200 NVL,L4,L40,L40S,RTX A2000,RTX A4000,RTX A4500,RTX A5000"
_ADA = "RTX 2000 Ada,RTX 4000 Ada,RTX 5000 Ada,RTX 6000 Ada"

IDS = {
    **{name.casefold(): f"NVIDIA GeForce {name}" for name in f"{_GEFORCE},RTX 5080,RTX 5090".split(",")},
    **{name.casefold(): f"NVIDIA {name}" for name in f"{_NVIDIA},RTX A6000".split(",")},
    **{name.casefold(): f"NVIDIA {name} Generation" for name in _ADA.split(",")},
    "a100 pcie": "NVIDIA A100 80GB PCIe",
    "a100 sxm": "NVIDIA A100-SXM4-80GB",
    "a100 sxm 40gb": "NVIDIA A100-SXM4-40GB",
    "b300": "NVIDIA B300 SXM6 AC",
    "h100 sxm": "NVIDIA H100 80GB HBM3",
    "h200 sxm": "NVIDIA H200",
    "mi300x": "AMD Instinct MI300X OAM",
    "rtx 4000 ada sff": "NVIDIA RTX 4000 SFF Ada Generation",
    "rtx pro 4000": "NVIDIA RTX PRO 4000 Blackwell",
    "rtx pro 4500": "NVIDIA RTX PRO 4500 Blackwell",
    "rtx pro 5000": "NVIDIA RTX PRO 5000 Blackwell",
    "rtx pro 6000": "NVIDIA RTX PRO 6000 Blackwell Server Edition",
    "rtx pro 6000 maxq": "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
    "rtx pro 6000 wk": "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
    "tesla v100": "Tesla V100-PCIE-16GB",
    "v100 sxm2": "Tesla V100-SXM2-16GB",
    "v100 sxm2 32gb": "Tesla V100-SXM2-32GB",
}
"""`displayName`, folded, and `id` as GraphQL paired them on 2025-06-19 and 2026-07-18."""


def parse(document: Document) -> Iterator[Fact]:
    """Offers of a GraphQL answer, a REST v2 answer, or the price page.

    Raises:
        ParseError: none of the three, or GraphQL reports errors.
    """
    if is_page(document):
        return each_once(_page(document), document)
    answer = document.json()
    if isinstance(answer, dict):
        body = mapping(answer, document, "answer")
        if body.get("errors"):
            raise document.error(f"GraphQL errors: {_message(body['errors'])}")
        data = body.get("data")
        if isinstance(data, dict) and "gpuTypes" in data:
            return each_once(_types(rows(data["gpuTypes"], document, "data.gpuTypes")), document)
        answer = next((body[key] for key in ("data", "gpus", "items") if key in body), None)
    if answer is None:
        raise document.error("neither data.gpuTypes nor a list of GPUs")
    listed = list(rows(answer, document, "answer"))
    if any(isinstance(gpu.get("price"), dict) for gpu in listed):
        cloud = document.context.get("cloud", "SECURE").casefold()
        listed = [_as_type(gpu, cloud) for gpu in listed]
    elif not any(f"{tier}Price" in gpu for gpu in listed for tier in TIERS):
        raise document.error(f"{counted(len(listed), 'object')}, none of them with a price")
    return each_once(_types(iter(listed)), document)


def _message(errors: Any) -> str:
    first = errors[0] if isinstance(errors, list) else errors  # pyright: ignore[reportUnknownVariableType]
    return str(fields(first).get("message", first))[:500]  # pyright: ignore[reportUnknownArgumentType]


def _as_type(gpu: Mapping[str, Any], cloud: str) -> dict[str, Any]:
    """A REST v2 item under GraphQL's names. Its availability is that of the cloud that was asked for."""
    price, most = gpu.get("price"), gpu.get("maxCount")
    row: dict[str, Any] = {"id": gpu.get("id"), "memoryInGb": gpu.get("memory")}
    for tier in TIERS:
        row[f"{tier}Cloud"] = gpu.get(tier)
        row[f"{tier}Price"] = fields(price).get(tier)
        row[f"maxGpuCount{tier.title()}Cloud"] = fields(most).get(tier)
        if tier == cloud and isinstance(gpu.get("availability"), str):
            row[f"{tier}Stock1"] = {"stockStatus": gpu["availability"]}
    return row


def _types(gpus: Iterator[dict[str, Any]]) -> Iterator[Fact]:
    for gpu in gpus:
        sku = gpu.get("id")
        if not isinstance(sku, str) or not sku.strip():
            yield Skipped("no id", gpu)
        elif sku.casefold() == "unknown":
            yield Skipped("the id is 'unknown'", gpu)
        else:
            for tier in TIERS:
                yield from _tier(gpu, sku, tier)


def _tier(gpu: Mapping[str, Any], sku: str, tier: str) -> Iterator[Fact]:
    row = {"id": sku, "tier": tier, "price": gpu.get(f"{tier}Price")}
    if gpu.get(f"{tier}Cloud") is not True:
        yield Skipped("not sold in this cloud", row)
        return
    on_demand = within(gpu.get(f"{tier}Price"), MOST_USD)
    if on_demand is None:
        yield Skipped("no price", row)
        return
    stock = _stock(gpu, tier, on_demand)
    yield _offer(gpu, sku, tier, on_demand, row, availability=stock)
    spot = gpu.get(f"{tier}SpotPrice")
    if spot is not None:
        yield _spot(gpu, sku, tier, on_demand, spot, stock)
    if tier == "secure":
        yield from _commitments(gpu, sku, on_demand)
        yield from _cluster(gpu, sku)


def _offer(
    gpu: Mapping[str, Any], label: str, tier: str, amount: Decimal, row: Any, **terms: Any
) -> Offer | Skipped:
    shape_terms: dict[str, Any] = {
        "provider": "runpod",
        "sku": label,
        "instance_type": label,
        "tier": tier,
        "gpu_label": label,
        "gpu_count": Decimal(1),
        "gpu_memory_gib": within(gpu.get("memoryInGb"), 4096),
        "max_gpus": _most_gpus(gpu, tier),
        "purchase_option": PurchaseOption.ON_DEMAND,
        "price": Price(amount=amount, unit=Unit.GPU_HOUR),
        "billing_increment_seconds": 1,
    }
    return priced(row, **(shape_terms | terms))


def _most_gpus(gpu: Mapping[str, Any], tier: str) -> int | None:
    """GPUs that one pod may have in this cloud."""
    most = within(gpu.get(f"maxGpuCount{tier.title()}Cloud"), 64) or within(gpu.get("maxGpuCount"), 64)
    return int(most) if most is not None and most >= 1 else None


def _spot(
    gpu: Mapping[str, Any], sku: str, tier: str, on_demand: Decimal, value: Any, stock: Availability
) -> Offer | Skipped:
    row = {"id": sku, "tier": tier, "spot": value, "on_demand": on_demand}
    spot = within(value, MOST_USD)
    if spot is None:
        return Skipped("no spot price", row)
    # Equal prices stood in for "unknown" in catalogues made from this answer; above it cannot be true.
    if spot >= on_demand:
        return Skipped("spot price is not below on-demand", row)
    sold_out = Availability.SOLD_OUT if stock is Availability.SOLD_OUT else Availability.UNKNOWN
    return _offer(gpu, sku, tier, spot, row, purchase_option=PurchaseOption.SPOT, availability=sold_out)


def _commitments(gpu: Mapping[str, Any], sku: str, on_demand: Decimal) -> Iterator[Fact]:
    for name, months in COMMITMENTS.items():
        value = gpu.get(name)
        if value is None:
            continue
        row = {"id": sku, "commitment": name, "price": value}
        amount = within(value, MOST_USD)
        if amount is None:
            yield Skipped("no commitment price", row)
        # It may lag behind a lowered on-demand price (H100 PCIe, 2025-06-19: 2.247 over 2.19), not double.
        elif amount >= 2 * on_demand:
            yield Skipped("commitment price is not per hour", row)
        else:
            yield _offer(
                gpu, sku, "secure", amount, row, purchase_option=PurchaseOption.RESERVED, term_months=months
            )


def _cluster(gpu: Mapping[str, Any], sku: str) -> Iterator[Fact]:
    amount = within(gpu.get("clusterPrice"), MOST_USD)
    if amount is None:
        return
    row = {"id": sku, "clusterPrice": amount}
    if not gpu.get("nodeGroupDatacenters"):
        yield Skipped("cluster price without a data centre", row)
        return
    yield _offer(
        gpu,
        sku,
        "secure",
        amount,
        row,
        sku=f"{sku} cluster",
        instance_type=f"{NODE_GPUS}x {sku} cluster node",
        gpu_count=Decimal(NODE_GPUS),
        min_gpus=2 * NODE_GPUS,
        max_gpus=8 * NODE_GPUS,
    )


def _stock(gpu: Mapping[str, Any], tier: str, price: Decimal) -> Availability:
    """Stock of one cloud.

    Nothing free at any count that was asked is sold out. One GPU free but no node of eight is limited, for
    types that may be had by eight.
    """
    most = _most_gpus(gpu, tier) or NODE_GPUS
    names = [f"{tier}Stock{count}" for count in (1, NODE_GPUS) if count <= most]
    states = [_status(gpu[name]) for name in names if name in gpu]
    if not states:
        return _unnamed_stock(gpu, tier, price)
    best = next((state for state in _BEST_FIRST if state in states), Availability.UNKNOWN)
    if best is Availability.AVAILABLE and Availability.SOLD_OUT in states:
        return Availability.LIMITED
    return best


_BEST_FIRST = (Availability.AVAILABLE, Availability.LIMITED, Availability.UNKNOWN, Availability.SOLD_OUT)


def _unnamed_stock(gpu: Mapping[str, Any], tier: str, price: Decimal) -> Availability:
    """Stock from a plain `lowestPrice`, whose query is not known: count and cloud show in the total that it
    names, a whole multiple of that cloud's price (H100 SXM, 2026-07-18: 21.52 is 8 times 2.69, community)."""
    if "lowestPrice" not in gpu:
        return Availability.UNKNOWN
    state = _status(gpu["lowestPrice"])
    if state is Availability.SOLD_OUT:
        return state
    total = within(fields(gpu["lowestPrice"]).get("uninterruptablePrice"), 64 * MOST_USD)
    prices = [
        within(gpu.get(f"{other}Price"), MOST_USD) for other in TIERS if gpu.get(f"{other}Cloud") is True
    ]
    named = [amount for amount in prices if amount and total and total % amount == 0 and total / amount <= 16]
    return state if not named or price in named else Availability.UNKNOWN


def _status(lowest: Any) -> Availability:
    """What one `lowestPrice` says; null in all fields means that nothing is free."""
    stated = fields(lowest)
    status = stated.get("stockStatus")
    if isinstance(status, str):
        return STOCK.get(status.casefold(), Availability.UNKNOWN)
    nothing = lowest is None or (stated and all(value is None for value in stated.values()))
    return Availability.SOLD_OUT if nothing else Availability.UNKNOWN


def _page(document: Document) -> Iterator[Fact]:
    listed = soup(document).select(".gpu-pricing-row")
    if not listed:
        raise document.error("a page without .gpu-pricing-row")
    for line in listed:
        name = words(line.select_one(".gpu-pricing-row__model-wrapper"))
        sku = IDS.get(name.casefold())
        price = line.select_one(
            ".cc-gpu-price[data-secure-cloud-price], .cc-gpu-price[data-community-cloud-price]"
        )
        if sku is None or price is None:
            yield Skipped("no price" if sku else "a name without a known id", words(line))
            continue
        tags = [words(tag) for tag in line.select(".gpu-pricing-row__tag")]
        memory = next((size_in(tag, 4096) for tag in tags if tag.casefold().endswith("vram")), None)
        for tier in TIERS:
            value = price.get(f"data-{tier}-cloud-price")
            row = {"name": name, "tier": tier, "price": value}
            # An attribute that holds `$3.49` or `3,49` would be new; better left out than misread.
            amount = price_or_reason(value, MOST_USD)
            if isinstance(amount, str):
                yield Skipped(amount, row)
            elif amount == PLACEHOLDER:
                # The page has no flag that would tell a price of 0.5 from the placeholder.
                yield Skipped("0.5 may be a placeholder", row)
            else:
                yield _offer({"memoryInGb": memory}, sku, tier, amount, row)


def parse_batch(documents: Sequence[Document]) -> Iterator[tuple[Document, Fact]]:
    """With a key, GraphQL and REST v2 both answer: each offer once."""
    return merged(documents, parse)


SOURCE = Source(
    name="runpod",
    homepage="https://www.runpod.io/pricing",
    every=HOURLY,
    shortest=MINUTE,
    requests=(
        Request(
            url="https://api.runpod.io/graphql",
            method="POST",
            payload={"query": QUERY},
            headers={"Content-Type": "application/json"},
        ),
        Request(
            url="https://api.runpod.io/v2/catalog/gpus?include=AVAILABILITY&product=POD&cloud=SECURE",
            credential=_KEY,
            context={"cloud": "SECURE"},
        ),
    ),
    fallback=(Request(url="https://www.runpod.io/pricing"),),
    parse=parse,
    parse_batch=parse_batch,
    contract=Contract(
        min_offers=40, must_have=("h100", "a100", "rtx-4090"), usd_per_gpu_hour=between("0.03", "20")
    ),
    covers="secure and community cloud: on-demand, spot, commitments, clusters, stock; per GPU-hour",
    licence="public interface and page; RunPod's terms of service apply, the data has no stated licence",
)
