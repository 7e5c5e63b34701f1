"""The best division of each job on each of many hardware choices, in one sweep of array arithmetic.

A `Problem` has one row per plan and hardware choice and one column per division tried; rows of different plans may
stand beside each other, so a batch of plans and a search for one plan are the same computation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.estimate.constants import Constants
from core.estimate.layout import Layout, divisions, is_possible
from core.estimate.memory import Memory, memory
from core.estimate.throughput import Device, StepTime, step_time
from core.estimate.workload import Demand, Workload

Columns = TypeVar("Columns", Workload, Layout, Device, Memory, StepTime)
# more tokens per pass than this gain nothing and cost memory
USEFUL_TOKENS = 16_384.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """One plan on one hardware choice."""

    need: Demand
    device: Device
    gpus: int
    gpus_per_node: int
    gpu_memory_gib: float


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Rows x divisions. Arrays of one column hold what does not depend on the division."""

    workload: Workload
    device: Device
    layout: Layout
    is_possible: NDArray[np.bool_]
    gpu_memory_gib: NDArray[np.float64]
    micro_batch_size: NDArray[np.float64]
    """As the plan fixes it, else 0."""
    chooses_recomputation: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The division chosen for each row, as columns."""

    layout: Layout
    memory: Memory
    time: StepTime
    fits: NDArray[np.bool_]
    is_possible: NDArray[np.bool_]


def problem(rows: Sequence[Row]) -> Problem:
    """The arrays of those rows."""
    needs = list({id(row.need): row.need for row in rows}.values())
    options = [_divisions(need) for need in needs]
    position = {id(need): i for i, need in enumerate(needs)}
    index = np.array([position[id(row.need)] for row in rows])
    width = max(len(option.gpus) for option in options)
    layout = Layout(
        **{f.name: _padded([getattr(o, f.name) for o in options], width)[index] for f in fields(Layout)}
    )
    gpus = np.array([[row.gpus] for row in rows], float)
    layout = layout.replace(
        gpus=np.broadcast_to(gpus, (len(rows), width)),
        gpus_per_node=np.array([[row.gpus_per_node] for row in rows], float) + np.zeros((1, width)),
    )
    real = np.array([[column < len(option.gpus) for column in range(width)] for option in options])[index]
    fixed = np.array([[bool(row.need.plan.hardware.tensor_parallel)] for row in rows])
    return Problem(
        workload=column(Workload, [row.need.workload for row in rows]),
        device=column(Device, [row.device for row in rows]),
        layout=layout,
        is_possible=real & np.asarray(is_possible(layout, fixed)),
        gpu_memory_gib=np.array([[row.gpu_memory_gib] for row in rows], float),
        chooses_recomputation=np.array([[row.need.plan.activation_recomputation == "auto"] for row in rows]),
        micro_batch_size=np.array([[row.need.plan.hardware.micro_batch_size or 0] for row in rows], float),
    )


def _divisions(need: Demand) -> Layout:
    shape = need.architecture
    return divisions(need.plan, shape.layers, shape.experts, need.workload.sequence_length)


def column(kind: type[Columns], items: Sequence[Columns]) -> Columns:
    """Records as one record of columns, one row each."""
    return kind(
        **{f.name: np.array([[getattr(item, f.name)] for item in items], float) for f in fields(kind)}
    )


def _padded(columns: Sequence[NDArray[np.float64]], width: int) -> NDArray[np.float64]:
    return np.array([np.concatenate([c, np.full(width - len(c), c[0])]) for c in columns])


def micro_batches(of: Problem, k: Constants) -> NDArray[np.float64]:
    """Sequences per pass: as fixed, else the largest power of two that fits and leaves a pipeline its passes."""
    w, at = of.workload, of.layout
    one = memory(w, at, k)
    limit = of.gpu_memory_gib * k.memory_margin
    per_sequence = one.activations * k.allocator_slack
    room = (limit - (one.total - per_sequence)) / per_sequence
    share = w.global_batch_tokens / (np.maximum(at.data_parallel, 1.0) * w.sequence_length)
    share = np.where(at.pipeline_parallel > 1, share / (4.0 * at.pipeline_parallel), share)
    most = np.minimum(np.minimum(room, share), np.maximum(USEFUL_TOKENS / w.sequence_length, 1.0))
    free = 2.0 ** np.floor(np.log2(np.maximum(most, 1.0)))
    return np.where(of.micro_batch_size > 0, of.micro_batch_size, free)


def recomputation(of: Problem, at: Layout, k: Constants) -> NDArray[np.float64]:
    """The level of recomputation: as the plan fixes it, else between selective (1) and full (2) of all layers.

    Where activations do not fit, as many layers are recomputed as it takes (Megatron-LM, `--recompute-num-layers`).
    """
    none = memory(of.workload, at.replace(recomputation=np.ones_like(at.recomputation)), k).total
    full = memory(of.workload, at.replace(recomputation=np.full_like(at.recomputation, 2.0)), k).total
    limit = of.gpu_memory_gib * k.memory_margin
    share = np.clip((none - limit) / np.maximum(none - full, 1e-9), 0.0, 1.0)
    return np.where(of.chooses_recomputation, 1.0 + share, at.recomputation)


def choose(of: Problem, k: Constants) -> Choice:
    """For each row the fastest division that fits, else the smallest one."""
    at = of.layout.replace(micro_batch_size=micro_batches(of, k))
    at = at.replace(recomputation=recomputation(of, at, k))
    used = memory(of.workload, at, k)
    time = step_time(of.workload, at, of.device, k)
    shape = of.is_possible.shape
    fits = of.is_possible & np.asarray(used.total <= of.gpu_memory_gib * k.memory_margin * (1 + 1e-9))
    order = np.where(fits, time.total, np.where(of.is_possible, 1e12 + used.total, np.inf))
    rows, best = np.arange(shape[0]), np.argmin(order, axis=1)
    return Choice(
        layout=_picked(at, rows, best, shape),
        memory=_picked(used, rows, best, shape),
        time=_picked(time, rows, best, shape),
        fits=fits[rows, best],
        is_possible=of.is_possible[rows, best],
    )


def _picked(
    columns: Columns, rows: NDArray[np.intp], best: NDArray[np.intp], shape: tuple[int, ...]
) -> Columns:
    picked: dict[str, Any] = {
        f.name: np.broadcast_to(getattr(columns, f.name), shape)[rows, best] for f in fields(columns)
    }
    return type(columns)(**picked)
