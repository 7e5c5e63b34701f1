"""Why the cheapest offer of one moment is another one, or costs something else, than that of the moment before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gpuledger.core.count import decimal_text
from gpuledger.core.purchase_option import option_text
from gpuledger.core.store.offers import LatestOffer
from gpuledger.core.validity import LAPSED, state_rank


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An offer at the two moments; `None` where it was not on sale."""

    earlier: LatestOffer | None
    later: LatestOffer | None

    @property
    def named(self) -> str:
        """The offer in words."""
        offer = self.later or self.earlier
        assert offer is not None, "an offer that won was on sale"
        return (
            f"{offer.gpu_id} {offer.instance_type}, {option_text(offer.purchase_option)},"
            f" at {offer.provider} {offer.region}"
        )


def step_cause(*, former: Standing, best: Standing, earlier_at: datetime, later_at: datetime) -> str:
    """One line on what happened between the moments.

    Args:
        former: the cheapest offer of the earlier moment.
        best: that of the later moment; the same where it won both times.
    """
    is_same = (
        former.earlier is not None
        and best.later is not None
        and former.earlier.offer_id == best.later.offer_id
    )
    causes = list(_causes_of(former, earlier_at, later_at))
    if not is_same:
        causes += _causes_of(best, earlier_at, later_at)
    if causes:
        return "; ".join(dict.fromkeys(causes))
    return "nothing changed" if is_same else "storage, transfer or interruption rates around the offers moved"


def _causes_of(offer: Standing, earlier_at: datetime, later_at: datetime) -> Iterator[str]:
    earlier, later = offer.earlier, offer.later
    if later is None:
        yield f"an offer ended: {offer.named}"
        return
    state = later.price_state(later_at)
    if earlier is None:
        yield f"an offer came: {offer.named}, {_price(later)}, seen {later.last_seen_at:%Y-%m-%d}"
        return
    before = earlier.price_state(earlier_at)
    if state == LAPSED and before != LAPSED:
        yield f"an offer lapsed: {offer.named}, {_price(later)}, last seen {later.last_seen_at:%Y-%m-%d}"
        return
    if before == LAPSED and state != LAPSED:
        yield f"an offer came: {offer.named}, {_price(later)}, seen again {later.last_seen_at:%Y-%m-%d}"
        return
    if earlier.usd_per_hour != later.usd_per_hour:
        yield f"a price moved: {offer.named}, from {_price(earlier)} to {_price(later)}"
    if state_rank(before) != state_rank(state):
        yield f"an offer became {state}: {offer.named}, last seen {later.last_seen_at:%Y-%m-%d}"


def _price(offer: LatestOffer) -> str:
    return f"{decimal_text(offer.usd_per_gpu_hour)} USD per GPU-hour"
