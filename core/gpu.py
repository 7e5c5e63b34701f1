"""Accelerators: identity, memory and data-sheet rates, read from the reviewed seed `sql/seeds/gpu.csv`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from gpuledger.core import seeds
from gpuledger.core.errors import UnknownGPUError

# precision of a plan -> column of the seed; rates are dense, sparsity doubles them on paper only
RATE_COLUMNS = {
    "fp32": "fp32_tflops",
    "tf32": "tf32_tflops",
    "fp16": "fp16_tflops",
    "bf16": "bf16_tflops",
    "fp8": "fp8_tflops",
    "fp4": "fp4_tflops",
    "int8": "int8_tops",
}


@dataclass(frozen=True, kw_only=True)
class GPU:
    """One accelerator as its data sheet describes it; `None` is "not published", never zero."""

    gpu_id: str
    name: str
    vendor: str
    architecture: str
    form_factor: str
    memory_gib: float | None
    memory_bytes_per_second: float | None
    peak_flops_per_second: Mapping[str, float] = field(repr=False)
    measured_bf16_flops_per_second: float | None
    interconnect: str
    interconnect_bytes_per_second: float | None
    """Both directions together, to the other accelerators of the node."""
    network_bytes_per_second: float
    """One direction to other nodes, as clouds give it to one accelerator of that kind."""
    fabric_gpus: int
    """How many accelerators the interconnect joins without the network, where that is more than a node."""
    has_peer_access: bool
    """Whether one card may read another's memory; GeForce drivers forbid it."""
    compute_capability: tuple[int, int] | None
    """NVIDIA's number of the instruction set."""
    host_cpu: str
    """`x86` or `arm`."""
    pcie_generation: int | None
    tdp_watts: float | None
    released_year: int | None
    gpus_per_node: int
    is_trainable: bool
    source: str
    unverified: frozenset[str] = frozenset()
    """Columns of the seed that no data sheet confirms."""

    def doubt(self, precision: str) -> str | None:
        """What an estimate in a precision rests on that no data sheet confirms, in one sentence; `None`: nothing."""
        names = {
            f"its {precision} rate of {self.peak_flops_per_second.get(precision, 0) / 1e12:g} TFLOP/s": (
                RATE_COLUMNS[precision]
            ),
            "its memory bandwidth": "memory_bandwidth_gb_per_second",
        }
        doubted = [name for name, column in names.items() if column in self.unverified]
        return f"{self.gpu_id}: no data sheet confirms {' and '.join(doubted)}" if doubted else None


def _number(text: str, scale: float = 1.0) -> float | None:
    return float(text) * scale if text else None


def _capability(text: str) -> tuple[int, int] | None:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if text else None


def _gpu(row: Mapping[str, str]) -> GPU:
    return GPU(
        gpu_id=row["gpu_id"],
        name=row["name"],
        vendor=row["vendor"],
        architecture=row["architecture"],
        form_factor=row["form_factor"],
        memory_gib=_number(row["memory_gib"]),
        memory_bytes_per_second=_number(row["memory_bandwidth_gb_per_second"], 1e9),
        peak_flops_per_second={
            precision: float(row[column]) * 1e12 for precision, column in RATE_COLUMNS.items() if row[column]
        },
        measured_bf16_flops_per_second=_number(row["measured_bf16_tflops"], 1e12),
        interconnect=row["interconnect"],
        interconnect_bytes_per_second=_number(row["interconnect_gb_per_second"], 1e9),
        network_bytes_per_second=float(row["network_gb_per_second"]) * 1e9,
        fabric_gpus=int(row["fabric_gpus"]),
        has_peer_access=row["has_peer_access"] == "true",
        compute_capability=_capability(row["compute_capability"]),
        host_cpu=row["host_cpu"],
        pcie_generation=int(row["pcie_generation"]) if row["pcie_generation"] else None,
        tdp_watts=_number(row["tdp_watts"]),
        released_year=int(row["released_year"]) if row["released_year"] else None,
        gpus_per_node=int(row["gpus_per_node"]),
        is_trainable=row["is_trainable"] == "true",
        source=row["source"],
        unverified=frozenset(filter(None, row["unverified"].split(";"))),
    )


@lru_cache(maxsize=1)
def gpus() -> Mapping[str, GPU]:
    """All accelerators of the seed by `gpu_id`, in the seed's order."""
    return {row["gpu_id"]: _gpu(row) for row in seeds.rows("gpu")}


def gpu(gpu_id: str) -> GPU:
    """The accelerator of that id.

    Raises:
        UnknownGPUError: no such id; carries the nearest ones.
    """
    table = gpus()
    if gpu_id not in table:
        raise UnknownGPUError(gpu_id, difflib.get_close_matches(gpu_id.lower(), table, n=3, cutoff=0.5))
    return table[gpu_id]
