"""Rates of a GPU as the physics takes them: ceilings measured on it, on its kind, or on all; links as collectives
see them.
"""

from __future__ import annotations

import pytest

from gpuledger.core.estimate.device import device, gemm_ceiling, interconnect_bytes_per_second
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping


@pytest.mark.parametrize(
    ("gpu_id", "precision", "share"),
    [
        ("h100-sxm-80gb", "bf16", 794.5 / 989.4),
        ("h100-sxm-80gb", "fp8", 794.5 / 989.4 * 0.91),
        ("b200-sxm-180gb", "fp8", 1745 / 2250 * 0.99),
        # measured on the MI355X of the same architecture
        ("mi350x-288gb", "bf16", 1565 / 2500),
        # nothing of its architecture was measured
        ("tpu-v5p-95gb", "bf16", 0.785),
    ],
)
def test_the_ceiling_of_matrix_multiplies_is_that_of_the_nearest_measurement(
    gpu_id: str, precision: str, share: float
) -> None:
    assert gemm_ceiling(gpu(gpu_id), precision) == pytest.approx(share, rel=1e-3)


def test_a_network_that_the_plan_names_is_taken() -> None:
    plan = plan_from_mapping({"model": "llama-2-7b", "hardware": {"network_gbit_per_second": 80}})
    assert device(plan, gpu("h100-sxm-80gb")).network_bytes_per_second == 1e10


@pytest.mark.parametrize(
    ("gpu_id", "gb_per_second"),
    [
        ("h100-sxm-80gb", 450),
        ("a100-sxm-80gb", 300),
        # bridges join two cards; more meet on PCIe 4.0
        ("a100-pcie-80gb", 32),
        ("rtx-a6000-48gb", 32),
        ("l40s-48gb", 32),
        # without peer access every byte crosses the bus twice
        ("rtx-3090-24gb", 16),
        ("rtx-4090-24gb", 16),
        ("rtx-5090-32gb", 32),
    ],
)
def test_a_link_is_counted_in_one_direction_and_no_faster_than_cards_can_share_it(
    gpu_id: str, gb_per_second: float
) -> None:
    assert interconnect_bytes_per_second(gpu(gpu_id)) == gb_per_second * 1e9
