"""What a quote leaves out: the reasons of `QuoteSet.excluded`, in all, and apart by provider and accelerator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.cost.market.offers import Machine
from gpuledger.core.errors import DoesNotFitError, InvalidPlanError, NoOfferError
from gpuledger.core.estimate.sweep import refusal
from gpuledger.core.gpu import gpus
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


# refusals by accelerators and what of a plan they depend on: precision, sparsity, stated utilisation, quoted hours
_refusals_made: dict[tuple[object, ...], tuple[tuple[str, ...], NDArray[np.intp]]] = {}


def gpu_refusals(plan: TrainingPlan, gpu_ids: tuple[str, ...]) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Why no number of those GPUs runs the plan: reasons, and the place of each GPU's among them, -1 of the others."""
    is_stated = "precision" in plan.model_fields_set
    key = (gpu_ids, plan.precision, is_stated, plan.weight_sparsity, plan.hardware.mfu, plan.is_quoted)
    made = _refusals_made.get(key)
    if made is None:
        if len(_refusals_made) > 1_000:
            _refusals_made.clear()
        by_gpu = [_refusal(plan, gpu_id) for gpu_id in gpu_ids]
        reasons = tuple(dict.fromkeys(reason for reason in by_gpu if reason is not None))
        places = np.array([-1 if reason is None else reasons.index(reason) for reason in by_gpu], np.intp)
        made = _refusals_made[key] = reasons, places
    return made


def _refusal(plan: TrainingPlan, gpu_id: str) -> str | None:
    """Why no number of that GPU runs the plan, without the GPU's name, so that machines can be counted by it."""
    chip = gpus().get(gpu_id)
    if chip is None:
        return "accelerator without a data sheet"
    error = refusal(plan, chip)
    return None if error is None else _sentence(plan, error)


def _sentence(plan: TrainingPlan, error: InvalidPlanError) -> str:
    return {
        "precision": f"no {plan.precision} on this GPU",
        "weight_sparsity": f"no units for {plan.weight_sparsity} sparsity on this GPU",
        "hardware.gpu": "no rates of training are published for it",
        "hardware.mfu": "the MFU given is above what this GPU reaches",
    }.get(error.field, f"refused by the estimate: {error.field}")
