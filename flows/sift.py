"""Rows of other people's archives, believed or left out one by one.

A live batch is taken or refused whole, since one wrong row shows that the reading is wrong. An archive mixes
years, sources and slips of many hands: what cannot be is left out with its reason, and the rest stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from gpuledger.core.alias import Aliases
from gpuledger.core.band import Band
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Offer, Skipped
from gpuledger.core.published import usd_per_hour
from gpuledger.core.store.archive import FetchFailure
from gpuledger.core.store.record import Batch
from gpuledger.core.store.staging import Located
from gpuledger.flows.parsed import Parsed


def sift(
    parsed: Parsed, *, aliases: Aliases, usd_per_unit: Mapping[str, Decimal], bands: Mapping[str, Band]
) -> Batch:
    """The batch of an archive's run: every row that can be true.

    Args:
        usd_per_unit: exchange rates by currency; a row in another currency is taken as it is.
        bands: believable US dollars per GPU-hour by `gpu_id`.
    """
    source = parsed.source
    refused = dict(_refused(parsed, aliases, usd_per_unit, bands))
    offers = [entry for number, entry in enumerate(parsed.offers) if number not in refused]
    skipped = [*parsed.skipped, *refused.values()]
    is_usable = bool(offers or parsed.side_facts)
    return Batch(
        manifest=parsed.manifest,
        kind="archive",
        parser_version=source.parser_version,
        offers=offers,
        side_facts=parsed.side_facts,
        lists=parsed.lists,
        skipped=skipped,
        outcome="accepted" if is_usable else "failed",
        error=None if is_usable else _nothing_usable(parsed, skipped),
    )


def _nothing_usable(parsed: Parsed, skipped: Sequence[Skipped]) -> FetchFailure:
    counts = Counter(row.reason for row in skipped).most_common()
    reasons = "; ".join(f"{count} x {reason}" for reason, count in counts) or "the file holds no row"
    urls = [entry["url"] for entry in parsed.manifest.documents]
    return FetchFailure(
        kind=ParseError.__name__, message=f"no usable row ({reasons})", url=urls[0] if urls else ""
    )


def _refused(
    parsed: Parsed, aliases: Aliases, usd_per_unit: Mapping[str, Decimal], bands: Mapping[str, Band]
) -> Iterator[tuple[int, Skipped]]:
    low, high = parsed.source.contract.usd_per_gpu_hour
    for number, entry in enumerate(parsed.offers):
        offer = entry.fact
        if not isinstance(offer, Offer):
            continue
        rate = Decimal(1) if offer.price.currency == "USD" else usd_per_unit.get(offer.price.currency)
        if rate is None:
            continue
        band = bands.get(aliases.resolve(offer.provider, offer.gpu_label, offer.gpu_memory_gib) or "")
        least, most = (max(low, band.low), min(high, band.high)) if band else (low, high)
        least *= min(offer.gpu_count, Decimal(1))
        if not least <= usd_per_hour(offer, rate) / offer.gpu_count <= most:
            yield number, Skipped("a price that no such GPU ever had", _shown(entry))


def _shown(entry: Located) -> dict[str, object]:
    return entry.fact.model_dump(mode="json", exclude_none=True)
