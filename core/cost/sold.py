"""How many of each machine are on sale to a plan: whole instances, pods, and what several of them may form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.cost.market.offers import Machine
from gpuledger.core.estimate.sweep import Candidate, Hardware
from gpuledger.core.gpu import GPU, gpus
from gpuledger.core.plan import TrainingPlan

NODE_COUNTS = tuple(1 << power for power in range(10))
POD_SIZES = (1, 2, 4, 8)
ANY = 10**9


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a choice of hardware must satisfy."""

    deadline_hours: float | None = None
    max_gpus: int | None = None
    min_instance_gpus: int | None = None
    max_instance_gpus: int | None = None
    is_wide: bool = False
    """Try large numbers even where small ones hold the plan: they save time and no money."""


class Count(NamedTuple):
    """A number of machines to try."""

    instance_gpus: int
    """GPUs of one instance as bought; a pod priced per GPU may have several."""
    instances: int
    gpus: int
    """That the plan uses."""


class Wanted(NamedTuple):
    """What of a plan and of limits decides which numbers are tried."""

    gpus: int | None
    most: int
    least_size: int
    most_size: int
    is_quoted: bool
    """Hours are given, so several pods without a network between them are as good as one."""


@dataclass(frozen=True, kw_only=True)
class Sold:
    """The numbers of all machines as columns, one row per number, those of a machine beside each other."""

    machines: tuple[Machine, ...]
    counts: tuple[Count, ...]
    rows: Mapping[Machine, range]
    """Of each machine, its numbers."""
    machine: NDArray[np.intp]
    """Of each number, its place among the machines."""
    units: NDArray[np.float64]
    """Price units: GPUs where the price is per GPU, else instances."""
    instances: NDArray[np.float64]
    hardware: Hardware
    """What an estimate tells apart of them."""
    position: NDArray[np.intp]
    """Of each number, its place among the hardware."""


def wanted(plan: TrainingPlan, limits: Limits) -> Wanted:
    """What the plan and the limits leave to choose from; equal for plans with the same choice."""
    return Wanted(
        gpus=plan.hardware.gpus or (1 if plan.is_quoted else None),
        most=min(limits.max_gpus or ANY, plan.constraints.max_gpus or ANY),
        least_size=limits.min_instance_gpus or 0,
        most_size=limits.max_instance_gpus or ANY,
        is_quoted=plan.is_quoted,
    )


@lru_cache(maxsize=32)
def sold(machines: tuple[Machine, ...], of: Wanted) -> Sold:
    """The numbers of those machines; none of an accelerator without a data sheet."""
    found = [
        (number, machine, count) for number, machine in enumerate(machines) for count in _counts(machine, of)
    ]
    physical: dict[tuple[str, int, int], int] = {}
    position = [physical.setdefault(_physical(machine, count), len(physical)) for _, machine, count in found]
    of_machine = np.array([number for number, _, _ in found], np.intp)
    starts = np.searchsorted(of_machine, np.arange(len(machines) + 1)).tolist()
    return Sold(
        machines=machines,
        counts=tuple(count for _, _, count in found),
        rows={machine: range(starts[n], starts[n + 1]) for n, machine in enumerate(machines)},
        machine=of_machine,
        units=np.array([units(machine, count) for _, machine, count in found], float),
        instances=np.array([count.instances for _, _, count in found], float),
        hardware=Hardware(Candidate(gpu=gpus()[g], gpus=n, gpus_per_node=size) for g, n, size in physical),
        position=np.array(position, np.intp),
    )


def units(machine: Machine, count: Count) -> int:
    """How often the price of the machine is paid."""
    return count.instances * (count.instance_gpus if _is_per_gpu(machine) else 1)


def _physical(machine: Machine, count: Count) -> tuple[str, int, int]:
    """What an estimate depends on: GPU, GPUs, and GPUs of a node."""
    # within one node it makes no difference how many further GPUs the node has
    usual = gpus()[machine.gpu_id].gpus_per_node
    node = count.instance_gpus if count.instances > 1 else max(count.gpus, usual)
    return machine.gpu_id, count.gpus, node


def _is_per_gpu(machine: Machine) -> bool:
    """Priced per GPU, several of them in one pod: the order says how many."""
    return machine.gpu_count == 1 and (machine.max_gpus or 1) > 1


@lru_cache(maxsize=16_384)
def _counts(machine: Machine, of: Wanted) -> tuple[Count, ...]:
    chip = gpus().get(machine.gpu_id)
    if chip is None:
        return ()
    found = _pods(machine.max_gpus or 1, of) if _is_per_gpu(machine) else _nodes(machine, chip, of)
    return tuple(
        count
        for count in found
        if count.instance_gpus * count.instances <= of.most
        and of.least_size <= count.instance_gpus <= of.most_size
    )


def _pods(most: int, of: Wanted) -> Sequence[Count]:
    """Pods share no network with each other, so a plan whose time is computed gets one."""
    if of.gpus is None:
        return [Count(size, 1, size) for size in POD_SIZES if size <= most]
    if of.gpus <= most:
        return [Count(of.gpus, 1, of.gpus)]
    return [Count(most, math.ceil(of.gpus / most), of.gpus)] if of.is_quoted else []


def _nodes(machine: Machine, chip: GPU, of: Wanted) -> Sequence[Count]:
    size = machine.gpu_count
    least = max(1, math.ceil((machine.min_gpus or 1) / size))
    order_limit = machine.max_gpus if (machine.max_gpus or 0) >= size else None
    # parts of a server have no fabric to each other that anybody vouches for; nodes sold in one order do
    joins = of.is_quoted or least > 1 or (machine.may_join and size >= max(chip.gpus_per_node, 2))
    if of.gpus is not None:
        found = [Count(size, max(least, math.ceil(of.gpus / size)), of.gpus)]
    else:
        found = [Count(size, count, size * count) for count in NODE_COUNTS if count >= least]
    return [
        count
        for count in found
        if (count.instances == 1 or joins)
        and (order_limit is None or count.instance_gpus * count.instances <= order_limit)
    ]
