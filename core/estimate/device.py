"""Rates of a GPU as the physics needs them: the precision's peak, the measured ceiling, links in one
direction.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import median

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.throughput import Device
from gpuledger.core.gpu import GPU, gpus
from gpuledger.core.plan import TrainingPlan

# network of one GPU to other nodes, GB/s in one direction, by generation, as cloud instances of that time
# have it: p3dn 100 Gbit/s for 8, p4d 400 Gbit/s for 8 in general and 8 x 200 in clusters built for
# training, p5 8 x 400 Gbit/s, GB200 NVL72 400 Gbit/s each, TPU pods stay inside their own fabric
NETWORK_GB_PER_SECOND = {
    "volta": 12.5,
    "ampere": 25.0,
    "hopper": 50.0,
    "blackwell": 50.0,
    "blackwell ultra": 100.0,
    "cdna2": 25.0,
    "cdna3": 50.0,
    "cdna4": 50.0,
    "gaudi 2": 37.5,
    "gaudi 3": 75.0,
    # half of the links of a torus lead out of a group of neighbours; the same fabric carries everything
    "tpu": 150.0,
    "trainium": 12.5,
}
# accelerators that one fast fabric joins, where it is larger than a node: NVIDIA GB200 NVL72 data sheet;
# Google Cloud TPU documentation, size of a pod or slice
FABRIC_GPUS = {"gb200": 72, "gb300": 72, "tpu-v3": 1024, "tpu": 8192}
# a workstation or PCIe server: 100 Gbit/s for eight cards
PCIE_NETWORK_GB_PER_SECOND = 1.6
# one direction of PCIe 4.0 x16, of which generations before and after have half and twice
PCIE_BYTES_PER_SECOND = 32e9
# GeForce drivers do not let one card read another's memory: what goes around a ring crosses the bus twice (NCCL user
# guide, troubleshooting: PCI peer-to-peer)
WITHOUT_PEER_ACCESS = ("rtx-3090", "rtx-4090", "rtx-5090")
# ml-engineering, table of the highest matrix-multiply rates, bf16: 12 accelerators from 0.51 to 0.97,
# median 0.785, for architectures of which none was measured
UNMEASURED_CEILING = 0.785
# share of the peak reached in fp8 over that reached in bf16, median by architecture, same tables: H100 0.709 and
# 0.803, H200 0.734 and 0.803, GH200 0.776 and 0.838, B200 0.763 and 0.776, GB200 0.723 and 0.729, B300 0.745 and
# 0.786, Gaudi 2 0.955 and 0.969, Gaudi 3 0.769 and 0.741; the others get the median of all
LOWER_PRECISION_CEILING = {
    "hopper": 0.91,
    "blackwell": 0.99,
    "blackwell ultra": 0.95,
    "gaudi 2": 0.99,
    "gaudi 3": 1.04,
}
USUAL_LOWER_PRECISION_CEILING = 0.97
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
        fabric_gpus=float(fabric_gpus(gpu)),
        is_quantised=float(precision in LOWER_PRECISIONS),
    )


def pcie_bytes_per_second(gpu: GPU) -> float:
    """One direction of the card's bus."""
    return PCIE_BYTES_PER_SECOND * 2.0 ** ((gpu.pcie_generation or 4) - 4)


def interconnect_bytes_per_second(gpu: GPU) -> float:
    """One direction of what joins a node's GPUs, of which the seed counts both.

    A card's bridge joins it to one other; more of them meet on the bus.
    """
    link = (gpu.interconnect_bytes_per_second or math.inf) / 2
    if gpu.form_factor == "pcie" or math.isinf(link):
        link = min(link, pcie_bytes_per_second(gpu))
    return link / 2 if gpu.gpu_id.startswith(WITHOUT_PEER_ACCESS) else link


def fabric_gpus(gpu: GPU) -> int:
    """How many accelerators the interconnect joins without the network."""
    return next((size for prefix, size in FABRIC_GPUS.items() if gpu.gpu_id.startswith(prefix)), 1)


def gemm_ceiling(gpu: GPU, precision: str) -> float:
    """Share of the data sheet's rate that large matrices reach in that precision: measured, or the median of
    its architecture, or of all that was measured.
    """
    own = _measured_share(gpu)
    share = own if own is not None else _architecture_share(gpu.architecture)
    if precision not in LOWER_PRECISIONS:
        return share
    return min(share * LOWER_PRECISION_CEILING.get(gpu.architecture, USUAL_LOWER_PRECISION_CEILING), 1.0)


def _measured_share(gpu: GPU) -> float | None:
    bf16, measured = gpu.peak_flops_per_second.get("bf16"), gpu.measured_bf16_flops_per_second
    return measured / bf16 if bf16 and measured else None


@lru_cache(maxsize=64)
def _architecture_share(architecture: str) -> float:
    shares = [_measured_share(gpu) for gpu in gpus().values() if gpu.architecture == architecture]
    measured = [share for share in shares if share is not None]
    return median(measured) if measured else UNMEASURED_CEILING


def network_bytes_per_second(plan: TrainingPlan, gpu: GPU) -> float:
    """What the plan says, else what clouds give a GPU of that generation."""
    if plan.hardware.network_gbit_per_second is not None:
        return plan.hardware.network_gbit_per_second * 1e9 / 8
    rate = NETWORK_GB_PER_SECOND.get(gpu.architecture, PCIE_NETWORK_GB_PER_SECOND)
    if gpu.form_factor in ("pcie", "unknown", "mig"):
        rate = min(rate, PCIE_NETWORK_GB_PER_SECOND)
    return rate * 1e9
