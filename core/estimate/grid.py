"""One plan on many hardware choices: the index work once for all plans, then a few sweeps over columns.

A *row* is a hardware choice. Rows of one *group* have the same count, node size, memory and links, so the same
divisions exist there, with the same micro-batch and the same memory: those are computed once for the group,
and only the time of a step for each row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.estimate.best_layout import (
    Cells,
    Choice,
    Columns,
    cells_at,
    column,
    columns_of,
    first_least,
    is_timed,
    memory_at,
    settled,
    whole_run_overhead,
)
from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout, Tried, divisions, is_possible, split_over, tried
from gpuledger.core.estimate.throughput import step_time
from gpuledger.core.estimate.traffic import Device, Levels
from gpuledger.core.estimate.workload import Demand, Workload

Index = NDArray[np.intp]
Floats = NDArray[np.float64]

# what the C library gave back to the system it must ask for again, page by page: with glibc's first settings
# that is two thirds of the time of a sweep. Freeing one block of this size, which is never touched, makes it
# keep as much (mallopt(3), M_MMAP_THRESHOLD, "dynamic"); elsewhere it does nothing.
KEPT_BYTES = 16 * 1024 * 1024
# sets of divisions whose index work a grid keeps: plans differ in few ways that change what is tried
FRAMES_KEPT = 64
# results kept for plans that differ in tokens, limits or money alone
STEPS_KEPT = 64
# plans whose steps are computed as one differ in these alone; nothing else of a workload varies by division
VARYING = (
    *("sequence_length", "global_batch_tokens", "attention_flops", "other_forward_flops"),
    *("trained_parameters", "gemm_backward"),
)
# below so many times a call of numpy costs more than its arithmetic, above so many its columns leave the cache
JOINT_TIMES = 32_768
MOST_JOINT = 16


class Place(NamedTuple):
    """A hardware choice as the arithmetic sees it."""

    gpu_id: str
    gpus: int
    gpus_per_node: int
    gpu_memory_gib: float


class _Step(NamedTuple):
    """What the division and the time of a step depend on beside the hardware."""

    workload: Workload
    trial: Tried
    is_fixed: bool
    """Tensor parallelism is."""
    micro: float


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The cells of a grid under one set of divisions."""

    shapes: Layout
    """The divisions that differ in what memory they take."""
    shape: Index
    """Of each cell, among those."""
    layout: Layout
    """One division per cell."""
    gpu_memory_gib: Floats
    group: Index
    row: Index
    """Of each pair of a row and a cell."""
    cell: Index
    is_real: bool
    """False where no division exists at all; then one cell keeps the arithmetic whole."""


class Grid:
    """Hardware choices and the rates of their GPUs, prepared for any number of plans."""

    def __init__(self, places: Sequence[Place], rates: Mapping[str, Device]) -> None:
        _keep_freed_memory()
        self._rows = len(places)
        self._device = column(Device, [rates[place.gpu_id] for place in places])
        keys = [(*place[1:], *_splits(rates[place.gpu_id])) for place in places]
        groups: dict[tuple[float, ...], int] = {}
        self._group = np.array([groups.setdefault(key, len(groups)) for key in keys], np.intp)
        self._group_gpus = np.array([key[0] for key in groups], float)
        self._group_node = np.array([key[1] for key in groups], float)
        self._group_memory = np.array([key[2] for key in groups], float)
        self._group_joined = np.array([[key[3]] for key in groups], float)
        self._group_peers = np.array([[key[4]] for key in groups], float)
        self._frames: dict[tuple[Tried, bool], _Frame] = {}
        self._steps: dict[tuple[_Step, Constants], Choice] = {}

    def run(self, need: Demand, k: Constants) -> Choice:
        """The division chosen on each row, and its time; kept for plans with the same step."""
        step = _step(need)
        made = self._steps.get((step, k))
        if made is None:
            (made,) = self._run([step], self._frame(step), k)
            self._keep([step], [made], k)
        return made

    def joint(self, need: Demand) -> tuple[object, int]:
        """What plans have in common whose steps `prepare` computes as one, and how many of them it should be given."""
        step = _step(need)
        w = step.workload
        shared = replace(w, **dict.fromkeys(VARYING, 0.0))
        # rollouts and what goes to the host are computed of each time, not of each division
        varies = not (w.rollout_share or w.offloads_parameters or w.offloads_activations)
        count = JOINT_TIMES // max(len(self._frame(step).row), 1) if varies else 1
        return step._replace(workload=shared), min(max(count, 1), MOST_JOINT)

    def prepare(self, needs: Sequence[Demand], k: Constants) -> None:
        """Compute the steps of plans that have `joint` in common as one, so that `run` finds them."""
        steps = [step for step in dict.fromkeys(map(_step, needs)) if (step, k) not in self._steps]
        if len(steps) > 1:
            self._keep(steps, self._run(steps, self._frame(steps[0]), k), k)

    def _keep(self, steps: Sequence[_Step], made: Sequence[Choice], k: Constants) -> None:
        if len(self._steps) + len(steps) > STEPS_KEPT:
            self._steps.clear()
        self._steps.update(zip([(step, k) for step in steps], made, strict=True))

    def _run(self, steps: Sequence[_Step], frame: _Frame, k: Constants) -> list[Choice]:
        """The choices of plans that have `joint` in common, whose cells and rows stand behind each other."""
        count, step = len(steps), steps[0]
        loads, layout = [one.workload for one in steps], _repeated(frame.layout, count)
        groups, cells_of_one = len(self._group_gpus), len(frame.group)
        cells = Cells(
            workload=_varying(loads, len(frame.shapes.gpus)),
            layout=layout,
            gpu_memory_gib=np.tile(frame.gpu_memory_gib, count),
            micro_batch_size=np.array(step.micro),
            chooses_recomputation=np.array(step.trial.is_automatic),
            shapes=_repeated(frame.shapes, count),
            shape=_shifted(frame.shape, count, len(frame.shapes.gpus)),
        )
        fitted = settled(cells, k)
        timed = is_timed(fitted, _shifted(frame.group, count, groups), count * groups)
        used = np.flatnonzero(timed)
        cell_of_pair = _shifted(frame.cell, count, cells_of_one)
        pair = np.flatnonzero(timed.take(cell_of_pair))
        cell = (np.cumsum(timed) - 1).take(cell_of_pair.take(pair))
        on, row = (_shifted(frame.row, count, rows).take(pair) for rows in (0, self._rows))
        layout = cells_at(fitted.layout, used)
        w = cells_at(_varying(loads, cells_of_one), used)
        time = step_time(w, layout, self._device, k, Levels(cell=cell, row=on))
        total = np.asarray(time.total)
        best, exists = np.zeros(count * self._rows, np.intp), np.zeros(count * self._rows, bool)
        tightness = fitted.tightness.take(used)
        counted = total if (tightness <= 1.0).all() else total * tightness.take(cell)
        least = first_least(counted, row)
        best[row[least]], exists[row[least]] = least, np.isfinite(total[least]) & frame.is_real
        chosen = cells_at(layout, cell[best])
        choice = Choice(
            layout=chosen,
            memory=memory_at(fitted, used[cell[best]], k),
            time=cells_at(time, best),
            overhead=np.asarray(whole_run_overhead(loads[0], chosen, k)),
            fits=fitted.fits[used[cell[best]]] & exists,
            is_possible=exists,
        )
        return [_part(choice, slice(one * self._rows, (one + 1) * self._rows)) for one in range(count)]

    def _frame(self, step: _Step) -> _Frame:
        key = trial, is_fixed = step.trial, step.is_fixed
        if key not in self._frames:
            if len(self._frames) >= FRAMES_KEPT:
                self._frames.clear()
            self._frames[key] = self._framed(trial, is_fixed=is_fixed)
        return self._frames[key]

    def _framed(self, trial: Tried, *, is_fixed: bool) -> _Frame:
        options = divisions(trial)
        shape = (len(self._group_gpus), len(options.tensor_parallel))
        wide = {f.name: np.broadcast_to(getattr(options, f.name), shape) for f in fields(Layout)}
        wide["gpus"] = np.broadcast_to(self._group_gpus[:, None], shape)
        wide["gpus_per_node"] = np.broadcast_to(self._group_node[:, None], shape)
        most = split_over(self._group_joined, self._group_peers, trial.crosses_bus)
        exists = np.asarray(is_possible(Layout(**wide), is_fixed, trial.pipelines_nodes, most))
        is_real = bool(exists.any())
        if not is_real:
            exists = np.zeros(shape, bool)
            exists[0, 0] = True
        number = np.where(exists, np.cumsum(exists).reshape(shape) - 1, -1)
        group, _ = np.nonzero(exists)
        by_row = number[self._group]
        row, _ = np.nonzero(by_row >= 0)
        layout = Layout(**{name: values[exists] for name, values in wide.items()})
        _, first, shape = np.unique(_alike(layout), return_index=True, return_inverse=True)
        return _Frame(
            shapes=cells_at(layout, first),
            shape=shape,
            layout=layout,
            gpu_memory_gib=self._group_memory[group],
            group=group,
            row=row,
            cell=by_row[by_row >= 0],
            is_real=is_real,
        )


def _splits(rates: Device) -> tuple[float, float]:
    """What of an accelerator decides which divisions exist."""
    return (float(rates.joined_gpus), float(rates.has_peer_access))


def _alike(layout: Layout) -> Index:
    """A number for each division, the same for equal ones."""
    out = np.zeros(len(layout.gpus), np.intp)
    for field in fields(Layout):
        values, codes = np.unique(getattr(layout, field.name), return_inverse=True)
        _, out = np.unique(out * len(values) + codes, return_inverse=True)
    return out


# steps of the last plans: grouping, preparing and running each ask
_made: dict[int, tuple[Demand, _Step]] = {}
MADE_KEPT = 1024


def _step(need: Demand) -> _Step:
    made = _made.get(id(need))
    if made is None or made[0] is not need:
        if len(_made) >= MADE_KEPT:
            _made.clear()
        made = _made[id(need)] = need, _step_of(need)
    return made[1]


def _step_of(need: Demand) -> _Step:
    plan, micro = need.plan, float(need.plan.hardware.micro_batch_size or 0)
    # a step does not depend on the length of the run; if anything read that, it would show
    w = replace(need.workload, tokens=math.inf)
    trial = tried(plan, need.architecture, w.sequence_length)
    return _Step(w, trial, plan.hardware.tensor_parallel is not None, micro)


def _varying(loads: Sequence[Workload], cells: int) -> Workload:
    """One workload for all cells: what differs as a column, so many cells of each plan."""
    if len(loads) == 1:
        return loads[0]
    columns = {name: np.repeat([getattr(one, name) for one in loads], cells) for name in VARYING}
    return replace(loads[0], **columns)


def _repeated(layout: Layout, count: int) -> Layout:
    if count == 1:
        return layout
    return Layout(**{name: np.tile(getattr(layout, name), count) for name in columns_of(Layout)})


def _shifted(index: Index, count: int, by: int) -> Index:
    """Positions for each of so many plans, those of one behind those of the other."""
    return index if count == 1 else np.add.outer(np.arange(count) * by, index).ravel()


def _part(choice: Choice, rows: slice) -> Choice:
    """The rows of one plan."""
    if rows.start == 0 and rows.stop == len(choice.is_possible):
        return choice
    return Choice(
        layout=_rows(choice.layout, rows),
        memory=_rows(choice.memory, rows),
        time=_rows(choice.time, rows),
        overhead=choice.overhead[rows],
        fits=choice.fits[rows],
        is_possible=choice.is_possible[rows],
    )


def _rows(columns: Columns, rows: slice) -> Columns:
    kind = type(columns)
    values = {name: getattr(columns, name) for name in columns_of(kind)}
    return kind(**{name: value[rows] if np.ndim(value) else value for name, value in values.items()})


@lru_cache(maxsize=1)
def _keep_freed_memory() -> None:
    np.empty(KEPT_BYTES, np.uint8)
