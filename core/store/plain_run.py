# numpy's stubs leave the element type of some answers open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Runs whose claims are believed whatever the rest of the ledger says, told from their source's own state.

Most runs that change something are of this kind: prices that move within what needs no other evidence, stock, some
offers that went. The rules are those of `gpuledger.core.evidence`, asked with the figures of the source alone, and
wherever another source or the past could contradict a claim the run is left to `gpuledger.core.store.record`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from math import log
from typing import Any

import numpy as np

from gpuledger.core.evidence import limits
from gpuledger.core.evidence.claims import Circumstances, Figures
from gpuledger.core.evidence.moves import Moves, figures_of_moves
from gpuledger.core.evidence.rules import weigh
from gpuledger.core.offer import Offer, PurchaseOption
from gpuledger.core.store.batch import Batch
from gpuledger.core.store.source_state import OfferState, PastPrice, PriceTerms, SourceState, may_have_cost
from gpuledger.core.store.staging import micro

PRICE_TERMS = frozenset({"price", "upfront_amount", "effective_at", "availability"})
"""Of an offer, what may change without another identity or shape."""

_FREE_OF_SHAPE = frozenset(Offer.model_fields) - PRICE_TERMS

COPIED = 0.02
"""As `sql/evidence/43_beside.sql` has it: the least move for which the price of another way to buy is no chance."""

MARKET_AGE = timedelta(days=30)
"""As there: how long the word of another provider counts."""

_MARGIN = 1e-9
"""So near to a limit the ledger is asked."""


@dataclass(frozen=True, slots=True)
class OfferChange:
    """What a run changes of one offer."""

    state: OfferState
    offer: Offer | None
    """As it was shown; absent: None."""
    document_no: int
    """Counts the manifest's documents from 0."""
    is_price_change: bool
    is_stock_change: bool


@dataclass(frozen=True, slots=True)
class PlainRun:
    """What a run changes, and what it shows."""

    differences: Sequence[OfferChange]
    """In the order of the offers' numbers."""
    shown: Mapping[str, Offer]


def plain_run(
    batch: Batch,
    state: SourceState,
    others: Collection[SourceState],
    rates: Callable[[], Mapping[str, float]],
) -> PlainRun | None:
    """What a believable batch changes; None where it has to be weighed against the ledger.

    Args:
        state: of its source, before the run.
        others: what other sources are known to have; none has to be there.
        rates: answers those that were known when it started, US dollars by currency.
    """
    changes: list[OfferChange] = []
    listed: dict[str, Offer] = {}
    returned: Counter[str] = Counter()
    for entry in batch.offers:
        offer = entry.fact
        offer_id = offer.offer_id
        before = state.offers.get(offer_id)
        shown = state.shown.get(offer_id)
        if before is None or shown is None or not isinstance(offer, Offer) or offer.observed_at is not None:
            return None
        listed[offer_id] = offer
        if offer is not shown and offer != shown and not _has_same_shape(offer, shown):
            return None
        if before.amount is None:
            if before.withdrawn_price != price_terms(offer):
                return None
            # back at the price that it went with: nothing contradicts that
            returned[offer.purchase_option.value] += 1
            changes.append(OfferChange(before, offer, entry.document_no, True, True))
            continue
        is_other_price = before.amount != micro(offer.price.amount) or before.upfront_amount != micro(
            offer.upfront_amount
        )
        if before.currency != offer.price.currency or before.unit != offer.price.unit.value:
            return None
        is_other_stock = before.availability != offer.availability.value
        if is_other_price or is_other_stock:
            changes.append(OfferChange(before, offer, entry.document_no, is_other_price, is_other_stock))
    absent = _absences(batch, state, listed)
    if absent is None or not _are_believed(batch, state, others, changes, absent, returned, rates):
        return None
    return PlainRun(sorted([*changes, *absent], key=_number), listed)


def price_terms(offer: Offer) -> PriceTerms:
    """What an offer costs, as the ledger keeps it."""
    price = offer.price
    return micro(price.amount), micro(offer.upfront_amount), price.currency, price.unit.value


def _number(difference: OfferChange) -> int:
    return difference.state.offer_no


def _has_same_shape(offer: Offer, shown: Offer) -> bool:
    one, other = offer.__dict__, shown.__dict__
    return all(one[name] == other[name] for name in _FREE_OF_SHAPE)


def _absences(batch: Batch, state: SourceState, listed: Mapping[str, Offer]) -> list[OfferChange] | None:
    """Offers that the run does not show; None where so many went at once that the list may be doubted."""
    if len(listed) == len(state.offers):
        return []
    absent: list[OfferChange] = []
    is_complete, fresh = batch.manifest.is_complete, list[OfferState]()
    for offer_id, before in state.offers.items():
        if offer_id in listed or before.amount is None:
            continue
        was_unlisted = before.availability == "unlisted"
        if not was_unlisted:
            fresh.append(before)
        if is_complete or not was_unlisted:
            absent.append(OfferChange(before, None, -1, was_unlisted, not was_unlisted))
    return None if is_complete and _are_many(fresh, state) else absent


def _are_many(gone: Sequence[OfferState], state: SourceState) -> bool:
    """Whether so much of the list, or all of a place, a GPU or a way to buy, went at once; as
    `sql/evidence/41_standing.sql` counts it."""
    if len(gone) < limits.GONE_LEAST:
        return False
    standing = [
        one for one in state.offers.values() if one.amount is not None and one.availability != "unlisted"
    ]
    if len(gone) >= limits.GONE_SHARE * len(standing):
        return True
    listed = Counter(group for one in standing for group in _groups(one))
    went = Counter(group for one in gone for group in _groups(one))
    return any(count >= limits.GONE_LEAST and count >= listed[group] for group, count in went.items())


def _groups(state: OfferState) -> tuple[tuple[str | float, ...], ...]:
    return (
        ("region", state.region),
        ("gpu", state.gpu),
        ("option", state.purchase_option),
        ("term", state.purchase_option, state.term),
    )


def _are_believed(
    batch: Batch,
    state: SourceState,
    others: Collection[SourceState],
    changes: Sequence[OfferChange],
    absent: Sequence[OfferChange],
    returned: Counter[str],
    rates: Callable[[], Mapping[str, float]],
) -> bool:
    """Whether its moved prices are believed whatever other sources, and the offers' past, say of them."""
    moved = [one for one in changes if one.is_price_change and one.state.amount is not None]
    if not moved:
        return True
    assert batch.weighing is not None
    usd_per_unit = rates()
    prices = _moved_prices(moved, usd_per_unit)
    if prices is None:
        return False
    usd, believed_usd = prices
    change = np.log(usd / believed_usd)
    whole = usd * np.array([one.state.gpu_count for one in moved])
    if may_have_cost(whole.tolist(), [one.state for one in absent], usd_per_unit):
        return False
    market = _Market(batch, state, others, usd_per_unit)
    for difference, now, step in zip(moved, usd.tolist(), change.tolist(), strict=True):
        if not market.cannot_contradict(difference, now, step):
            return False
    run = Circumstances(
        at=batch.manifest.observed_at.timestamp(),
        every_seconds=batch.weighing.every.total_seconds(),
        is_first=False,
        is_marketplace=batch.weighing.is_marketplace,
        doubts=batch.weighing.doubts,
    )
    options = Counter(
        entry.fact.purchase_option.value for entry in batch.offers if isinstance(entry.fact, Offer)
    )
    figures = _figures(moved, usd=usd, believed_usd=believed_usd, change=change, options=options - returned)
    return not weigh(figures, run).reason.any()


def _moved_prices(moved: Sequence[OfferChange], usd_per_unit: Mapping[str, float]) -> tuple[Any, Any] | None:
    """What they cost now and cost before, in US dollars per GPU-hour; None without a rate."""
    now: list[float] = []
    before: list[float] = []
    for difference in moved:
        state, offer = difference.state, difference.offer
        assert offer is not None and state.amount is not None
        amount = micro(offer.price.amount)
        assert amount is not None
        rate = usd_per_unit.get(offer.price.currency)
        if rate is None:
            return None
        unit = offer.price.unit.value
        now.append(state.price_of(amount, micro(offer.upfront_amount), unit, usd_per_unit=rate))
        before.append(state.price_of(state.amount, state.upfront_amount, unit, usd_per_unit=rate))
    return np.array(now), np.array(before)


@dataclass(frozen=True, slots=True)
class _Market:
    """What a moved price is held to beside the answer that it came with."""

    batch: Batch
    state: SourceState
    others: Collection[SourceState]
    usd_per_unit: Mapping[str, float]

    def cannot_contradict(self, difference: OfferChange, usd: float, change: float) -> bool:
        """Whether neither other offers nor its own past contradict it, as far as that is known here."""
        before, offer = difference.state, difference.offer
        assert offer is not None
        is_spot = offer.purchase_option is PurchaseOption.SPOT
        bounds = limits.SPOT if is_spot else limits.LIST
        if not log(bounds.lowest) < change < log(bounds.highest):
            return False
        is_cut = change < log(bounds.lowest_under_the_market) + _MARGIN
        if is_cut and not self._has_cheaper_provider(before, usd):
            return False
        if is_cut and is_spot and not self._has_cheaper_kin(before, usd):
            return False
        return self._fits_its_past(before, offer, usd, bounds) and (
            abs(change) < COPIED * 0.99 or not self._is_of_another_way(before, usd)
        )

    def _fits_its_past(self, before: OfferState, offer: Offer, usd: float, bounds: limits.MoveLimits) -> bool:
        currency = offer.price.currency
        price = usd / self.usd_per_unit[currency]
        lowest = max(bounds.lowest_in_7_days, bounds.lowest_in_30_days)
        highest = min(bounds.highest_in_7_days, bounds.highest_in_30_days)
        return all(past.currency != currency or lowest < price / past.price < highest for past in before.past)

    def _usd(self, other: OfferState) -> float | None:
        rate = self.usd_per_unit.get(other.currency or "")
        if other.amount is None or rate is None:
            return None
        return other.price_of(other.amount, other.upfront_amount, str(other.unit), usd_per_unit=rate)

    def _has_cheaper_provider(self, before: OfferState, usd: float) -> bool:
        """Whether another provider is known to ask for less, or for as much."""
        if before.term:
            return False
        started_at = self.batch.manifest.started_at
        for source in self.others:
            seen_at = source.last_observed_at
            if not source.is_current or seen_at is None or not started_at - MARKET_AGE < seen_at < started_at:
                continue
            for other in source.of_gpu.get((before.gpu, before.purchase_option), ()):
                price = None if other.provider == before.provider else self._usd(other)
                if price is not None and price <= usd:
                    return True
        return False

    def _has_cheaper_kin(self, before: OfferState, usd: float) -> bool:
        """Whether the source itself sells the GPU elsewhere, bought alike, for less or for as much."""
        seen_at, started_at = self.state.last_observed_at, self.batch.manifest.started_at
        if seen_at is None or seen_at >= started_at or seen_at < started_at - MARKET_AGE:
            return False
        for other in self.state.of_gpu.get((before.gpu, before.purchase_option), ()):
            if other is not before and other.kin_key == before.kin_key:
                price = self._usd(other)
                if price is not None and price <= usd:
                    return True
        return False

    def _is_of_another_way(self, before: OfferState, usd: float) -> bool:
        """Whether it may be the price of another way to buy the same machine: one column read for the other."""
        for other in self.state.at_one_machine[before.ways_key]:
            if other.kin_key != before.kin_key and other.amount is not None:
                price = self._usd(other)
                if price is None or abs(log(usd / price)) < 0.001:
                    return True
        return False


def _codes(values: Sequence[Any]) -> Any:
    numbers, code = count(), dict[Any, int]()
    return np.array([code.setdefault(value, next(numbers)) for value in values], np.int64)


def _figures(
    moved: Sequence[OfferChange], *, usd: Any, believed_usd: Any, change: Any, options: Mapping[str, int]
) -> Figures:
    """The figures of claims of another price that the source alone has."""
    states = [difference.state for difference in moved]
    bought = [state.purchase_option for state in states]
    option = _codes(bought)
    moves = Moves(
        change=change,
        usd=usd,
        believed_usd=believed_usd,
        gpu_count=np.array([state.gpu_count for state in states]),
        term=np.array([state.term for state in states]),
        gpu=_codes([state.gpu for state in states]),
        region=_codes([state.region for state in states]),
        provider=_codes([state.provider for state in states]),
        sku=_codes([state.sku for state in states]),
        product_key=np.array([state.product_key for state in states], np.uint64),
        way=np.array([state.way for state in states], np.uint64),
        option=option,
    )
    both = {int(code): options[name] for name, code in zip(bought, option, strict=True)}
    blank = {
        "Texts": lambda: np.full(len(moved), "", dtype=object),
        "Flags": lambda: np.zeros(len(moved), np.bool_),
        "Numbers": lambda: np.full(len(moved), np.nan),
        "HashKeys": lambda: np.zeros(len(moved), np.uint64),
    }
    columns: dict[str, Any] = {name: blank[kind]() for name, kind in Figures.__annotations__.items()}
    columns |= figures_of_moves(moves, both)
    columns |= {
        "offer_id": np.array([state.offer_id for state in states], dtype=object),
        "claim": np.full(len(moved), "price", dtype=object),
        "is_spot": np.array([name == "spot" for name in bought]),
        "is_reserved": np.array([name == "reserved" for name in bought]),
        "gpu_count": moves.gpu_count,
        "term": moves.term,
        "usd": usd,
        "believed_usd": believed_usd,
        "believed_changed_at": np.array([state.changed_at.timestamp() for state in states]),
        "change": change,
    }
    return Figures(**columns)


def apply(
    difference: OfferChange, *, run_no: int, first_document: int, at: datetime
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Bring an offer's state up to a run; returns the rows of `price_change` and `stock_change`, where there are such.

    Args:
        at: when the run observed.
    """
    state, offer = difference.state, difference.offer
    price = stock = None
    if difference.is_price_change:
        if offer is None:
            state.withdrawn_price = (state.amount, state.upfront_amount, state.currency, state.unit)
        state.changed_at, state.run_no = at, run_no
        state.amount = None if offer is None else micro(offer.price.amount)
        state.upfront_amount = None if offer is None else micro(offer.upfront_amount)
        state.currency = None if offer is None else offer.price.currency
        state.unit = None if offer is None else offer.price.unit.value
        state.effective_at = None if offer is None else offer.effective_at
        state.document_no = None if offer is None else first_document + difference.document_no
        price = {
            "observed_at": at,
            "offer_no": state.offer_no,
            **{name: getattr(state, name) for name in _PRICE},
        }
        if state.amount is not None:
            now = state.price_of(state.amount, state.upfront_amount, str(state.unit))
            state.remember(PastPrice(at, now, str(state.currency)), at)
    if difference.is_stock_change:
        state.availability = "unlisted" if offer is None else offer.availability.value
        state.stock_changed_at = at
        stock = {
            "observed_at": at,
            "offer_no": state.offer_no,
            "availability": state.availability,
            "run_no": run_no,
        }
    return price, stock


_PRICE = ("amount", "upfront_amount", "currency", "unit", "effective_at", "run_no", "document_no")
