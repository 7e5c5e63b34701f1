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
    cells_at,
    column,
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
STEPS_KEPT = 32


class Place(NamedTuple):
    """A hardware choice as the arithmetic sees it."""

    gpu_id: str
    gpus: int
    gpus_per_node: int
    gpu_memory_gib: float


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
        self._steps: dict[tuple[object, ...], Choice] = {}

    def run(self, need: Demand, k: Constants) -> Choice:
        """The division chosen on each row, and its time; kept for plans with the same step."""
        # a step does not depend on the length of the run; if anything read that, it would show
        w = replace(need.workload, tokens=math.inf)
        plan = need.plan
        trial = tried(plan, need.architecture, w.sequence_length)
        micro = float(plan.hardware.micro_batch_size or 0)
        key = (w, trial, plan.hardware.tensor_parallel is not None, micro, k)
        made = self._steps.get(key)
        if made is None:
            if len(self._steps) >= STEPS_KEPT:
                self._steps.clear()
            frame = self._frame(trial, is_fixed=plan.hardware.tensor_parallel is not None)
            made = self._steps[key] = self._run(w, frame, trial, micro, k)
        return made

    def _run(self, w: Workload, frame: _Frame, trial: Tried, micro: float, k: Constants) -> Choice:
        cells = Cells(
            workload=w,
            layout=frame.layout,
            gpu_memory_gib=frame.gpu_memory_gib,
            micro_batch_size=np.array(micro),
            chooses_recomputation=np.array(trial.is_automatic),
            shapes=frame.shapes,
            shape=frame.shape,
        )
        fitted = settled(cells, k)
        timed = is_timed(fitted, frame.group, len(self._group_gpus))
        used = np.flatnonzero(timed)
        pair = np.flatnonzero(timed.take(frame.cell))
        row, cell = frame.row.take(pair), (np.cumsum(timed) - 1).take(frame.cell.take(pair))
        layout = cells_at(fitted.layout, used)
        time = step_time(w, layout, self._device, k, Levels(cell=cell, row=row))
        total = np.asarray(time.total)
        best, exists = np.zeros(self._rows, np.intp), np.zeros(self._rows, bool)
        tightness = fitted.tightness.take(used)
        counted = total if (tightness <= 1.0).all() else total * tightness.take(cell)
        least = first_least(counted, row)
        best[row[least]], exists[row[least]] = least, np.isfinite(total[least]) & frame.is_real
        chosen = cells_at(layout, cell[best])
        return Choice(
            layout=chosen,
            memory=memory_at(fitted, used[cell[best]], k),
            time=cells_at(time, best),
            overhead=np.asarray(whole_run_overhead(w, chosen, k)),
            fits=fitted.fits[used[cell[best]]] & exists,
            is_possible=exists,
        )

    def _frame(self, trial: Tried, *, is_fixed: bool) -> _Frame:
        key = (trial, is_fixed)
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


@lru_cache(maxsize=1)
def _keep_freed_memory() -> None:
    np.empty(KEPT_BYTES, np.uint8)
