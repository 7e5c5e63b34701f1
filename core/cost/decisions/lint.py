"""Can this be true? A plan, or the numbers of an article, against arithmetic and physics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpuledger.core.cost.configurations import Configurations, Limits
from gpuledger.core.cost.market.offers import Machine
from gpuledger.core.errors import EstimateError
from gpuledger.core.estimate.sweep import refusal
from gpuledger.core.estimate.workload import demand
from gpuledger.core.gpu import GPU, gpus
from gpuledger.core.money import SECONDS_PER_HOUR
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.spec import parse_spec

ERROR, WARNING, OK = "error", "warning", "ok"

# requirements: error over 75 percent, warning over 60 or under 10. The best published pretraining runs
# reach 55 to 62 percent (llm-foundry benchmark table; MegaScale, arXiv:2402.15627)
MFU_ERROR, MFU_HIGH, MFU_LOW = 0.75, 0.60, 0.10
# Hoffmann et al. 2022, arXiv:2203.15556: about 20 tokens per parameter train best; Llama 3 8B took 1,875
TOKENS_LOW, TOKENS_OPTIMAL, TOKENS_HIGH = 5.0, 20.0, 3000.0


@dataclass(frozen=True, kw_only=True)
class LintFinding:
    """One check and what it found."""

    check: str
    severity: str
    message: str

    @property
    def is_error(self) -> bool:
        return self.severity == ERROR

    def to_dict(self) -> dict[str, Any]:
        """The three fields."""
        return {"check": self.check, "severity": self.severity, "message": self.message}


def _finding(check: str, severity: str, message: str) -> LintFinding:
    return LintFinding(check=check, severity=severity, message=message)


def lint_plan(plan: TrainingPlan) -> list[LintFinding]:
    """All checks that the plan says enough for; "ok" findings too, so that silence is not mistaken for
    health.

    Raises:
        UsageError: the plan's GPU cannot be understood.
        UnknownGPUError: no such accelerator.
    """
    chips = [] if plan.hardware.gpu is None else [gpus()[i] for i in parse_spec(plan.hardware.gpu).gpu_ids]
    findings: list[LintFinding] = []
    findings += _precision(plan, chips)
    findings += _memory(plan, chips)
    findings += _tokens_per_parameter(plan)
    findings += _implied_mfu(plan, chips)
    findings += _hours(plan)
    findings += _node_multiple(plan, chips)
    findings += _multiplier(plan)
    return findings or [
        _finding("plan", WARNING, "says too little to check: name its hardware, or its hours")
    ]


def _precision(plan: TrainingPlan, chips: list[GPU]) -> list[LintFinding]:
    refused = [(chip, refusal(plan, chip)) for chip in chips]
    sentence = [str(error) for _, error in refused if error is not None]
    if not chips or plan.is_quoted:
        return []
    if len(sentence) == len(chips):
        return [_finding("precision", ERROR, sentence[0].removeprefix("plan: "))]
    return [_finding("precision", OK, f"{plan.precision} runs on {plan.hardware.gpu}")]


def _memory(plan: TrainingPlan, chips: list[GPU]) -> list[LintFinding]:
    """Whether the count of GPUs given holds the plan; in quoted mode too, as hours do not create memory."""
    open_plan = plan.model_copy(
        update={"hardware": plan.hardware.model_copy(update={"gpu_hours": None, "wall_hours": None})}
    )
    if not chips or plan.hardware.gpus is None or plan.total_tokens is None:
        return []
    machines = [
        Machine(
            chip.gpu_id,
            plan.hardware.gpus_per_node or min(chip.gpus_per_node, plan.hardware.gpus),
            None,
            None,
            True,
        )
        for chip in chips
    ]
    try:
        possible = Configurations(open_plan, machines, Limits.of(open_plan))
        fitting = [one for machine in machines for one in possible.of_machine(machine)]
    except EstimateError as error:
        return [_finding("memory", WARNING, f"not checked: {error}")]
    if fitting:
        estimate = min((one.estimate for one in fitting), key=lambda one: one.gpu_hours.mid)
        memory = estimate.memory_gib
        used = ""
        if memory is not None:
            least = "" if memory.least > 0.99 * memory.total else f", {memory.least:.1f} would do"
            used = f"{memory.total:.1f} of {estimate.gpu_memory_gib:g} GiB per GPU{least}"
        return [_finding("memory", OK, f"fits on {plan.hardware.gpus} x {estimate.gpu_id}: {used}")]
    reason = next(iter(possible.refused.values()), "no such machine")
    return [_finding("memory", ERROR, f"{plan.hardware.gpus} x {plan.hardware.gpu}: {reason}")]


def _tokens_per_parameter(plan: TrainingPlan) -> list[LintFinding]:
    if plan.method != "pretrain" or plan.total_tokens is None:
        return []
    ratio = float(plan.total_tokens) / float(demand(plan).workload.active_parameters)
    return [tokens_per_parameter(ratio)]


def _ratio_text(ratio: float) -> str:
    return f"{ratio:,.1f}" if ratio >= 1 else f"{ratio:.2g}"


def tokens_per_parameter(ratio: float) -> LintFinding:
    """Judge the training tokens for each parameter of a pretraining run."""
    sentence = (
        f"{_ratio_text(ratio)} training tokens per parameter; about {TOKENS_OPTIMAL:g} is compute-optimal"
    )
    if ratio < TOKENS_LOW:
        return _finding("tokens_per_parameter", ERROR, f"{sentence}: far too few")
    if ratio < TOKENS_OPTIMAL / 2 or ratio > TOKENS_HIGH:
        return _finding("tokens_per_parameter", WARNING, sentence)
    return _finding("tokens_per_parameter", OK, sentence)


def _implied_mfu(plan: TrainingPlan, chips: list[GPU]) -> list[LintFinding]:
    gpu_hours = stated_gpu_hours(plan)
    if gpu_hours is None or not chips or plan.total_tokens is None:
        return []
    if not (plan.model or plan.parameters or plan.architecture.layers or plan.architecture.parameters):
        return []
    workload = demand(plan).workload
    flops = float(workload.tokens * workload.model_flops_per_token)
    chip = chips[0]
    peak = chip.peak_flops_per_second.get(plan.precision) or chip.peak_flops_per_second.get("fp16")
    return [] if not peak else [implied_mfu(flops, gpu_hours, peak, chip.gpu_id)]


def implied_mfu(flops: float, gpu_hours: float, peak_flops_per_second: float, gpu_id: str) -> LintFinding:
    """Judge the share of peak that so many model FLOPs in so many GPU-hours need."""
    mfu = flops / (gpu_hours * SECONDS_PER_HOUR * peak_flops_per_second)
    sentence = f"{flops:.3g} FLOPs in {gpu_hours:,.6g} GPU-hours are {mfu:.2%} of the peak of {gpu_id}"
    if mfu > MFU_ERROR:
        return _finding("implied_mfu", ERROR, f"{sentence}: no run reaches more than {MFU_ERROR:.0%}")
    if mfu > MFU_HIGH:
        return _finding("implied_mfu", WARNING, f"{sentence}: above the best published runs")
    if mfu < MFU_LOW:
        return _finding("implied_mfu", WARNING, f"{sentence}: hours or tokens are off, or the GPUs idle")
    return _finding("implied_mfu", OK, sentence)


def stated_gpu_hours(plan: TrainingPlan) -> float | None:
    """GPU-hours as the plan gives them."""
    hardware = plan.hardware
    if hardware.gpu_hours is not None:
        return hardware.gpu_hours.mid
    if hardware.wall_hours is not None and hardware.gpus is not None:
        return hardware.wall_hours.mid * hardware.gpus
    return None


def _hours(plan: TrainingPlan) -> list[LintFinding]:
    hardware = plan.hardware
    if hardware.gpu_hours is None or hardware.wall_hours is None or hardware.gpus is None:
        return []
    return [hours_agree(hardware.gpu_hours.mid, hardware.wall_hours.mid, hardware.gpus)]


def hours_agree(gpu_hours: float, wall_hours: float, gpu_count: int) -> LintFinding:
    """Judge GPU-hours against wall hours x GPUs; 5 percent apart is rounding."""
    product = wall_hours * gpu_count
    sentence = (
        f"{wall_hours:,.6g} h x {gpu_count} GPUs are {product:,.6g} GPU-hours, {gpu_hours:,.6g} are given"
    )
    if abs(gpu_hours - product) > 0.05 * product:
        return _finding("gpu_hours", ERROR, f"{sentence}: {gpu_hours / product:.2f} times as many")
    return _finding("gpu_hours", OK, sentence)


def _node_multiple(plan: TrainingPlan, chips: list[GPU]) -> list[LintFinding]:
    count = plan.hardware.gpus
    if count is None or not chips:
        return []
    return [node_multiple(count, plan.hardware.gpus_per_node or chips[0].gpus_per_node)]


def node_multiple(gpu_count: int, node_gpus: int) -> LintFinding:
    """Judge a count of GPUs beyond one node: whole nodes are paid."""
    rest = gpu_count % node_gpus
    if gpu_count > node_gpus and rest:
        paid = gpu_count - rest + node_gpus
        sentence = f"{gpu_count} GPUs are no multiple of a node of {node_gpus}; {paid} are paid"
        return _finding("node_multiple", WARNING, sentence)
    return _finding("node_multiple", OK, f"{gpu_count} GPUs in nodes of {node_gpus}")


def _multiplier(plan: TrainingPlan) -> list[LintFinding]:
    factor = plan.costs.failed_run_factor
    if factor is None or factor.high <= 4:
        return []
    sentence = f"{factor.high:g} runs for one that counts; 2 to 3 is usual"
    return [_finding("failed_run_factor", WARNING, sentence)]
