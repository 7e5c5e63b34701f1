# numpy's stubs leave the element type of object arrays open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
"""Which claims of a run are contradicted by what the ledger knows. Pure, over whole columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpuledger.core.evidence import limits
from gpuledger.core.evidence.actions import actions, is_left_to_operator
from gpuledger.core.evidence.claims import Circumstances, Figures, Reason, Verdicts
from gpuledger.core.evidence.succession import Comings, Flags, Numbers, Succession, succession


def weigh(figures: Figures, run: Circumstances) -> Verdicts:
    """Judge every claim of a run by the figures that speak for or against it."""
    with np.errstate(all="ignore"):
        came = succession(_comings(figures))
        doubted = _doubted(figures, run)
        reason = _prices(figures, run, came, doubted)
        reason = _absences(figures, came, reason)
        left = is_left_to_operator(figures) & (reason > 0)
        return Verdicts(
            reason=reason,
            action=actions(figures, run, reason, left, doubted),
            is_left_to_operator=left,
            succession=came,
        )


def _comings(f: Figures) -> Comings:
    is_gone = f.claim == "absence"
    return Comings(
        is_gone=is_gone,
        is_new=f.claim == "new",
        usd=np.where(is_gone, f.believed_usd, f.usd),
        like_key=f.like_key,
        place_key=f.place_key,
        machine_key=f.machine_key,
        label_key=f.label_key,
        shelf_key=f.shelf_key,
        way_key=f.way_key,
        way=f.way,
        kin_key=f.kin_key,
        gpu=f.gpu,
        region=f.region,
        is_mapped=f.is_mapped,
        is_old_region=f.is_old_region,
    )


def _doubted(f: Figures, run: Circumstances) -> Flags:
    if not run.doubts:
        return np.zeros(len(f), np.bool_)
    return np.fromiter((name in run.doubts for name in f.offer_id), np.bool_, len(f))


def _either(where: Flags, one: limits.MoveLimits, other: limits.MoveLimits, name: str) -> Numbers:
    return np.where(where, getattr(one, name), getattr(other, name))


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What every rule reads of the claims."""

    priced: Flags
    believed: Flags
    """Priced, and a price was believed before."""
    fresh: Flags
    """Priced, and none was."""
    is_move: Flags
    factor: Numbers
    low: Numbers
    high: Numbers
    has_kin: Flags
    is_told: Flags
    """Whether another source knows the offer."""
    undercuts: Flags
    """Whether every other provider asks for more."""
    is_cheapest: Flags
    """Whether it is below all others of its provider, or of the market where that has none."""
    is_among_siblings: Flags
    """Whether the same machine costs so much in other places."""
    is_undone: Flags
    """Whether it takes back a claim that time alone had confirmed."""
    is_product_wide: Flags


def _reading(f: Figures, run: Circumstances) -> _Reading:
    priced = (f.claim == "price") | (f.claim == "new") | (f.claim == "return")
    believed = np.isfinite(f.believed_usd) & priced
    is_move = believed & (f.claim == "price")
    age_years = np.where(f.claim == "return", (run.at - f.believed_changed_at) / 86400, 0)
    widened = 2.0 ** np.clip(age_years / limits.HALVES_IN_DAYS, 0, 4)
    factor = np.exp(f.change)
    undercuts = np.isfinite(f.market_low) & (f.usd < f.market_low * (1 - limits.MARKET_SHARE))
    return _Reading(
        priced=priced,
        believed=believed,
        fresh=priced & ~believed,
        is_move=is_move,
        factor=factor,
        low=_either(f.is_spot, limits.SPOT, limits.LIST, "lowest") / widened,
        high=_either(f.is_spot, limits.SPOT, limits.LIST, "highest") * widened,
        has_kin=np.isfinite(f.kin_low),
        is_cheapest=np.where(np.isfinite(f.kin_low), f.usd < f.kin_low * (1 - limits.KIN_SHARE), undercuts),
        is_told=np.isfinite(f.other_usd),
        undercuts=undercuts,
        is_among_siblings=(f.product_both >= limits.SIBLINGS_LEAST)
        & (f.usd >= f.sibling_low * (1 - limits.KIN_SHARE))
        & (f.usd <= f.sibling_high * (1 + limits.KIN_SHARE))
        # A tax, a unit or a currency of one place.
        & ~((f.region_alike >= limits.UNIFORM_LEAST) & (f.region_gpus >= 2)),
        is_undone=is_move & (np.abs(np.log(f.usd / f.usd_unsettled)) < limits.SAME_AGAIN),
        is_product_wide=is_move
        & (f.product_regions >= 3)
        & (f.product_alike >= limits.PRODUCT_SHARE * f.product_both)
        & (factor > 0.5)
        & (factor < 2)
        & ~undercuts,
    )


def _prices(f: Figures, run: Circumstances, came: Succession, doubted: Flags) -> npt.NDArray[np.int8]:
    read = _reading(f, run)
    grounds = {
        **_batch(f, read, came),
        **_moves(f, run, read),
        **_fresh(f, run, read),
        **_names(f, run, read, came),
        Reason.REPEATED: _repeated(f, read),
    }
    is_borne_out = (
        read.has_kin & (f.usd >= f.kin_low * 0.98) & (f.usd <= f.kin_high * 1.02) & ~np.bool_(run.is_first)
    )
    grounds[Reason.CONTRACT] = doubted & (
        read.fresh & ~is_borne_out | read.believed & (np.abs(f.change) > 0.1)
    )
    reason = np.zeros(len(f), np.int8)
    for which in sorted(grounds, reverse=True):
        reason[grounds[which]] = which
    # A second source that says the same, later than the believed price, explains a move; not a unit of a whole list.
    explained = f.other_agrees & (reason != Reason.UNIFORM) & ~f.is_other_gpu
    reason[explained] = Reason.NONE
    return reason


def _batch(f: Figures, read: _Reading, came: Succession) -> dict[Reason, Flags]:
    """What the answer as a whole says."""
    uniform = (
        read.is_move
        & (f.option_alike >= limits.UNIFORM_LEAST)
        & (f.option_gpus >= 2)
        & (f.option_alike >= limits.UNIFORM_SHARE * f.option_both)
        & (np.abs(np.log(f.option_factor)) > limits.UNIFORM_MOVE)
        & ~read.is_undone
    )
    # Rows that moved to another place at their old price, beside prices of places that were exchanged.
    relocated = int(came.is_moved.sum())
    moved = came.is_moved & bool(f.is_of_places.any() or relocated >= limits.RELOCATED_LEAST)
    if relocated >= limits.RELOCATED_LEAST:
        moved |= (f.claim == "price") | (f.claim == "new")
    return {
        Reason.NO_RATE: read.priced & ~np.isfinite(f.usd) & read.believed,
        Reason.UNIFORM: (read.priced | (f.claim == "absence")) & bool(uniform.any()),
        Reason.CURRENCY: read.priced & f.is_other_currency,
        # Of an answer whose prices slipped into other rows, new rows are no better than the others.
        Reason.EXCHANGED: f.is_exchanged | moved | came.is_rebought | read.fresh & bool(f.is_slipped.any()),
    }


def _moves(f: Figures, run: Circumstances, read: _Reading) -> dict[Reason, Flags]:
    """Another price of a known offer."""
    factor = read.factor
    is_explained = read.is_product_wide | read.is_among_siblings | read.is_undone
    drift = np.zeros(len(f), np.bool_)
    for usd, days in ((f.usd_7, "7"), (f.usd_30, "30")):
        so_far = f.usd / usd
        lowest = _either(f.is_spot, limits.SPOT, limits.LIST, f"lowest_in_{days}_days")
        highest = _either(f.is_spot, limits.SPOT, limits.LIST, f"highest_in_{days}_days")
        drift |= (so_far < lowest) & (factor < 1) | (so_far > highest) & (factor > 1)
    under = _either(f.is_spot, limits.SPOT, limits.LIST, "lowest_under_the_market")
    # A spot price that falls below the provider's others, or that stands alone, is told from a slip by time only.
    undercuts_kin = (
        f.is_spot
        & ~np.bool_(run.is_marketplace)
        & ~(read.has_kin & (f.usd >= f.kin_low * (1 - limits.MARKET_SHARE)))
    )
    return {
        Reason.STEP: read.believed & ((factor < read.low) | (factor > read.high)) & ~is_explained,
        Reason.DRIFT: read.is_move & drift & ~is_explained,
        Reason.UNIT: read.is_move & is_by_its_count(f.change, f.gpu_count) & ~read.is_undone,
        Reason.UNDERCUT: read.believed
        & (read.undercuts | undercuts_kin)
        & (factor < under)
        & ~(read.is_among_siblings | read.is_undone),
    }


def _fresh(f: Figures, run: Circumstances, read: _Reading) -> dict[Reason, Flags]:
    """A price of an offer that was never believed."""
    fresh, is_first = read.fresh, np.bool_(run.is_first)
    other_age = np.clip((run.at - f.other_seen_at) / 86400 / limits.HALVES_IN_DAYS, 0, 4)
    other_factor = f.usd / f.other_usd
    # The others of a first answer's kind come from other sources and older days.
    kin_share = (
        0.4 if run.is_first else limits.MARKETPLACE_KIN_SHARE if run.is_marketplace else limits.KIN_SHARE
    )
    market_share = 0.6 if run.is_first or run.is_marketplace else limits.MARKET_SHARE
    sibling = np.where(f.is_spot | run.is_marketplace, 0.2, 0.4)
    untold = fresh & ~read.is_told
    under = _either(f.is_spot, limits.SPOT, limits.LIST, "lowest_under_the_market")
    # Below what another source has, and below all else: as with a move that undercuts.
    undercuts = (
        ~is_first
        & (other_factor < under / 2.0**other_age)
        & ((f.usd < f.kin_low * (1 - limits.KIN_SHARE)) | read.undercuts)
    )
    return {
        Reason.OTHER_SOURCE: fresh
        & read.is_told
        & (
            (other_factor < read.low / 2.0**other_age)
            | (other_factor > read.high * 2.0**other_age)
            | undercuts
        ),
        Reason.RECOUNTED: fresh & np.isfinite(f.recounted_count),
        Reason.BELOW_KIN: untold & (f.usd < f.kin_low * (1 - kin_share)),
        Reason.ABOVE_KIN: untold & (f.usd > f.kin_high * 3),
        Reason.BELOW_MARKET: untold
        & (is_first | ~read.has_kin)
        & (f.usd < f.market_low * (1 - market_share)),
        Reason.BELOW_SIBLINGS: untold
        & ~read.has_kin
        & (f.middle_offers >= 4)
        & (f.usd < f.middle_usd * sibling),
        Reason.BELOW_LIST: untold & ~read.has_kin & (f.usd < f.list_usd * _least_of_list(f, run)),
    }


def _names(f: Figures, run: Circumstances, read: _Reading, came: Succession) -> dict[Reason, Flags]:
    """A new name of what went."""
    in_place = f.usd / came.predecessor_usd
    # A machine that is cut everywhere costs as little in a new place.
    moved_usd = came.moved_usd * np.exp(_cut_elsewhere(f, read))
    elsewhere = np.where(read.is_among_siblings, np.nan, f.usd / moved_usd)
    ratio = np.where(np.isfinite(in_place), in_place, elsewhere)
    under = _either(f.is_spot, limits.SPOT, limits.LIST, "lowest_under_the_market")
    # Hosts of a marketplace come and go, but not most of them at once; then a new name alone is no new price.
    # One that is disputed as gone is no less missing in the next run.
    is_replaced = (f.all_missing >= limits.GONE_LEAST) & (
        f.all_missing >= limits.REPLACED_SHARE * f.all_listed
    )
    is_other_price = (np.abs(np.log(ratio)) > limits.UNIFORM_MOVE) | (
        np.abs(came.shift) > limits.UNIFORM_MOVE
    )
    return {
        Reason.RELABELLED: read.fresh & came.is_relabelled | read.believed & f.is_other_gpu,
        Reason.RENAMED_GPU: read.fresh & came.is_renamed_gpu,
        Reason.SUCCESSOR: read.fresh
        & (
            ~np.bool_(run.is_marketplace)
            & ((ratio < np.where(f.is_spot, under, read.low)) | (ratio > read.high))
            | is_replaced & is_other_price
        ),
    }


def _cut_elsewhere(f: Figures, read: _Reading) -> Numbers:
    """By how much the same machine moved in the source's other places, as a logarithm, where most of them did alike."""
    moved = np.flatnonzero(read.is_product_wide)
    machines, first = np.unique(f.machine_key[moved], return_index=True)
    if not len(machines):
        return np.zeros(len(f))
    place = np.minimum(np.searchsorted(machines, f.machine_key), len(machines) - 1)
    return np.where(machines[place] == f.machine_key, f.change[moved[first]][place], 0)


def is_by_its_count(change: Numbers, gpu_count: Numbers) -> Flags:
    """Whether a price moved by its machine's count of GPUs: that of one taken for that of all, or the reverse.

    Args:
        change: logarithm of the new price over the old one.
    """
    return (gpu_count != 1) & (np.abs(np.abs(change) - np.abs(np.log(gpu_count))) < limits.COUNT_MATCH)


def _repeated(f: Figures, read: _Reading) -> Flags:
    """New rows that are a list once more, times one factor below one, where one of them at least would be cheaper than
    all that its provider has of the GPU. A place that costs as much as another, or more, is a new place."""
    untold = read.fresh & (f.claim == "new") & ~read.is_told
    repeated = (
        untold
        & (f.repeated_alike >= limits.UNIFORM_LEAST)
        & (f.repeated_gpus >= 2)
        & (f.repeated_alike >= limits.UNIFORM_SHARE * f.repeated_of)
        & (np.log(f.repeated_factor) < -limits.UNIFORM_MOVE)
    )
    return repeated & bool((repeated & read.is_cheapest).any())


def _least_of_list(f: Figures, run: Circumstances) -> Numbers:
    """Below this share of the list price no other way to buy a GPU was ever seen."""
    share = np.select(
        [f.is_spot, f.is_reserved & (f.term <= 3), f.is_reserved & (f.term <= 12), f.is_reserved],
        [limits.SPOT_OF_LIST, *limits.RESERVED_OF_LIST],
        default=limits.ON_DEMAND_OF_LIST,
    )
    return share / (2 if run.is_first else 1)


def _absences(f: Figures, came: Succession, reason: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    gone = (f.claim == "absence") & (reason == Reason.NONE)
    is_new = gone & ~f.was_unlisted & ~came.is_renamed_alike
    many = (f.all_gone >= limits.GONE_LEAST) & (f.all_gone >= limits.GONE_SHARE * f.all_listed)
    region = (f.region_listed >= limits.GONE_LEAST) & (f.region_gone >= f.region_listed)
    gpu = (f.gpu_listed >= limits.GONE_LEAST) & (f.gpu_gone >= f.gpu_listed)
    option = (f.option_listed >= limits.GONE_LEAST) & (f.option_gone >= f.option_listed)
    # One that is disputed as gone stays so until it is confirmed, however few others are gone now.
    still = gone & (f.open_claim == "absence")
    reason = reason.copy()
    reason[is_new & (many | region | gpu | option) | still] = Reason.LIST_GONE
    is_disputed = (reason > 0) & (f.claim == "new")
    reason[gone & (came.renamed_to >= 0) & is_disputed[came.renamed_to]] = Reason.REPLACED
    # While a price is disputed, an absence decides nothing about it.
    price_open = gone & (f.open_state == "disputed") & (f.open_claim != "absence")
    reason[price_open & (reason == Reason.NONE)] = Reason.LIST_GONE
    return reason
