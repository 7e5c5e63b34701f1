"""Plans side by side: the best quote of each, and by how much it is above the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpuledger.core.cost.quote_set import QuoteSet, costlier_line

BEST_KEYS = (
    *("usd_total", "wall_hours", "gpu_hours", "provider", "instance_type", "region", "purchase_option"),
    *("gpu_id", "gpus", "paid_gpus", "nodes", "usd_per_gpu_hour", "price_state", "quote_id"),
)


def compared(answers: Sequence[tuple[str, QuoteSet | str]]) -> list[dict[str, Any]]:
    """One row per plan in the order given; money as decimal strings.

    Args:
        answers: a plan's name with its ranking, or with the reason why there is none.
    """
    first = next((answer for _, answer in answers if isinstance(answer, QuoteSet)), None)
    return [_row(name, answer, first) for name, answer in answers]


def _row(name: str, answer: QuoteSet | str, first: QuoteSet | None) -> dict[str, Any]:
    more = ("usd_more", "wall_hours_more", "mostly", "mostly_usd_more")
    if isinstance(answer, str) or first is None:
        return {"plan": name, **dict.fromkeys((*BEST_KEYS, "lines", *more)), "error": answer}
    best, base = answer.quotes[0], first.quotes[0]
    line, usd = costlier_line(best.lines, base.lines)
    content = best.to_dict()
    hours = best.purchase.running_hours.mid - base.purchase.running_hours.mid
    return {
        "plan": name,
        **{key: content[key] for key in BEST_KEYS},
        "lines": {line["name"]: line["usd"] for line in content["lines"] if line["usd"] is not None},
        "usd_more": f"{best.total.mid - base.total.mid:.2f}",
        "wall_hours_more": float(hours),
        "mostly": line if usd else None,
        "mostly_usd_more": f"{usd:.2f}",
        "error": None,
    }
