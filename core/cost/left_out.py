"""What a quote leaves out: the reasons of `QuoteSet.excluded`, in all, and apart by provider and accelerator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from gpuledger.core.cost.market.offers import Machine
from gpuledger.core.errors import DoesNotFitError, NoOfferError
from gpuledger.core.plan import TrainingPlan

PRICE_LAPSED = "price lapsed, seen too long ago"


def left_out(kinds: Iterable[Mapping[str, Any]], refusals: Mapping[Machine, str]) -> list[dict[str, Any]]:
    """One row per provider, accelerator and reason, the most offers first.

    Args:
        kinds: rows of sql/queries/quote_left_out.sql.
        refusals: why no number of a machine runs the plan.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in kinds:
        reason = row["reason"]
        if reason is None:
            machine = Machine(
                row["gpu_id"], int(row["gpu_count"]), row["min_gpus"], row["max_gpus"], row["may_join"]
            )
            reason = refusals.get(machine)
        if reason is not None:
            counts[reason, row["provider"], row["gpu_id"]] += row["offers"]
    rows = [
        {"provider": provider, "gpu_id": gpu_id, "reason": reason, "offers": count}
        for (reason, provider, gpu_id), count in counts.items()
    ]
    return sorted(rows, key=lambda row: (-row["offers"], row["provider"], row["gpu_id"], row["reason"]))


def by_count(counts: Mapping[str, int]) -> dict[str, int]:
    """Reasons, the commonest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def nothing(plan: TrainingPlan, excluded: Mapping[str, int]) -> NoOfferError | DoesNotFitError:
    """Why there is no quote: what removed how many offers."""
    if not excluded:
        return NoOfferError("the ledger holds no offer of that time; `gpuledger refresh` reads those of now")
    reasons = "; ".join(f"{count} x {reason}" for reason, count in excluded.items())
    if set(excluded) == {PRICE_LAPSED}:
        return NoOfferError(f"{plan.name}: only lapsed prices are left ({reasons}); --allow-stale ranks them")
    if "does not fit in its memory" in excluded or "less host memory than offloading takes" in excluded:
        return DoesNotFitError(f"{plan.name}: no offer on sale can hold it ({reasons})")
    hint = "; --allow-stale ranks the lapsed prices" if PRICE_LAPSED in excluded else ""
    return NoOfferError(f"{plan.name}: no offer is left ({reasons}){hint}")
