# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Which offer that appeared may be which one that went: under another name, in another place, with another GPU's name.

Each is compared with the one that is nearest in price, so that a list of which all names changed costs a sort.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]
HashKeys = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

ALIKE = 0.01
"""Difference of logarithms up to which two prices are one."""

SAME = 0.0005
"""The same of what was not priced anew: a label alone changed. Hosts of a marketplace ask nearly alike by chance."""

REFINED = 0.25
"""The same of one machine whose GPU has a fuller name now."""


@dataclass(frozen=True, kw_only=True)
class Comings:
    """One entry per claim of a run, of which some went and some are new."""

    is_gone: Flags
    is_new: Flags
    usd: Numbers
    """What it costs; of one that went, what it did."""
    like_key: HashKeys
    """Equal for offers of one GPU in one place that differ in their names alone."""
    place_key: HashKeys
    """The same, and in their counts of GPUs."""
    machine_key: HashKeys
    """Equal for offers that differ in their places alone."""
    label_key: HashKeys
    """Equal for offers that differ in their GPU's names alone."""
    shelf_key: HashKeys
    """Equal for machines of one size that a provider sells alike in one place."""
    way_key: HashKeys
    """Equal for offers that differ in their names and in how they are bought."""
    way: HashKeys
    """Equal for offers that are bought alike."""
    kin_key: HashKeys
    """Equal for offers of one GPU that are bought alike, wherever."""
    gpu: Texts
    region: Texts
    is_mapped: Flags
    is_old_region: Flags
    """Of a new one, whether the source had its region before."""


@dataclass(frozen=True, kw_only=True)
class Succession:
    """One entry per claim."""

    renamed_to: Positions
    """Of one that went, the place of the new one that may be it; -1: none."""
    is_renamed_alike: Flags
    """Of one that went, whether a new name at the same price takes its place."""
    predecessor_usd: Numbers
    """Of a new one, the price that is nearest to its own of those like it that went from its place."""
    moved_usd: Numbers
    """The same of the same machine in other places."""
    is_relabelled: Flags
    """Of a new one, whether the same machine was listed with another GPU."""
    is_renamed_gpu: Flags
    """Of a new one, whether a machine with another GPU went from its place at the same price."""
    shift: Numbers
    """Of a new one, the logarithm of what the new ones of its kind cost in the middle over what those that went did."""
    is_rebought: Flags
    """Of a new one, whether the same machine, at the same price, went from another way to buy."""
    is_moved: Flags
    """Of a new one, whether the same machine, at the same price, went from another place, though its own is not new."""


def succession(comings: Comings) -> Succession:
    """Pair what went with what is new."""
    c = comings
    count = len(c.usd)
    is_new, is_gone = c.is_new, c.is_gone
    if not (is_new.any() and is_gone.any()):
        none = np.full(count, np.nan)
        no = np.zeros(count, np.bool_)
        return Succession(
            renamed_to=np.full(count, -1, np.int64),
            is_renamed_alike=no,
            predecessor_usd=none,
            moved_usd=none,
            is_relabelled=no,
            is_renamed_gpu=no,
            shift=none,
            is_rebought=no,
            is_moved=no,
        )
    like, near = (nearest(key, c.usd, is_gone, is_new) for key in (c.like_key, c.place_key))
    machine = nearest(c.machine_key, c.usd, is_gone, is_new)
    bought = nearest(c.way_key, c.usd, is_gone, is_new)
    bought = np.where((bought >= 0) & (c.way[bought] != c.way), bought, -1)
    label = nearest(c.label_key, c.usd, is_gone, is_new)
    machine = np.where((machine >= 0) & (c.region[machine] != c.region), machine, -1)
    label = np.where((label >= 0) & (c.gpu[label] != c.gpu), label, -1)
    is_refined = np.zeros(count, np.bool_)
    for place in np.flatnonzero(label >= 0):
        is_refined[place] = says_more(str(c.gpu[place]), str(c.gpu[label[place]]))
    mapped = np.where(is_gone, c.is_mapped, c.is_mapped[label])
    is_relabelled = (label >= 0) & ~is_refined & mapped
    label = np.where(is_relabelled | is_refined, label, -1)
    shelf = nearest(c.shelf_key, c.usd, is_gone, is_new)

    def distance(other: Positions) -> Numbers:
        return np.where(other >= 0, np.abs(np.log(c.usd / c.usd[other])), np.inf)

    def is_alike(other: Positions) -> Flags:
        return distance(other) < ALIKE

    is_renamed_gpu = np.zeros(count, np.bool_)
    mapped = np.where(is_gone, c.is_mapped, c.is_mapped[shelf])
    for place in np.flatnonzero((distance(shelf) < SAME) & ~is_alike(like) & (label < 0) & mapped):
        is_renamed_gpu[place] = is_other_gpu(str(c.gpu[place]), str(c.gpu[shelf[place]]))
    shelf = np.where(is_renamed_gpu, shelf, -1)
    old = np.where(is_new, c.is_old_region, c.is_old_region[machine])
    return Succession(
        renamed_to=np.where(is_gone, first_of(label, machine, like, near, bought, shelf), -1),
        is_renamed_alike=is_gone
        & (is_alike(like) | is_refined & (distance(label) < REFINED) | is_alike(machine) & ~old),
        predecessor_usd=np.where(is_new & (like >= 0), c.usd[like], np.nan),
        moved_usd=np.where(is_new & (machine >= 0), c.usd[machine], np.nan),
        is_relabelled=is_new & is_relabelled,
        is_renamed_gpu=is_new & is_renamed_gpu,
        shift=_shift(c),
        is_rebought=is_new & is_alike(bought),
        is_moved=is_new & old & is_alike(machine),
    )


def first_of(*choices: Positions) -> Positions:
    """Of several places for each claim the first that there is."""
    first = choices[-1]
    for choice in reversed(choices[:-1]):
        first = np.where(choice >= 0, choice, first)
    return first


def says_more(one: str, other: str) -> bool:
    """Whether one name of a GPU is the other with more said: `a100` and `a100-sxm-80gb`."""
    return one != other and (one.startswith(f"{other}-") or other.startswith(f"{one}-"))


_FORMS = frozenset({"sxm", "pcie", "nvl", "oam"})


def is_other_gpu(one: str, other: str) -> bool:
    """Whether two names contradict each other: in the model, the memory or the form, where both state it. `h100-80gb`
    and `h100-sxm-80gb` do not, `a100-80gb` and `a100-40gb` do."""
    (model, stated), (other_model, also) = _parts(one), _parts(other)
    return model != other_model or any(stated[kind] != also[kind] for kind in stated.keys() & also.keys())


def _parts(gpu: str) -> tuple[str, dict[str, str]]:
    words = gpu.replace(" ", "-").split("-")
    kinds = [
        "form" if w in _FORMS else "memory" if w.endswith("gb") and w[:-2].isdigit() else "" for w in words
    ]
    model = "-".join(word for word, kind in zip(words, kinds, strict=True) if not kind)
    return model, {kind: word for word, kind in zip(words, kinds, strict=True) if kind}


def nearest(key: HashKeys, usd: Numbers, is_gone: Flags, is_new: Flags) -> Positions:
    """Of each that went the new one of its key that is nearest in price, and the reverse; -1: there is none."""
    partner = np.full(len(usd), -1, np.int64)
    places = np.flatnonzero((is_gone | is_new) & np.isfinite(usd))
    order = places[np.lexsort((usd[places], key[places]))]
    if not len(order):
        return partner
    keys, values, new = key[order], usd[order], is_new[order]
    index = np.arange(len(order))
    best = np.full(len(order), -1, np.int64)
    distance = np.full(len(order), np.inf)
    for side in (new, ~new):
        before = np.maximum.accumulate(np.where(side, index, -1))
        after = np.minimum.accumulate(np.where(side, index, len(order))[::-1])[::-1]
        for other in (before, after):
            reachable = (other >= 0) & (other < len(order))
            at = np.where(reachable, other, 0)
            gap = np.where(
                reachable & ~side & (keys[at] == keys), np.abs(np.log(values / values[at])), np.inf
            )
            closer = gap < distance
            best, distance = np.where(closer, at, best), np.where(closer, gap, distance)
    partner[order] = np.where(best >= 0, order[best], -1)
    return partner


def _shift(c: Comings) -> Numbers:
    kinds, kind = np.unique(c.kin_key, return_inverse=True)
    new, gone = (_middles(kind, c.usd, side, len(kinds)) for side in (c.is_new, c.is_gone))
    return np.where(c.is_new, np.log(new / gone)[kind], np.nan)


def _middles(kind: Positions, usd: Numbers, which: Flags, count: int) -> Numbers:
    """The middle price of those of each kind, NaN where there is none."""
    middles = np.full(count, np.nan)
    places = np.flatnonzero(which & np.isfinite(usd))
    order = places[np.lexsort((usd[places], kind[places]))]
    present, first, numbers = np.unique(kind[order], return_index=True, return_counts=True)
    middles[present] = usd[order][first + numbers // 2]
    return middles
