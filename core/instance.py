"""Shapes of instance types whose price lists do not name the accelerator (seeds `instance_type*.csv`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from gpuledger.core import seeds


@dataclass(frozen=True, kw_only=True)
class InstanceShape:
    """What one instance type holds, as its provider describes it; `None` is "not published"."""

    provider: str
    instance_type: str
    gpu_label: str
    """The provider's name for the accelerator."""
    gpu_count: Decimal
    """A fraction for slices of a card. Zero says that the type is known to have no GPU or AI accelerator,
    though the provider files it among them (FPGA and video cards)."""
    gpu_memory_gib: Decimal | None
    """Memory of one whole accelerator, also where the instance has a slice of it."""
    vcpus: Decimal | None
    memory_gib: Decimal | None
    source: str


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _shape(row: Mapping[str, str]) -> InstanceShape:
    return InstanceShape(
        provider=row["provider"],
        instance_type=row["instance_type"],
        gpu_label=row["gpu_label"],
        gpu_count=Decimal(row["gpu_count"]),
        gpu_memory_gib=_decimal(row["gpu_memory_gib"]),
        vcpus=_decimal(row["vcpus"]),
        memory_gib=_decimal(row["memory_gib"]),
        source=row["source"],
    )


@lru_cache(maxsize=1)
def instance_shapes() -> Mapping[tuple[str, str], InstanceShape]:
    """All shapes by provider and instance type, from every `instance_type*.csv` of the seeds."""
    return {
        (row["provider"], row["instance_type"]): _shape(row) for row in seeds.rows_of_all("instance_type")
    }


def lookup(provider: str, instance_type: str) -> InstanceShape | None:
    """The shape of an instance type; `None` when the seeds do not know it."""
    return instance_shapes().get((provider, instance_type))
