# numpy's stubs leave the element type of some answers open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""How the prices of a run moved together: by one factor, product by product, place by place, or into each other's
rows. Pure, over whole columns; the same in SQL took ten times as long, most of it to plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpuledger.core.evidence.succession import Flags, HashKeys, Numbers

Codes = npt.NDArray[np.integer]
"""Equal where a text is equal."""

ALIKE = 0.01
"""Difference of logarithms up to which two prices moved alike."""

LARGE = 0.02
"""Least move whose match with another is no chance."""

ODD_MOVE = 0.1
"""Middle move of a way to buy from which on its prices may have slipped into other rows; many small moves in a long
list meet by chance."""

SLIPPED_SHARE = 0.6
"""Share of a way to buy whose prices are what other offers cost before, from which on they slipped."""

PLACES_LEAST, PLACES_SHARE = 4, 0.5
"""Fewest prices, and their share of all that moved, from which on small moves between two places are an exchange."""


@dataclass(frozen=True, kw_only=True)
class Moves:
    """One entry per claim of another price for a known offer."""

    change: Numbers
    """Logarithm of usd over believed_usd; NaN without a rate."""
    usd: Numbers
    """Per GPU-hour, as claimed."""
    believed_usd: Numbers
    gpu_count: Numbers
    term: Numbers
    option: Codes
    gpu: Codes
    region: Codes
    provider: Codes
    sku: Codes
    product_key: HashKeys
    way: HashKeys
    """Equal for offers that are bought alike."""


def figures_of_moves(moves: Moves, both_by_option: Mapping[int, int]) -> dict[str, Numbers | Flags]:
    """What each move says beside the others, by the names that `gpuledger.core.evidence.claims.Figures` has.

    Args:
        both_by_option: how many offers the run and the last state have in common, moved or not, by code of `option`.
    """
    with np.errstate(all="ignore"):
        is_slipped = _slipped(moves)
        exchanged, of_places = _exchanged(moves)
        return {
            **_of_options(moves, both_by_option),
            **_of_products(moves),
            **_of_regions(moves),
            "is_exchanged": exchanged | is_slipped,
            "is_slipped": is_slipped,
            "is_of_places": of_places,
        }


def taken_over(
    whole: Numbers, change: Numbers, shelf: HashKeys, gpu: Codes, is_move: Flags, is_gone: Flags
) -> Flags:
    """Moved prices that are what another product cost that went in the same run: one under the other's name.

    Args:
        whole: what the machine costs; of one that went, what it did.
        shelf: equal for machines of one size that a provider sells alike in one place.
    """
    taken = np.zeros(len(whole), np.bool_)
    moved = np.flatnonzero(is_move & (np.abs(np.nan_to_num(change)) > LARGE))
    if not len(moved) or not is_gone.any():
        return taken
    key = _mixed(shelf, _rounded(whole))
    products: dict[int, set[int]] = {}
    for place in np.flatnonzero(is_gone & np.isfinite(whole)).tolist():
        products.setdefault(int(key[place]), set()).add(int(gpu[place]))
    for place in moved.tolist():
        taken[place] = bool(products.get(int(key[place]), set()) - {int(gpu[place])})
    return taken


def _of_options(moves: Moves, both_by_option: Mapping[int, int]) -> dict[str, Numbers]:
    figures = {name: np.full(len(moves.change), np.nan) for name in _OPTION_FIGURES}
    for option in np.unique(moves.option).tolist():
        bought = moves.option == option
        middle = _middle(moves.change[bought])
        alike = bought & (np.abs(moves.change - middle) < ALIKE)
        figures["option_both"][bought] = both_by_option.get(option, np.nan)
        figures["option_factor"][bought] = np.exp(middle)
        if alike.any():
            figures["option_alike"][bought] = alike.sum()
            figures["option_gpus"][bought] = len(np.unique(moves.gpu[alike]))
    return figures


_OPTION_FIGURES = ("option_both", "option_factor", "option_alike", "option_gpus")


def _of_products(moves: Moves) -> dict[str, Numbers]:
    """By one machine in its places, three moves at least."""
    products, group = np.unique(moves.product_key, return_inverse=True)
    middle = _middles(moves.change, group, len(products))
    alike = np.abs(moves.change - middle[group]) < ALIKE
    many = np.bincount(group, minlength=len(products)) > 2
    return _alike(group, alike & many[group], moves.region, ("product_alike", "product_regions"))


def _of_regions(moves: Moves) -> dict[str, Numbers]:
    """Prices of one place that moved by one factor of more than a tenth."""
    step = np.nan_to_num(np.round(moves.change * 100))
    _, group = np.unique(_mixed(moves.region, step), return_inverse=True)
    return _alike(group, np.abs(moves.change) > 0.1, moves.gpu, ("region_alike", "region_gpus"))


def _alike(group: Codes, which: Flags, kind: Codes, names: tuple[str, str]) -> dict[str, Numbers]:
    """How many of each move's group are so, and how many kinds are among them; NaN for none."""
    count = np.bincount(group[which], minlength=group.max(initial=0) + 1).astype(float)
    width = kind.max(initial=0) + 1
    distinct = np.unique(group[which].astype(np.int64) * width + kind[which]) // width
    kinds = np.bincount(distinct, minlength=len(count)).astype(float)
    kinds[count == 0] = count[count == 0] = np.nan
    return {names[0]: count[group], names[1]: kinds[group]}


def _exchanged(moves: Moves) -> tuple[Flags, Flags]:
    """Prices that changed places, and those that did between two places: the new one is another's old one, and the
    other way round; of two products in one place, of one product in two places, of two ways to buy one machine, or of
    two providers that one answer speaks for."""
    large = np.abs(moves.change) > LARGE
    whole, whole_before = moves.usd * moves.gpu_count, moves.believed_usd * moves.gpu_count
    listed = _mixed(moves.provider, moves.region, moves.option, moves.term)
    card = _mixed(moves.gpu, moves.gpu_count)
    crossed = _crossed(moves, listed, whole, whole_before, card)
    crossed |= _crossed(moves, listed, moves.usd, moves.believed_usd, card)
    places = _crossed(
        moves, _mixed(moves.product_key, moves.gpu_count), moves.usd, moves.believed_usd, moves.region
    )
    machine = _mixed(moves.region, moves.sku, moves.gpu, moves.gpu_count)
    ways = _crossed(moves, machine, moves.usd, moves.believed_usd, _mixed(moves.provider, moves.way))
    # Small moves meet by chance, unless most of what moved are two places whose prices changed, or others of the two
    # ways to buy did.
    of_places = places & (
        large | np.bool_(places.sum() >= max(PLACES_LEAST, PLACES_SHARE * len(moves.change)))
    )
    of_ways = ways & (large | (ways & large).any())
    return crossed & large | of_places | of_ways, of_places


def _crossed(moves: Moves, within: HashKeys, usd: Numbers, before: Numbers, differing: Codes) -> Flags:
    """Whether another offer, unlike in what `differing` says, cost before what this one costs, and the reverse."""
    now, then = _rounded(usd), _rounded(before)
    moved = np.flatnonzero(np.abs(moves.change) > 0.001)
    forth, back = _mixed(within, now, then)[moved], _mixed(within, then, now)[moved]
    crossed = np.zeros(len(moves.change), np.bool_)
    if not len(moved):
        return crossed
    keys, group = np.unique(back, return_inverse=True)
    unlike = differing[moved]
    least = np.full(len(keys), np.iinfo(unlike.dtype).max, unlike.dtype)
    most = np.full(len(keys), np.iinfo(unlike.dtype).min, unlike.dtype)
    np.minimum.at(least, group, unlike)
    np.maximum.at(most, group, unlike)
    place = np.minimum(np.searchsorted(keys, forth), len(keys) - 1)
    crossed[moved] = (keys[place] == forth) & ((least[place] != unlike) | (most[place] != unlike))
    return crossed


def _slipped(moves: Moves) -> Flags:
    """Prices that slipped into other rows: most of those of a way to buy that moved are what another offer cost."""
    slipped = np.zeros(len(moves.change), np.bool_)
    for option in np.unique(moves.option).tolist():
        bought = np.flatnonzero(moves.option == option)
        if len(bought) < 3 or not _middle(np.abs(moves.change[bought])) > ODD_MOVE:
            continue
        count = moves.gpu_count[bought]
        before = moves.believed_usd[bought]
        old = np.concatenate([_rounded(before), _rounded(before * count)])
        usd = moves.usd[bought]
        is_old = np.isin(_rounded(usd), old) | np.isin(_rounded(usd * count), old)
        slipped[bought] = (is_old & np.isfinite(usd)).sum() >= SLIPPED_SHARE * len(bought)
    return slipped


def _middle(values: Numbers) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else np.nan


def _middles(values: Numbers, group: Codes, groups: int) -> Numbers:
    """Median of each group, without what is not finite."""
    finite = np.isfinite(values)
    order = np.lexsort((values[finite], group[finite]))
    ordered = values[finite][order]
    count = np.bincount(group[finite], minlength=groups)
    if not len(ordered):
        return np.full(groups, np.nan)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    low = np.minimum(first + np.maximum(count - 1, 0) // 2, len(ordered) - 1)
    high = np.minimum(first + count // 2, len(ordered) - 1)
    return np.where(count > 0, (ordered[low] + ordered[high]) / 2, np.nan)


def _rounded(usd: Numbers) -> npt.NDArray[np.int64]:
    """To the hundredth of a cent."""
    return np.nan_to_num(np.round(usd * 1e4), nan=-1, posinf=-1, neginf=-1).astype(np.int64)


def _mixed(*columns: Numbers | Codes | HashKeys) -> HashKeys:
    """One number of several columns, equal where all of them are."""
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        whole = np.round(column * 1e4).astype(np.int64) if column.dtype.kind == "f" else column
        mixed = (mixed ^ whole.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed
