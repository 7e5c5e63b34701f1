"""Which numbers of which machines can run a plan, with the hours that each takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.cost.market.offers import Machine
from gpuledger.core.cost.sold import Limits, sold, wanted
from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.estimate import Estimate
from gpuledger.core.estimate.measurements import Measurement
from gpuledger.core.estimate.sweep import Sweep, refusal, sweep
from gpuledger.core.gpu import gpus
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.plan_costs import HOURS_PER_DAY

FEW_NODES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Option:
    """A number of machines that runs the plan. Its estimate is made when it is first asked for."""

    instance_gpus: int
    """GPUs of one instance as bought; a pod priced per GPU may have several."""
    instances: int
    units: int
    """Price units: GPUs where the price is per GPU, else instances."""
    wall_hours: float
    """The middle case."""
    make: Callable[[], Estimate]

    @cached_property
    def estimate(self) -> Estimate:
        return self.make()


@dataclass(frozen=True, kw_only=True)
class Least:
    """The least that the plan needs of each machine, as columns; infinite where it cannot run."""

    misses_deadline: NDArray[np.bool_]
    """By every number of it; then the others are the least of those that are late."""
    hours: NDArray[np.float64]
    """Paid hours of one price unit."""
    units: NDArray[np.float64]


class Options:
    """The numbers of machines that run a plan, and for the other machines why there is none.

    The plan's own count of GPUs is kept to and rounded up to whole instances. Without one, powers of two
    are tried: up to 8 instances, and up to 512 of what is too small or where `limits` asks for a wide
    choice.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        machines: Sequence[Machine],
        limits: Limits,
        measurements: Sequence[Measurement] = (),
    ) -> None:
        self._plan = plan
        self._sold = of = sold(tuple(machines), wanted(plan, limits))
        self._swept: Sweep = sweep(plan, of.hardware, measurements)
        self._wall_hours = self._swept.wall_hours[of.position]
        fits = self._swept.fits[of.position]
        self._holds = self._any(fits)
        if plan.hardware.gpus is None and not plan.is_quoted:
            fits &= self._wall_hours <= plan.constraints.longest_wall_hours
        if not limits.is_wide:
            is_few = of.instances <= FEW_NODES
            fits &= is_few | ~self._any(fits & is_few)[of.machine]
        self._runs = fits
        self.can_run = self._any(fits)

    def _any(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The machines with such a number."""
        out = np.zeros(len(self._sold.machines), bool)
        out[self._sold.machine[rows]] = True
        return out

    @property
    def machines(self) -> tuple[Machine, ...]:
        return self._sold.machines

    def of(self, machine: Machine) -> list[Option]:
        """The numbers of that machine that run the plan, the smallest first."""
        return [self._option(row) for row in self._sold.rows[machine] if self._runs[row]]

    def _option(self, row: int) -> Option:
        of = self._sold
        return Option(
            instance_gpus=of.counts[row].instance_gpus,
            instances=of.counts[row].instances,
            units=int(of.units[row]),
            wall_hours=float(self._wall_hours[row]),
            make=partial(self._swept.estimate, int(of.position[row])),
        )

    def least(self, deadline_hours: float | None, share: float) -> Least:
        """The least hours and units among the numbers that meet the deadline, if any of the machine does.

        Args:
            share: of the wall hours, after which the run is stopped.
        """
        of = self._sold
        in_time = self._runs
        if deadline_hours is not None:
            in_time = in_time & (self._wall_hours * share <= deadline_hours)
        is_late = self.can_run & ~self._any(in_time)
        counted = np.flatnonzero(in_time | (self._runs & is_late[of.machine]))
        hours, units = (np.full(len(of.machines), np.inf) for _ in range(2))
        np.minimum.at(hours, of.machine[counted], (of.units * self._wall_hours)[counted])
        np.minimum.at(units, of.machine[counted], of.units[counted])
        return Least(misses_deadline=is_late, hours=hours, units=units)

    @cached_property
    def refused(self) -> Mapping[int, str]:
        """Why there is no number of a machine that runs the plan, by its place among the machines."""
        is_sold = self._any(np.ones(len(self._runs), bool))
        is_possible = self._any(~np.isnan(self._wall_hours))
        idle = np.flatnonzero(~self.can_run).tolist()
        names = {number: self._sold.machines[number].gpu_id for number in idle}
        reasons = {gpu_id: _reason(self._plan, gpu_id) for gpu_id in set(names.values())}
        out: dict[int, str] = {}
        for number, gpu_id in names.items():
            reason = reasons[gpu_id]
            if reason is None and not is_sold[number]:
                reason = "no count of it is sold that the plan may use"
            elif reason is None:
                reason = "cannot be divided as the plan says"
                if self._holds[number]:
                    days = self._plan.constraints.longest_wall_hours / HOURS_PER_DAY
                    reason = f"takes longer than {days:g} days (constraints.max_wall_days)"
                elif is_possible[number]:
                    reason = "does not fit in its memory"
            out[number] = reason
        return out


# refusals by what of a plan they depend on: precision, stated utilisation, quoted hours
_reasons: dict[tuple[object, ...], str | None] = {}


def _reason(plan: TrainingPlan, gpu_id: str) -> str | None:
    is_stated = "precision" in plan.model_fields_set
    key = (gpu_id, plan.precision, is_stated, plan.hardware.mfu, plan.is_quoted)
    if len(_reasons) > 100_000:
        _reasons.clear()
    if key not in _reasons:
        _reasons[key] = _refusal(plan, gpu_id)
    return _reasons[key]


def _refusal(plan: TrainingPlan, gpu_id: str) -> str | None:
    chip = gpus().get(gpu_id)
    if chip is None:
        return "accelerator without a data sheet"
    error = refusal(plan, chip)
    return None if error is None else _phrase(plan, error)


def _phrase(plan: TrainingPlan, error: InvalidPlanError) -> str:
    """The refusal without the name of the GPU, so that machines can be counted by it."""
    return {
        "precision": f"no {plan.precision} on this GPU",
        "hardware.gpu": "not for training, or its rates are not published",
        "hardware.mfu": "the MFU given is above what this GPU reaches",
    }.get(error.field, f"refused by the estimate: {error.field}")
