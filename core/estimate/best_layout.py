"""The best division of each job on its hardware: micro-batch, recomputation, memory, fit and time.

A `Problem` has one row per plan and hardware choice and one column per division tried; rows of different
plans may stand beside each other, as calibration needs them. `gpuledger.core.estimate.grid` does the same for one plan
on many hardware choices, with the parts below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.estimate.activation import LayerBytes, Stage, activation_gib, layer_bytes, stage_of
from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout, divisions, is_possible, split_over, tried
from gpuledger.core.estimate.memory import Memory, states, total_gib, with_activations
from gpuledger.core.estimate.throughput import StepTime, step_time
from gpuledger.core.estimate.traffic import Device
from gpuledger.core.estimate.workload import Demand, Workload

# a column is a float or an array, which the stubs of numpy cannot say
where: Any = np.where

Columns = TypeVar("Columns", Workload, Layout, Device, Memory, StepTime)
# more tokens per pass than this gain nothing and cost memory; who says neither division nor software of a dense network
# takes as many as most published runs and benchmarks, of which every family was counted once (median 8,192)
USEFUL_TOKENS, USUAL_TOKENS = 16_384.0, 8_192.0
# ... of narrow layers more do, up to so many, until a pass of a layer has so many operations forward and its launches
# are some hundredths of it: llm.c takes 65,536 tokens of 124M and 350M parameters, 32,768 of 774M and 16,384 of 1558M
# (scripts/run_gpt2_*.sh), llm-foundry 65,536 of 125M, 49,152 of 760M and 28,672 of 1.3B (benchmarking/README.md)
MOST_USEFUL_TOKENS, USEFUL_LAYER_FLOPS = 65_536.0, 1.3e12
# who pretrains and leaves the division open keeps some memory free for fragments, uneven stages and evaluation:
# BLOOM ran at 60 of 80 GiB (bigscience, chronicles-prequel.md, "Rebalancing layers"), nanotron's fastest divisions at
# 53 to 67 of 80 (Ultra-Scale Playbook, 2025). A fuller one counts as slower, at its fullest by two fifths
USUAL_MEMORY_SHARE, TIGHT_FACTOR = 0.85, 1.4
# of nodes: what runs on 128 of them lose is counted, and grows with every doubling
DOUBLINGS = 7.0


@dataclass(frozen=True, kw_only=True)
class LayoutRow:
    """One plan on one hardware choice."""

    need: Demand
    device: Device
    gpus: int
    gpus_per_node: int
    gpu_memory_gib: float


@dataclass(frozen=True, kw_only=True)
class LayoutProblem:
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
class Cells:
    """Divisions in one flat column; what is the same for all of them may be one number."""

    workload: Workload
    layout: Layout
    gpu_memory_gib: NDArray[np.float64]
    micro_batch_size: NDArray[np.float64]
    """As the plan fixes it, else 0."""
    chooses_recomputation: NDArray[np.bool_]
    shapes: Layout | None = None
    """The divisions that differ, where many cells have the same one on GPUs of other memory."""
    shape: NDArray[np.intp] | None = None
    """Of each cell, among those."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What memory allows in each cell."""

    layout: Layout
    fixed: Memory
    """Beside activations, by shape."""
    shape: NDArray[np.intp] | None
    activations: NDArray[np.float64]
    total: NDArray[np.float64]
    fits: NDArray[np.bool_]
    tightness: NDArray[np.float64]
    """By which the time of a step counts longer in the choice of a division that leaves less room than people do."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The division chosen for each row, as columns."""

    layout: Layout
    memory: Memory
    time: StepTime
    overhead: NDArray[np.float64]
    """Hours of a whole run over those of its tokens at the steady rate."""
    fits: NDArray[np.bool_]
    is_possible: NDArray[np.bool_]


def problem(rows: Sequence[LayoutRow]) -> LayoutProblem:
    """The arrays of those rows."""
    needs = list({id(row.need): row.need for row in rows}.values())
    tries = [tried(need.plan, need.architecture, need.workload.sequence_length) for need in needs]
    options = [divisions(one) for one in tries]
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
    across = np.array([[one.pipelines_nodes] for one in tries])[index]
    crosses = np.array([[one.crosses_bus] for one in tries])[index]
    chooses = np.array([[one.is_automatic] for one in tries])[index]
    device = _column(Device, [row.device for row in rows])
    most = split_over(device.joined_gpus, device.has_peer_access, crosses)
    return LayoutProblem(
        workload=_column(Workload, [row.need.workload for row in rows]),
        device=device,
        layout=layout,
        is_possible=np.asarray(real & is_possible(layout, fixed, across, most)),
        gpu_memory_gib=np.array([[row.gpu_memory_gib] for row in rows], float),
        chooses_recomputation=chooses,
        micro_batch_size=micro,
    )


def _column(kind: type[Columns], items: Sequence[Columns]) -> Columns:
    flat = column(kind, items)
    return kind(**{f.name: getattr(flat, f.name)[:, None] for f in fields(kind)})


def column(kind: type[Columns], items: Sequence[Columns]) -> Columns:
    """Records as one record of columns. A record that repeats is read once."""
    distinct = list({id(item): item for item in items}.values())
    position = {id(item): i for i, item in enumerate(distinct)}
    index = np.fromiter((position[id(item)] for item in items), np.intp, len(items))
    return kind(
        **{f.name: np.array([getattr(d, f.name) for d in distinct], float)[index] for f in fields(kind)}
    )


def _padded(columns: Sequence[NDArray[np.float64]], width: int) -> NDArray[np.float64]:
    return np.array([np.concatenate([c, np.full(width - len(c), c[0])]) for c in columns])


def _flat(columns: Columns, row: NDArray[np.intp]) -> Columns:
    """Columns of one number per row, repeated for every cell."""
    return type(columns)(**{f.name: getattr(columns, f.name)[:, 0][row] for f in fields(columns)})


def settled(cells: Cells, k: Constants) -> Settled:
    """Micro-batch and recomputation of each cell, and the memory it then takes.

    The micro-batch is as fixed, else the largest power of two that fits and leaves a pipeline its passes.
    Where activations do not fit, as many layers are recomputed as it takes (Megatron-LM,
    `--recompute-num-layers`).
    """
    w, layout, shapes = cells.workload, cells.layout, cells.shapes or cells.layout
    # memory beside activations, and what one sequence takes, depend on the division alone
    states_of, each_of = states(w, shapes, k), layer_bytes(w, shapes, k)
    replicas: Any = np.maximum(shapes.data_parallel, 1.0)
    passes: Any = np.where(shapes.pipeline_parallel > 1, 4.0 * shapes.pipeline_parallel, 1.0)
    share: Any = w.global_batch_tokens / (replicas * w.sequence_length * passes)
    useful = where(w.experts <= 1, _useful_tokens(w), USEFUL_TOKENS) / w.sequence_length
    sequences = where(w.recipe_sequences > 0, w.recipe_sequences, useful)
    useful = lift(np.minimum(share, np.maximum(sequences, 1.0)), cells.shape)
    one = lift(activation_gib(w, shapes, k, each_of), cells.shape)
    taken = lift(states_of.total, cells.shape)
    each = LayerBytes(*(lift(column, cells.shape) for column in each_of))
    stage = Stage(*(lift(column, cells.shape) for column in stage_of(w, shapes, k)))
    limit_gib = cells.gpu_memory_gib * k.memory_margin
    room = np.maximum((limit_gib - taken) / k.allocator_slack, 0.0)
    leaves_room = (w.is_open > 0) & (w.recipe_sequences <= 0) & (w.is_adapted < 1)
    usual_gib = cells.gpu_memory_gib * where(leaves_room, USUAL_MEMORY_SHARE, k.memory_margin)
    usual_room = np.maximum((usual_gib - taken) / k.allocator_slack, 0.0)
    micro = _power_below(np.minimum(usual_room / one, useful))
    micro = np.where(cells.micro_batch_size > 0, cells.micro_batch_size, micro)
    flight = stage.in_flight(micro)
    none = lean = stage.activation_gib(w, each, micro, flight, 1.0)
    if np.any(w.is_tuned):
        lean = np.minimum(stage.activation_gib(w, each, micro, flight, 1.0, is_lean=True), none)
    full = np.minimum(stage.activation_gib(w, each, micro, flight, 2.0), lean)
    recomputed: NDArray[np.float64] = np.asarray(
        np.clip((lean - room) / np.maximum(lean - full, 1e-9), 0.0, 1.0)
    )
    held: NDArray[np.float64] = np.asarray(
        where(lean <= room, np.minimum(none, np.maximum(room, lean)), lean + (full - lean) * recomputed)
    )
    chosen = 1.0 + recomputed
    if not cells.chooses_recomputation.all():
        stated: Any = stage.activation_gib(w, each, micro, flight, layout.recomputation)
        held = np.asarray(np.where(cells.chooses_recomputation, held, stated))
        chosen = np.where(cells.chooses_recomputation, chosen, layout.recomputation)
    layout = layout.replace(micro_batch_size=micro, recomputation=chosen)
    rollout, loading = lift(states_of.generation, cells.shape), lift(states_of.loading, cells.shape)
    total = np.asarray(total_gib(taken, rollout, loading, held, k)) + np.zeros(len(cells.gpu_memory_gib))
    beyond = np.clip((total - usual_gib) / np.maximum(limit_gib - usual_gib, 1e-9), 0.0, 1.0)
    return Settled(
        layout=layout,
        fixed=states_of,
        shape=cells.shape,
        activations=held,
        total=total,
        fits=total <= limit_gib * (1 + 1e-9),
        tightness=1.0 + (TIGHT_FACTOR - 1.0) * beyond * leaves_room,
    )


def _useful_tokens(w: Workload) -> Any:
    """Tokens of a pass of a dense network that people take where memory allows."""
    saturating: Any = np.clip(USEFUL_LAYER_FLOPS * w.layers / w.body_flops, USEFUL_TOKENS, MOST_USEFUL_TOKENS)
    return where(w.is_open > 0, USUAL_TOKENS, saturating)


def memory_at(fitted: Settled, index: NDArray[np.intp], k: Constants) -> Memory:
    """The memory of those cells, by component."""
    shape = index if fitted.shape is None else fitted.shape[index]
    return with_activations(cells_at(fitted.fixed, shape), fitted.activations[index], k)


def lift(column: Any, shape: NDArray[np.intp] | None) -> Any:
    """A column of divisions for every cell."""
    return column if shape is None or not np.ndim(column) else column.take(shape)


def _power_below(limit: Any) -> Any:
    return 2.0 ** np.floor(np.log2(np.maximum(limit, 1.0)))


def choose(task: LayoutProblem, k: Constants) -> Choice:
    """For each row the fastest division that fits, else the smallest one."""
    exists = task.is_possible
    if not exists.any():
        # nothing can be chosen; one cell keeps the arithmetic whole and is marked impossible later
        exists = np.zeros_like(exists)
        exists[0, 0] = True
    row, position = np.nonzero(exists)
    cell_layout = Layout(
        **{f.name: np.asarray(getattr(task.layout, f.name))[row, position] for f in fields(Layout)}
    )
    cells = Cells(
        workload=_flat(task.workload, row),
        layout=cell_layout,
        gpu_memory_gib=task.gpu_memory_gib[row, 0],
        micro_batch_size=task.micro_batch_size[row, 0],
        chooses_recomputation=task.chooses_recomputation[row, 0],
    )
    fitted = settled(cells, k)
    timed = np.flatnonzero(is_timed(fitted, row, len(exists)))
    row = row[timed]
    layout = cells_at(fitted.layout, timed)
    w = cells_at(cells.workload, timed)
    time = step_time(w, layout, _flat(task.device, row), k)
    best = np.zeros(len(exists), np.intp)
    least = first_least(np.asarray(time.total) * fitted.tightness[timed], row)
    best[row[least]] = least
    is_real = np.asarray(task.is_possible.any(axis=1), bool)
    return Choice(
        layout=cells_at(layout, best),
        memory=memory_at(fitted, timed[best], k),
        time=cells_at(time, best),
        overhead=np.asarray(whole_run_overhead(cells_at(w, best), cells_at(layout, best), k)),
        fits=fitted.fits[timed][best] & is_real,
        is_possible=is_real,
    )


def is_timed(fitted: Settled, row: NDArray[np.intp], rows: int) -> NDArray[np.bool_]:
    """Cells whose time counts: those that fit, and the smallest of a row in which none does."""
    has_fit = np.zeros(rows, bool)
    has_fit[row[fitted.fits]] = True
    out = fitted.fits.copy()
    lacking = np.flatnonzero(~has_fit[row])
    if len(lacking):
        out[lacking[first_least(fitted.total[lacking], row[lacking])]] = True
    return out


def first_least(values: NDArray[np.float64], row: NDArray[np.intp]) -> NDArray[np.intp]:
    """The position of the least value of each run of equal rows, the first where several are."""
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    least = np.repeat(np.minimum.reduceat(values, starts), np.diff(np.append(starts, len(row))))
    hits = np.flatnonzero(values == least)
    return hits[np.flatnonzero(np.diff(row[hits], prepend=-1))]


def whole_run_overhead(w: Workload, layout: Layout, k: Constants) -> Any:
    """Hours of a whole run over those of its tokens at the steady rate.

    Start-up, evaluation and checkpoint writes, by team; what many nodes lose beyond their steady state; and
    restarts, in proportion to nodes and days.
    """
    nodes = np.maximum(layout.gpus / layout.gpus_per_node, 1.0)
    is_tuned = w.team_is_tuned > 0
    base = np.where(is_tuned, k.tuned_overhead, k.typical_overhead)
    scale = np.where(is_tuned, k.tuned_scale_overhead, k.typical_scale_overhead) * np.log2(nodes) / DOUBLINGS
    return base * (1.0 + scale + k.failures_per_node_day * nodes * k.hours_per_failure / 24.0)


def cells_at(columns: Columns, index: NDArray[np.intp]) -> Columns:
    """Those cells; what is one number for all stays one."""
    kind = type(columns)
    values = [getattr(columns, name) for name in columns_of(kind)]
    return kind(
        **{
            name: value.take(index) if np.ndim(value) else value
            for name, value in zip(columns_of(kind), values, strict=True)
        }
    )


@lru_cache(maxsize=16)
def columns_of(kind: type[Columns]) -> tuple[str, ...]:
    """The columns of a record."""
    return tuple(field.name for field in fields(kind))
