"""What a quote leaves out: the reasons of `QuoteSet.excluded`, apart by provider and accelerator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from gpuledger.core.cost.market.offers import Machine


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
