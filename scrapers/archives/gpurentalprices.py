"""gpurentalprices.com: one JSON a day, USD per GPU and hour, 20 to 34 providers since 2026-07-05.

A provider that could not be read that day keeps its last rows (`providers.NAME.stale`); they are no observation
of the day and are left out. `serverless` rows price a running function, not a machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from gpuledger.core.document import Document
from gpuledger.core.money import Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.archives.archive_row import Sighting, decimal, fact, instant
from gpuledger.scrapers.archives.changes import LIST_CONTRACT
from gpuledger.scrapers.read_json import fields, mapping, rows
from gpuledger.scrapers.source import Source, full_snapshots

# kind of the archive -> (how it is bought, tier)
_KINDS = {
    "on-demand": (PurchaseOption.ON_DEMAND, None),
    "secure": (PurchaseOption.ON_DEMAND, "secure"),
    "community": (PurchaseOption.ON_DEMAND, "community"),
    "spot": (PurchaseOption.SPOT, None),
}


def parse(document: Document) -> Iterator[Fact]:
    """All rows of one day.

    Raises:
        ParseError: not this JSON.
    """
    content = mapping(document.json(), document, "the body")
    providers = fields(content.get("providers"))
    for row in rows(content.get("offers"), document, "offers"):
        yield _fact(row, providers, content.get("generated_at"))


def _fact(row: Mapping[str, Any], providers: Mapping[str, Any], generated_at: Any) -> Fact:
    provider = str(row.get("provider") or "")
    if fields(providers.get(provider)).get("stale"):
        return Skipped("carried forward from another day", dict(row))
    kind = str(row.get("kind"))
    if kind not in _KINDS:
        return Skipped("priced by the run of a function, not by the machine", dict(row))
    observed_at = instant(row.get("fetched_at") or generated_at)
    label, memory = row.get("gpu"), decimal(row.get("vram_gb"))
    if observed_at is None or not isinstance(label, str) or not provider:
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
