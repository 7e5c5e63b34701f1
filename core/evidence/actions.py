# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What becomes of a claim: believed, disputed, held for longer, confirmed, or claimed no more."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpuledger.core.evidence import limits
from gpuledger.core.evidence.claims import Action, Circumstances, Figures
from gpuledger.core.evidence.succession import Flags


def is_left_to_operator(figures: Figures) -> Flags:
    """Prices so far below everything that is known of the offer that two intervals do not confirm them. A price
    that rises makes nothing the cheapest: there the one that was believed may be the wrong one."""
    f = figures
    reference = np.where(np.isfinite(f.believed_usd), f.believed_usd, f.other_usd)
    reference = np.where(np.isfinite(reference), reference, f.kin_low)
    reference = np.where(np.isfinite(reference), reference, f.market_low)
    return f.usd < reference / limits.NEVER_BY_TIME


def actions(
    figures: Figures, run: Circumstances, reason: npt.NDArray[np.int8], left: Flags, doubted: Flags
) -> npt.NDArray[np.int8]:
    """What becomes of each claim.

    Args:
        reason: what contradicts it, of `Reason`.
        left: whether two intervals do not confirm it.
        doubted: whether its source's contract finds it odd.
    """
    f = figures
    is_gone = f.claim == "absence"
    is_open = (f.open_state == "disputed") | (f.open_state == "rejected")
    is_rejected = f.open_state == "rejected"
    # Where prices move from hour to hour the same is what is near.
    moves_hourly = f.is_spot | f.is_of_hosts | np.bool_(run.is_marketplace)
    near = np.abs(np.log(f.usd / f.open_usd)) < np.where(moves_hourly, limits.SAME_SPOT, limits.SAME_LIST)
    same = is_open & (
        (f.is_as_disputed & ~is_gone) | (near & ~is_gone) | (is_gone & (f.open_claim == "absence"))
    )
    wait = run.every_seconds * (limits.INTERVALS - limits.JITTER)
    stood = run.at - f.open_since_at
    contradicted = (
        f.other_is_direct
        & (f.other_seen_at > f.open_since_at)
        & (np.abs(np.log(f.usd / f.other_usd)) > 0.1)
        & (np.abs(np.log(f.believed_usd / f.other_usd)) < 0.02)
    )
    # What nothing confirms is confirmed by a month of the same word, unless no such GPU ever cost so little.
    is_month = (stood >= limits.LONGEST_DISPUTE.total_seconds()) & ~(left & doubted)
    waited = (stood >= wait) & ~left & ~contradicted | is_month
    action = np.where(reason > 0, np.int8(Action.DISPUTE), np.int8(Action.BELIEVE)).astype(np.int8)
    action[is_open & ~same & (reason == 0)] = Action.LAPSE
    action[is_open & same & (reason == 0) & ~is_rejected] = Action.CONFIRM
    held = is_open & same & (reason > 0)
    action[held] = Action.HOLD
    action[held & waited & ~is_rejected] = Action.CONFIRM
    action[same & is_rejected] = Action.HOLD
    # An absence over an open price: its believed price stays for twice as long as a value needs to confirm itself.
    over_price = is_gone & is_open & (f.open_claim != "absence")
    action[over_price] = np.where(stood < 2 * wait, Action.HOLD, Action.LAPSE)[over_price]
    action[(f.claim == "none") & is_open] = Action.LAPSE
    return action
