"""Ordinary plans, each with what somebody who has run such jobs expects: hours, memory, and a usual division.

The tables are `ordinary_plans.csv` and, of other kinds, `more_ordinary_plans.csv`. Their hours are those of the plan's
operations (6 per parameter and token, 4 for adapters, 8 with a reference, and the attention) at the utilisation that
such runs reach from start to end; of reinforcement learning those of published tokens per second and GPU. They were
written down before the plans were computed.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.cost.physics import estimates_of
from gpuledger.core.errors import DoesNotFitError
from gpuledger.core.plan import plan_from_mapping

FOLDER = Path(__file__).parent


def outside(row: Mapping[str, str]) -> list[str]:
    """What of the answer an expert would not expect."""
    (found,) = estimates_of(plan_from_mapping(json.loads(row["plan"])), evidence=False)
    assert found.memory_gib is not None
    seen = {
        "hours": found.wall_hours.mid,
        "gib": found.memory_gib.total,
        "tensor_parallel": float(found.parallelism["tensor_parallel"]),
        "pipeline_parallel": float(found.parallelism["pipeline_parallel"]),
    }
    return [
        f"{name} {value:.3g}, expected {row.get(f'least_{name}', '1')} to {row[f'most_{name}']}"
        for name, value in seen.items()
        if not float(row.get(f"least_{name}", "1")) <= value <= float(row[f"most_{name}"])
    ]


@pytest.mark.parametrize(
    ("table", "count", "least_inside"), [("ordinary_plans.csv", 50, 47), ("more_ordinary_plans.csv", 65, 61)]
)
def test_ordinary_plans_are_as_an_expert_expects(table: str, count: int, least_inside: int) -> None:
    with (FOLDER / table).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wrong = {row["plan"]: reasons for row in rows if (reasons := outside(row))}
    assert len(rows) == count
    assert len(rows) - len(wrong) >= least_inside, wrong


@pytest.mark.parametrize("gpu_id", ["gb300-288gb", "h100-sxm-80gb"])
def test_a_search_proposes_nothing_that_takes_longer_than_ninety_days_and_says_so(gpu_id: str) -> None:
    keys: dict[str, Any] = {"model": "llama-3-8b", "training_tokens": 1e12, "hardware": {"gpu": gpu_id}}
    (found,) = estimates_of(plan_from_mapping(keys), evidence=False)
    assert found.wall_hours.mid <= 90 * 24
    assert any(text.startswith("constraints.max_wall_days: 90") for text in found.assumptions)
    assert any(
        re.search(r"fewer GPU-hours, [\d,]+, but (\d+ d|\d+\.\d y): longer than", text)
        for text in found.warnings
    )
    hours = [
        estimates_of(plan_from_mapping({**keys, "constraints": {"max_wall_days": days}}), evidence=False)[
            0
        ].gpus
        for days in (3000, 20)
    ]
    assert hours[0] < found.gpus < hours[1]


def test_a_plan_that_no_count_ends_in_time_is_refused_with_the_days_that_it_takes() -> None:
    keys = {"model": "llama-3-70b", "training_tokens": 15e12, "hardware": {"gpu": "rtx-4090-24gb"}}
    with pytest.raises(DoesNotFitError, match=r"max_wall_days of 90; the fastest takes \d+ days"):
        estimates_of(plan_from_mapping(keys), evidence=False)
