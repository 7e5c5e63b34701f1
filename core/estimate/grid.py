"""One plan on many hardware choices: the index work once for all plans, then a few sweeps over columns.

A *row* is a hardware choice. Rows of one *group* have the same count, node size and memory, so the same
divisions exist there, with the same micro-batch and the same memory: those are computed once for the group,
and only the time of a step for each row.

Beside the rows asked for, a grid holds those with twice, four times ... their GPUs. Near the edge of memory a
few more GPUs allow a better division, and the model alone would make twice the GPUs more than twice as fast.
Offloading, finer recomputation or uneven stages reach most of that on fewer GPUs, so a row inherits the
speed per GPU of the larger ones of its kind.
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
    column,
    fastest,
    first_least,
    is_timed,
    picked,
    settled,
)
from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout, Tried, divisions, is_possible, tried
from gpuledger.core.estimate.throughput import Device
from gpuledger.core.estimate.workload import Demand, Workload

Index = NDArray[np.intp]
Floats = NDArray[np.float64]

# larger counts are looked at too, so that speed per GPU never grows with their number
MOST_GPUS = 65_536
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
class Hours:
    """Seconds of a step and of the whole run per step of it, as columns, with speed per GPU never growing."""

    step_seconds: Floats
    whole_seconds: Floats
    is_practical: NDArray[np.bool_]
    """False where a larger count is so much faster per GPU that nobody would run the smaller one."""


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The cells of a grid under one set of divisions."""

    layout: Layout
    """One division per cell."""
    gpu_memory_gib: Floats
    group: Index
    row: Index
    """Of each pair of a row and a cell."""
    cell: Index
    before: Index
    """The cell of the same division on half the GPUs, for rows that nobody asked for."""
    has_before: NDArray[np.bool_]
    is_automatic: bool
    """Recomputation is chosen."""
    is_real: bool
    """False where no division exists at all; then one cell keeps the arithmetic whole."""


class Grid:
    """Hardware choices and the rates of their GPUs, prepared for any number of plans."""

    def __init__(self, asked: Sequence[Place], rates: Mapping[str, Device]) -> None:
        _keep_freed_memory()
        places = [*asked, *_larger(asked)]
        self.asked = len(asked)
        self._gpus = np.array([place.gpus for place in places], float)
        self._device = column(Device, [rates[place.gpu_id] for place in places])
        index = {place: row for row, place in enumerate(places)}
        half = [place._replace(gpus=place.gpus / 2) for place in places]
        self._half = np.array([index.get(place, -1) for place in half], np.intp)
        groups: dict[tuple[int, int, float], int] = {}
        self._group = np.array([groups.setdefault(place[1:], len(groups)) for place in places], np.intp)
        self._group_gpus = np.array([key[0] for key in groups], float)
        self._group_node = np.array([key[1] for key in groups], float)
        self._group_memory = np.array([key[2] for key in groups], float)
        self._order, self._kind, self._position = _ladders(places)
        self._frames: dict[tuple[Tried, bool], _Frame] = {}
        self._steps: dict[tuple[object, ...], tuple[Choice, Hours]] = {}

    def run(self, need: Demand, k: Constants) -> tuple[Choice, Hours]:
        """The division chosen on each row asked for, and its time; kept for plans with the same step."""
        # a step does not depend on the length of the run; if anything read that, it would show
        w = replace(need.workload, tokens=math.inf)
        plan = need.plan
        of = tried(plan, need.architecture, w.sequence_length)
        micro = float(plan.hardware.micro_batch_size or 0)
        key = (w, of, plan.hardware.tensor_parallel is not None, micro, k)
        if key not in self._steps:
            if len(self._steps) >= STEPS_KEPT:
                self._steps.clear()
            self._steps[key] = self._run(w, self._frame(of, is_fixed=key[2]), micro, k)
        return self._steps[key]

    def _run(self, w: Workload, frame: _Frame, micro: float, k: Constants) -> tuple[Choice, Hours]:
        cells = Cells(
            workload=w,
            layout=frame.layout,
            gpu_memory_gib=frame.gpu_memory_gib,
            micro_batch_size=np.array(micro),
            chooses_recomputation=np.array(frame.is_automatic),
        )
        found = settled(cells, k)
        timed = is_timed(found, frame.group, len(self._group_gpus))[frame.cell]
        # a division that memory does not limit gains nothing per GPU from more of them
        pair = np.flatnonzero(timed & ~(frame.has_before & found.is_free[frame.before]))
        row, cell = frame.row[pair], frame.cell[pair]
        at = picked(found.layout, cell)
        time, total, whole = fastest(w, at, picked(self._device, row), k)
        best = np.zeros(len(self._gpus), np.intp)
        steady, end_to_end = (np.full(len(self._gpus), np.inf) for _ in range(2))
        least = first_least(total, row)
        best[row[least]], steady[row[least]] = least, total[least]
        least = first_least(whole, row)
        end_to_end[row[least]] = whole[least]
        asked = slice(self.asked)
        best, exists = best[asked], np.isfinite(steady[asked]) & frame.is_real
        choice = Choice(
            layout=picked(at, best),
            memory=picked(found.memory, cell[best]),
            time=picked(time, best),
            whole_seconds=end_to_end[asked],
            fits=found.fits[cell[best]] & exists,
            is_possible=exists,
        )
        return choice, self._hours(steady, end_to_end, k)

    def _hours(self, step: Floats, whole: Floats, k: Constants) -> Hours:
        steady = self._inherited(step)
        end_to_end = self._inherited(whole)
        asked = slice(self.asked)
        return Hours(
            step_seconds=steady[asked],
            whole_seconds=end_to_end[asked],
            is_practical=step[asked] <= k.practical_gain * steady[asked],
        )

    def _inherited(self, seconds: Floats) -> Floats:
        """Seconds at a speed per GPU that is at least that of twice, four times ... the GPUs."""
        table = np.full((int(self._kind.max()) + 1, int(self._position.max()) + 1), np.inf)
        table[self._kind, self._position] = (seconds * self._gpus)[self._order]
        out = np.empty_like(seconds)
        out[self._order] = np.minimum.accumulate(table, axis=1)[self._kind, self._position]
        return out / self._gpus

    def _frame(self, of: Tried, *, is_fixed: bool) -> _Frame:
        key = (of, is_fixed)
        if key not in self._frames:
            if len(self._frames) >= FRAMES_KEPT:
                self._frames.clear()
            self._frames[key] = self._framed(of, is_fixed=is_fixed)
        return self._frames[key]

    def _framed(self, of: Tried, *, is_fixed: bool) -> _Frame:
        options = divisions(of)
        shape = (len(self._group_gpus), len(options.tensor_parallel))
        wide = {f.name: np.broadcast_to(getattr(options, f.name), shape) for f in fields(Layout)}
        wide["gpus"] = np.broadcast_to(self._group_gpus[:, None], shape)
        wide["gpus_per_node"] = np.broadcast_to(self._group_node[:, None], shape)
        exists = np.asarray(is_possible(Layout(**wide), is_fixed))
        is_real = bool(exists.any())
        if not is_real:
            exists = np.zeros(shape, bool)
            exists[0, 0] = True
        number = np.where(exists, np.cumsum(exists).reshape(shape) - 1, -1)
        group, _ = np.nonzero(exists)
        by_row = number[self._group]
        row, _ = np.nonzero(by_row >= 0)
        is_extra = (np.arange(len(self._gpus)) >= self.asked) & (self._half >= 0)
        before = np.where(is_extra[:, None], by_row[self._half], -1)
        return _Frame(
            layout=Layout(**{name: values[exists] for name, values in wide.items()}),
            gpu_memory_gib=self._group_memory[group],
            group=group,
            row=row,
            cell=by_row[by_row >= 0],
            before=before[by_row >= 0],
            has_before=before[by_row >= 0] >= 0,
            is_automatic=of.is_automatic,
            is_real=is_real,
        )


@lru_cache(maxsize=1)
def _keep_freed_memory() -> None:
    np.empty(KEPT_BYTES, np.uint8)


def _larger(asked: Sequence[Place]) -> list[Place]:
    """Twice, four times ... the GPUs of the places, where those are not asked for themselves."""
    seen, out = set(asked), list[Place]()
    for place in asked:
        larger = place._replace(gpus=2 * place.gpus)
        # from a place that is known already, the rest of the way is known too
        while larger.gpus <= MOST_GPUS and larger not in seen:
            seen.add(larger)
            out.append(larger)
            larger = larger._replace(gpus=2 * larger.gpus)
    return out


def _ladders(places: Sequence[Place]) -> tuple[Index, Index, Index]:
    """Rows in the order of their ladder, largest count first, with the number of the ladder and the step.

    Rows of one ladder differ in their count of GPUs only, and each is a power of two times another.
    """
    numbers: dict[object, int] = {}
    gpus = np.array([place.gpus for place in places])
    odd = gpus // (gpus & -gpus)
    names = [(p.gpu_id, p.gpus_per_node, p.gpu_memory_gib, int(o)) for p, o in zip(places, odd, strict=True)]
    kind = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.intp)
    order = np.lexsort((-gpus, kind))
    starts = np.flatnonzero(np.diff(kind[order], prepend=-1))
    position = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return order, kind[order], position
