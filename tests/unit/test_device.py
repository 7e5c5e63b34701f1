"""Rates of a GPU as the physics takes them: ceilings measured on it, on its kind, or on all; links as collectives
see them.
"""

from __future__ import annotations

import math

import pytest

from gpuledger.core.estimate.device import device, gemm_ceiling, interconnect_bytes_per_second, joined_gpus
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


@pytest.mark.parametrize(
    ("gpu_id", "share"),
    [
        ("rtx-4090-24gb", 166.6 / 165.2),
        ("rtx-3090-24gb", 76.6 / 71),
        # GeForce cards add in 32 bits at half rate, whatever their generation: the median of those that were measured
        ("rtx-3080-12gb", 1.02),
        ("rtx-2080-ti-11gb", 1.02),
        # of the same chips, but bound by their power
        ("l40s-48gb", 269.2 / 362),
        ("rtx-6000-ada-48gb", 269.2 / 362),
        ("rtx-a6000-48gb", 123.3 / 154.8),
    ],
)
def test_geforce_cards_reach_what_geforce_cards_were_measured_to_reach(gpu_id: str, share: float) -> None:
    assert gemm_ceiling(gpu(gpu_id), "bf16") == pytest.approx(share, rel=0.01)


@pytest.mark.parametrize(
    ("gpu_id", "joined"),
    [
        ("h100-sxm-80gb", math.inf),
        ("mi300x-192gb", math.inf),
        ("gaudi2-96gb", math.inf),
        ("tpu-v5p-95gb", math.inf),
        ("a100-pcie-80gb", 2),
        ("h200-nvl-141gb", 4),
        ("l40s-48gb", 1),
        ("p100-pcie-16gb", 1),
        ("rtx-4090-24gb", 1),
        # its bridge helps nobody whose driver forbids it
        ("rtx-3090-24gb", 1),
    ],
)
def test_links_of_their_own_join_a_node_two_cards_or_none(gpu_id: str, joined: float) -> None:
    assert joined_gpus(gpu(gpu_id)) == joined


def test_inside_a_node_a_gaudi_uses_the_ports_that_lead_to_its_neighbours() -> None:
    """21 of 24 ports: Intel, Gaudi 2 and Gaudi 3 white papers."""
    assert interconnect_bytes_per_second(gpu("gaudi2-96gb")) == 21 * 100e9 / 8
    assert interconnect_bytes_per_second(gpu("gaudi3-128gb")) == 21 * 200e9 / 8
