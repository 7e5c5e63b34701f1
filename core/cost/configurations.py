"""Which numbers of which machines can run a plan: whole instances, pods, and what several of them may form, with the
hours that each takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.cost.left_out import gpu_refusals
from gpuledger.core.cost.market.offers import Machine
from gpuledger.core.estimate.estimate import Estimate
from gpuledger.core.estimate.interval import Range
from gpuledger.core.estimate.measurements import Measurement
from gpuledger.core.estimate.stack_memory import offloaded
from gpuledger.core.estimate.sweep import Candidate, HardwareChoices, Sweep, sweep
from gpuledger.core.gpu import GPU, gpus
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.plan_sections import HOURS_PER_DAY
from gpuledger.core.spec import Spec
from gpuledger.core.store.offers import LatestOffer

NODE_COUNTS = tuple(1 << power for power in range(10))
POD_SIZES = (1, 2, 4, 8)
FEW_NODES = 8
ANY = 10**9


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a choice of hardware must satisfy; equal for plans with the same choice."""

    gpus: int | None
    """That the plan asks for; `None` leaves the number open."""
    max_gpus: int = ANY
    min_instance_gpus: float = 0
    max_instance_gpus: float = ANY
    max_nodes: int = ANY
    is_quoted: bool = False
    """Hours are given, so several pods without a network between them are as good as one."""
    is_wide: bool = False
    """Try large numbers even where small ones hold the plan: they save time and no money."""

    @classmethod
    def of(
        cls,
        plan: TrainingPlan,
        *,
        spec: Spec | None = None,
        max_gpus: int | None = None,
        max_nodes: int | None = None,
        is_wide: bool = False,
    ) -> Limits:
        """The limits of a plan with what a question adds to it."""
        return cls(
            gpus=plan.hardware.gpus or (1 if plan.is_quoted else None),
            max_gpus=ANY if max_gpus is None else max_gpus,
            max_nodes=ANY if max_nodes is None else max_nodes,
            min_instance_gpus=0 if spec is None else int(spec.min_count or 0),
            max_instance_gpus=ANY if spec is None else int(spec.max_count or ANY),
            is_quoted=plan.is_quoted,
            is_wide=is_wide,
        )


class MachineCount(NamedTuple):
    """A number of machines to try."""

    instance_gpus: int
    """GPUs of one instance as bought; a pod priced per GPU may have several."""
    instances: int
    gpus: int
    """That the plan uses."""


@dataclass(frozen=True, kw_only=True)
class ConfigurationTable:
    """The numbers of all machines as columns, one row per number, those of a machine beside each other."""

    machines: tuple[Machine, ...]
    counts: tuple[MachineCount, ...]
    gpu_ids: tuple[str, ...]
    """Of the machines, each once."""
    gpu: NDArray[np.intp]
    """Of each machine, its place among those."""
    is_sold: NDArray[np.bool_]
    """Of each machine, whether any number of it is."""
    rows: Mapping[Machine, range]
    """Of each machine, its numbers."""
    machine: NDArray[np.intp]
    """Of each number, its place among the machines."""
    units: NDArray[np.float64]
    """Price units: GPUs where the price is per GPU, else instances."""
    instances: NDArray[np.float64]
    hardware: HardwareChoices
    """What an estimate tells apart of them."""
    position: NDArray[np.intp]
    """Of each number, its place among the hardware."""


@lru_cache(maxsize=32)
def configurations(machines: tuple[Machine, ...], limits: Limits) -> ConfigurationTable:
    """The numbers of those machines; none of an accelerator without a data sheet."""
    rows = [
        (number, machine, count)
        for number, machine in enumerate(machines)
        for count in _counts(machine, limits)
    ]
    physical: dict[tuple[str, int, int], int] = {}
    position = [physical.setdefault(_physical(machine, count), len(physical)) for _, machine, count in rows]
    of_machine = np.array([number for number, _, _ in rows], np.intp)
    starts = np.searchsorted(of_machine, np.arange(len(machines) + 1)).tolist()
    gpu_ids = {machine.gpu_id: None for machine in machines}
    places = {gpu_id: place for place, gpu_id in enumerate(gpu_ids)}
    return ConfigurationTable(
        machines=machines,
        gpu_ids=tuple(gpu_ids),
        gpu=np.array([places[machine.gpu_id] for machine in machines], np.intp),
        is_sold=np.bincount(of_machine, minlength=len(machines)) > 0,
        counts=tuple(count for _, _, count in rows),
        rows={machine: range(starts[n], starts[n + 1]) for n, machine in enumerate(machines)},
        machine=of_machine,
        units=np.array([price_units(machine, count) for _, machine, count in rows], float),
        instances=np.array([count.instances for _, _, count in rows], float),
        hardware=HardwareChoices(
            Candidate(gpu=gpus()[g], gpus=n, gpus_per_node=size) for g, n, size in physical
        ),
        position=np.array(position, np.intp),
    )


def price_units(machine: Machine, count: MachineCount) -> int:
    """How often the price of the machine is paid."""
    return count.instances * (count.instance_gpus if _is_per_gpu(machine) else 1)


def _physical(machine: Machine, count: MachineCount) -> tuple[str, int, int]:
    """What an estimate depends on: GPU, GPUs, and GPUs of a node."""
    # within one node it makes no difference how many further GPUs the node has
    usual = gpus()[machine.gpu_id].gpus_per_node
    node = count.instance_gpus if count.instances > 1 else max(count.gpus, usual)
    return machine.gpu_id, count.gpus, node


def _is_per_gpu(machine: Machine) -> bool:
    """Priced per GPU, several of them in one pod: the order says how many."""
    return machine.gpu_count == 1 and (machine.max_gpus or 1) > 1


@lru_cache(maxsize=16_384)
def _counts(machine: Machine, limits: Limits) -> tuple[MachineCount, ...]:
    chip = gpus().get(machine.gpu_id)
    if chip is None:
        return ()
    is_pod = _is_per_gpu(machine)
    possible = _pods(machine.max_gpus or 1, limits) if is_pod else _nodes(machine, chip, limits)
    return tuple(
        count
        for count in possible
        if count.instance_gpus * count.instances <= limits.max_gpus
        and count.instances <= limits.max_nodes
        and limits.min_instance_gpus <= count.instance_gpus <= limits.max_instance_gpus
    )


def _pods(most: int, limits: Limits) -> Sequence[MachineCount]:
    """Pods share no network with each other, so a plan whose time is computed gets one."""
    if limits.gpus is None:
        return [MachineCount(size, 1, size) for size in POD_SIZES if size <= most]
    if limits.gpus <= most:
        return [MachineCount(limits.gpus, 1, limits.gpus)]
    return [MachineCount(most, math.ceil(limits.gpus / most), limits.gpus)] if limits.is_quoted else []


def _nodes(machine: Machine, chip: GPU, limits: Limits) -> Sequence[MachineCount]:
    size = machine.gpu_count
    least = max(1, math.ceil((machine.min_gpus or 1) / size))
    order_limit = machine.max_gpus if (machine.max_gpus or 0) >= size else None
    # parts of a server have no fabric to each other that anybody vouches for; nodes sold in one order do
    joins = limits.is_quoted or least > 1 or (machine.may_join and size >= max(chip.gpus_per_node, 2))
    if limits.gpus is not None:
        possible = [MachineCount(size, max(least, math.ceil(limits.gpus / size)), limits.gpus)]
    else:
        possible = [MachineCount(size, count, size * count) for count in NODE_COUNTS if count >= least]
    return [
        count
        for count in possible
        if (count.instances == 1 or joins)
        and (order_limit is None or count.instance_gpus * count.instances <= order_limit)
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Configuration:
    """A number of machines that runs the plan. Its estimate is made when it is first read."""

    instance_gpus: int
    """GPUs of one instance as bought; a pod priced per GPU may have several."""
    instances: int
    units: int
    """Price units: GPUs where the price is per GPU, else instances."""
    gpus: int
    """That the plan uses."""
    wall_hours: float
    """The middle case."""
    time: Callable[[], Range]
    make: Callable[[], Estimate]

    @cached_property
    def wall_hours_range(self) -> Range:
        """Of the estimate, without making it."""
        return self.time()

    @cached_property
    def estimate(self) -> Estimate:
        return self.make()


@dataclass(frozen=True, kw_only=True)
class LeastNeed:
    """The least that the plan needs of each machine, as columns; infinite where it cannot run."""

    misses_deadline: NDArray[np.bool_]
    """By every number of it; then the others are the least of those that are late."""
    hours: NDArray[np.float64]
    """Paid hours of one price unit."""
    units: NDArray[np.float64]


class Configurations:
    """The numbers of machines that run a plan, and for the other machines why there is none.

    The plan's own count of GPUs is held and rounded up to whole instances. Without one, powers of two
    are tried: up to 8 instances, and up to 512 of what is too small or where `limits` asks for a wide
    choice.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        machines: Sequence[Machine],
        limits: Limits,
        measurements: Sequence[Measurement] = (),
        swept: Sweep | None = None,
    ) -> None:
        self._plan, self._limits = plan, limits
        # a wide choice tries the same numbers, so it shares the table
        self._table = table = configurations(tuple(machines), _narrow(limits))
        self._swept = swept or sweep(plan, table.hardware, measurements)
        self._wall_hours = self._swept.wall_hours[table.position]
        fits = self._swept.fits[table.position]
        self._holds = self._any(fits)
        if plan.hardware.gpus is None and not plan.is_quoted:
            fits &= self._wall_hours <= plan.constraints.longest_wall_hours
        if not limits.is_wide:
            is_few = table.instances <= FEW_NODES
            fits &= is_few | ~self._any(fits & is_few)[table.machine]
        self._runs = fits
        self.can_run = self._any(fits)

    def within(self, plan: TrainingPlan) -> Configurations | None:
        """The numbers of the same plan under another `constraints.max_wall_days`; `None` where they are the same."""
        other = Configurations(plan, self.machines, self._limits, swept=self._swept)
        return None if np.array_equal(other._runs, self._runs) else other

    def _any(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The machines with such a number."""
        out = np.zeros(len(self._table.machines), bool)
        out[self._table.machine[rows]] = True
        return out

    @property
    def machines(self) -> tuple[Machine, ...]:
        return self._table.machines

    def of_machine(self, machine: Machine) -> list[Configuration]:
        """The numbers of that machine that run the plan, the smallest first."""
        return [self._configuration(row) for row in self._table.rows[machine] if self._runs[row]]

    def _configuration(self, row: int) -> Configuration:
        table = self._table
        return Configuration(
            instance_gpus=table.counts[row].instance_gpus,
            instances=table.counts[row].instances,
            units=int(table.units[row]),
            wall_hours=float(self._wall_hours[row]),
            gpus=table.counts[row].gpus,
            time=partial(self._swept.hours, int(table.position[row])),
            make=partial(self._swept.estimate, int(table.position[row])),
        )

    def least(self, deadline_hours: float | None, share: float) -> LeastNeed:
        """The least hours and units among the numbers that meet the deadline, if any of the machine does.

        Args:
            share: of the wall hours, after which the run is stopped.
        """
        table = self._table
        in_time = self._runs
        if deadline_hours is not None:
            in_time = in_time & (self._wall_hours * share <= deadline_hours)
        is_late = self.can_run & ~self._any(in_time)
        counted = np.flatnonzero(in_time | (self._runs & is_late[table.machine]))
        hours, units = (np.full(len(table.machines), np.inf) for _ in range(2))
        np.minimum.at(hours, table.machine[counted], (table.units * self._wall_hours)[counted])
        np.minimum.at(units, table.machine[counted], table.units[counted])
        return LeastNeed(misses_deadline=is_late, hours=hours, units=units)

    @cached_property
    def refused(self) -> Mapping[int, str]:
        """Why there is no number of a machine that runs the plan, by its place among the machines."""
        reasons, places = self._refusals
        of_machine: list[int] = places.tolist()
        return {number: reasons[place] for number, place in enumerate(of_machine) if place >= 0}

    def refused_offers(self, offers: NDArray[np.intp]) -> dict[str, int]:
        """How many offers are refused for which reason.

        Args:
            offers: of each machine.
        """
        reasons, places = self._refusals
        idle = places >= 0
        counts = np.bincount(places[idle], offers[idle], len(reasons)).tolist()
        return {reason: int(count) for reason, count in zip(reasons, counts, strict=True) if count}

    @cached_property
    def _refusals(self) -> tuple[tuple[str, ...], NDArray[np.intp]]:
        """Reasons, and the place of each machine's among them; -1 of those that run the plan."""
        table = self._table
        by_gpu, place_of_gpu = gpu_refusals(self._plan, table.gpu_ids)
        days = self._plan.constraints.longest_wall_hours / HOURS_PER_DAY
        reasons = (
            *by_gpu,
            "no count of it is sold that the plan may use",
            f"takes longer than {days:g} days (constraints.max_wall_days)",
            "does not fit in its memory",
            "cannot be divided as the plan says",
        )
        unsold, endless, small, undivided = range(len(by_gpu), len(reasons))
        is_possible = self._any(~np.isnan(self._wall_hours))
        of_count = np.select([~table.is_sold, self._holds, is_possible], [unsold, endless, small], undivided)
        of_gpu = place_of_gpu[table.gpu]
        return reasons, np.where(self.can_run, -1, np.where(of_gpu >= 0, of_gpu, of_count))


def _narrow(limits: Limits) -> Limits:
    return replace(limits, is_wide=False) if limits.is_wide else limits


# Whether the machines of an offer hold what a plan offloads.


def offloads(plan: TrainingPlan) -> bool:
    """Whether anything of the plan lives in the host's memory: as it says, or as its software does unasked."""
    return not plan.is_quoted and bool(offloaded(plan))


def has_host_memory(offer: LatestOffer, option: Configuration) -> bool:
    """Whether one machine's memory is at least what offloading takes; an offer that does not state it is not judged."""
    need = option.estimate.host_memory_gib
    if need is None or offer.memory_gib is None or not offer.gpu_count:
        return True
    # a pod priced per GPU gets the memory of its GPUs
    return need <= float(offer.memory_gib * option.instance_gpus / offer.gpu_count)
