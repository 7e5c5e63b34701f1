"""Every input that an estimate had to assume, in words: what the plan left out and what was taken for it."""

from __future__ import annotations

import math

from gpuledger.core.estimate.device import network_bytes_per_second, precision_on
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.stack import is_checkpointed, named_stack, stack_of, team_of
from gpuledger.core.estimate.stack_memory import memory_form
from gpuledger.core.estimate.workload import Demand
from gpuledger.core.gpu import GPU


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
        said = "not given" if hw.stack is None else f"{hw.stack} is not known"
        out.append(f"hardware.stack: {kernels} kernels ({said})")
        form = memory_form(plan)
        states, loss = plan.state_precision or form.states, plan.loss or form.loss
        out.append(f"memory: {states} states, {loss} loss (hardware.stack {said})")
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
