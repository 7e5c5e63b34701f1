"""The rates of a node's links, as collectives see them."""

from __future__ import annotations

import pytest

from core.estimate.device import interconnect_bytes_per_second
from core.gpu import gpu


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
