"""Many plans at once: JSONL in, estimates out, and sweeps of plans over hardware as plain columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import DoesNotFitError, GPULedgerError, InvalidPlanError
from core.estimate.choice import choose, column, hours, problem_of
from core.estimate.constants import constants
from core.estimate.device import device
from core.estimate.estimate import Estimate, estimate
from core.estimate.search import Candidate, Objective, best, refusal, search, seed_candidates
from core.estimate.throughput import Device
from core.estimate.workload import demand
from core.gpu import gpu
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


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Candidates as columns, so that they are read once for many plans."""

    candidates: Sequence[Candidate]
    gpus: NDArray[np.float64]
    gpus_per_node: NDArray[np.float64]
    gpu_memory_gib: NDArray[np.float64]
    kinds: Sequence[tuple[str, int]]


def hardware(candidates: Sequence[Candidate]) -> Hardware:
    """The columns of those candidates."""
    return Hardware(
        candidates=candidates,
        gpus=np.array([c.gpus for c in candidates], float),
        gpus_per_node=np.array([c.gpus_per_node for c in candidates], float),
        gpu_memory_gib=np.array([c.gpu.memory_gib or 0.0 for c in candidates], float),
        kinds=[(c.gpu.gpu_id, c.gpus_per_node) for c in candidates],
    )


class _Rates:
    """Device columns by what of a plan decides them: precision, stated utilisation, network."""

    def __init__(self, on: Hardware) -> None:
        self.on = on
        self.known: dict[tuple[object, ...], tuple[NDArray[np.intp], Device | None]] = {}

    def of(self, plan: TrainingPlan) -> tuple[NDArray[np.intp], Device | None]:
        """Which candidates can run the plan, and their rates."""
        hw = plan.hardware
        stated = "precision" in plan.model_fields_set
        key = (plan.precision, stated, hw.mfu, hw.network_gbit_per_second, plan.is_quoted)
        if key not in self.known:
            names = {c.gpu.gpu_id: c.gpu for c in self.on.candidates}
            rates = {name: device(plan, gpu) for name, gpu in names.items() if refusal(plan, gpu) is None}
            able = [i for i, c in enumerate(self.on.candidates) if c.gpu.gpu_id in rates]
            rows = [rates[self.on.candidates[i].gpu.gpu_id] for i in able]
            self.known[key] = (np.array(able, np.intp), column(Device, rows) if rows else None)
        return self.known[key]


def sweep(plans: Iterable[TrainingPlan], on: Hardware) -> Iterator[Sweep]:
    """Hours and memory of each plan on each candidate, without the records of an estimate.

    Raises:
        InvalidPlanError: a plan whose hours are quoted, as nothing of it is computed.
    """
    k, rates = constants(), _Rates(on)
    for plan in plans:
        if plan.is_quoted:
            raise InvalidPlanError("hardware", f"{plan.name}: quoted hours are not swept")
        need = demand(plan)
        able, device_columns = rates.of(plan)
        wall, memory = np.full(len(on.gpus), np.nan), np.full(len(on.gpus), np.nan)
        fits = np.zeros(len(on.gpus), bool)
        if device_columns is not None:
            of = problem_of(
                need, device_columns, on.gpus[able], on.gpus_per_node[able], on.gpu_memory_gib[able]
            )
            found = choose(of, k)
            time = hours(found, of, [on.kinds[int(i)] for i in able.tolist()])
            steps = need.workload.tokens / need.workload.global_batch_tokens
            wall[able] = np.where(found.is_possible, time.whole_seconds * steps / 3600.0, np.nan)
            memory[able] = np.where(found.is_possible, found.memory.total, np.nan)
            fits[able] = found.fits & time.is_practical
        yield Sweep(plan=plan.name, wall_hours=wall, gpu_hours=wall * on.gpus, memory_gib=memory, fits=fits)


def frugal(plans: Sequence[TrainingPlan], on: Hardware, workers: int = 1) -> list[tuple[int, float] | None]:
    """For each plan the candidate of fewest GPU-hours that fits, or `None` if none does."""
    if workers == 1:
        return [_frugal(found) for found in sweep(plans, on)]
    size = max(1, -(-len(plans) // (8 * workers)))
    slices = [plans[i : i + size] for i in range(0, len(plans), size)]
    with ProcessPoolExecutor(workers) as pool:
        parts = pool.map(frugal, slices, [on] * len(slices))
        return [one for part in parts for one in part]


def _frugal(found: Sweep) -> tuple[int, float] | None:
    fitting = np.where(found.fits, found.gpu_hours, np.inf)
    best_at = int(np.argmin(fitting))
    return (best_at, float(fitting[best_at])) if np.isfinite(fitting[best_at]) else None
