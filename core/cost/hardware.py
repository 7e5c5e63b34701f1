"""Which numbers of which machines can run a plan, with the hours that each takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

from core.cost.market import Machine
from core.errors import InvalidPlanError, UnknownGPUError
from core.estimate.estimate import Estimate
from core.estimate.measured import Measurement
from core.estimate.sweep import Candidate, Hardware, refusal, sweep
from core.gpu import GPU, gpu
from core.plan import TrainingPlan

FEW_NODES = 8
NODE_COUNTS = tuple(1 << power for power in range(10))
POD_SIZES = (1, 2, 4, 8)


class Physical(NamedTuple):
    """What an estimate depends on."""

    gpu_id: str
    gpus: int
    nodes: int


class Count(NamedTuple):
    """A number of machines to try."""

    instance_gpus: int
    instances: int
    gpus: int
    """That the plan uses."""

    def physical(self, machine: Machine) -> Physical:
        return Physical(machine.gpu_id, self.gpus, self.instances)


class Option(NamedTuple):
    """A number of machines that runs the plan. Its estimate is made when it is first asked for."""

    instance_gpus: int
    """GPUs of one instance as bought; a pod priced per GPU may have several."""
    instances: int
    units: int
    """Price units: GPUs where the price is per GPU, else instances."""
    wall_hours: float
    """The middle case."""
    make: _Once

    @property
    def estimate(self) -> Estimate:
        return self.make()


class _Once:
    """An estimate that is made at the first call and kept."""

    __slots__ = ("_kept", "_make")

    def __init__(self, make: Callable[[], Estimate]) -> None:
        self._make = make
        self._kept: Estimate | None = None

    def __call__(self) -> Estimate:
        if self._kept is None:
            self._kept = self._make()
        return self._kept


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a choice of hardware must satisfy."""

    deadline_hours: float | None = None
    max_gpus: int | None = None
    min_instance_gpus: int | None = None
    max_instance_gpus: int | None = None
    is_wide: bool = False
    """Try large numbers even where small ones hold the plan: they save time and no money."""


def options(
    plan: TrainingPlan,
    machines: Iterable[Machine],
    limits: Limits,
    measurements: Sequence[Measurement] = (),
) -> tuple[dict[Machine, list[Option]], dict[Machine, str]]:
    """For each machine the numbers of it that run the plan, and for the others why there is none.

    The plan's own count of GPUs is kept to and rounded up to whole instances. Without one, powers of two
    are tried: up to 8 instances, and up to 512 of what is too small or where `limits` asks for a wide
    choice.
    """
    counts, refused = _sold_counts(plan, machines, limits)
    few = counts if limits.is_wide else {machine: _few(sizes) for machine, sizes in counts.items()}
    chosen, possible = _fitting(plan, few, measurements)
    more = {
        machine: [c for c in sizes if c not in few[machine]]
        for machine, sizes in counts.items()
        if machine not in chosen and len(sizes) > len(few[machine])
    }
    if more:
        large, also_possible = _fitting(plan, more, measurements)
        chosen, possible = chosen | large, possible | also_possible
    for machine in counts:
        if machine not in chosen:
            is_possible = machine in possible
            refused[machine] = (
                "does not fit in its memory" if is_possible else "cannot be divided as the plan says"
            )
    return chosen, refused


@lru_cache(maxsize=16_384)
def _few(sizes: tuple[Count, ...]) -> tuple[Count, ...]:
    return tuple(count for count in sizes if count.instances <= FEW_NODES)


def _sold_counts(
    plan: TrainingPlan, machines: Iterable[Machine], limits: Limits
) -> tuple[dict[Machine, tuple[Count, ...]], dict[Machine, str]]:
    counts: dict[Machine, tuple[Count, ...]] = {}
    refused: dict[Machine, str] = {}
    for machine in machines:
        reason = _reason(plan, machine.gpu_id)
        found = () if reason else _counts(plan, machine, limits)
        if found:
            counts[machine] = found
        else:
            refused[machine] = reason or "no count of it is sold that the plan may use"
    return counts, refused


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
    try:
        error = refusal(plan, gpu(gpu_id))
    except UnknownGPUError:
        return "accelerator without a data sheet"
    return None if error is None else _phrase(plan, error)


def _fitting(
    plan: TrainingPlan, counts: Mapping[Machine, Sequence[Count]], measurements: Sequence[Measurement]
) -> tuple[dict[Machine, list[Option]], set[Machine]]:
    """Options of the machines that hold the plan, and the machines that can be divided as the plan says."""
    found = _estimates(plan, counts, measurements)
    chosen: dict[Machine, list[Option]] = {}
    possible: set[Machine] = set()
    for machine, sizes in counts.items():
        for count in sizes:
            ran = found.get(count.physical(machine))
            if ran is None:
                continue
            possible.add(machine)
            if ran.fits:
                units = count.instances * (count.instance_gpus if _is_per_gpu(machine) else 1)
                option = Option(count.instance_gpus, count.instances, units, ran.wall_hours, ran.make)
                chosen.setdefault(machine, []).append(option)
    return chosen, possible


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


def _counts(plan: TrainingPlan, machine: Machine, limits: Limits) -> tuple[Count, ...]:
    """The numbers that are sold and that plan and limits allow."""
    wanted = plan.hardware.gpus or (1 if plan.is_quoted else None)
    most = min(limits.max_gpus or 10**9, plan.constraints.max_gpus or 10**9)
    size = (limits.min_instance_gpus or 0, limits.max_instance_gpus or 10**9)
    return _sold(machine, wanted, most, size, is_free=plan.is_quoted)


@lru_cache(maxsize=16_384)
def _sold(
    machine: Machine, wanted: int | None, most: int, size: tuple[int, int], *, is_free: bool
) -> tuple[Count, ...]:
    if _is_per_gpu(machine):
        found = _pods(machine.max_gpus or 1, wanted, is_free=is_free)
    else:
        found = _nodes(machine, gpu(machine.gpu_id), wanted, is_free=is_free)
    return tuple(
        count
        for count in found
        if count.instance_gpus * count.instances <= most and size[0] <= count.instance_gpus <= size[1]
    )


def _pods(most: int, wanted: int | None, *, is_free: bool) -> list[Count]:
    """Pods share no network with each other, so a plan whose time is computed gets one."""
    if wanted is None:
        return [Count(size, 1, size) for size in POD_SIZES if size <= most]
    if wanted <= most:
        return [Count(wanted, 1, wanted)]
    return [Count(most, math.ceil(wanted / most), wanted)] if is_free else []


def _nodes(machine: Machine, chip: GPU, wanted: int | None, *, is_free: bool) -> list[Count]:
    size = machine.gpu_count
    least = max(1, math.ceil((machine.min_gpus or 1) / size))
    order_limit = machine.max_gpus if (machine.max_gpus or 0) >= size else None
    # parts of a server have no fabric to each other that anybody vouches for; nodes sold in one order do
    joins = is_free or least > 1 or (machine.may_join and size >= max(chip.gpus_per_node, 2))
    if wanted is not None:
        count = max(least, math.ceil(wanted / size))
        found = [Count(size, count, wanted)]
    else:
        found = [Count(size, count, size * count) for count in NODE_COUNTS if count >= least]
    return [
        count
        for count in found
        if (count.instances == 1 or joins)
        and (order_limit is None or count.instance_gpus * count.instances <= order_limit)
    ]


class _Ran(NamedTuple):
    """What a sweep says of one hardware choice, and how its whole estimate is made."""

    wall_hours: float
    fits: bool
    make: _Once


def _estimates(
    plan: TrainingPlan,
    counts: Mapping[Machine, Sequence[Count]],
    measurements: Sequence[Measurement],
) -> dict[Physical, _Ran]:
    """One result for each distinct GPU, count of GPUs and count of nodes that the plan can be divided
    for."""
    wanted: dict[Physical, int] = {}
    for machine, sizes in counts.items():
        for count in sizes:
            # within one node it makes no difference how many further GPUs the node has
            node_gpus = count.instance_gpus if count.instances > 1 else count.gpus
            wanted.setdefault(count.physical(machine), node_gpus)
    rows = [Candidate(gpu=gpu(key.gpu_id), gpus=key.gpus, gpus_per_node=n) for key, n in wanted.items()]
    if not rows:
        return {}
    swept = sweep(plan, Hardware(rows), measurements)
    columns = zip(wanted, swept.wall_hours.tolist(), swept.fits.tolist(), strict=True)
    return {
        key: _Ran(hours, fits, _Once(partial(swept.estimate, position)))
        for position, (key, hours, fits) in enumerate(columns)
        if not math.isnan(hours)
    }
