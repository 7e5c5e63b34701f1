"""Published runs and benchmarks beside an estimate: the three nearest to the plan, what they reached, what is computed
of them, and how far they are.

`sql/seeds/published_run.csv` holds one fact per row: the plan as its source states it, what was reached, and where
that is written. The distance counts what errors differ by: method, generation and kind of the accelerator, precision,
software, experts, and doublings of GPUs, parameters and sequence. Whether the nearest errors also correct an estimate
was tried with families left out (docs/accuracy.md): they do not, so they are shown and change nothing.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuledger.core import seeds
from gpuledger.core.errors import GPULedgerError
from gpuledger.core.estimate.estimate import Estimate, Evidence, estimate
from gpuledger.core.estimate.stack import ONLINE, named_stack, stack_of
from gpuledger.core.estimate.workload import demand
from gpuledger.core.gpu import GPU, gpus
from gpuledger.core.plan import TrainingPlan, plan_from_mapping

SHOWN = 3
# runs of one family tell much the same
MOST_OF_A_FAMILY = 2
NEAR, FAR = 1.0, 2.5
LOW_PRECISIONS = ("fp8", "fp4")


class Traits(NamedTuple):
    """What of a plan the distance looks at."""

    method: str
    architecture: str
    gpu_id: str
    is_low: float
    kernels: str
    stack: str
    is_routed: float
    log_gpus: float
    log_parameters: float
    log_sequence: float


def traits_of(plan: TrainingPlan, gpu: GPU, count: int) -> Traits:
    """The traits of a plan on that hardware."""
    need = demand(plan)
    method = "online" if plan.method in ONLINE else {"distillation": "pretrain"}.get(plan.method, plan.method)
    named = named_stack(plan.hardware.stack)
    return Traits(
        method=method,
        architecture=gpu.architecture,
        gpu_id=gpu.gpu_id,
        is_low=float(plan.precision in LOW_PRECISIONS),
        kernels=stack_of(plan).kernels,
        stack="" if named is None else (plan.hardware.stack or "").lower(),
        is_routed=float(need.architecture.experts > 1),
        log_gpus=math.log2(count),
        log_parameters=math.log2(need.architecture.active_parameters),
        log_sequence=math.log2(need.workload.sequence_length),
    )


@lru_cache(maxsize=1)
def _columns() -> dict[str, NDArray[np.generic]]:
    """The traits of all rows of the table, as columns."""
    rows = seeds.rows("published_run")
    words = {name: [row[name] for row in rows] for name in ("method", "gpu_id", "kernels", "stack")}
    words["architecture"] = [gpus()[row["gpu_id"]].architecture for row in rows]
    logarithms = {
        "log_gpus": "gpus",
        "log_parameters": "active_parameters",
        "log_sequence": "sequence_length",
    }
    return {
        **{name: np.array(values) for name, values in words.items()},
        **{name: np.log2([float(row[column]) for row in rows]) for name, column in logarithms.items()},
        "is_low": np.array([row["precision"] in LOW_PRECISIONS for row in rows], float),
        "is_routed": np.array([row["has_experts"] == "true" for row in rows], float),
    }


def distances(traits: Traits, columns: dict[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    """The distance of each row from those traits."""
    differs = {name: (column != getattr(traits, name)).astype(float) for name, column in columns.items()}
    adapters = ("lora", "qlora")
    both_adapters = np.isin(columns["method"], adapters) if traits.method in adapters else np.array(False)
    out = 2.0 * differs["method"] * np.where(both_adapters, 0.25, 1.0)
    out += differs["architecture"] + 0.3 * differs["gpu_id"] + 0.7 * differs["is_low"]
    out += 0.4 * differs["kernels"] + 0.2 * differs["stack"] + 1.5 * differs["is_routed"]
    for name, weight in (("log_gpus", 0.15), ("log_parameters", 0.2), ("log_sequence", 0.15)):
        out += weight * np.abs(columns[name].astype(float) - getattr(traits, name))
    return out


def nearest_runs(plan: TrainingPlan, gpu: GPU, count: int) -> list[Evidence]:
    """The published runs nearest to a plan, nearest first, at most two of a family."""
    if plan.is_quoted:
        return []
    away = distances(traits_of(plan, gpu, count), _columns())
    rows, runs, families = seeds.rows("published_run"), list[Evidence](), dict[str, int]()
    order: list[int] = np.argsort(away, kind="stable").tolist()
    for position in order:
        family = rows[position]["family"]
        made = _computed(position) if families.get(family, 0) < MOST_OF_A_FAMILY else None
        if made is None:
            continue
        families[family] = families.get(family, 0) + 1
        runs.append(replace(made, distance=round(float(away[position]), 2)))
        if len(runs) == SHOWN:
            break
    return runs


@lru_cache(maxsize=1024)
def _computed(position: int) -> Evidence | None:
    row = seeds.rows("published_run")[position]
    # a published run says its speed, not always its tokens, so that a missing method is no question here
    plan = plan_from_mapping({"method": "pretrain"} | json.loads(row["plan"]))
    try:
        made = estimate(plan, gpus()[row["gpu_id"]], int(row["gpus"]))
    except GPULedgerError:
        return None
    is_hours = row["measure"] == "gpu_hours"
    computed = made.gpu_hours.mid if is_hours else made.tokens_per_second
    assert computed is not None
    return Evidence(
        run=row["run"],
        gpu_id=row["gpu_id"],
        gpus=int(row["gpus"]),
        measure="gpu_hours" if is_hours else "tokens_per_second",
        reached=float(row["reached"]),
        computed=computed,
        distance=0.0,
        source=row["source"],
    )


def with_evidence(made: Estimate, plan: TrainingPlan) -> Estimate:
    """The estimate with the nearest published runs, and how far the nearest is."""
    runs = nearest_runs(plan, gpus()[made.gpu_id], made.gpus)
    if not runs:
        return made
    how = "near" if runs[0].distance <= NEAR else "far" if runs[0].distance > FAR else "not near"
    text = f"evidence: the nearest published run, {runs[0].run}, is {how} (distance {runs[0].distance:g})"
    return replace(made, evidence=tuple(runs), assumptions=(*made.assumptions, text))
