"""From archived documents to a batch that may be recorded, or the reason why not."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from gpuledger.core.alias import Aliases
from gpuledger.core.contract import Band, CheckedOffer, check_contract, seed_bands
from gpuledger.core.count import counted
from gpuledger.core.document import Document
from gpuledger.core.errors import ContractError, ParseError, SourceError
from gpuledger.core.offer import ExchangeRate, Fact, Offer, PurchaseOption, Skipped, Withdrawn
from gpuledger.core.published import usd_per_hour
from gpuledger.core.store.archive import FetchFailure, Manifest
from gpuledger.core.store.batch import Batch, PriceList
from gpuledger.core.store.decision import OPERATOR, Decision
from gpuledger.core.store.evidence import Weighing
from gpuledger.core.store.staging import Located, SideFact
from gpuledger.core.validity import implausible_time
from gpuledger.flows.columns import price_list, read_columns
from gpuledger.flows.ledger import decision_in
from gpuledger.scrapers.source import Source

LOG = logging.getLogger("gpuledger")


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What the documents of one run say, or how reading them ended."""

    manifest: Manifest
    source: Source
    offers: Sequence[Located] = ()
    side_facts: Sequence[SideFact] = ()
    lists: Sequence[PriceList] = ()
    """Of a dated list, what each document is."""
    table: Any = None
    """Of a list that is read as columns, an Arrow table, in the place of offers; `document_no` counts from 0."""
    skipped: Sequence[Skipped] = ()
    error: SourceError | None = None
    contradictions: Mapping[str, str] = field(default_factory=dict[str, str])
    """By `offer_id`, prices that one answer states for one offer."""
    decision: Decision | None = None

    @property
    def writes_to(self) -> str:
        """Source whose offers it changes."""
        return self.decision.source if self.decision else self.source.name

    @property
    def rows_ahead(self) -> tuple[str, ...]:
        """A line where rows are dated after the run, within the day that `implausible_time` allows."""
        now = self.manifest.observed_at
        ahead = [at for entry in self.offers if (at := entry.fact.observed_at) and at > now]
        text = "dated ahead of the clock: not on sale before"
        return (f"{counted(len(ahead), 'row')} {text} {max(ahead):%Y-%m-%dT%H:%MZ}",) if ahead else ()


def read_documents(source: Source, manifest: Manifest, documents: Sequence[Document]) -> Parsed:
    """Parse all documents of a run. An adapter that cannot read one ends the run, with the document named."""
    try:
        if source.name == OPERATOR:
            return Parsed(manifest=manifest, source=source, decision=decision_in(documents[0]))
        if source.parse_table is not None:
            table, left_out = read_columns(source, documents, manifest.observed_at)
            lists = [price_list(source, document) for document in documents]
            return Parsed(manifest=manifest, source=source, table=table, lists=lists, skipped=left_out)
        numbered_facts = [
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
    skipped = [fact for _, fact in numbered_facts if isinstance(fact, Skipped)]
    located, doubled, contradictions = _merged(source, documents, numbered_facts)
    side = [fact for _, fact in numbered_facts if not isinstance(fact, (Offer, Withdrawn, Skipped))]
    early = [fact for fact in side if _is_of_a_future_day(fact, manifest)]
    side = [fact for fact in side if not _is_of_a_future_day(fact, manifest)]
    skipped += [Skipped("an exchange rate of a future day", fact.model_dump(mode="json")) for fact in early]
    return Parsed(
        manifest=manifest,
        source=source,
        offers=located,
        side_facts=side,
        lists=lists,
        skipped=[*skipped, *doubled],
        contradictions=contradictions,
    )


def _plausible(fact: Fact, now: datetime) -> Fact:
    """The fact, or why nobody can have seen it when it says: a date with day and month exchanged would win until
    that day, one of the year 1 would make every publishing walk through two thousand years."""
    if not isinstance(fact, (Offer, Withdrawn)) or fact.observed_at is None:
        return fact
    reason = implausible_time(fact.observed_at, now)
    return fact if reason is None else Skipped(reason, fact.model_dump(mode="json", exclude_none=True))


def _is_of_a_future_day(fact: SideFact, manifest: Manifest) -> bool:
    """A rate that is dated ahead would hold until that day, whatever true rates came meanwhile."""
    return isinstance(fact, ExchangeRate) and fact.rate_date > manifest.observed_at.astimezone(UTC).date()


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
    source: Source, documents: Sequence[Document], numbered_facts: Iterable[tuple[int, Fact]]
) -> tuple[list[Located], list[Skipped], dict[str, str]]:
    """One offer per identity (and time, in a dated list). Where two documents of a run say it, the one that
    was asked later speaks: keyed interfaces come after public pages and know more. Two prices in one document
    contradict each other: the dearer one is taken, and doubted."""
    chosen: dict[tuple[str, object], Located] = {}
    doubled: list[Skipped] = []
    contradictions: dict[str, str] = {}
    for number, fact in numbered_facts:
        if not isinstance(fact, (Offer, Withdrawn)):
            continue
        key = (fact.offer_id, fact.observed_at)
        before = chosen.get(key)
        if before is not None and source.is_dated_list and not _is_lower(fact, before.fact):
            doubled.append(Skipped("a dearer price of the same time", fact.model_dump(mode="json")))
            continue
        if before is not None and (doubt := _contradiction(before, number, fact)):
            contradictions[fact.offer_id] = doubt
            doubled.append(Skipped("two prices of one offer in one answer", fact.model_dump(mode="json")))
            if _is_lower(fact, before.fact):
                continue
        elif before is not None:
            doubled.append(Skipped("listed twice in one run", before.fact.model_dump(mode="json")))
        chosen[key] = Located(fact=fact, document_no=number)
    return list(chosen.values()), doubled, contradictions


def _contradiction(before: Located, number: int, fact: Offer | Withdrawn) -> str | None:
    one, other = before.fact, fact
    if before.document_no != number or not isinstance(one, Offer) or not isinstance(other, Offer):
        return None
    if one.price == other.price:
        return None
    return (
        f"one answer states {one.price.amount.normalize():f} and {other.price.amount.normalize():f}"
        f" {other.price.currency} for it"
    )


def _is_lower(fact: Offer | Withdrawn, other: Offer | Withdrawn) -> bool:
    """Of two words about one offer and time the lower price stands, and any price before a withdrawal."""
    if not isinstance(fact, Offer):
        return False
    return not isinstance(other, Offer) or fact.price.amount < other.price.amount


def judge(
    parsed: Parsed,
    *,
    aliases: Aliases,
    usd_per_unit: Mapping[str, Decimal],
    bands: Mapping[str, Band] | None = None,
) -> Batch:
    """Hold a run against its source's contract. What the ledger knows of its prices is weighed when it is recorded.

    Args:
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
    if parsed.decision is not None:
        return Batch(
            manifest=manifest,
            kind=kind,
            parser_version=source.parser_version,
            offer_count=len(parsed.decision.offer_ids),
            decision=parsed.decision,
        )
    if parsed.table is not None:
        is_usable = parsed.table.num_rows > 0 or not parsed.skipped
        return Batch(
            manifest=manifest,
            kind=kind,
            parser_version=source.parser_version,
            table=parsed.table,
            lists=parsed.lists,
            skipped=parsed.skipped,
            offer_count=parsed.table.num_rows,
            outcome="accepted" if is_usable else "failed",
            error=None if is_usable else _nothing_usable(parsed, parsed.skipped),
            weighing=_weighing(parsed, {}) if source.is_weighed_list else None,
        )
    bands = bands or seed_bands()
    if source.confidence != "direct" and source.is_dated_list and parsed.error is None:
        return _believable_rows(parsed, aliases=aliases, usd_per_unit=usd_per_unit, bands=bands)
    report = check_contract(_checked_offers(parsed, aliases, usd_per_unit), source.contract, bands=bands)
    error = parsed.error or _breach(parsed, (*_foreign_currencies(parsed), *report.breaches))
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
    # A list that dates its own rows has no next run in which a doubt could be settled.
    left_out: Mapping[str, str] = report.doubts if source.is_dated_list else {}
    doubts = {**report.doubts, **parsed.contradictions}
    return Batch(
        manifest=manifest,
        kind=kind,
        parser_version=source.parser_version,
        offers=[entry for entry in parsed.offers if entry.fact.offer_id not in left_out],
        side_facts=parsed.side_facts,
        lists=parsed.lists,
        skipped=[*parsed.skipped, *_left_out(parsed, left_out)],
        weighing=None if source.is_dated_list else _weighing(parsed, doubts),
    )


def _weighing(parsed: Parsed, doubts: Mapping[str, str]) -> Weighing:
    source = parsed.source
    return Weighing(
        every=source.every,
        started_at=parsed.manifest.started_at,
        is_marketplace=source.contract.is_marketplace,
        doubts=doubts,
    )


def _left_out(parsed: Parsed, left_out: Mapping[str, str]) -> list[Skipped]:
    return [
        Skipped("a price that its contract doubts", entry.fact.model_dump(mode="json"))
        for entry in parsed.offers
        if entry.fact.offer_id in left_out
    ]


def _foreign_currencies(parsed: Parsed) -> list[str]:
    """An answer in another currency than its source publishes in: somebody has to look, whatever the figures."""
    allowed = parsed.source.currencies
    seen = Counter(entry.fact.price.currency for entry in parsed.offers if isinstance(entry.fact, Offer))
    return [
        f"{counted(count, 'price')} in {currency}, {' or '.join(allowed)} expected"
        for currency, count in sorted(seen.items())
        if allowed and currency not in allowed
    ]


def _checked_offers(
    parsed: Parsed, aliases: Aliases, usd_per_unit: Mapping[str, Decimal]
) -> list[CheckedOffer]:
    offers = (entry.fact for entry in parsed.offers if isinstance(entry.fact, Offer))
    return [_checked(offer, aliases, usd_per_unit) for offer in offers]


def _breach(parsed: Parsed, breaches: Sequence[str]) -> ContractError | None:
    if not breaches:
        return None
    shown = list(breaches[:5])
    if len(breaches) > len(shown):
        shown.append(f"and {len(breaches) - len(shown)} more")
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


def _believable_rows(
    parsed: Parsed, *, aliases: Aliases, usd_per_unit: Mapping[str, Decimal], bands: Mapping[str, Band]
) -> Batch:
    """The batch of an archive's run: every row that can be true. An archive mixes years, sources and slips of many
    hands: what cannot be is left out with its reason, and the rest stands.

    Args:
        usd_per_unit: exchange rates by currency; a row in another currency is taken as it is.
        bands: believable US dollars per GPU-hour by `gpu_id`.
    """
    left_out = dict(_unbelievable(parsed, aliases, usd_per_unit, bands))
    offers = [entry for number, entry in enumerate(parsed.offers) if number not in left_out]
    skipped = [*parsed.skipped, *left_out.values()]
    is_usable = bool(offers or parsed.side_facts)
    return Batch(
        manifest=parsed.manifest,
        kind="archive",
        parser_version=parsed.source.parser_version,
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


def _unbelievable(
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
            yield (
                number,
                Skipped(
                    "a price that no such GPU ever had", entry.fact.model_dump(mode="json", exclude_none=True)
                ),
            )
