"""Step time by cause: what each kind of parallelism and each rate does to it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gpuledger.core.estimate.best_layout import choose, problem
from gpuledger.core.estimate.constants import constants
from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.estimate.workload import demand
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from tools.calibration.layout_row import row_of

WORK = ("gemm", "attention", "elementwise", "launches", "tensor_parallel", "pipeline_parallel")
FIXED = {"tensor_parallel": 1, "pipeline_parallel": 1, "micro_batch_size": 2, "sharding": "zero3"}


def plan(hardware: dict[str, object] | None = None, **keys: object) -> TrainingPlan:
    base = {
        "model": "llama-2-7b",
        "training_tokens": 1e11,
        "sequence_length": 4096,
        "global_batch_tokens": 4194304,
        "activation_recomputation": "none",
    }
    return plan_from_mapping({**base, **keys, "hardware": {**FIXED, **(hardware or {})}})


def parts(of: TrainingPlan, gpus: int, gpu_id: str = "a100-sxm-80gb") -> dict[str, float]:
    found = choose(problem([row_of(of, gpu_id, gpus)]), constants()).time
    # what a plan has nothing of is one zero
    return {field.name: float(np.ravel(getattr(found, field.name))[0]) for field in dataclasses.fields(found)}


def test_the_bubble_is_stages_less_one_over_micro_batches() -> None:
    """(p - 1) / m of the ideal time, arXiv:2104.04473, section 2.2.1; v virtual stages divide it by v."""
    hardware = {"pipeline_parallel": 4, "sharding": "zero1", "micro_batch_size": 1, "virtual_pipeline": 1}
    time = parts(plan(hardware), 64)
    work = sum(time[name] for name in WORK)
    micro_batches = 1024 / 16
    assert time["bubble"] == pytest.approx(work * 3 / micro_batches)
    virtual = parts(plan({**hardware, "virtual_pipeline": 2}), 64)
    work = sum(virtual[name] for name in WORK)
    assert virtual["bubble"] == pytest.approx(work * 3 / micro_batches / 2)


def test_full_recomputation_adds_most_of_a_forward_pass() -> None:
    none, full = parts(plan(), 64), parts(plan(activation_recomputation="full"), 64)
    assert 1.15 < full["gemm"] / none["gemm"] < 4 / 3
    assert full["hardware_flops"] / none["hardware_flops"] == pytest.approx(4 / 3, rel=0.02)


def test_tensor_parallelism_across_nodes_is_slower_than_inside() -> None:
    inside = parts(plan({"tensor_parallel": 8, "sharding": "zero1"}), 64)
    across = parts(plan({"tensor_parallel": 16, "sharding": "zero1"}), 64)
    assert across["tensor_parallel"] > 2 * inside["tensor_parallel"]


@pytest.mark.parametrize(
    ("gpu_id", "more"), [("mi300x-192gb", 7.0), ("gaudi2-96gb", 7.0), ("h100-sxm-80gb", 1.0)]
)
def test_links_that_lead_to_one_other_each_serve_a_small_group_with_a_part_of_them(
    gpu_id: str, more: float
) -> None:
    """Two of eight MI300X have one of seven links (AMD CDNA 3 white paper); behind a switch a group has them all."""
    two, eight = (parts(plan({"tensor_parallel": t, "sharding": "zero1"}), 8, gpu_id) for t in (2, 8))
    # a GPU of two sees a quarter of the tokens, and sends half of what it gets instead of seven eighths
    ratio = two["tensor_parallel"] / eight["tensor_parallel"] * 4 * (7 / 8) / (1 / 2)
    assert ratio == pytest.approx(more, rel=0.15)


def test_a_slow_network_shows_in_sharded_training_only_across_nodes() -> None:
    slow = {"network_gbit_per_second": 10}
    assert parts(plan(slow), 8)["data_parallel"] == parts(plan(), 8)["data_parallel"]
    assert parts(plan(slow), 64)["data_parallel"] > 5 * parts(plan(), 64)["data_parallel"]


def test_eight_bit_floats_are_faster_but_not_twice() -> None:
    """NVIDIA's tables of GPT-3 175B on H100: 1.42 to 1.48 times the tokens of bf16."""
    half, eight = (estimate(plan(precision=p), gpu("h100-sxm-80gb"), 64) for p in ("bf16", "fp8"))
    assert half.tokens_per_second is not None and eight.tokens_per_second is not None
    assert 1.1 < eight.tokens_per_second / half.tokens_per_second < 1.9


@pytest.mark.parametrize(
    ("sequence_length", "low", "high"), [(128, 1.5, 2.5), (512, 1.15, 1.5), (16384, 1.0, 1.02)]
)
def test_unpacking_four_bit_weights_is_shared_by_the_tokens_of_a_pass(
    sequence_length: int, low: float, high: float
) -> None:
    """litgpt, resource tables: 1.6 to 2 times LoRA on short samples; LLaMA-Factory: the same on long ones."""
    adapters = {"lora_rank": 16, "global_batch_tokens": 262144, "sequence_length": sequence_length}
    lora, qlora = (parts(plan({"micro_batch_size": 1}, method=m, **adapters), 1) for m in ("lora", "qlora"))
    assert low < qlora["gemm"] / lora["gemm"] < high


def test_small_matrices_run_at_a_lower_share_of_peak() -> None:
    small, large = (
        estimate(plan(model=name, activation_recomputation="full"), gpu("a100-sxm-80gb"), 64).hfu
        for name in ("gpt2", "llama-2-13b")
    )
    assert small is not None and large is not None and small < large


def test_a_batch_too_small_for_the_gpus_is_warned_about_and_no_faster() -> None:
    few, many = (estimate(plan(global_batch_tokens=65536), gpu("a100-sxm-80gb"), n) for n in (8, 512))
    assert few.tokens_per_second is not None and many.tokens_per_second is not None
    assert any("too small" in text for text in many.warnings)
    assert many.tokens_per_second < few.tokens_per_second * 4


def test_rollouts_take_their_longest_answer_and_the_move_of_the_weights() -> None:
    """Weights are read for every token until the longest answer ends, keys and values as long as there are any
    (arXiv:2211.05102, section 2); GRPO trains four steps on what it generates at once.
    """
    reinforced = {
        "method": "grpo",
        "sequence_length": 4096,
        "global_batch_tokens": 64 * 4096,
        "rollout_tokens_share": 0.5,
    }
    time, k = parts(plan({"sharding": "zero1", "micro_batch_size": 1}, **reinforced), 64), constants()
    bandwidth = 2039e9 * k.decoding_efficiency
    token = 2 * 6.738e9 / bandwidth + 32 * k.decoding_seconds
    cache = 4 * 0.75 * 4096 * 2 * 8192 * 32 / bandwidth
    seconds = 2048 * (k.longest_answer * token + cache)
    moved = 2 * 6.738e9 / (25e9 * k.network_efficiency) + k.weight_sync_seconds
    assert 0.9 * (seconds + moved) / 4 < time["generation"] <= (seconds + moved) / 4
    assert parts(plan(), 64)["generation"] == 0


def test_rollouts_decoded_together_share_the_reading_of_weights() -> None:
    few, many = (
        parts(plan({"sharding": "zero1"}, method="grpo", global_batch_tokens=n * 4096), 64)["generation"] / n
        for n in (128, 1024)
    )
    assert many < few


def test_evaluation_costs_a_forward_pass_per_token() -> None:
    """A third of forward and backward, for as many evaluated tokens as trained ones."""
    without, with_ = parts(plan(), 64), parts(plan(evaluation_tokens_share=1.0), 64)
    assert with_["gemm"] / without["gemm"] == pytest.approx(4 / 3, rel=0.03)


def test_copies_of_sharded_states_keep_gathers_inside_their_groups() -> None:
    """On a slow network a group of one node only sums its share of the gradients with the other nodes."""
    slow = {"network_gbit_per_second": 10}
    whole, groups = (parts(plan({**slow, **more}), 64) for more in ({}, {"sharding_gpus": 8}))
    assert groups["data_parallel"] < whole["data_parallel"] / 2
    assert parts(plan({"sharding_gpus": 64}), 64) == parts(plan(), 64)


def test_shares_sent_in_turn_take_longer_the_more_gpus_there_are() -> None:
    few, many = (
        parts(plan({"sharding": "zero1", "stack": "internevo"}), n)["data_parallel"]
        - parts(plan({"sharding": "zero1", "stack": "torchtitan"}), n)["data_parallel"]
        for n in (64, 512)
    )
    assert few > 64 * constants().share_broadcast_seconds
    assert many - few == pytest.approx(448 * constants().share_broadcast_seconds, rel=0.1)


def test_adapters_on_more_matrices_move_more_memory() -> None:
    adapted = {"method": "lora", "global_batch_tokens": 262144}
    attention, everything = (
        parts(plan(lora_targets=targets, **adapted), 8)["elementwise"]
        for targets in ("attention", "all_linear")
    )
    assert attention < everything


def test_latent_attention_moves_more_than_its_cache_is_wide() -> None:
    """DeepSeek-V3: 128 heads of 192 for queries and keys and of 128 for values, and what they are expanded from."""
    architecture = demand(
        plan_from_mapping({"model": "deepseek-v3", "method": "pretrain", "training_tokens": 1e9})
    ).architecture
    assert architecture.attention_width == 128 * 2 * (192 + 128) + 1536 + 512 + 64
    dense = demand(plan()).architecture
    assert dense.attention_width == 4 * dense.hidden_size
