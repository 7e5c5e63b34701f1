"""gpurentalprices.com: one JSON a day, USD per GPU and hour, 20 to 34 providers since 2026-07-05.

A provider that could not be read that day keeps its last rows (`providers.NAME.stale`); they are no observation
of the day and are left out. `serverless` rows price a running function, not a machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from gpuledger.core.document import Document
from gpuledger.core.money import Unit
from gpuledger.core.offer import Fact, Offer, PurchaseOption, Skipped
from gpuledger.scrapers.archives.archive_row import (
    Sighting,
    decimal,
    fact,
    instant_of_text,
    without_dear_spot,
)
from gpuledger.scrapers.archives.changes import LIST_CONTRACT
from gpuledger.scrapers.read_json import fields, mapping, rows
from gpuledger.scrapers.source import Source, full_snapshots

# kind of the archive -> (how it is bought, tier)
_KINDS = {
    "on-demand": (PurchaseOption.ON_DEMAND, None),
    "secure": (PurchaseOption.ON_DEMAND, "secure"),
    "community": (PurchaseOption.ON_DEMAND, "community"),
    "marketplace": (PurchaseOption.ON_DEMAND, "community"),
    "spot": (PurchaseOption.SPOT, None),
    "interruptible": (PurchaseOption.SPOT, None),
    "bid": (PurchaseOption.SPOT, None),
    "reserved": (PurchaseOption.RESERVED, None),
}
_NOT_MACHINES = {"serverless", "per-second", "inference"}
_WITHOUT_MACHINE = ("gpu rate only", "billed separately")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{1,40}")
_GPUS_ALONE = {"gcp", "daytona"}


def parse(document: Document) -> Iterator[Fact]:
    """All rows of one day.

    Raises:
        ParseError: not this JSON.
    """
    content = mapping(document.json(), document, "the body")
    providers = fields(content.get("providers"))
    facts = (
        _fact(row, providers, content.get("generated_at"))
        for row in rows(content.get("offers"), document, "offers")
    )
    yield from without_dear_spot(_lowest(facts))


def _lowest(facts: Iterator[Fact]) -> Iterator[Fact]:
    """One price per offer: of several machines of one host or market the cheapest stands."""
    lowest: dict[str, Offer] = {}
    for seen in facts:
        if not isinstance(seen, Offer):
            yield seen
            continue
        other = lowest.get(seen.offer_id)
        low, high = (
            (seen, other) if other is None or seen.price.amount < other.price.amount else (other, seen)
        )
        lowest[seen.offer_id] = low
        if high is not None:
            yield Skipped(
                "not the cheapest of its kind that day", high.model_dump(mode="json", exclude_none=True)
            )
    yield from lowest.values()


def _fact(row: Mapping[str, Any], providers: Mapping[str, Any], generated_at: Any) -> Fact:
    provider = str(row.get("provider") or "")
    if fields(providers.get(provider)).get("stale"):
        return Skipped("carried forward from another day", dict(row))
    kind = str(row.get("kind"))
    if kind in _NOT_MACHINES:
        return Skipped("priced by the run of a function, not by the machine", dict(row))
    if kind not in _KINDS:
        return Skipped("a kind of price that is not known", dict(row))
    if provider in _GPUS_ALONE or any(
        words in str(row.get("instance") or "").lower() for words in _WITHOUT_MACHINE
    ):
        # Google's rows are those of the GPU alone: 0.35 for a T4 beside a machine of several times that
        return Skipped("the GPU alone, without the machine around it", dict(row))
    months = decimal(fields(row.get("commitment")).get("months"))
    if (kind == "reserved") != (months is not None):
        return Skipped("a commitment that is not described fully", dict(row))
    observed_at = instant_of_text(row.get("fetched_at", generated_at))
    label, memory = row.get("gpu"), decimal(row.get("vram_gb"))
    if observed_at is None or not isinstance(label, str) or not _SLUG.fullmatch(provider):
        return Skipped("no time, no GPU or no provider", dict(row))
    option, tier = _KINDS[kind]
    least = row.get("min_gpus")
    return fact(
        Sighting(
            provider=provider,
            sku=label,
            observed_at=observed_at,
            amount=str(row.get("usd_hr")),
            unit=Unit.GPU_HOUR,
            option=option,
            tier=tier,
            term_months=months,
            gpu_label=label,
            gpu_count=Decimal(1),
            gpu_memory_gib=memory,
            min_gpus=least if isinstance(least, int) and least > 0 else None,
        ),
        dict(row),
    )


SOURCE = Source(
    name="gpurentalprices",
    provider="several",
    homepage="https://gpurentalprices.com",
    every=timedelta(days=1),
    list_kind=full_snapshots,
    requests=(),
    is_dated_list=True,
    confidence="observed",
    parse=parse,
    contract=LIST_CONTRACT,
    covers="20 to 34 providers, daily since 2026-07-05",
    licence="CC BY 4.0 (gpurentalprices.com)",
)
