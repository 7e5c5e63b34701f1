"""Many plans at once: JSONL in, estimates out, and sweeps of plans over hardware as plain columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import DoesNotFitError, GPULedgerError, InvalidPlanError
from core.estimate.choice import Row, choose, hours, problem
from core.estimate.constants import constants
from core.estimate.device import device
from core.estimate.estimate import Estimate, estimate
from core.estimate.search import Candidate, Objective, best, refusal, search, seed_candidates
from core.estimate.throughput import Device
from core.estimate.workload import demand
from core.gpu import GPU, gpu
from core.plan import TrainingPlan, read_plan


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One plan on many candidates, as columns in their order; `nan` where the plan cannot run at all."""

    plan: str
    wall_hours: NDArray[np.float64]
    gpu_hours: NDArray[np.float64]
    memory_gib: NDArray[np.float64]
    fits: NDArray[np.bool_]


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
    candidates = seed_candidates(plan, [gpu(hw.gpu)] if hw.gpu is not None else None)
    if not candidates and hw.gpu is not None:
        error = refusal(plan, gpu(hw.gpu))
        if error is not None:
            raise error
    return best(search(plan, candidates), plan, objective)


def json_lines(plans: Iterable[TrainingPlan], objective: Objective = "fewest_gpu_hours") -> Iterator[str]:
    """One line of JSON per plan: its estimate, or its error under `error`."""
    for plan in plans:
        try:
            yield json.dumps(estimate_plan(plan, objective).to_dict())
        except (InvalidPlanError, DoesNotFitError, GPULedgerError) as error:
            yield json.dumps({"plan": plan.name, "error": str(error)})


def _rates(plan: TrainingPlan, known: GPU) -> Device | None:
    return device(plan, known) if refusal(plan, known) is None else None


def sweep(plans: Iterable[TrainingPlan], candidates: Sequence[Candidate]) -> Iterator[Sweep]:
    """Hours and memory of each plan on each candidate, without the records of an estimate.

    One plan takes about as long as it takes numpy to walk its columns; run slices of the plans in several
    processes for more.
    """
    k = constants()
    names = {c.gpu.gpu_id: c.gpu for c in candidates}
    count = len(candidates)
    for plan in plans:
        need = demand(plan)
        rates = {name: rate for name, known in names.items() if (rate := _rates(plan, known)) is not None}
        able = np.array([c.gpu.gpu_id in rates for c in candidates])
        columns = {name: np.full(count, np.nan) for name in ("wall_hours", "gpu_hours", "memory_gib")}
        fits = np.zeros(count, bool)
        if able.any():
            rows = [
                Row(
                    need=need,
                    device=rates[c.gpu.gpu_id],
                    gpus=c.gpus,
                    gpus_per_node=c.gpus_per_node,
                    gpu_memory_gib=c.gpu.memory_gib or 0.0,
                )
                for c in candidates
                if c.gpu.gpu_id in rates
            ]
            of = problem(rows)
            found = choose(of, k)
            kinds = [
                (c.gpu.gpu_id, c.gpus_per_node) for c, known in zip(candidates, able, strict=True) if known
            ]
            time = hours(found, of, kinds, k)
            steps = need.workload.tokens / need.workload.global_batch_tokens
            columns["wall_hours"][able] = np.where(
                found.is_possible, time.whole_seconds * steps / 3600.0, np.nan
            )
            columns["gpu_hours"][able] = columns["wall_hours"][able] * of.layout.gpus[:, 0]
            columns["memory_gib"][able] = np.where(found.is_possible, found.memory.total, np.nan)
            fits[able] = found.fits & time.is_practical
        yield Sweep(plan=plan.name, fits=fits, **columns)
