"""From archived documents to a batch that may be recorded, or the reason why not."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from pydantic import ValidationError

from gpuledger.core.alias import Aliases
from gpuledger.core.band import Band, seed_bands
from gpuledger.core.contract import BatchReport, CheckedOffer, check
from gpuledger.core.document import Document
from gpuledger.core.errors import ContractError, ParseError, SourceError
from gpuledger.core.offer import Fact, Offer, PurchaseOption, Skipped, Withdrawn
from gpuledger.core.published import usd_per_hour
from gpuledger.core.store.archive import FetchFailure, Manifest
from gpuledger.core.store.record import Batch, PriceList
from gpuledger.core.store.staging import Located
from gpuledger.core.validity import implausible_time
from gpuledger.flows.parsed import Parsed
from gpuledger.flows.sift import sift
from gpuledger.scrapers.source import Source

LOG = logging.getLogger("gpuledger")


def read(source: Source, manifest: Manifest, documents: Sequence[Document]) -> Parsed:
    """Parse all documents of a run. An adapter that cannot read one ends the run, with the document named."""
    try:
        found = [
            (number, _plausible(fact, manifest.observed_at)) for number, fact in _facts(source, documents)
        ]
        lists = [price_list(source, document) for document in documents] if source.is_dated_list else []
    except SourceError as error:
        return Parsed(manifest=manifest, source=source, error=error)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        seen = f"{where}: {first['msg']}, got {str(first.get('input'))[:80]!r}"
        return Parsed(
            manifest=manifest,
            source=source,
            error=ParseError(source.name, documents[0].request.url, f"a fact that cannot be: {seen}"),
        )
    except Exception as error:
        # A bug of one adapter ends its own runs, not everybody's; a corrected one replays them.
        message = f"the adapter broke: {type(error).__name__}: {str(error)[:200]}"
        LOG.exception("the adapter broke", extra={"source": source.name, "run_id": manifest.run_id})
        url = documents[0].request.url if documents else source.homepage
        return Parsed(manifest=manifest, source=source, error=ParseError(source.name, url, message))
    skipped = [fact for _, fact in found if isinstance(fact, Skipped)]
    located, doubled = _merged(source, documents, found)
    side = [fact for _, fact in found if not isinstance(fact, (Offer, Withdrawn, Skipped))]
    return Parsed(
        manifest=manifest,
        source=source,
        offers=located,
        side_facts=side,
        lists=lists,
        skipped=[*skipped, *doubled],
    )


def _plausible(fact: Fact, now: datetime) -> Fact:
    """The fact, or why nobody can have seen it when it says: a date with day and month exchanged would win until
    that day, one of the year 1 would make every publishing walk through two thousand years."""
    if not isinstance(fact, (Offer, Withdrawn)) or fact.observed_at is None:
        return fact
    reason = implausible_time(fact.observed_at, now)
    return fact if reason is None else Skipped(reason, fact.model_dump(mode="json", exclude_none=True))


def price_list(source: Source, document: Document) -> PriceList:
    """What a document of a dated list is, and what it covers by the word of whoever imported it.

    Raises:
        ParseError: the span cannot be read.
    """
    said = document.context
    kind = said.get("list") or source.list_kind(document)
    if "covers" not in said:
        return PriceList(kind=_kind(document, kind))
    first, _, last = said["covers"].partition("..")
    try:
        start, stop = datetime.fromisoformat(first), datetime.fromisoformat(last)
    except ValueError:
        raise document.error(f"covers {said['covers']!r}, which is no span FROM..UNTIL") from None
    return PriceList(
        kind="changes" if kind == "rows" else _kind(document, kind),
        covers_from=start if start.tzinfo else start.replace(tzinfo=UTC),
        covers_until=stop if stop.tzinfo else stop.replace(tzinfo=UTC),
    )


def _kind(document: Document, kind: str) -> Literal["snapshots", "changes", "rows"]:
    if kind == "snapshots" or kind == "changes" or kind == "rows":
        return kind
    raise document.error(f"is said to be a list of {kind!r}, which is none of snapshots, changes, rows")


def _facts(source: Source, documents: Sequence[Document]) -> Iterable[tuple[int, Fact]]:
    if source.parse_batch is not None:
        numbers = {id(document): number for number, document in enumerate(documents)}
        for document, fact in source.parse_batch(documents):
            yield numbers[id(document)], fact
        return
    for number, document in enumerate(documents):
        for fact in source.parse(document):
            yield number, fact


def _merged(
    source: Source, documents: Sequence[Document], found: Iterable[tuple[int, Fact]]
) -> tuple[list[Located], list[Skipped]]:
    """One offer per identity (and time, in a dated list). Where two documents of a run say it, the one that
    was asked later speaks: keyed interfaces come after public pages and know more."""
    chosen: dict[tuple[str, object], Located] = {}
    doubled: list[Skipped] = []
    for number, fact in found:
        if not isinstance(fact, (Offer, Withdrawn)):
            continue
        key = (fact.offer_id, fact.observed_at)
        before = chosen.get(key)
        if before is not None and source.is_dated_list and not _is_lower(fact, before.fact):
            doubled.append(Skipped("a dearer price of the same time", fact.model_dump(mode="json")))
            continue
        if before is not None:
            doubled.append(Skipped("listed twice in one run", before.fact.model_dump(mode="json")))
        chosen[key] = Located(fact=fact, document_no=number)
    return list(chosen.values()), doubled


def _is_lower(fact: Offer | Withdrawn, other: Offer | Withdrawn) -> bool:
    """Of two words about one offer and time the lower price stands, and any price before a withdrawal."""
    if not isinstance(fact, Offer):
        return False
    return not isinstance(other, Offer) or fact.price.amount < other.price.amount


def judge(
    parsed: Parsed,
    *,
    aliases: Aliases,
    previous: Mapping[str, Decimal],
    usd_per_unit: Mapping[str, Decimal],
    bands: Mapping[str, Band] | None = None,
) -> Batch:
    """Hold a run against its source's contract.

    Args:
        previous: US dollars per GPU-hour by `offer_id` of the source's last accepted batch.
        usd_per_unit: exchange rates by currency; without one an amount is held to the bounds as it is.
    """
    manifest, source = parsed.manifest, parsed.source
    kind = "archive" if source.is_dated_list else "live"
    failure = manifest.failure
    if failure is not None:
        return Batch(
            manifest=manifest,
            kind=kind,
            parser_version=source.parser_version,
            outcome="failed",
            error=failure,
        )
    if source.confidence != "direct" and parsed.error is None:
        return sift(parsed, aliases=aliases, usd_per_unit=usd_per_unit, bands=bands or seed_bands())
    report = _held(parsed, aliases, previous, usd_per_unit, bands or seed_bands())
    error = parsed.error or _breach(parsed, report)
    if error is not None:
        return Batch(
            manifest=manifest,
            kind=kind,
            parser_version=source.parser_version,
            skipped=parsed.skipped,
            offer_count=len(parsed.offers),
            outcome="quarantined" if isinstance(error, ContractError) else "failed",
            error=FetchFailure(kind=type(error).__name__, message=error.message, url=error.url),
        )
    return Batch(
        manifest=manifest,
        kind=kind,
        parser_version=source.parser_version,
        offers=[entry for entry in parsed.offers if entry.fact.offer_id not in report.left_out],
        side_facts=parsed.side_facts,
        lists=parsed.lists,
        skipped=[*parsed.skipped, *_left_out(parsed, report)],
    )


def _left_out(parsed: Parsed, report: BatchReport) -> list[Skipped]:
    return [
        Skipped(report.left_out[entry.fact.offer_id], entry.fact.model_dump(mode="json"))
        for entry in parsed.offers
        if entry.fact.offer_id in report.left_out
    ]


def _held(
    parsed: Parsed,
    aliases: Aliases,
    previous: Mapping[str, Decimal],
    usd_per_unit: Mapping[str, Decimal],
    bands: Mapping[str, Band],
) -> BatchReport:
    offers = [entry.fact for entry in parsed.offers if isinstance(entry.fact, Offer)]
    checked = [_checked(offer, aliases, usd_per_unit) for offer in offers]
    return check(
        checked,
        parsed.source.contract,
        bands=bands,
        previous={} if parsed.source.is_dated_list else previous,
    )


def _breach(parsed: Parsed, report: BatchReport) -> ContractError | None:
    if not report.breaches:
        return None
    shown = report.breaches[:5]
    if len(report.breaches) > len(shown):
        shown = (*shown, f"and {len(report.breaches) - len(shown)} more")
    documents = parsed.manifest.documents
    url = documents[0]["url"] if documents else parsed.source.homepage
    return ContractError(parsed.source.name, url, shown)


def _checked(offer: Offer, aliases: Aliases, usd_per_unit: Mapping[str, Decimal]) -> CheckedOffer:
    rate = Decimal(1) if offer.price.currency == "USD" else usd_per_unit.get(offer.price.currency, Decimal(1))
    gpu_id = aliases.resolve(offer.provider, offer.gpu_label, offer.gpu_memory_gib)
    place = (offer.provider, offer.via, offer.region, offer.zone, offer.tier, offer.operating_system)
    return CheckedOffer(
        offer_id=offer.offer_id,
        label=f"{offer.provider} {offer.sku} {offer.region}",
        gpu_id=gpu_id,
        gpu_count=offer.gpu_count,
        usd_per_gpu_hour=usd_per_hour(offer, rate) / offer.gpu_count,
        is_spot=offer.purchase_option is PurchaseOption.SPOT,
        is_on_demand=offer.purchase_option is PurchaseOption.ON_DEMAND,
        sibling=(
            offer.provider,
            offer.via,
            offer.sku,
            offer.region,
            offer.zone,
            offer.tier,
            offer.gpu_count,
            offer.observed_at,
        ),
        market=(
            *place,
            gpu_id or offer.gpu_label,
            offer.purchase_option,
            offer.term_months,
            offer.payment,
            offer.observed_at,
        ),
    )
