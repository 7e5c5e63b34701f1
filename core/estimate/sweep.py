"""Plans over hardware as plain columns; the record of an estimate is made of a row that somebody looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.constants import constants
from gpuledger.core.estimate.data_loading import least_step_seconds
from gpuledger.core.estimate.device import device
from gpuledger.core.estimate.estimate import Estimate, assembled, place, quoted
from gpuledger.core.estimate.grid import Grid, Index
from gpuledger.core.estimate.interval import Range
from gpuledger.core.estimate.measurements import Measurement, narrowed
from gpuledger.core.estimate.pace import paced, refuse_above_ceiling
from gpuledger.core.estimate.recipe import as_published, published_precision, repeats_a_run
from gpuledger.core.estimate.workload import Demand, demand
from gpuledger.core.gpu import GPU
from gpuledger.core.money import SECONDS_PER_HOUR
from gpuledger.core.plan import TrainingPlan


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One hardware choice: that many of that GPU, so many to a node."""

    gpu: GPU
    gpus: int
    gpus_per_node: int


def refusal(plan: TrainingPlan, gpu: GPU) -> InvalidPlanError | None:
    """Why the plan cannot run on that GPU in any number, or `None` if it can."""
    if plan.is_quoted:
        return None
    try:
        device(plan, gpu)
        if plan.hardware.mfu is not None:
            refuse_above_ceiling(plan.hardware.mfu, gpu, constants())
    except InvalidPlanError as error:
        return error
    return None


class HardwareChoices:
    """Candidates, read once for any number of plans."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self.candidates = tuple(candidates)
        self.gpus = np.array([c.gpus for c in self.candidates], float)
        self.gpus_per_node = np.array([c.gpus_per_node for c in self.candidates], float)
        self._able: dict[tuple[object, ...], _Able] = {}
        self._parts: dict[str, tuple[tuple[bool, Index, HardwareChoices], ...]] = {}

    def able(self, plan: TrainingPlan) -> _Able:
        """The candidates that can run the plan, by what of it decides their rates."""
        hw = plan.hardware
        stated = "precision" in plan.model_fields_set
        key = (plan.precision, stated, hw.mfu, hw.network_gbit_per_second, plan.weight_sparsity)
        if key not in self._able:
            chips = {c.gpu.gpu_id: c.gpu for c in self.candidates}
            rates = {name: device(plan, gpu) for name, gpu in chips.items() if refusal(plan, gpu) is None}
            index = [i for i, c in enumerate(self.candidates) if c.gpu.gpu_id in rates]
            able = [self.candidates[i] for i in index]
            grid = Grid([place(c.gpu, c.gpus, c.gpus_per_node) for c in able], rates) if able else None
            peak = np.array([rates[c.gpu.gpu_id].gemm_flops_per_second for c in able], float)
            self._able[key] = _Able(
                index=np.array(index, np.intp),
                row={position: row for row, position in enumerate(index)},
                grid=grid,
                peak_flops_per_second=peak,
            )
        return self._able[key]

    def parts(self, precision: str) -> tuple[tuple[bool, Index, HardwareChoices], ...]:
        """The candidates that have that precision and those that have it not: positions, and choices of their own."""
        if precision not in self._parts:
            has = np.array([precision in c.gpu.peak_flops_per_second for c in self.candidates], bool)
            sides = [(able, np.flatnonzero(has == able)) for able in (True, False)]
            self._parts[precision] = tuple(
                (able, index, HardwareChoices(self.candidates[i] for i in index.tolist()))
                for able, index in sides
                if len(index)
            )
        return self._parts[precision]


@dataclass(frozen=True, kw_only=True)
class _Able:
    """Positions among the candidates, their grid (`None` if there are none), and peaks in order."""

    index: NDArray[np.intp]
    row: Mapping[int, int]
    """Of the grid, by position."""
    grid: Grid | None
    peak_flops_per_second: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One plan on many candidates, as columns in their order; `nan` where the plan cannot run at all."""

    plan: str
    on: HardwareChoices
    wall_hours: NDArray[np.float64]
    """The middle case."""
    memory_gib: NDArray[np.float64]
    fits: NDArray[np.bool_]
    """True where nobody can tell, as the hours are quoted."""
    estimate: Callable[[int], Estimate]
    """The whole record of the candidate at that position; only where its hours are a number."""
    hours: Callable[[int], Range]
    """The wall hours of that record, which are quicker to have."""

    @property
    def gpu_hours(self) -> NDArray[np.float64]:
        return self.wall_hours * self.on.gpus


def sweep(plan: TrainingPlan, on: HardwareChoices, measurements: Sequence[Measurement] = ()) -> Sweep:
    """Hours and memory of the plan on each candidate.

    Raises:
        InvalidPlanError: the plan does not say enough.
    """
    if plan.is_quoted:
        return _quoted(plan, on)
    if repeats_a_run(plan):
        return _published(plan, on, measurements)
    return _computed(plan, on, measurements)


def _computed(plan: TrainingPlan, on: HardwareChoices, measurements: Sequence[Measurement]) -> Sweep:
    k, need, able = constants(), demand(plan), on.able(plan)
    w, index = need.workload, able.index
    wall, memory = (np.full(len(on.candidates), np.nan) for _ in range(2))
    fits = np.zeros(len(on.candidates), bool)
    choice = None
    if able.grid is not None:
        choice = able.grid.run(need, k)
        arriving = least_step_seconds(plan, w.global_batch_tokens, on.gpus[index], on.gpus_per_node[index])
        steps = w.tokens / w.global_batch_tokens
        seconds = np.maximum(choice.time.total, arriving) * choice.overhead * steps
        if plan.hardware.mfu is not None:
            peak = able.peak_flops_per_second * on.gpus[index] * plan.hardware.mfu
            seconds = np.maximum(w.tokens * w.model_flops_per_token / peak, arriving * steps)
        wall[index] = np.where(choice.is_possible, seconds / SECONDS_PER_HOUR, np.nan)
        memory[index] = np.where(choice.is_possible, choice.memory.total, np.nan)
        fits[index] = choice.fits

    def record(position: int) -> Estimate:
        assert choice is not None
        at, row = on.candidates[position], able.row[position]
        made = assembled(need, choice, row, at.gpu, at.gpus, at.gpus_per_node, k)
        return narrowed(made, plan, measurements)

    measured = {measurement.gpu_id for measurement in measurements}

    def hours(position: int) -> Range:
        assert choice is not None
        at = on.candidates[position]
        if at.gpu.gpu_id in measured:
            return record(position).wall_hours
        return paced(need, choice, able.row[position], at.gpu, at.gpus, at.gpus_per_node, k).wall_hours

    for position in np.flatnonzero(~np.isnan(wall)).tolist() if measured else ():
        if on.candidates[position].gpu.gpu_id in measured:
            wall[position] = record(position).wall_hours.mid
    return Sweep(
        plan=plan.name, on=on, wall_hours=wall, memory_gib=memory, fits=fits, estimate=record, hours=hours
    )


def _published(plan: TrainingPlan, on: HardwareChoices, measurements: Sequence[Measurement]) -> Sweep:
    """The sweep of a plan that repeats a published run, on each GPU as that was trained, as far as the GPU can."""
    wall, memory = (np.full(len(on.candidates), np.nan) for _ in range(2))
    fits = np.zeros(len(on.candidates), bool)
    part_of: Index = np.zeros(len(on.candidates), np.intp)
    row_of: Index = np.zeros(len(on.candidates), np.intp)
    parts: list[tuple[Sweep, tuple[str, ...]]] = []
    for as_trained, assumptions, index, part in _as_trained(plan, on):
        swept = _computed(as_trained, part, measurements)
        wall[index], memory[index], fits[index] = swept.wall_hours, swept.memory_gib, swept.fits
        part_of[index], row_of[index] = len(parts), np.arange(len(index))
        parts.append((swept, assumptions))

    def record(position: int) -> Estimate:
        swept, assumptions = parts[int(part_of[position])]
        made = swept.estimate(int(row_of[position]))
        return replace(made, assumptions=(*assumptions, *made.assumptions))

    def hours(position: int) -> Range:
        return parts[int(part_of[position])][0].hours(int(row_of[position]))

    return Sweep(
        plan=plan.name, on=on, wall_hours=wall, memory_gib=memory, fits=fits, estimate=record, hours=hours
    )


def _as_trained(
    plan: TrainingPlan, on: HardwareChoices
) -> Iterator[tuple[TrainingPlan, tuple[str, ...], Index, HardwareChoices]]:
    """The plan as its published run was trained, what that assumes, and on which of the candidates."""
    precision = published_precision(plan)
    everything = ((False, np.arange(len(on.candidates)), on),)
    for has_precision, index, part in everything if precision is None else on.parts(precision):
        yield *as_published(plan, has_precision=has_precision), index, part


def in_groups(plans: Sequence[TrainingPlan], on: HardwareChoices) -> Iterator[list[int]]:
    """Positions of the plans, each once. Those of a group can be swept quickly when it comes: their steps on those
    candidates were computed as one. A plan that is wrong is not refused here.
    """
    k = constants()
    groups: dict[object, list[int]] = {}
    grids: dict[object, tuple[list[Grid], int]] = {}
    needs: dict[int, list[Demand]] = {}
    for position, plan in enumerate(plans):
        try:
            read = _joint(plan, on)
        except InvalidPlanError:
            read = []
        key = tuple((id(grid), grid.joint(need)[0]) for need, grid in read)
        groups.setdefault(key, []).append(position)
        needs[position] = [need for need, _ in read]
        if key not in grids:
            most = min((grid.joint(need)[1] for need, grid in read), default=1)
            grids[key] = [grid for _, grid in read], most
    for key, positions in groups.items():
        each, most = grids[key]
        for start in range(0, len(positions), most):
            group = positions[start : start + most]
            for number, grid in enumerate(each):
                grid.prepare([needs[position][number] for position in group], k)
            yield group


def _joint(plan: TrainingPlan, on: HardwareChoices) -> list[tuple[Demand, Grid]]:
    """What the plan needs on which grids; nothing where its hours are given."""
    if plan.is_quoted:
        return []
    grids = [
        (demand(as_trained), part.able(as_trained).grid) for as_trained, _, _, part in _as_trained(plan, on)
    ]
    return [(need, grid) for need, grid in grids if grid is not None]


def _quoted(plan: TrainingPlan, on: HardwareChoices) -> Sweep:
    """Hours as given, on each GPU that can keep them."""
    estimates: dict[int, Estimate] = {}
    for position, at in enumerate(on.candidates):
        try:
            estimates[position] = quoted(plan, at.gpu, at.gpus, at.gpus_per_node)
        except InvalidPlanError as error:
            if error.field != "hardware.mfu":
                raise
    wall, memory = (np.full(len(on.candidates), np.nan) for _ in range(2))
    wall[list(estimates)] = [one.wall_hours.mid for one in estimates.values()]
    return Sweep(
        plan=plan.name,
        on=on,
        wall_hours=wall,
        memory_gib=memory,
        fits=~np.isnan(wall),
        estimate=estimates.__getitem__,
        hours=lambda position: estimates[position].wall_hours,
    )
