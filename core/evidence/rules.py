# numpy's stubs leave the element type of object arrays open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
"""Which claims of a run are contradicted by what the ledger knows. Pure, over whole columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from gpuledger.core.evidence import limits

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]


class Reason(IntEnum):
    """What contradicts a claim; of several the first counts."""

    NONE = 0
    NO_RATE = 1
    """A price in a currency without a rate, where one in a known currency was believed."""
    UNIFORM = 2
    """Most prices of the answer moved by one factor."""
    CURRENCY = 3
    """Another currency than before, though one that the source publishes in."""
    EXCHANGED = 4
    """Prices changed places."""
    RECOUNTED = 5
    """Another count of GPUs at the price of the whole."""
    UNIT = 6
    """A move by exactly the count of the machine's GPUs."""
    STEP = 7
    DRIFT = 8
    UNDERCUT = 9
    """A cut below every other provider, or of a spot price below the provider's own others."""
    OTHER_SOURCE = 10
    RELABELLED = 11
    """A machine that was listed with another GPU until now."""
    SUCCESSOR = 12
    """A new name for what cost something else."""
    BELOW_KIN = 13
    ABOVE_KIN = 14
    BELOW_LIST = 15
    """Another way to buy a GPU, at less than such ways ever cost beside its list price."""
    BELOW_MARKET = 16
    BELOW_SIBLINGS = 17
    CONTRACT = 18
    LIST_GONE = 19
    """Much of a list is gone at once."""
    REPLACED = 20
    """An offer is gone, and what resembles it is disputed."""


class Action(IntEnum):
    """What becomes of a claim."""

    BELIEVE = 0
    DISPUTE = 1
    """Held, as a new dispute."""
    HOLD = 2
    """Held, and noted already."""
    CONFIRM = 3
    """Believed, from when it was first seen."""
    LAPSE = 4
    """Believed; what was disputed is claimed no more."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One entry per claim of a run; the columns of `sql/evidence/40_figures.sql`. A number that is not known is
    NaN, a flag that is not known false."""

    offer_id: Texts
    claim: Texts
    """price, new, return, absence or none."""
    renamed_to: Texts
    open_state: Texts
    open_claim: Texts
    is_spot: Flags
    is_reserved: Flags
    is_as_disputed: Flags
    is_other_currency: Flags
    was_unlisted: Flags
    open_is_left_to_operator: Flags
    is_exchanged: Flags
    is_relabelled: Flags
    other_agrees: Flags
    other_is_direct: Flags
    is_renamed_alike: Flags
    gpu_count: Numbers
    term: Numbers
    """Months."""
    usd: Numbers
    believed_usd: Numbers
    believed_changed_at: Numbers
    open_since_at: Numbers
    open_at: Numbers
    open_usd: Numbers
    change: Numbers
    """Logarithm of usd over believed_usd."""
    option_both: Numbers
    option_alike: Numbers
    option_gpus: Numbers
    option_factor: Numbers
    product_both: Numbers
    product_regions: Numbers
    product_alike: Numbers
    kin_low: Numbers
    kin_high: Numbers
    market_low: Numbers
    market_high: Numbers
    predecessor_usd: Numbers
    """Of the offer that went when this one, like it, appeared."""
    list_usd: Numbers
    """The provider's lowest price on demand."""
    other_usd: Numbers
    other_seen_at: Numbers
    recounted_count: Numbers
    usd_7: Numbers
    usd_30: Numbers
    region_listed: Numbers
    region_gone: Numbers
    gpu_listed: Numbers
    gpu_gone: Numbers
    option_listed: Numbers
    option_gone: Numbers
    all_listed: Numbers
    all_gone: Numbers
    middle_usd: Numbers
    middle_offers: Numbers

    def __len__(self) -> int:
        return len(self.offer_id)


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What holds for the whole run."""

    at: float
    """When it observed, in seconds since 1970."""
    every_seconds: float
    is_first: bool
    """Whether the source has no offer yet."""
    is_marketplace: bool = False
    doubts: Mapping[str, str] | None = None
    """By `offer_id`, what the contract finds odd."""


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """One entry per claim."""

    reason: npt.NDArray[np.int8]
    action: npt.NDArray[np.int8]
    is_left_to_operator: Flags
    """Whether time alone does not confirm it."""


def weigh(figures: Figures, run: Circumstances) -> Verdicts:
    """Judge every claim of a run by the figures that speak for or against it."""
    with np.errstate(all="ignore"):
        reason = _prices(figures, run)
        reason = _absences(figures, reason)
        left = _is_extreme(figures) & (reason > 0)
        return Verdicts(reason=reason, action=_actions(figures, run, reason, left), is_left_to_operator=left)


def _either(where: Flags, one: limits.MoveLimits, other: limits.MoveLimits, name: str) -> Numbers:
    return np.where(where, getattr(one, name), getattr(other, name))


def _prices(figures: Figures, run: Circumstances) -> npt.NDArray[np.int8]:
    f = figures
    priced = (f.claim == "price") | (f.claim == "new") | (f.claim == "return")
    known = np.isfinite(f.believed_usd) & priced
    fresh = priced & ~known
    factor = np.exp(f.change)
    is_move = known & (f.claim == "price")
    age_years = (
        np.where(f.claim == "return", (run.at - f.believed_changed_at) / 86400, 0) / limits.HALVES_IN_DAYS
    )
    widened = 2.0 ** np.clip(age_years, 0, 4)
    low = _either(f.is_spot, limits.SPOT, limits.LIST, "lowest") / widened
    high = _either(f.is_spot, limits.SPOT, limits.LIST, "highest") * widened

    found: dict[Reason, Flags] = {}
    found[Reason.NO_RATE] = priced & ~np.isfinite(f.usd) & known
    uniform = (
        is_move
        & (f.option_alike >= limits.UNIFORM_LEAST)
        & (f.option_gpus >= 2)
        & (f.option_alike >= limits.UNIFORM_SHARE * f.option_both)
        & (np.abs(np.log(f.option_factor)) > limits.UNIFORM_MOVE)
    )
    found[Reason.UNIFORM] = (priced | (f.claim == "absence")) & bool(uniform.any())
    found[Reason.CURRENCY] = priced & f.is_other_currency
    found[Reason.EXCHANGED] = f.is_exchanged
    found[Reason.RECOUNTED] = fresh & np.isfinite(f.recounted_count)

    undercuts = np.isfinite(f.market_low) & (f.usd < f.market_low * (1 - limits.MARKET_SHARE))
    is_product_wide = (
        is_move
        & (f.product_regions >= 3)
        & (f.product_alike >= limits.PRODUCT_SHARE * f.product_both)
        & (factor > 0.5)
        & (factor < 2)
        & ~undercuts
    )
    found[Reason.STEP] = known & ((factor < low) | (factor > high)) & ~is_product_wide
    for usd, days in ((f.usd_7, "7"), (f.usd_30, "30")):
        drift = f.usd / usd
        lowest = _either(f.is_spot, limits.SPOT, limits.LIST, f"lowest_in_{days}_days")
        highest = _either(f.is_spot, limits.SPOT, limits.LIST, f"highest_in_{days}_days")
        drifted = (
            is_move & ((drift < lowest) & (factor < 1) | (drift > highest) & (factor > 1)) & ~is_product_wide
        )
        found[Reason.DRIFT] = found.get(Reason.DRIFT, drifted) | drifted
    found[Reason.UNIT] = is_move & is_by_its_count(f.change, f.gpu_count)
    under = _either(f.is_spot, limits.SPOT, limits.LIST, "lowest_under_the_market")
    # A spot price that falls below the provider's others, or that stands alone, is told from a slip by time only.
    undercuts_kin = (
        f.is_spot
        & ~np.bool_(run.is_marketplace)
        & ~(np.isfinite(f.kin_low) & (f.usd >= f.kin_low * (1 - limits.MARKET_SHARE)))
    )
    found[Reason.UNDERCUT] = known & (undercuts | undercuts_kin) & (factor < under)

    other_age = np.clip((run.at - f.other_seen_at) / 86400 / limits.HALVES_IN_DAYS, 0, 4)
    other_factor = f.usd / f.other_usd
    found[Reason.OTHER_SOURCE] = (
        fresh
        & np.isfinite(f.other_usd)
        & ((other_factor < low / 2.0**other_age) | (other_factor > high * 2.0**other_age))
    )
    share = limits.MARKETPLACE_KIN_SHARE if run.is_marketplace else limits.KIN_SHARE
    has_kin = np.isfinite(f.kin_low)
    if run.is_first:
        # The others of its kind come from other sources and older days.
        share = 0.4
    told = np.isfinite(f.other_usd)
    found[Reason.BELOW_KIN] = fresh & ~told & (f.usd < f.kin_low * (1 - share))
    found[Reason.ABOVE_KIN] = fresh & ~told & (f.usd > f.kin_high * 3)
    market_share = 0.6 if run.is_first or run.is_marketplace else limits.MARKET_SHARE
    found[Reason.BELOW_MARKET] = (
        fresh & ~told & (run.is_first | ~has_kin) & (f.usd < f.market_low * (1 - market_share))
    )
    sibling = np.where(f.is_spot | run.is_marketplace, 0.2, 0.4)
    found[Reason.BELOW_SIBLINGS] = (
        fresh & ~told & ~has_kin & (f.middle_offers >= 4) & (f.usd < f.middle_usd * sibling)
    )
    found[Reason.RELABELLED] = fresh & f.is_relabelled
    succession = f.usd / f.predecessor_usd
    # Hosts of a marketplace come and go, but not most of them at once; then a new name alone is no new price.
    is_replaced = (f.all_gone >= limits.GONE_LEAST) & (f.all_gone >= limits.REPLACED_SHARE * f.all_listed)
    found[Reason.SUCCESSOR] = fresh & (
        ~np.bool_(run.is_marketplace) & ((succession < np.where(f.is_spot, under, low)) | (succession > high))
        | is_replaced & (np.abs(np.log(succession)) > limits.UNIFORM_MOVE)
    )
    found[Reason.BELOW_LIST] = fresh & ~told & ~has_kin & (f.usd < f.list_usd * _least_of_list(f, run))
    if run.doubts:
        doubted = np.fromiter((name in run.doubts for name in f.offer_id), np.bool_, len(f))
        is_borne_out = (
            has_kin & (f.usd >= f.kin_low * 0.98) & (f.usd <= f.kin_high * 1.02) & ~np.bool_(run.is_first)
        )
        found[Reason.CONTRACT] = doubted & (fresh & ~is_borne_out | known & (np.abs(f.change) > 0.1))

    reason = np.zeros(len(f), np.int8)
    for which in sorted(found, reverse=True):
        reason[found[which]] = which
    # A second source that says the same, later than the believed price, explains a move; not a unit of a whole list.
    explained = f.other_agrees & (reason != Reason.UNIFORM)
    reason[explained] = Reason.NONE
    return reason


def is_by_its_count(change: Numbers, gpu_count: Numbers) -> Flags:
    """Whether a price moved by its machine's count of GPUs: that of one taken for that of all, or the reverse.

    Args:
        change: logarithm of the new price over the old one.
    """
    return (gpu_count != 1) & (np.abs(np.abs(change) - np.abs(np.log(gpu_count))) < limits.COUNT_MATCH)


def _least_of_list(figures: Figures, run: Circumstances) -> Numbers:
    """Below this share of the list price no other way to buy a GPU was ever seen."""
    f = figures
    share = np.select(
        [f.is_spot, f.is_reserved & (f.term <= 3), f.is_reserved & (f.term <= 12), f.is_reserved],
        [limits.SPOT_OF_LIST, *limits.RESERVED_OF_LIST],
        default=0.0,
    )
    return share / (2 if run.is_first else 1)


def _absences(figures: Figures, reason: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    f = figures
    gone = (f.claim == "absence") & (reason == Reason.NONE)
    is_new = gone & ~f.was_unlisted & ~f.is_renamed_alike
    many = (f.all_gone >= limits.GONE_LEAST) & (f.all_gone >= limits.GONE_SHARE * f.all_listed)
    region = (f.region_listed >= limits.GONE_LEAST) & (f.region_gone >= f.region_listed)
    gpu = (f.gpu_listed >= limits.GONE_LEAST) & (f.gpu_gone >= f.gpu_listed)
    option = (f.option_listed >= limits.GONE_LEAST) & (f.option_gone >= f.option_listed)
    # One that is disputed as gone stays so until it is confirmed, however few others are gone now.
    still = gone & (f.open_claim == "absence")
    reason = reason.copy()
    reason[is_new & (many | region | gpu | option) | still] = Reason.LIST_GONE
    disputed = set(f.offer_id[(reason > 0) & (f.claim == "new")])
    if disputed:
        replaced = np.fromiter((name in disputed for name in f.renamed_to), np.bool_, len(f))
        reason[gone & replaced] = Reason.REPLACED
    # While a price is disputed, an absence decides nothing about it.
    price_open = gone & (f.open_state == "disputed") & (f.open_claim != "absence")
    reason[price_open & (reason == Reason.NONE)] = Reason.LIST_GONE
    return reason


def _is_extreme(figures: Figures) -> Flags:
    f = figures
    known = np.isfinite(f.believed_usd)
    reference = np.where(known, f.believed_usd, f.other_usd)
    reference = np.where(np.isfinite(reference), reference, f.kin_low)
    reference = np.where(np.isfinite(reference), reference, f.market_low)
    return np.abs(np.log(f.usd / reference)) > np.log(limits.NEVER_BY_TIME)


def _actions(
    figures: Figures, run: Circumstances, reason: npt.NDArray[np.int8], left: Flags
) -> npt.NDArray[np.int8]:
    f = figures
    is_gone = f.claim == "absence"
    is_open = (f.open_state == "disputed") | (f.open_state == "rejected")
    is_rejected = f.open_state == "rejected"
    near = np.abs(np.log(f.usd / f.open_usd)) < np.where(f.is_spot, np.log(1.25), 0.004)
    same = is_open & (
        (f.is_as_disputed & ~is_gone) | (near & ~is_gone) | (is_gone & (f.open_claim == "absence"))
    )
    wait = run.every_seconds * (limits.INTERVALS - limits.JITTER)
    waited = run.at - f.open_since_at >= wait
    contradicted = (
        f.other_is_direct
        & (f.other_seen_at > f.open_since_at)
        & (np.abs(np.log(f.usd / f.other_usd)) > 0.1)
        & (np.abs(np.log(f.believed_usd / f.other_usd)) < 0.02)
    )
    # An absence over an open price: its believed price stays for twice as long as a value needs to confirm itself.
    over_price = is_gone & is_open & (f.open_claim != "absence")
    action = np.where(reason > 0, np.int8(Action.DISPUTE), np.int8(Action.BELIEVE)).astype(np.int8)
    action[is_open & ~same & (reason == 0)] = Action.LAPSE
    action[is_open & same & (reason == 0) & ~is_rejected] = Action.CONFIRM
    held = is_open & same & (reason > 0)
    action[held] = Action.HOLD
    action[held & waited & ~left & ~contradicted & ~is_rejected] = Action.CONFIRM
    action[same & is_rejected] = Action.HOLD
    action[over_price] = np.where(run.at - f.open_since_at < 2 * wait, Action.HOLD, Action.LAPSE)[over_price]
    action[(f.claim == "none") & is_open] = Action.LAPSE
    return action
