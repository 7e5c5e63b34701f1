"""Plan and hardware -> hours, memory and fit: the one record that everything above reads."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.best_layout import Choice
from gpuledger.core.estimate.constants import Constants, constants
from gpuledger.core.estimate.data_loading import (
    ACCELERATORS,
    GIGA,
    bytes_per_token,
    limit_text,
)
from gpuledger.core.estimate.device import device, network_bytes_per_second, precision_on
from gpuledger.core.estimate.grid import Grid, Place
from gpuledger.core.estimate.interval import Range
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.memory import MemoryGiB, memory_gib
from gpuledger.core.estimate.offload import host_memory_gib
from gpuledger.core.estimate.pace import paced, refuse_above_ceiling
from gpuledger.core.estimate.recipe import as_published, published_precision
from gpuledger.core.estimate.stack import FINETUNING, ONLINE, is_checkpointed, named_stack, stack_of, team_of
from gpuledger.core.estimate.stack_memory import memory_form
from gpuledger.core.estimate.workload import Demand, demand
from gpuledger.core.gpu import GPU
from gpuledger.core.money import SECONDS_PER_HOUR
from gpuledger.core.plan import HoursRange, Offloaded, TrainingPlan
from gpuledger.core.plan_sections import HOURS_PER_DAY

# a GPU so empty and so slow is first for its price alone, and that is said
EMPTY_SHARE = 0.2
LOW_MFU = 0.15
# below it nobody lets a job run; published runs and tuned benchmarks of dense networks end at 0.62
HOPELESS_MFU, HIGHEST_MFU = 0.02, 0.65
# machines with more memory of their own than that are hardly to be had
MOST_HOST_GIB = 2048.0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One published outcome, and what is computed of the plan that its source states."""

    run: str
    gpu_id: str
    gpus: int
    measure: Literal["gpu_hours", "tokens_per_second"]
    reached: float
    computed: float
    distance: float
    """0 is the same plan; 1 differs in one thing that matters, such as the generation of the accelerator."""
    source: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The physical result for one hardware choice.

    `tokens_per_second`, `step_seconds`, `mfu` and `hfu` are the tuned steady state; `wall_hours` and
    `gpu_hours` are the typical whole run, end to end. Fields are `None` where a quoted plan does not say
    enough to compute them.
    """

    plan: str
    gpu_id: str
    gpus: int
    nodes: int
    parallelism: dict[str, int | float | str]
    parameters: float | None
    active_parameters: float | None
    model_flops: float | None
    flops_per_token: float | None
    mfu: float | None
    hfu: float | None
    tokens_per_second: float | None
    tokens_per_second_range: Range | None
    step_seconds: float | None
    overhead: float | None
    """Hours of the whole run over those of its tokens at that rate: start-up, evaluation, checkpoints, restarts."""
    wall_hours: Range
    gpu_hours: Range
    memory_gib: MemoryGiB | None
    host_memory_gib: float | None
    """What offloading takes of one node's own memory; 0 without it."""
    fits: bool | None
    gpu_memory_gib: float | None
    data_gb_per_second: float | None
    """What the whole job reads of its data set at that rate."""
    limited_by: str | None
    """`accelerators`, or the key of the stated rate that gives no more: of storage or of the network to it."""
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    """The nearest published runs, of `gpuledger.core.estimate.evidence`; empty until somebody asks for them."""

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        out = asdict(self)
        for name in ("assumptions", "warnings", "evidence"):
            out[name] = list(out[name])
        return out


def estimate(plan: TrainingPlan, gpu: GPU, gpus: int, *, gpus_per_node: int | None = None) -> Estimate:
    """The estimate of one plan on that many GPUs, in the best division unless the plan fixes it.

    Raises:
        InvalidPlanError: the plan cannot run there: precision, parallelism, or more than the GPU computes.
    """
    if gpus < 1:
        raise InvalidPlanError("hardware.gpus", f"at least 1, got {gpus}")
    per_node = gpus_per_node or plan.hardware.gpus_per_node or gpu.gpus_per_node
    if plan.is_quoted:
        return quoted(plan, gpu, gpus, per_node)
    has_precision = published_precision(plan) in gpu.peak_flops_per_second
    plan, recipe = as_published(plan, has_precision=has_precision)
    k, need = constants(), demand(plan)
    choice = Grid([place(gpu, gpus, per_node)], {gpu.gpu_id: device(plan, gpu)}).run(need, k)
    if not choice.is_possible[0]:
        raise InvalidPlanError("hardware", f"the parallelism given does not divide {gpus} GPUs")
    made = assembled(need, choice, 0, gpu, gpus, per_node, k)
    return replace(made, assumptions=(*recipe, *made.assumptions)) if recipe else made


def place(gpu: GPU, gpus: int, gpus_per_node: int) -> Place:
    """A hardware choice as a row of a grid."""
    return Place(gpu.gpu_id, gpus, gpus_per_node, gpu.memory_gib or 0.0)


def assembled(
    need: Demand, choice: Choice, row: int, gpu: GPU, gpus: int, gpus_per_node: int, k: Constants
) -> Estimate:
    """One row of a choice as an estimate.

    Raises:
        InvalidPlanError: the MFU that the plan states is above what matrix multiplies were measured to reach.
    """
    plan, w = need.plan, need.workload
    at, used = choice.layout.at(row), choice.memory
    precision = precision_on(plan, gpu)
    peak = gpu.peak_flops_per_second[precision]
    model_flops = w.tokens * w.model_flops_per_token
    step_flops = w.global_batch_tokens * w.model_flops_per_token
    pace = paced(need, choice, row, gpu, gpus, gpus_per_node, k)
    step_seconds, fed = pace.step_seconds, pace.fed
    assumptions, warnings = assumed(need, at, gpu, gpus, gpus_per_node), list(need.warnings)
    if (doubt := gpu.doubt(precision)) is not None:
        warnings.append(doubt)
    if plan.hardware.gpus is None and plan.constraints.max_wall_days is None:
        days = plan.constraints.longest_wall_hours / HOURS_PER_DAY
        assumptions.append(f"constraints.max_wall_days: {days:g} (not given; nothing longer is proposed)")
    each, data_assumption = bytes_per_token(plan)
    if fed is not None:
        assumptions += [data_assumption] if data_assumption else []
        warnings += [limit_text(fed, pace.trained)] if pace.is_starved else []
    mfu = float(step_flops / (step_seconds * gpus * peak))
    hfu = float(choice.time.hardware_flops[row] / (step_seconds * peak))
    if plan.hardware.mfu is not None:
        hfu = mfu * float(choice.time.hardware_flops[row]) * gpus / float(step_flops)
    tokens_per_second, wall = float(w.global_batch_tokens) / step_seconds, pace.wall_hours
    limit = (gpu.memory_gib or 0.0) * k.memory_margin
    shown = memory_gib(need, used, row, at, limit, k)
    fits = bool(choice.fits[row])
    if not fits:
        warnings.append(
            f"does not fit: needs {shown.total:.1f} GiB per GPU, "
            f"{gpu.gpu_id} gives {limit:.1f} of {gpu.memory_gib:g} GiB"
        )
    layout = at.describe(w.global_batch_tokens, w.sequence_length)
    per_pass = float(at.data_parallel * at.micro_batch_size * w.sequence_length)
    if per_pass > w.global_batch_tokens * 1.001:
        warnings.append("global_batch_tokens is too small for this many GPUs: some of them idle")
    if plan.hardware.mfu is None and not HOPELESS_MFU <= mfu <= HIGHEST_MFU:
        why = (
            "so low that nobody lets such a job run"
            if mfu < HOPELESS_MFU
            else "higher than any published run"
        )
        warnings.append(f"an MFU of {mfu:.3f} is {why}: check count, batch and division")
    if not fits:
        warnings += offload_hint(plan, gpu, gpus, gpus_per_node)
    made = Estimate(
        plan=plan.name,
        gpu_id=gpu.gpu_id,
        gpus=gpus,
        nodes=math.ceil(gpus / gpus_per_node),
        parallelism=layout,
        parameters=float(w.parameters),
        active_parameters=float(w.active_parameters),
        model_flops=float(model_flops),
        flops_per_token=float(w.model_flops_per_token),
        mfu=mfu,
        hfu=max(hfu, mfu),
        tokens_per_second=tokens_per_second,
        tokens_per_second_range=pace.tokens_per_second,
        step_seconds=step_seconds,
        overhead=pace.overhead,
        wall_hours=wall,
        gpu_hours=Range(low=wall.low * gpus, mid=wall.mid * gpus, high=wall.high * gpus),
        memory_gib=shown,
        host_memory_gib=float(host_memory_gib(w, at, k)),
        fits=fits,
        gpu_memory_gib=gpu.memory_gib,
        data_gb_per_second=tokens_per_second * each / GIGA,
        limited_by=fed.limit if fed is not None and pace.is_starved else ACCELERATORS,
        assumptions=tuple(assumptions),
        warnings=tuple(warnings),
    )
    emptiness = empty_warning(made)
    return made if emptiness is None else replace(made, warnings=(*warnings, emptiness))


def empty_warning(made: Estimate) -> str | None:
    """What an estimate says of GPUs that it uses little; `None` where it does not."""
    emptiness = empty_text(made)
    return None if emptiness is None else f"{emptiness}: a smaller GPU may cost less for the same work"


def empty_text(made: Estimate) -> str | None:
    """How little of its GPUs a slow job uses; `None` of one that fits worse or runs faster."""
    if not made.fits or made.memory_gib is None or made.mfu is None or made.mfu >= LOW_MFU:
        return None
    share = made.memory_gib.total / (made.gpu_memory_gib or 1.0)
    if share >= EMPTY_SHARE:
        return None
    return f"{100 * share:.0f} % of the memory in use at an MFU of {made.mfu:.2g}"


def offload_hint(plan: TrainingPlan, gpu: GPU, gpus: int, gpus_per_node: int) -> list[str]:
    """What training that does not fit would take with its weights, or all but them, in the host's memory."""
    if plan.method in ONLINE or plan.hardware.offload is not None or plan.hardware.micro_batch_size:
        return []
    ways: tuple[tuple[Offloaded, ...], ...] = (("parameters",),)
    if not plan.has_adapters:
        ways = (("optimizer",), ("optimizer", "parameters"))
    for moved in ways:
        hardware = plan.hardware.model_copy(update={"offload": moved})
        made = estimate(
            plan.model_copy(update={"hardware": hardware}), gpu, gpus, gpus_per_node=gpus_per_node
        )
        if not made.fits or made.memory_gib is None or (made.host_memory_gib or 0.0) > MOST_HOST_GIB:
            continue
        if plan.method not in FINETUNING and made.wall_hours.mid > plan.constraints.longest_wall_hours:
            continue
        names = ", ".join(f'"{name}"' for name in moved)
        return [
            f"hardware.offload = [{names}] would fit: {made.memory_gib.total:.1f} GiB per GPU, "
            f"{made.host_memory_gib:,.0f} GiB of each node's own memory, {made.wall_hours.mid:,.3g} h"
        ]
    return []


def quoted(plan: TrainingPlan, gpu: GPU, gpus: int, gpus_per_node: int) -> Estimate:
    """The estimate of a plan whose hours are given: they are taken as they are.

    Raises:
        InvalidPlanError: the hours imply more than the GPU can compute.
    """
    wall, gpu_hours = _quoted_hours(plan, gpus)
    k, need = constants(), None
    if plan.model or plan.parameters or plan.architecture.parameters or plan.architecture.layers:
        need = demand(plan)
    assumptions = ["hours: as given in the plan, not computed"]
    mfu = tokens_per_second = step_seconds = None
    rates = gpu.peak_flops_per_second
    if need is not None and plan.total_tokens is not None and gpu_hours.mid > 0:
        flops = need.workload.tokens * need.workload.model_flops_per_token
        tokens_per_second = float(plan.total_tokens / (wall.mid * SECONDS_PER_HOUR))
        step_seconds = float(need.workload.global_batch_tokens / tokens_per_second)
        peak = rates.get(plan.precision) or rates.get("fp16")
        if peak:
            mfu = float(flops / (gpu_hours.mid * SECONDS_PER_HOUR * peak))
            refuse_above_ceiling(mfu, gpu, k)
    return Estimate(
        plan=plan.name,
        gpu_id=gpu.gpu_id,
        gpus=gpus,
        nodes=math.ceil(gpus / gpus_per_node),
        parallelism={},
        parameters=float(need.workload.parameters) if need else None,
        active_parameters=float(need.workload.active_parameters) if need else None,
        model_flops=float(need.workload.tokens * need.workload.model_flops_per_token) if need else None,
        flops_per_token=float(need.workload.model_flops_per_token) if need else None,
        mfu=mfu,
        hfu=None,
        tokens_per_second=tokens_per_second,
        tokens_per_second_range=None,
        step_seconds=step_seconds,
        overhead=None,
        wall_hours=wall,
        gpu_hours=gpu_hours,
        memory_gib=None,
        host_memory_gib=None,
        fits=None,
        gpu_memory_gib=gpu.memory_gib,
        data_gb_per_second=None,
        limited_by=None,
        assumptions=(*assumptions, *(need.assumptions if need else ())),
        warnings=tuple(need.warnings if need else ()),
    )


def _quoted_hours(plan: TrainingPlan, gpus: int) -> tuple[Range, Range]:
    wall, total = plan.hardware.wall_hours, plan.hardware.gpu_hours
    if total is None:
        assert wall is not None
        return _range(wall), _range(wall, gpus)
    return (_range(wall) if wall is not None else _range(total, 1 / gpus)), _range(total)


def _range(hours: HoursRange, factor: float = 1.0) -> Range:
    return Range(low=hours.low * factor, mid=hours.mid * factor, high=hours.high * factor)


def assumed(need: Demand, at: Layout, gpu: GPU, gpus: int, gpus_per_node: int) -> list[str]:
    """The assumptions behind the time of a plan in that division."""
    plan, hw = need.plan, need.plan.hardware
    out = list(need.assumptions)
    if hw.mfu is not None:
        return out
    precision = precision_on(plan, gpu)
    if precision != plan.precision:
        out.append(f"precision: {precision}, as {gpu.gpu_id} has no {plan.precision}")
    if gpus > gpus_per_node and hw.network_gbit_per_second is None:
        rate = network_bytes_per_second(plan, gpu) * 8 / 1e9
        out.append(f"hardware.network_gbit_per_second: {rate:g} (not given, usual for {gpu.architecture})")
    if named_stack(hw.stack) is None:
        kernels = stack_of(plan).kernels
        reason = "not given" if hw.stack is None else f"{hw.stack} is not known"
        out.append(f"hardware.stack: {kernels} kernels ({reason})")
        form = memory_form(plan)
        states, loss = plan.state_precision or form.states, plan.loss or form.loss
        out.append(f"memory: {states} states, {loss} loss (hardware.stack {reason})")
    if plan.team is None:
        out.append(f"team: {team_of(plan)} (not given)")
    layout = at.describe(float(need.workload.global_batch_tokens), float(need.workload.sequence_length))
    if not hw.states_division:
        out.append("hardware: the fastest division that fits (none given)")
    if hw.micro_batch_size is None:
        out.append(f"hardware.micro_batch_size: {layout['micro_batch_size']} (not given)")
    if plan.activation_recomputation == "auto":
        share = math.ceil(100 * float(layout["recomputed_layers_share"]))
        why = "as fine-tuning is run" if is_checkpointed(plan) else "as memory makes necessary"
        out.append(f"activation_recomputation: {share} % of the layers (not given, {why})")
    return out
