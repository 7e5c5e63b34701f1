"""The software a plan names, in whatever spelling, decides what its kernels do."""

from __future__ import annotations

import pytest

from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.estimate.stack import Kernels, named_stack, stack_of, team_of
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import Hardware, TrainingPlan, plan_from_mapping


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
        ({}, "plain"),
        ({"team": "tuned"}, "tuned"),
        ({"hardware": {"gpus": 256}}, "plain"),
        ({"hardware": {"gpus": 1024}}, "tuned"),
        ({"hardware": {"gpus": 512}}, "plain"),
        ({"hardware": {"gpus": 512}, "team": "typical"}, "plain"),
        ({"hardware": {"gpus": 512, "sharding": "zero3"}}, "plain"),
        ({"hardware": {"gpus": 512}, "method": "grpo"}, "plain"),
        ({"method": "full_finetune"}, "plain"),
        ({"method": "lora"}, "eager"),
        ({"method": "lora", "precision": "fp8"}, "tuned"),
        ({"hardware": {"sharding": "zero3"}}, "plain"),
        ({"hardware": {"sharding": "zero3"}, "precision": "fp8"}, "tuned"),
        ({"hardware": {"pipeline_parallel": 4}}, "plain"),
        ({"hardware": {"pipeline_parallel": 4, "tensor_parallel": 8}}, "tuned"),
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
    assert "hardware.stack: plain kernels (our own is not known)" in named.assumptions


def test_kernels_grow_tuned_by_degrees_with_the_gpus_or_else_the_parameters() -> None:
    shares = [stack_of(TrainingPlan(method="pretrain", parameters=7e9, hardware=Hardware(gpus=n))).tuned_share
              for n in (256, 512, 1024)]  # fmt: skip
    assert shares == pytest.approx([0.0, 0.5, 1.0])
    by_size = [stack_of(TrainingPlan(method="pretrain", parameters=n)).tuned_share for n in (1e10, 1e11)]
    assert by_size == [0.0, 1.0]


def test_who_pretrains_a_large_mixture_of_experts_hides_its_traffic_and_tunes() -> None:
    plan = plan_from_mapping({"model": "deepseek-v3", "method": "pretrain"})
    assert stack_of(plan).hides_routing
    assert team_of(plan) == "tuned"
    small = plan_from_mapping({"model": "mixtral-8x7b", "method": "pretrain"})
    assert stack_of(small).kernels == "tuned"
    assert team_of(small) == "typical"


def test_software_before_flash_attention_passes_its_scores_through_memory() -> None:
    named = [named_stack(name) for name in ("megatron-lm v2", "metaseq", "megatron-lm", "megatron")]
    assert [one is not None and one.flash_attention for one in named] == [False, False, True, True]


def test_tuned_kernels_are_faster_than_plain_ones_and_those_than_eager_ones() -> None:
    keys = {"model": "llama-2-7b", "training_tokens": 1e11}
    tuned, plain, eager = (
        estimate(plan_from_mapping({**keys, "hardware": {"stack": name}}), gpu("h100-sxm-80gb"), 64)
        for name in ("nemo", "fsdp", "transformers")
    )
    assert tuned.tokens_per_second > plain.tokens_per_second > eager.tokens_per_second


@pytest.mark.parametrize(
    ("keys", "team"),
    [
        ({}, "typical"),
        ({"hardware": {"stack": "nemo"}}, "tuned"),
        ({"hardware": {"stack": "trl"}}, "typical"),
        ({"hardware": {"stack": "nemo"}, "team": "typical"}, "typical"),
        ({"team": "tuned"}, "tuned"),
    ],
)
def test_a_team_is_typical_unless_the_plan_or_a_tuned_stack_says_otherwise(
    keys: dict[str, object], team: str
) -> None:
    assert team_of(plan_from_mapping({"model": "llama-2-7b", **keys})) == team


@pytest.mark.parametrize(
    "stack", ["transformers", "peft", "trl", "axolotl", "llama-factory", "deepspeed", None]
)
@pytest.mark.parametrize("method", ["lora", "qlora", "full_finetune", "dpo"])
def test_fine_tuning_divides_the_data_alone_and_checkpoints(stack: str | None, method: str) -> None:
    hardware = {} if stack is None else {"stack": stack}
    keys = {"model": "llama-2-7b", "method": method, "sequence_length": 2048, "hardware": hardware}
    found = estimate(plan_from_mapping(keys), gpu("a100-sxm-80gb"), 8)
    assert (found.parallelism["tensor_parallel"], found.parallelism["pipeline_parallel"]) == (1, 1)
    assert found.parallelism["activation_recomputation"] == "full"
    assert 1 <= int(found.parallelism["micro_batch_size"]) <= 4
    stated = plan_from_mapping({**keys, "hardware": {**hardware, "tensor_parallel": 2}})
    assert estimate(stated, gpu("a100-sxm-80gb"), 8).parallelism["tensor_parallel"] == 2


def test_large_divisions_interleave_where_layers_allow_it_unevenly_too() -> None:
    """Llama 3.1 405B has 126 layers on 16 stages (arXiv:2407.21783, section 3.3.2): MFU 0.38 to 0.43 in bf16."""
    keys = {
        "model": "llama-3.1-405b",
        "training_tokens": 15.6e12,
        "sequence_length": 8192,
        "global_batch_tokens": 16777216,
    }
    division = {"gpu": "h100-sxm-80gb", "gpus": 16384, "tensor_parallel": 8, "pipeline_parallel": 16}
    found = estimate(plan_from_mapping({**keys, "hardware": division}), gpu("h100-sxm-80gb"), 16384)
    assert found.parallelism["virtual_pipeline"] == 8
    plain = {**division, "virtual_pipeline": 1}
    without = estimate(plan_from_mapping({**keys, "hardware": plain}), gpu("h100-sxm-80gb"), 16384)
    assert found.mfu > 1.4 * without.mfu
