"""The software a plan names, in whatever spelling, decides what its kernels do."""

from __future__ import annotations

import pytest

from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.estimate.stack import Kernels, named_stack, stack_of
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping


@pytest.mark.parametrize(
    ("name", "kernels"),
    [
        ("Megatron-LM", "tuned"),
        ("Megatron-LM v3", "plain"),
        ("megatron-bridge 26.04", "tuned"),
        ("Megatron-DeepSpeed", "plain"),
        ("NeMo", "tuned"),
        ("NeMo Megatron", "plain"),
        ("MaxText", "tuned"),
        ("GPT-NeoX", "plain"),
        ("llm-foundry", "plain"),
        ("DeepSpeed", "eager"),
        ("torchtitan", "plain"),
        ("our own", None),
        ("", None),
        (None, None),
    ],
)
def test_a_stack_is_known_by_what_its_name_begins_with(name: str | None, kernels: Kernels | None) -> None:
    found = named_stack(name)
    assert (found and found.kernels) == kernels


@pytest.mark.parametrize(
    ("keys", "kernels"),
    [
        ({}, "tuned"),
        ({"method": "lora"}, "plain"),
        ({"method": "lora", "precision": "fp8"}, "tuned"),
        ({"hardware": {"sharding": "zero3"}}, "plain"),
        ({"hardware": {"sharding": "zero3"}, "precision": "fp8"}, "tuned"),
        ({"hardware": {"pipeline_parallel": 4}}, "plain"),
        ({"hardware": {"pipeline_parallel": 4, "virtual_pipeline": 2}}, "tuned"),
        ({"hardware": {"expert_parallel": 8}}, "tuned"),
        ({"hardware": {"stack": "trl", "expert_parallel": 8}}, "eager"),
    ],
)
def test_what_a_plan_uses_implies_its_kernels_unless_it_names_a_stack(
    keys: dict[str, object], kernels: Kernels
) -> None:
    assert stack_of(plan_from_mapping({"model": "llama-2-7b", **keys})).kernels == kernels


def test_an_unknown_stack_counts_as_none_and_is_listed() -> None:
    keys = {"model": "llama-2-7b", "training_tokens": 1e11}
    named, bare = (
        estimate(plan_from_mapping({**keys, "hardware": hardware}), gpu("h100-sxm-80gb"), 64)
        for hardware in ({"stack": "our own"}, {})
    )
    assert named.wall_hours == bare.wall_hours
    assert "hardware.stack: tuned kernels (our own is not known)" in named.assumptions


def test_tuned_kernels_are_faster_than_plain_ones_and_those_than_eager_ones() -> None:
    keys = {"model": "llama-2-7b", "training_tokens": 1e11}
    tuned, plain, eager = (
        estimate(plan_from_mapping({**keys, "hardware": {"stack": name}}), gpu("h100-sxm-80gb"), 64)
        for name in ("nemo", "fsdp", "transformers")
    )
    assert tuned.tokens_per_second > plain.tokens_per_second > eager.tokens_per_second
