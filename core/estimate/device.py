"""Rates of a GPU as the physics needs them: the precision's peak, the measured ceiling, links in one
direction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from statistics import median

from gpuledger.core import seeds
from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.constants import constants
from gpuledger.core.estimate.sparsity import refuse_without_units
from gpuledger.core.estimate.traffic import Device
from gpuledger.core.gpu import GPU, gpus
from gpuledger.core.plan import TrainingPlan

LOWER_PRECISIONS = ("fp8", "fp4", "int8")


def precision_on(plan: TrainingPlan, gpu: GPU) -> str:
    """The precision the plan gets on that GPU: what it asks for, or fp16 where it asked for nothing and has
    no bf16.

    Raises:
        InvalidPlanError: the GPU has no such rate, or no published rate at all.
    """
    rates = gpu.peak_flops_per_second
    if not gpu.is_trainable:
        raise InvalidPlanError("hardware.gpu", f"{gpu.gpu_id} is made for inference and cannot train")
    if not rates or gpu.memory_gib is None:
        raise InvalidPlanError("hardware.gpu", f"no published rates or memory of {gpu.gpu_id}")
    if plan.precision in rates:
        return plan.precision
    if plan.precision == "fp8" and gpu.vendor == "google" and "int8" in rates:
        # TPUs without fp8 train in int8 instead (AQT, MLPerf Training v3.1 to v4.1 submissions by Google)
        return "int8"
    if plan.precision == "bf16" and "precision" not in plan.model_fields_set and "fp16" in rates:
        return "fp16"
    raise InvalidPlanError(
        "precision", f"{gpu.gpu_id} has no {plan.precision} matrix units; it has {', '.join(rates)}"
    )


def device(plan: TrainingPlan, gpu: GPU) -> Device:
    """The rates that the plan gets on that GPU.

    Raises:
        InvalidPlanError: the plan's precision does not exist there.
    """
    precision = precision_on(plan, gpu)
    refuse_without_units(plan, gpu)
    rates = gpu.peak_flops_per_second
    half = rates.get("bf16") or rates.get("fp16") or rates[precision]
    bandwidth = gpu.memory_bytes_per_second
    if bandwidth is None:
        raise InvalidPlanError("hardware.gpu", f"no published memory bandwidth of {gpu.gpu_id}")
    return Device(
        gemm_flops_per_second=rates[precision],
        half_flops_per_second=min(half, rates[precision]),
        gemm_ceiling=gemm_ceiling(gpu, precision),
        memory_bytes_per_second=bandwidth,
        interconnect_bytes_per_second=interconnect_bytes_per_second(gpu),
        network_bytes_per_second=network_bytes_per_second(plan, gpu),
        host_bytes_per_second=pcie_bytes_per_second(gpu),
        fabric_gpus=float(gpu.fabric_gpus),
        linked_peers=linked_peers(gpu),
        joined_gpus=joined_gpus(gpu),
        has_peer_access=float(gpu.has_peer_access),
        needs_recipes=float(needs_recipes(gpu)),
        is_quantised=float(precision in LOWER_PRECISIONS),
    )


def pcie_bytes_per_second(gpu: GPU) -> float:
    """One direction of the card's bus."""
    return constants().pcie_bytes_per_second * 2.0 ** ((gpu.pcie_generation or 4) - 4)


def interconnect_bytes_per_second(gpu: GPU) -> float:
    """One direction of what joins a node's GPUs, of which the seed counts both.

    A card's bridge joins it to one other; more of them meet on the bus.
    """
    link = (gpu.interconnect_bytes_per_second or math.inf) / 2
    if gpu.form_factor == "pcie" or math.isinf(link):
        link = min(link, pcie_bytes_per_second(gpu))
    # without peer access what goes around a ring crosses the bus twice (NCCL user guide, troubleshooting: PCI
    # peer-to-peer)
    return link if gpu.has_peer_access else link / 2


def gemm_ceiling(gpu: GPU, precision: str) -> float:
    """Share of the data sheet's rate that large matrices reach in that precision: measured, or the median of
    its architecture, or of all that was measured. GeForce cards are a kind of their own: they add in 32 bits at half of
    their units' rate, which their power lets them keep.
    """
    own = _measured_share(gpu)
    if own is not None:
        share = own
    else:
        share = _architecture_share(gpu.architecture) if gpu.has_peer_access else _geforce_share()
    if precision not in LOWER_PRECISIONS:
        return share
    usual = constants().usual_lower_precision_ceiling
    return min(share * lower_precision_ceilings().get(gpu.architecture, usual), 1.0)


def linked_peers(gpu: GPU) -> float:
    """Others of its node to which an accelerator has links of their own; 0 where a switch gives all of them to each."""
    peers = [
        row["linked_peers"] for row in seeds.rows("architecture") if row["architecture"] == gpu.architecture
    ]
    return float(peers[0] or 0) if peers else 0.0


def joined_gpus(gpu: GPU) -> float:
    """Accelerators of a node that links of their own join: a card on the bus has none, and a bridge joins two, or four
    where the seed says so, if the driver lets one read another.
    """
    if "bridge" in gpu.interconnect:
        joined = 4.0 if "or 4" in gpu.interconnect else 2.0
        return joined if gpu.has_peer_access else 1.0
    is_card = gpu.form_factor == "pcie" and not gpu.interconnect
    return 1.0 if is_card or gpu.interconnect.startswith("PCIe") else math.inf


def needs_recipes(gpu: GPU) -> bool:
    """Whether the generation is so young that matrix multiplies of most software stay below what was measured."""
    return any(
        row["architecture"] == gpu.architecture and row["needs_recipes"] == "true"
        for row in seeds.rows("architecture")
    )


@lru_cache(maxsize=1)
def lower_precision_ceilings() -> Mapping[str, float]:
    """Share of the peak reached in fp8 over that reached in bf16, by architecture where it was measured."""
    return {row["architecture"]: float(row["lower_precision_ceiling"]) for row in seeds.rows("architecture")}


def _measured_share(gpu: GPU) -> float | None:
    bf16, measured = gpu.peak_flops_per_second.get("bf16"), gpu.measured_bf16_flops_per_second
    return measured / bf16 if bf16 and measured else None


@lru_cache(maxsize=64)
def _architecture_share(architecture: str) -> float:
    return _median_share(
        gpu for gpu in gpus().values() if gpu.architecture == architecture and gpu.has_peer_access
    )


@lru_cache(maxsize=1)
def _geforce_share() -> float:
    return _median_share(gpu for gpu in gpus().values() if not gpu.has_peer_access)


def _median_share(kin: Iterable[GPU]) -> float:
    shares = [_measured_share(gpu) for gpu in kin]
    measured = [share for share in shares if share is not None]
    return median(measured) if measured else constants().unmeasured_ceiling


def network_bytes_per_second(plan: TrainingPlan, gpu: GPU) -> float:
    """What the plan says, else what clouds give a GPU of that generation."""
    if plan.hardware.network_gbit_per_second is not None:
        return plan.hardware.network_gbit_per_second * 1e9 / 8
    return gpu.network_bytes_per_second
