"""Vast.ai: machines that hosts offer on a marketplace, in US dollars per hour for the whole offer.

There is no list price. Each machine of a verified host is an offer, on demand at `dph_total`, which
includes the disk that the request allocates, and interruptible from `min_bid`. Beside them stands the
distribution of those offers per GPU, count and country, and over all countries (`global`): a few absurdly
cheap machines say little.

An anonymous answer holds at most 64 offers whatever its limit (reference list of 2026-08), so the market is read
in pages, cheapest first: each page begins at the price that the last one ended at. No list of GPU names is needed,
and the distribution is that of the whole market. With a key (`VAST_API_KEY`) one more request asks for all of it.
`id` changes when a host lists a machine again, `machine_id` does not: it is the sku.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import quantiles
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.count import MICRO
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, MarketSample, Offer, PurchaseOption, Skipped
from gpuledger.scrapers.read_json import fields, leaf, listed, picked, priced, text, within
from gpuledger.scrapers.source import HOURLY, MINUTE, Source

LIMIT = 64
MOST_PAGES = 200
KEYED_LIMIT = 5000
DISK_GB = 100
"""Disk that `dph_total` includes at the host's `storage_cost`."""

LEAST_BID = Decimal("0.25")
"""Of the on-demand price. No capacity is had at a host's lower floor: verified hosts asked for 31 % and more
(answer of 2026-07-18), and a single careless floor would put the whole market into quarantine."""

SHOWN = ("id", "machine_id", "verification", "gpu_name", "num_gpus", "dph_total", "min_bid")
MIB_PER_GIB = 1024
PLACE = re.compile(r"(?:(?P<place>.*?)\s*,)?\s*(?P<country>[A-Z]{2})")


def parse(document: Document) -> Iterator[Fact]:
    """Offers of verified hosts, then their distribution.

    Raises:
        ParseError: no list of offers.
    """
    return (fact for _, fact in parse_batch([document]))


def parse_batch(documents: Sequence[Document]) -> Iterator[tuple[Document, Fact]]:
    """The same of all pages of one run, whose distribution is one.

    Raises:
        ParseError: no list of offers.
    """
    cheapest: dict[str, tuple[Document, Offer]] = {}
    asks: set[object] = set()
    for document in documents:
        for row in listed(document, "offers"):
            ask = (row.get("id"), row.get("machine_id"), row.get("dph_total"))
            if ask in asks:
                yield document, Skipped("also on another page", picked(row, *SHOWN))
                continue
            asks.add(ask)
            for fact in _offers(row):
                if not isinstance(fact, Offer):
                    yield document, fact
                    continue
                former = cheapest.setdefault(fact.offer_id, (document, fact))
                if former[1] is not fact:
                    cheaper, dearer = sorted(
                        (former, (document, fact)), key=lambda seen: seen[1].price.amount
                    )
                    cheapest[fact.offer_id] = cheaper
                    shown = {"id": dearer[1].instance_type}
                    yield document, Skipped("not the cheapest ask of its machine", shown)
    yield from cheapest.values()
    if documents:
        yield from ((documents[-1], sample) for sample in _samples(offer for _, offer in cheapest.values()))


def follow(document: Document) -> Iterator[Request]:
    """The next page of the market, from the price on that this one ends at; a short page is the last."""
    request, page = document.request, int(document.context.get("page", "1"))
    totals = [total for row in listed(document, "offers") if (total := within(row.get("dph_total"), 10_000))]
    if request.credential is not None or len(totals) < LIMIT or page >= MOST_PAGES:
        return
    begun, ends = leaf(request.payload, "dph_total"), max(totals)
    # A page of one price would ask for itself again and again.
    operator = "gt" if min(totals) == ends or str(ends) in map(str, fields(begun).values()) else "gte"
    payload = {**(request.payload or {}), "dph_total": {operator: float(ends)}}
    yield replace(request, payload=payload, context={"page": str(page + 1)})


def _offers(row: Mapping[str, Any]) -> Iterator[Fact]:
    shown = picked(row, *SHOWN)
    reason = _reason_against(row)
    total, bid = within(row.get("dph_total"), 10_000), within(row.get("min_bid"), 10_000)
    if reason or total is None:
        yield Skipped(reason or "no price", shown)
        return
    yield _offer(row, shown, PurchaseOption.ON_DEMAND, total)
    if bid is not None and bid >= total:
        yield Skipped("minimum bid is not below the on-demand price", shown)
    elif bid is not None and bid < total * LEAST_BID:
        yield Skipped("minimum bid is a small fraction of the on-demand price", shown)
    elif bid is not None:
        yield _offer(row, shown, PurchaseOption.SPOT, bid)


def _reason_against(row: Mapping[str, Any]) -> str | None:
    count, memory = within(row.get("num_gpus"), 64), within(row.get("gpu_ram"), 10_000_000)
    gpus_alone, total = (within(row.get(name), 10_000) for name in ("dph_base", "dph_total"))
    all_memory = within(row.get("gpu_total_ram"), 100_000_000)
    if row.get("verification") != "verified":
        return "host is not verified"
    if row.get("rented") is not False or row.get("rentable") is not True:
        return "not for rent now"
    if count is None or count % 1 or within(row.get("machine_id"), 10**15) is None:
        return "no GPU count or machine"
    if not memory or not all_memory or abs(all_memory / (memory * count) - 1) > Decimal("0.1"):
        return "GPU count and memory contradict each other"
    if gpus_alone and gpus_alone > (total or 0):
        return "the total is below the price of its GPUs"
    return None


def _offer(row: Mapping[str, Any], shown: Any, option: PurchaseOption, amount: Decimal) -> Offer | Skipped:
    memory = within(row.get("gpu_ram"), 10_000_000)
    region, zone = _place(text(row.get("geolocation")))
    return priced(
        shown,
        provider="vast",
        sku=f"machine {row['machine_id']}",
        region=region,
        zone=zone,
        gpu_label=text(row.get("gpu_name")) or "",
        gpu_count=Decimal(row["num_gpus"]),
        gpu_memory_gib=memory and (memory / MIB_PER_GIB).quantize(Decimal("0.01")),
        purchase_option=option,
        price=Price(amount=amount, unit=Unit.HOUR),
        instance_type=str(row.get("id")),
        vcpus=within(row.get("cpu_cores_effective"), 10_000),
        memory_gib=_memory_share(row),
        local_storage_gb=within(row.get("disk_space"), 10_000_000),
        availability=Availability.AVAILABLE,
        billing_increment_seconds=1,
    )


def _place(geolocation: str | None) -> tuple[str, str | None]:
    """Country code and place of `Texas, US`; a place without a country code is kept as the region."""
    match = PLACE.fullmatch(geolocation or "")
    if match is None:
        return (geolocation or "unknown", None)
    return (match["country"], match["place"] or None)


def _memory_share(row: Mapping[str, Any]) -> Decimal | None:
    """`cpu_ram` is the whole machine's, in MiB; an offer has it in proportion to its cores."""
    memory = within(row.get("cpu_ram"), 1_000_000_000)
    cores, own = (within(row.get(name), 10_000) for name in ("cpu_cores", "cpu_cores_effective"))
    if memory is None or cores is None or own is None:
        return None
    return (memory / MIB_PER_GIB * min(own / cores, Decimal(1))).quantize(Decimal("0.01"))


def _samples(offers: Iterable[Offer]) -> Iterator[MarketSample]:
    groups: dict[tuple[str, Decimal, str, PurchaseOption], list[Decimal]] = {}
    for offer in offers:
        per_gpu = offer.price.amount / offer.gpu_count
        for region in (offer.region, "global"):
            key = (offer.gpu_label, offer.gpu_count, region, offer.purchase_option)
            groups.setdefault(key, []).append(per_gpu)
    for (label, count, region, option), amounts in sorted(groups.items()):
        # Linear interpolation between the nearest offers (Hyndman and Fan 1996, type 7).
        twentieths = quantiles(amounts if len(amounts) > 1 else amounts * 2, n=20, method="inclusive")
        yield MarketSample(
            provider="vast",
            gpu_label=label,
            gpu_count=count,
            region=region,
            purchase_option=option,
            offers=len(amounts),
            min_usd_per_gpu_hour=_rounded(min(amounts)),
            p10_usd_per_gpu_hour=_rounded(twentieths[1]),
            p25_usd_per_gpu_hour=_rounded(twentieths[4]),
            median_usd_per_gpu_hour=_rounded(twentieths[9]),
        )


def _rounded(amount: Decimal) -> Decimal:
    return max(amount.quantize(MICRO), MICRO)


def _request(limit: int, credential: Credential | None = None) -> Request:
    return Request(
        url="https://console.vast.ai/api/v0/bundles/",
        method="POST",
        credential=credential,
        payload={
            "verified": {"eq": True},
            "external": {"eq": False},
            "rentable": {"eq": True},
            "rented": {"eq": False},
            "type": "on-demand",
            "allocated_storage": DISK_GB,
            "order": [["dph_total", "asc"]],
            "limit": limit,
        },
    )


SOURCE = Source(
    name="vast",
    homepage="https://vast.ai/pricing",
    every=HOURLY,
    shortest=MINUTE,
    requests=(_request(LIMIT), _request(KEYED_LIMIT, Credential(variable="VAST_API_KEY"))),
    parse=parse,
    parse_batch=parse_batch,
    follow=follow,
    contract=Contract(
        min_offers=20,
        must_have=("h100",),
        usd_per_gpu_hour=between("0.01", "16"),
        larger_costs_more=False,
        is_marketplace=True,
    ),
    covers="machines of verified hosts, on demand and interruptible, with the market's distribution",
    licence="public search interface, keyless, more with a key; no licence for the data is stated",
)
