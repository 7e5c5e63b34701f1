"""What a mutated answer may come to: right prices, a typed error or a broken contract, and nothing else."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from gpuledger.core.alias import seed_aliases
from gpuledger.core.document import Document
from gpuledger.core.errors import ParseError
from gpuledger.core.evidence import limits
from gpuledger.core.evidence.rules import is_by_its_count
from gpuledger.core.offer import ExchangeRate, Offer, StoragePrice, TransferPrice
from gpuledger.core.published import usd_per_hour
from gpuledger.core.store.archive import Manifest
from gpuledger.core.store.batch import Batch
from gpuledger.flows.validate import Parsed, judge, read_documents
from gpuledger.scrapers.source import Source
from tools.captures import captures, read_capture

CAPTURES = Path(__file__).resolve().parents[1] / "captures"

READ_TOGETHER = frozenset({"oci_price_list"})
"""One document alone says little there: shapes have no price."""

USD_PER_UNIT = {"EUR": Decimal("1.16")}
MOST_SECONDS = 5

REVEALED = {
    ("aws_capacity_blocks", "not the cheapest block of its zone"),
    ("aws_spot", "an older price of the same zone"),
    ("gcp_page", "prices that contradict each other"),
    ("oci_price_list", "tiers without their bounds, or not by the gigabyte"),
}
"""A row that is left out for what another one says is right again once that other one is gone."""

NULL_IS_ON_DEMAND = {"prime_intellect"}
"""`isSpot` is null for what is sold on demand (answer of 2025-11-16), so a lost `true` cannot be told."""

NEVER = datetime(2026, 10, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Verdict:
    """`how` it ended. Right: the rows unchanged, fewer, renamed, or one that was left out before revealed;
    `refused` by the adapter; `quarantined` by the contract; another price `believed`."""

    how: str
    seconds: float = 0.0
    wrong: tuple[str, ...] = ()
    factor: float = 1.0
    """The largest change of a price that was believed."""


@dataclass(frozen=True)
class Subject:
    """One document of a source, the others of its batch, and what they say unmutated."""

    source: Source
    document: Document
    others: Sequence[Document] = ()

    def parsed(self, document: Document) -> Parsed:
        manifest = Manifest(
            run_id="20261008T000000.000000Z-test",
            source=self.source.name,
            started_at=NEVER,
            observed_at=NEVER,
            documents=({"url": document.request.url},),
        )
        return read_documents(self.source, manifest, [document, *self.others])

    @cached_property
    def baseline(self) -> Parsed:
        found = self.parsed(self.document)
        assert found.error is None, found.error
        return found

    @cached_property
    def prices(self) -> dict[str, Decimal]:
        return {entry.fact.offer_id: per_gpu_hour(entry.fact) for entry in self.baseline.offers}

    @cached_property
    def said(self) -> dict[str, tuple[object, ...]]:
        return {entry.fact.offer_id: paid(entry.fact) for entry in self.baseline.offers}

    @cached_property
    def side_facts(self) -> dict[tuple[object, ...], Decimal]:
        return dict(side(fact) for fact in self.baseline.side_facts if priced(fact))

    @cached_property
    def held_to(self) -> Source:
        """The source with its contract, less what a capture of a few rows cannot have."""
        ids = {gpu_id(entry.fact) or "" for entry in self.baseline.offers}
        contract = self.source.contract
        must_have = tuple(p for p in contract.must_have if any(gpu.startswith(p) for gpu in ids))
        few = min(contract.min_offers, len(self.baseline.offers) // 2)
        return replace(self.source, contract=replace(contract, min_offers=few, must_have=must_have))

    def judged(self, parsed: Parsed, previous: Mapping[str, Decimal] | None = None) -> Batch:
        """The batch that would be believed: less what its contract doubts, and what moved further than it may."""
        batch = judge(replace(parsed, source=self.held_to), aliases=seed_aliases(), usd_per_unit=USD_PER_UNIT)
        disputed = set(batch.weighing.doubts if batch.weighing else ()) | set(
            moved_too_far(batch, self.prices if previous is None else previous)
        )
        return replace(batch, offers=[entry for entry in batch.offers if entry.fact.offer_id not in disputed])

    def verdict(self, body: bytes) -> Verdict:
        """Raises whatever but a `SourceError` the adapter raises: that is a defect."""
        started = time.process_time()
        document = replace(self.document, body=body)
        self._follow(document)
        parsed = self.parsed(document)
        batch = self.judged(parsed)
        seconds = time.process_time() - started
        if batch.outcome != "accepted":
            how = "quarantined" if batch.outcome == "quarantined" else "refused"
            return Verdict(how, seconds)
        return replace(self._compared(batch), seconds=seconds)

    def _follow(self, document: Document) -> None:
        hosts = {
            urlsplit(request.url).hostname for request in (*self.source.requests, *self.source.fallback)
        } | {urlsplit(self.document.request.url).hostname}
        try:
            for request in self.source.follow(document):
                parts = urlsplit(request.url)
                assert (parts.scheme, parts.hostname in hosts) == ("https", True), request.url
        except ParseError:
            pass

    @property
    def largest_change(self) -> float:
        return max(limits.LIST.highest, 1 / limits.LIST.lowest, limits.SPOT.highest, 1 / limits.SPOT.lowest)

    @cached_property
    def shapes(self) -> set[tuple[object, ...]]:
        """What is sold at which price, also where one of the other documents is read alone."""
        alone = [Subject(self.source, other).parsed(other) for other in self.others]
        offers = [entry.fact for parsed in (self.baseline, *alone) for entry in parsed.offers]
        return {self.shape(offer) for offer in offers}

    @cached_property
    def left_out(self) -> list[str]:
        """Rows that a lost or damaged neighbour may bring back."""
        name, skipped = self.source.name, self.baseline.skipped
        return [str(skip.row) for skip in skipped if (name, skip.reason) in REVEALED]

    def shape(self, offer: Offer) -> tuple[object, ...]:
        """What a price is for, whatever the row is called."""
        option = offer.purchase_option if self.source.name not in NULL_IS_ON_DEMAND else None
        return *paid(offer), offer.gpu_count, option, offer.term_months

    def _compared(self, batch: Batch) -> Verdict:
        wrong: list[str] = []
        changes = [1.0]
        hows: set[str] = set()
        for offer in (entry.fact for entry in batch.offers):
            before = self.said.get(offer.offer_id)
            if before == paid(offer):
                continue
            if any(f"{offer.price.amount:f}" in row for row in self.left_out):
                hows.add("revealed")
            elif before is None and (self.shape(offer) in self.shapes or gpu_id(offer) is None):
                hows.add("renamed")
            else:
                if before:
                    was, now = self.prices[offer.offer_id], per_gpu_hour(offer)
                    changes.append(float(max(now / was, was / now)))
                what = f"{offer.sku} {offer.region} {offer.purchase_option} x{offer.gpu_count}"
                wrong.append(f"{what}: {paid(offer)}, was {before}")
        for fact in filter(priced, batch.side_facts):
            key, amount = side(fact)
            before = self.side_facts.get(key)
            if before == amount:
                continue
            if any(f"{amount:f}" in row for row in self.left_out):
                hows.add("revealed")
            elif before is None and amount in self.side_facts.values():
                hows.add("renamed")
            else:
                wrong.append(f"{key}: {amount}, was {before}")
        if len(batch.offers) < len(self.baseline.offers):
            hows.add("fewer")
        rank = ("revealed", "renamed", "fewer")
        how = "believed" if wrong else next((how for how in rank if how in hows), "unchanged")
        return Verdict(how, wrong=tuple(wrong), factor=max(changes))


def moved_too_far(batch: Batch, previous: Mapping[str, Decimal]) -> Iterator[str]:
    """Offers whose price alone is evidence against it."""
    for offer in (entry.fact for entry in batch.offers):
        before = previous.get(offer.offer_id)
        bounds = limits.SPOT if offer.purchase_option == "spot" else limits.LIST
        if not before:
            continue
        factor = per_gpu_hour(offer) / before
        change, count = np.log([float(factor)]), np.array([float(offer.gpu_count)])
        if not bounds.lowest <= factor <= bounds.highest or is_by_its_count(change, count).any():
            yield offer.offer_id


def captured(source: Source) -> dict[str, Subject]:
    """The captures of a source by name, each with those that must be read together with it."""
    documents = {path.name: read_capture(source.name, path) for path in captures(CAPTURES / source.name)}
    return {
        name: Subject(
            source,
            document,
            [other for other in documents.values() if other is not document and source.name in READ_TOGETHER],
        )
        for name, document in documents.items()
    }


def paid(offer: Offer) -> tuple[object, ...]:
    return offer.price.amount, offer.price.currency, offer.price.unit, offer.upfront_amount


def gpu_id(offer: Offer) -> str | None:
    """An unknown label is listed as unmapped; nobody is quoted its price."""
    return seed_aliases().resolve(offer.provider, offer.gpu_label, offer.gpu_memory_gib)


def per_gpu_hour(offer: Offer) -> Decimal:
    rate = Decimal(1) if offer.price.currency == "USD" else USD_PER_UNIT.get(offer.price.currency, Decimal(1))
    return usd_per_hour(offer, rate) / offer.gpu_count


def priced(fact: object) -> bool:
    return isinstance(fact, (StoragePrice, TransferPrice, ExchangeRate))


def side(fact) -> tuple[tuple[object, ...], Decimal]:
    """A side fact's terms and its amount."""
    values = fact.model_dump()
    name = next(name for name in values if name.startswith("amount") or name == "usd_per_unit")
    amount = values.pop(name)
    return (type(fact).__name__, *values.values()), amount
