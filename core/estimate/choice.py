"""The best division of a job for each of many hardware choices, in one sweep of array arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.estimate.constants import Constants
from core.estimate.layout import Layout, divisions, is_possible
from core.estimate.memory import Memory, memory
from core.estimate.throughput import Device, StepTime, step_time
from core.estimate.workload import Demand

Columns = TypeVar("Columns", Memory, StepTime)
# more tokens per pass than this gain nothing and cost memory
USEFUL_TOKENS = 16_384.0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The division chosen for each hardware choice, as columns of the same length."""

    layout: Layout
    memory: Memory
    time: StepTime
    fits: NDArray[np.bool_]
    is_possible: NDArray[np.bool_]


def stacked(devices: Sequence[Device]) -> Device:
    """Devices as columns."""
    return Device(
        **{f.name: np.array([[getattr(device, f.name)] for device in devices], float) for f in fields(Device)}
    )


def choose(
    need: Demand,
    devices: Sequence[Device],
    gpus: Sequence[int],
    gpus_per_node: Sequence[int],
    gpu_memory_gib: Sequence[float],
    k: Constants,
) -> Choice:
    """For each device and count of GPUs, the fastest division that fits, else the smallest one."""
    plan, w = need.plan, need.workload
    options = divisions(plan, need.architecture.layers, need.architecture.experts)
    shape = (len(gpus), len(options.gpus))
    columns = {f.name: np.broadcast_to(getattr(options, f.name), shape) for f in fields(Layout)}
    columns["gpus"] = np.broadcast_to(np.array(gpus, float)[:, None], shape)
    columns["gpus_per_node"] = np.broadcast_to(np.array(gpus_per_node, float)[:, None], shape)
    at = Layout(**columns)
    possible = np.asarray(is_possible(at, plan))
    limit = np.array(gpu_memory_gib, float)[:, None] * k.memory_margin
    one = memory(w, at, k)
    if plan.hardware.micro_batch_size is not None:
        micro = np.full(shape, float(plan.hardware.micro_batch_size))
    else:
        per_sequence = one.activations * k.allocator_slack
        room = (limit - (one.total - per_sequence)) / per_sequence
        share = w.global_batch_tokens / (np.maximum(at.data_parallel, 1.0) * w.sequence_length)
        # a pipeline needs several micro-batches per stage to hide its bubble
        share = np.where(at.pipeline_parallel > 1, share / (4.0 * at.pipeline_parallel), share)
        most = np.minimum(np.minimum(room, share), np.maximum(USEFUL_TOKENS / w.sequence_length, 1.0))
        micro = 2.0 ** np.floor(np.log2(np.maximum(most, 1.0)))
    at = at.replace(micro_batch_size=micro)
    used = memory(w, at, k)
    time = step_time(w, at, stacked(devices), k)
    fits = possible & (used.total <= limit)
    order = np.where(fits, time.total, np.where(possible, 1e12 + used.total, np.inf))
    best = np.argmin(order, axis=1)
    rows = np.arange(len(gpus))
    return Choice(
        layout=at.at((rows, best)),
        memory=_picked(used, rows, best, shape),
        time=_picked(time, rows, best, shape),
        fits=fits[rows, best],
        is_possible=possible[rows, best],
    )


def _picked(
    columns: Columns, rows: NDArray[np.intp], best: NDArray[np.intp], shape: tuple[int, int]
) -> Columns:
    picked = {f.name: np.broadcast_to(getattr(columns, f.name), shape)[rows, best] for f in fields(columns)}
    return type(columns)(**picked)
