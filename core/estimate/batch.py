"""Many plans at once: JSONL in, estimates out, and the best hardware of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from gpuledger.core.errors import GPULedgerError, InvalidPlanError
from gpuledger.core.estimate.estimate import Estimate, estimate
from gpuledger.core.estimate.search import Objective, best, hardware_for
from gpuledger.core.estimate.sweep import Hardware, refusal, sweep
from gpuledger.core.gpu import gpu
from gpuledger.core.parallel import in_processes
from gpuledger.core.plan import TrainingPlan, read_plan


def read_plans(lines: Iterable[str]) -> Iterator[TrainingPlan]:
    """The plans of a JSONL text, blank lines left out.

    Raises:
        InvalidPlanError: a line is no plan; names its number.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield read_plan(line, syntax="json")
        except InvalidPlanError as error:
            raise InvalidPlanError(f"line {number}: {error.field}", str(error)) from error


def estimate_plan(plan: TrainingPlan, objective: Objective = "fewest_gpu_hours") -> Estimate:
    """The estimate of one plan: on the hardware it names, else on the best of the seeds.

    Raises:
        InvalidPlanError, UnknownGPUError, DoesNotFitError: as the parts raise them.
    """
    hw = plan.hardware
    if hw.gpu is not None and hw.gpus is not None:
        return estimate(plan, gpu(hw.gpu), hw.gpus)
    error = None if hw.gpu is None else refusal(plan, gpu(hw.gpu))
    if error is not None:
        raise error
    return best(sweep(plan, hardware_for(plan)), plan, objective)


def json_lines(
    plans: Sequence[TrainingPlan], objective: Objective = "fewest_gpu_hours", workers: int = 1
) -> Iterator[str]:
    """One line of JSON per plan: its estimate, or its error under `error`."""
    return in_processes(partial(_json_line, objective=objective), plans, workers)


def _json_line(plan: TrainingPlan, objective: Objective) -> str:
    try:
        return json.dumps(estimate_plan(plan, objective).to_dict())
    except GPULedgerError as error:
        return json.dumps({"plan": plan.name, "error": str(error)})


def frugal(plans: Sequence[TrainingPlan], on: Hardware, workers: int = 1) -> list[tuple[int, float] | None]:
    """For each plan the candidate of fewest GPU-hours that fits and ends in time, or `None` if none does."""
    return list(in_processes(partial(_frugal, on=on), plans, workers))


def _frugal(plan: TrainingPlan, on: Hardware) -> tuple[int, float] | None:
    found = sweep(plan, on)
    longest = np.inf if plan.hardware.gpus is not None else plan.constraints.longest_wall_hours
    fitting = np.where(found.fits & (found.wall_hours <= longest), found.gpu_hours, np.inf)
    best_at = int(np.argmin(fitting))
    return (best_at, float(fitting[best_at])) if np.isfinite(fitting[best_at]) else None
