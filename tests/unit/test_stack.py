"""The software a plan names, in whatever spelling, decides what its kernels do."""

from __future__ import annotations

import pytest

from core.estimate.estimate import estimate
from core.estimate.workload import stack_is_fused
from core.gpu import gpu
from core.plan import plan_from_mapping


@pytest.mark.parametrize(
    ("name", "is_fused"),
    [
        ("Megatron-LM", True),
        ("megatron-bridge 26.04", True),
        ("Megatron-DeepSpeed", False),
        ("NeMo", True),
        ("MaxText", True),
        ("GPT-NeoX", False),
        ("llm-foundry", False),
        ("DeepSpeed", False),
        ("torchtitan", False),
        ("our own", None),
        ("", None),
        (None, None),
    ],
)
def test_a_stack_is_known_by_what_its_name_begins_with(name: str | None, is_fused: bool | None) -> None:
    assert stack_is_fused(name) is is_fused


def test_an_unknown_stack_counts_as_none_and_is_listed() -> None:
    keys = {"model": "llama-2-7b", "training_tokens": 1e11}
    named, bare = (
        estimate(plan_from_mapping({**keys, "hardware": hardware}), gpu("h100-sxm-80gb"), 64)
        for hardware in ({"stack": "our own"}, {})
    )
    assert named.wall_hours == bare.wall_hours
    assert "hardware.stack: fused kernels (our own is not known)" in named.assumptions


def test_fused_kernels_are_faster_than_eager_ones() -> None:
    keys = {"model": "llama-2-7b", "training_tokens": 1e11}
    fused, eager = (
        estimate(plan_from_mapping({**keys, "hardware": {"stack": name}}), gpu("h100-sxm-80gb"), 64)
        for name in ("nemo", "deepspeed")
    )
    assert fused.wall_hours.mid < eager.wall_hours.mid
