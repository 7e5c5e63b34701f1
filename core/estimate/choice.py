"""The best division of each job on each of many hardware choices, in one sweep of array arithmetic.

A `Problem` has one row per plan and hardware choice and one column per division tried; rows of different
plans may stand beside each other, so a batch of plans and a search for one plan are the same computation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.estimate.constants import Constants
from core.estimate.layout import Layout, divisions, is_possible
from core.estimate.memory import Memory, activation_gib, states, with_activations
from core.estimate.throughput import Device, StepTime, step_time
from core.estimate.workload import Demand, Workload

Columns = TypeVar("Columns", Workload, Layout, Device, Memory, StepTime)
# more tokens per pass than this gain nothing and cost memory
USEFUL_TOKENS = 16_384.0
# a division this many times slower per GPU than on more of them is one that nobody would run
PRACTICAL_GAIN = 1.5


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
    whole_seconds: NDArray[np.float64]
    """Of a whole run per step of it, in the division best for that."""
    fits: NDArray[np.bool_]
    is_possible: NDArray[np.bool_]


def problem(rows: Sequence[Row]) -> Problem:
    """The arrays of those rows."""
    needs = list({id(row.need): row.need for row in rows}.values())
    options = [_divisions(need) for need in needs]
    position = {id(need): i for i, need in enumerate(needs)}
    index = np.fromiter((position[id(row.need)] for row in rows), np.intp, len(rows))
    width = max(len(option.gpus) for option in options)
    layout = Layout(
        **{f.name: _padded([getattr(o, f.name) for o in options], width)[index] for f in fields(Layout)}
    )
    gpus = np.array([[row.gpus] for row in rows], float)
    layout = layout.replace(
        gpus=np.broadcast_to(gpus, (len(rows), width)),
        gpus_per_node=np.array([[row.gpus_per_node] for row in rows], float) + np.zeros((1, width)),
    )
    real = (np.arange(width) < np.array([[len(option.gpus)] for option in options]))[index]
    fixed = np.array([[need.plan.hardware.tensor_parallel is not None] for need in needs])[index]
    micro = np.array([[float(need.plan.hardware.micro_batch_size or 0)] for need in needs])[index]
    chooses = np.array([[need.plan.activation_recomputation == "auto"] for need in needs])[index]
    return Problem(
        workload=column(Workload, [row.need.workload for row in rows]),
        device=column(Device, [row.device for row in rows]),
        layout=layout,
        is_possible=np.asarray(real & is_possible(layout, fixed)),
        gpu_memory_gib=np.array([[row.gpu_memory_gib] for row in rows], float),
        chooses_recomputation=chooses,
        micro_batch_size=micro,
    )


def problem_of(
    need: Demand,
    rates: Device,
    gpus: NDArray[np.float64],
    gpus_per_node: NDArray[np.float64],
    gpu_memory_gib: NDArray[np.float64],
) -> Problem:
    """The arrays of one plan on many hardware choices, `rates` and the rest being columns already."""
    options, hw = _divisions(need), need.plan.hardware
    shape = (len(gpus), len(options.gpus))
    columns: dict[str, Any] = {
        f.name: np.broadcast_to(getattr(options, f.name), shape) for f in fields(Layout)
    }
    columns["gpus"] = np.broadcast_to(gpus[:, None], shape)
    columns["gpus_per_node"] = np.broadcast_to(gpus_per_node[:, None], shape)
    layout = Layout(**columns)
    every = np.ones((len(gpus), 1))
    return Problem(
        workload=column(Workload, [need.workload]),
        device=rates,
        layout=layout,
        is_possible=np.asarray(is_possible(layout, hw.tensor_parallel is not None)),
        gpu_memory_gib=gpu_memory_gib[:, None],
        micro_batch_size=every * float(hw.micro_batch_size or 0),
        chooses_recomputation=every > float(need.plan.activation_recomputation != "auto"),
    )


def _divisions(need: Demand) -> Layout:
    shape = need.architecture
    return divisions(need.plan, shape.layers, shape.experts, need.workload.sequence_length)


def column(kind: type[Columns], items: Sequence[Columns]) -> Columns:
    """Records as one record of columns, one row each. A record that repeats is read once."""
    distinct = list({id(item): item for item in items}.values())
    position = {id(item): i for i, item in enumerate(distinct)}
    index = np.fromiter((position[id(item)] for item in items), np.intp, len(items))
    return kind(
        **{f.name: np.array([getattr(d, f.name) for d in distinct], float)[index, None] for f in fields(kind)}
    )


def _padded(columns: Sequence[NDArray[np.float64]], width: int) -> NDArray[np.float64]:
    return np.array([np.concatenate([c, np.full(width - len(c), c[0])]) for c in columns])


def cells(of: Problem) -> tuple[Problem, NDArray[np.intp], NDArray[np.intp]]:
    """The divisions that exist, as one flat column, with the row and the position of each."""
    exists = of.is_possible
    if not exists.any():
        # nothing can be chosen; one cell keeps the arithmetic whole and is marked impossible later
        exists = np.zeros_like(of.is_possible)
        exists[0, 0] = True
    row, position = np.nonzero(exists)
    at = Layout(**{f.name: np.asarray(getattr(of.layout, f.name))[row, position] for f in fields(Layout)})
    flat = Problem(
        workload=_flat(of.workload, row),
        device=_flat(of.device, row),
        layout=at,
        is_possible=np.ones(len(row), bool),
        gpu_memory_gib=of.gpu_memory_gib[row, 0],
        micro_batch_size=of.micro_batch_size[row, 0],
        chooses_recomputation=of.chooses_recomputation[row, 0],
    )
    return flat, row, position


def _flat(columns: Columns, row: NDArray[np.intp]) -> Columns:
    """Columns repeated for every cell; what is the same in all rows stays one number."""
    out: dict[str, Any] = {}
    for f in fields(columns):
        values = getattr(columns, f.name)[:, 0]
        out[f.name] = values[0] if len(values) == 1 or (values == values[0]).all() else values[row]
    return type(columns)(**out)


def settled(of: Problem, k: Constants) -> tuple[Layout, Memory]:
    """Micro-batch and recomputation of each cell, and the memory it then takes.

    The micro-batch is as fixed, else the largest power of two that fits and leaves a pipeline its passes.
    Where activations do not fit, as many layers are recomputed as it takes (Megatron-LM,
    `--recompute-num-layers`).
    """
    w, at = of.workload, of.layout
    fixed = states(w, at, k)
    room = np.maximum((of.gpu_memory_gib * k.memory_margin - fixed.total) / k.allocator_slack, 0.0)
    replicas: Any = np.maximum(at.data_parallel, 1.0)
    passes: Any = np.where(at.pipeline_parallel > 1, 4.0 * at.pipeline_parallel, 1.0)
    share: Any = w.global_batch_tokens / (replicas * w.sequence_length * passes)
    most = np.minimum(room / activation_gib(w, at, k), share)
    most = np.minimum(most, np.maximum(USEFUL_TOKENS / w.sequence_length, 1.0))
    micro = 2.0 ** np.floor(np.log2(np.maximum(most, 1.0)))
    at = at.replace(micro_batch_size=np.where(of.micro_batch_size > 0, of.micro_batch_size, micro))
    none = activation_gib(w, at.replace(recomputation=1.0), k)
    full = activation_gib(w, at.replace(recomputation=2.0), k)
    share = np.clip((none - room) / np.maximum(none - full, 1e-9), 0.0, 1.0)
    held: NDArray[np.float64] = np.asarray(none + (full - none) * share)
    if not of.chooses_recomputation.all():
        given: Any = activation_gib(w, at, k)
        held = np.asarray(np.where(of.chooses_recomputation, held, given))
    at = at.replace(recomputation=np.where(of.chooses_recomputation, 1.0 + share, at.recomputation))
    return at, with_activations(fixed, held, k)


def choose(of: Problem, k: Constants) -> Choice:
    """For each row the fastest division that fits, else the smallest one."""
    flat, row, _ = cells(of)
    at, used = settled(flat, k)
    total = np.asarray(used.total) + np.zeros(len(row))
    fits = total <= flat.gpu_memory_gib * k.memory_margin * (1 + 1e-9)
    # time is computed where a division fits, and for the smallest division of a row in which none does
    fitting_rows = np.zeros(len(of.is_possible), bool)
    fitting_rows[row[fits]] = True
    smallest = _first_least(total, row)
    kept = np.flatnonzero(fits)
    kept = np.sort(np.concatenate([kept, smallest[~fitting_rows[row[smallest]]]]))
    at = _picked(at, kept, len(row))
    time = step_time(_kept(flat.workload, kept), at, _kept(flat.device, kept), k)
    rates = _kept(flat.device, kept)
    hfu = time.hardware_flops / (time.total * rates.half_flops_per_second)
    whole = np.asarray(time.total * whole_run_factor(hfu, k))
    chosen = _first_least(np.asarray(time.total), row[kept])
    chosen_whole = _first_least(whole, row[kept])
    exists = np.asarray(of.is_possible.any(axis=1), bool)
    best = np.zeros(len(exists), np.intp)
    best[row[kept][chosen]] = chosen
    best_whole = np.zeros(len(exists), np.intp)
    best_whole[row[kept][chosen_whole]] = chosen_whole
    return Choice(
        layout=_picked(at, best, len(kept)),
        memory=_picked(used, kept[best], len(row)),
        time=_picked(time, best, len(kept)),
        whole_seconds=whole[best_whole],
        fits=fits[kept][best] & exists,
        is_possible=exists,
    )


def _first_least(values: NDArray[np.float64], row: NDArray[np.intp]) -> NDArray[np.intp]:
    """The position of the least value of each run of equal rows, the first where several are."""
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    least = np.repeat(np.minimum.reduceat(values, starts), np.diff(np.append(starts, len(row))))
    hits = np.flatnonzero(values == least)
    return hits[np.flatnonzero(np.diff(row[hits], prepend=-1))]


def _kept(columns: Columns, index: NDArray[np.intp]) -> Columns:
    """Those cells; what is one number for all stays one."""
    values = {f.name: getattr(columns, f.name) for f in fields(columns)}
    return type(columns)(
        **{name: value[index] if np.ndim(value) else value for name, value in values.items()}
    )


@dataclass(frozen=True, kw_only=True)
class Hours:
    """Seconds of a step and of the whole run per step of it, as columns, with speed per GPU never growing."""

    step_seconds: NDArray[np.float64]
    whole_seconds: NDArray[np.float64]
    is_practical: NDArray[np.bool_]
    """False where a larger count is so much faster per GPU that nobody would run the smaller one."""


def hours(found: Choice, of: Problem, kinds: Sequence[object]) -> Hours:
    """Steady and end-to-end time of each row; rows of one kind differ in their count of GPUs only.

    Near the edge of memory a few more GPUs allow a better division, and the model alone would make twice
    the GPUs more than twice as fast. Offloading, finer recomputation or uneven stages reach most of that on
    fewer GPUs, so a row inherits the speed per GPU of the larger ones of its kind.
    """
    gpus = of.layout.gpus[:, 0]
    step = np.where(found.is_possible, found.time.total, np.inf)
    steady = _inherited(step * gpus, gpus, kinds) / gpus
    end_to_end = np.where(found.is_possible, found.whole_seconds, np.inf)
    whole = _inherited(end_to_end * gpus, gpus, kinds) / gpus
    return Hours(
        step_seconds=steady,
        whole_seconds=np.maximum(whole, steady),
        is_practical=step <= PRACTICAL_GAIN * steady,
    )


def whole_run_factor(hfu: Any, k: Constants) -> Any:
    """Hours of a typical whole run over those of the tuned steady state; `hfu` on the 16-bit peak.

    Restarts, evaluation and checkpoint writes make it longer. Computed rates are also regressed toward the
    typical one: a plan that computes to a very high rate leaves out what slowed the run. Never below one.
    """
    return np.maximum(k.whole_run_overhead * hfu**k.whole_run_blend, 1.0)


def _inherited(
    gpu_seconds: NDArray[np.float64], gpus: NDArray[np.float64], kinds: Sequence[object]
) -> NDArray[np.float64]:
    """GPU-seconds, none above those of a larger count of its kind."""
    numbers: dict[object, int] = {}
    kind = np.fromiter((numbers.setdefault(name, len(numbers)) for name in kinds), np.intp, len(kinds))
    order = np.lexsort((-gpus, kind))
    starts = np.flatnonzero(np.diff(kind[order], prepend=-1))
    position = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    table = np.full((len(numbers), int(position.max(initial=0)) + 1), np.inf)
    table[kind[order], position] = gpu_seconds[order]
    out = np.empty_like(gpu_seconds)
    out[order] = np.minimum.accumulate(table, axis=1)[kind[order], position]
    return out


def _picked(columns: Columns, best: NDArray[np.intp], count: int) -> Columns:
    picked: dict[str, Any] = {
        f.name: np.broadcast_to(getattr(columns, f.name), (count,))[best] for f in fields(columns)
    }
    return type(columns)(**picked)
