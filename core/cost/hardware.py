"""Which numbers of which machines can run a plan, with the hours that each takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.cost.market import Shape
from core.errors import InvalidPlanError, UnknownGPUError
from core.estimate.estimate import Estimate, quoted
from core.estimate.measured import Measurement, narrowed
from core.estimate.search import Candidate, refusal, search
from core.gpu import GPU, gpu
from core.plan import TrainingPlan

NODE_COUNTS = tuple(1 << power for power in range(10))
POD_SIZES = (1, 2, 4, 8)


class Machine(NamedTuple):
    """The part of a shape that physics knows: everything but who sells it and how."""

    gpu_id: str
    gpu_count: int
    min_gpus: int | None
    max_gpus: int | None
    may_join: bool


class Physical(NamedTuple):
    """What an estimate depends on."""

    gpu_id: str
    gpus: int
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A number of machines that runs the plan, and its estimate."""

    instance_gpus: int
    """GPUs of one instance as bought; a pod priced per GPU may have several."""
    instances: int
    units: int
    """Price units: GPUs where the price is per GPU, else instances."""
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a choice of hardware must satisfy."""

    deadline_hours: float | None = None
    max_gpus: int | None = None
    min_instance_gpus: int | None = None
    max_instance_gpus: int | None = None


def machine_of(shape: Shape) -> Machine:
    """The machine of a shape."""
    return Machine(shape.gpu_id, shape.gpu_count, shape.min_gpus, shape.max_gpus, shape.may_join)


def options(
    plan: TrainingPlan,
    machines: Iterable[Machine],
    limits: Limits,
    measurements: Sequence[Measurement] = (),
) -> tuple[dict[Machine, list[Option]], dict[Machine, str]]:
    """For each machine the numbers of it that run the plan, and for the others why there is none.

    The plan's own count of GPUs is kept to and rounded up to whole instances; without one, every power of
    two up to 512 instances is tried.
    """
    refused: dict[Machine, str] = {}
    counts: dict[Machine, list[tuple[int, int, int]]] = {}
    for machine in machines:
        try:
            chip = gpu(machine.gpu_id)
        except UnknownGPUError:
            refused[machine] = "accelerator without a data sheet"
            continue
        error = refusal(plan, chip)
        if error is not None:
            refused[machine] = _phrase(plan, error)
            continue
        counts[machine] = _counts(plan, machine, chip, limits)
        if not counts[machine]:
            refused[machine] = "no count of it is sold that the plan may use"
    found = {key: narrowed(of, plan, measurements) for key, of in _estimates(plan, counts).items()}
    chosen: dict[Machine, list[Option]] = {}
    for machine, sizes in counts.items():
        possible = [
            Option(
                instance_gpus=size,
                instances=count,
                units=count * size if _is_per_gpu(machine) else count,
                estimate=found[Physical(machine.gpu_id, used, count)],
            )
            for size, count, used in sizes
            if Physical(machine.gpu_id, used, count) in found
        ]
        fitting = [option for option in possible if option.estimate.fits is not False]
        if fitting:
            chosen[machine] = fitting
        elif sizes:
            refused[machine] = (
                "does not fit in its memory" if possible else "cannot be divided as the plan says"
            )
    return chosen, refused


def _phrase(plan: TrainingPlan, error: InvalidPlanError) -> str:
    """The refusal without the name of the GPU, so that machines can be counted by it."""
    return {
        "precision": f"no {plan.precision} on this GPU",
        "hardware.gpu": "not for training, or its rates are not published",
        "hardware.mfu": "the MFU given is above what this GPU reaches",
    }.get(error.field, f"refused by the estimate: {error.field}")


def _is_per_gpu(machine: Machine) -> bool:
    """Priced per GPU, several of them in one pod: the order says how many."""
    return machine.gpu_count == 1 and (machine.max_gpus or 1) > 1


def _counts(plan: TrainingPlan, machine: Machine, chip: GPU, limits: Limits) -> list[tuple[int, int, int]]:
    """(GPUs of one instance, instances, GPUs that the plan uses) worth an estimate."""
    wanted = plan.hardware.gpus or (1 if plan.is_quoted else None)
    if _is_per_gpu(machine):
        found = _pods(machine.max_gpus or 1, wanted, is_free=plan.is_quoted)
    else:
        found = _nodes(machine, chip, wanted, is_free=plan.is_quoted)
    most = min(limits.max_gpus or 10**9, plan.constraints.max_gpus or 10**9)
    return [
        (size, count, used)
        for size, count, used in found
        if size * count <= most
        and (limits.min_instance_gpus or 0) <= size <= (limits.max_instance_gpus or 10**9)
    ]


def _pods(most: int, wanted: int | None, *, is_free: bool) -> list[tuple[int, int, int]]:
    """Pods share no network with each other, so a plan whose time is computed gets one."""
    if wanted is None:
        return [(size, 1, size) for size in POD_SIZES if size <= most]
    if wanted <= most:
        return [(wanted, 1, wanted)]
    return [(most, math.ceil(wanted / most), wanted)] if is_free else []


def _nodes(machine: Machine, chip: GPU, wanted: int | None, *, is_free: bool) -> list[tuple[int, int, int]]:
    size = machine.gpu_count
    least = max(1, math.ceil((machine.min_gpus or 1) / size))
    order_limit = machine.max_gpus if (machine.max_gpus or 0) >= size else None
    # parts of a server have no fabric to each other that anybody vouches for; nodes sold in one order do
    joins = is_free or least > 1 or (machine.may_join and size >= max(chip.gpus_per_node, 2))
    if wanted is not None:
        count = max(least, math.ceil(wanted / size))
        found = [(size, count, wanted if is_free else min(wanted, size * count))]
    else:
        found = [(size, count, size * count) for count in NODE_COUNTS if count >= least]
    return [
        (size, count, used)
        for size, count, used in found
        if (count == 1 or joins) and (order_limit is None or size * count <= order_limit)
    ]


def _estimates(
    plan: TrainingPlan, counts: Mapping[Machine, Sequence[tuple[int, int, int]]]
) -> dict[Physical, Estimate]:
    """One estimate for each distinct GPU, count of GPUs and count of nodes, in one sweep."""
    wanted: dict[Physical, int] = {}
    for machine, sizes in counts.items():
        for size, count, used in sizes:
            # within one node it makes no difference how many further GPUs the node has
            wanted.setdefault(Physical(machine.gpu_id, used, count), size if count > 1 else used)
    if plan.is_quoted:
        return dict(_quoted(plan, wanted))
    rows = [Candidate(gpu=gpu(key.gpu_id), gpus=key.gpus, gpus_per_node=n) for key, n in wanted.items()]
    return {Physical(e.gpu_id, e.gpus, e.nodes): e for e in search(plan, rows)}


def _quoted(plan: TrainingPlan, wanted: Mapping[Physical, int]) -> Iterator[tuple[Physical, Estimate]]:
    for key, size in wanted.items():
        try:
            yield key, quoted(plan, gpu(key.gpu_id), key.gpus, size)
        except InvalidPlanError as error:
            # hours that this GPU cannot keep; another one may
            if error.field != "hardware.mfu":
                raise
