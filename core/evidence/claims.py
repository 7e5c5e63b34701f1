"""The claims of a run, what is known about each, and what may become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from gpuledger.core.evidence.succession import Flags, HashKeys, Numbers, Succession, Texts


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
    REPEATED = 21
    """A list once more, times one factor, under another place or other names."""
    RENAMED_GPU = 22
    """A new name, and another GPU, at the price of what went."""


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
    """One entry per claim of a run; what `sql/evidence/20_seen.sql` to `44_elsewhere.sql` and
    `gpuledger.core.evidence.moves` answer. Times are seconds since 1970. A number that is not known is
    NaN, a flag that is not known false."""

    offer_id: Texts
    claim: Texts
    """price, new, return, absence or none."""
    gpu: Texts
    region: Texts
    open_state: Texts
    open_claim: Texts
    is_spot: Flags
    is_reserved: Flags
    is_of_hosts: Flags
    """Whether hosts of a marketplace ask for it, whichever source tells."""
    is_as_disputed: Flags
    is_other_currency: Flags
    is_other_gpu: Flags
    """Of a known offer, whether what it states now makes another GPU of it: the memory, at the same label."""
    was_unlisted: Flags
    open_is_left_to_operator: Flags
    is_exchanged: Flags
    is_slipped: Flags
    """Whether most moved prices of its way to buy are what other offers cost."""
    is_of_places: Flags
    """Whether it is two places that exchanged their prices."""
    is_mapped: Flags
    is_old_region: Flags
    other_agrees: Flags
    other_is_direct: Flags
    like_key: HashKeys
    place_key: HashKeys
    machine_key: HashKeys
    label_key: HashKeys
    shelf_key: HashKeys
    way_key: HashKeys
    way: HashKeys
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
    region_alike: Numbers
    """Prices of its place that moved by its own factor."""
    region_gpus: Numbers
    kin_low: Numbers
    kin_high: Numbers
    market_low: Numbers
    market_high: Numbers
    sibling_low: Numbers
    """The second lowest price of the same machine in the source's places."""
    sibling_high: Numbers
    list_usd: Numbers
    """The provider's lowest price on demand."""
    other_usd: Numbers
    other_seen_at: Numbers
    recounted_count: Numbers
    repeated_alike: Numbers
    """Of its place's new ways to buy a GPU, those whose lowest price is another place's times `repeated_factor`."""
    repeated_of: Numbers
    repeated_gpus: Numbers
    repeated_factor: Numbers
    usd_7: Numbers
    usd_30: Numbers
    usd_unsettled: Numbers
    """What it cost before the claim that time confirmed within the last 30 days."""
    region_listed: Numbers
    region_gone: Numbers
    gpu_listed: Numbers
    gpu_gone: Numbers
    option_listed: Numbers
    option_gone: Numbers
    all_listed: Numbers
    all_gone: Numbers
    all_missing: Numbers
    """Those that went now, and those of which it is disputed whether they did."""
    kin_key: HashKeys
    """Equal for offers of one GPU at one provider that are bought alike."""
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
    """Whether two intervals do not confirm it."""
    succession: Succession
