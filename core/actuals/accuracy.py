"""How far one's own estimates were from what happened: hours, dollars and speed of metered and measured runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def accuracy_rows(runs: Iterable[Mapping[str, Any]], measurements: Iterable[Any]) -> list[dict[str, Any]]:
    """One row per finished run that was planned, and per measurement: what was computed, what came.

    Args:
        runs: of `gpuledger.core.actuals.runs`.
        measurements: with `gpu_id method size_class plan run speed_ratio tokens_per_second measured_at`.
    """
    rows: list[dict[str, Any]] = []
    for run in runs:
        if not run.get("is_finished"):
            continue
        hours = float(run.get("seconds") or 0) / 3600
        for what, planned, actual in (
            ("hours", run.get("planned_hours"), hours),
            ("usd", run.get("planned_usd"), run.get("usd_spent")),
        ):
            if planned and actual:
                rows.append(
                    _row(run["run"], run.get("plan"), run.get("gpu_id"), what, float(planned), float(actual))
                )
    for one in measurements:
        computed = one.tokens_per_second / one.speed_ratio
        rows.append(
            _row(
                one.run or one.plan,
                one.plan,
                one.gpu_id,
                "tokens_per_second",
                computed,
                one.tokens_per_second,
            )
        )
    return rows


def _row(run: str, plan: Any, gpu_id: Any, what: str, estimated: float, actual: float) -> dict[str, Any]:
    return {
        "run": run,
        "plan": plan,
        "gpu_id": gpu_id,
        "quantity": what,
        "estimated": round(estimated, 6),
        "actual": round(actual, 6),
        "error_percent": round((estimated / actual - 1) * 100, 2),
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Median and mean of the absolute errors and the bias, by quantity."""
    out: list[dict[str, Any]] = []
    for what in sorted({str(row["quantity"]) for row in rows}):
        errors = [float(row["error_percent"]) for row in rows if row["quantity"] == what]
        ratios = [math.log(row["estimated"] / row["actual"]) for row in rows if row["quantity"] == what]
        out.append(
            {
                "quantity": what,
                "runs": len(errors),
                "median_error_percent": round(statistics.median(map(abs, errors)), 2),
                "mean_error_percent": round(statistics.fmean(map(abs, errors)), 2),
                "bias_percent": round((math.exp(statistics.fmean(ratios)) - 1) * 100, 2),
            }
        )
    return out
