"""How an older price is spoken of: what it is, how old, and the command that would see it anew."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from gpuledger.core.validity import LAPSED

if TYPE_CHECKING:
    from gpuledger.core.store.offers import LatestOffer


def banner(first: LatestOffer, at: datetime) -> str:
    """What to know where no price is fresh."""
    kind = "lapsed prices" if first.price_state(at) == LAPSED else "list prices"
    return f"no live price yet; {kind} of {first.last_seen_at:%Y-%m-%d} and around; run gpuledger refresh"


def older_price(offer: LatestOffer, at: datetime) -> str:
    """What an older price is of, its state and its age, and the command that would check it."""
    what = f"{offer.gpu_name or offer.gpu_label} {offer.purchase_option} at {offer.provider}"
    return f"{what} ({offer.price_state(at)}, seen {age_text(offer, at)} ago; check: {check_command(offer)})"


def check_command(offer: LatestOffer) -> str:
    """The command that would see the price anew."""
    source = offer.check_source or (offer.source if offer.source_kind == "live" else "")
    return f"gpuledger refresh {source}".rstrip()


def age_text(offer: LatestOffer, at: datetime) -> str:
    """The age of a price in the unit that a person would use."""
    hours = offer.age(at).total_seconds() / 3600
    for size, unit in ((24 * 30.44, "months"), (24, "days")):
        if hours >= 2 * size:
            return f"{hours / size:.0f} {unit}"
    return f"{hours:.0f} hours"
