"""Weights with zeros, pruned networks, activation functions and layers that share parameters."""

import pytest

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.architecture import resolve
from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.estimate.sweep import refusal
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping
from tests.unit.offering import ask, offer

BASE = {
    "model": "llama-3-8b",
    "training_tokens": 1e9,
    "sequence_length": 2048,
    "hardware": {"stack": "megatron"},
}


def run(gpus: int = 8, /, on: str = "a100-sxm-80gb", **keys):
    return estimate(plan_from_mapping({**BASE, "method": "full_finetune", **keys}), gpu(on), gpus)


def shape(**architecture):
    return resolve(plan_from_mapping({"model": "llama-3-8b", "architecture": architecture}))[0]


def test_sparse_weights_save_a_part_of_the_feed_forward():
    dense, sparse = run(), run(weight_sparsity="2:4")
    # linear layers 1.255 times as fast, and the feed-forward is two thirds of an 8B's work
    assert 0.80 < sparse.step_seconds / dense.step_seconds < 0.92
    assert sparse.model_flops == dense.model_flops


def test_frozen_sparse_weights_take_less_memory_and_trained_ones_do_not():
    frozen = [
        run(1, method="lora", lora_rank=16, **keys).memory_gib.weights
        for keys in ({}, {"weight_sparsity": "2:4"})
    ]
    # 5.6 of 8.0 billion weights are in the feed-forward, and 9/16 of their 16 bits stay
    assert frozen[1] / frozen[0] == pytest.approx(1 - 5.637 / 8.03 * 7 / 16, rel=0.01)
    assert run(weight_sparsity="2:4").memory_gib.weights == run().memory_gib.weights


@pytest.mark.parametrize(
    ("gpu_id", "can"),
    [("v100-sxm-32gb", False), ("t4-16gb", False), ("a100-sxm-80gb", True), ("h100-sxm-80gb", True),
     ("rtx-4090-24gb", True), ("mi250-128gb", False), ("mi300x-192gb", True), ("tpu-v5p-95gb", False)],
)  # fmt: skip
def test_sparse_weights_need_units_that_skip_zeros(gpu_id, can):
    found = refusal(
        plan_from_mapping({**BASE, "precision": "bf16", "method": "lora", "weight_sparsity": "2:4"}),
        gpu(gpu_id),
    )
    assert (found is None) == can


@pytest.mark.parametrize("keys", [{"method": "qlora"}, {"method": "lora", "weights": "int8"}])
def test_sparse_weights_are_not_quantised(keys):
    with pytest.raises(InvalidPlanError, match="2:4"):
        plan_from_mapping({**BASE, **keys, "weight_sparsity": "2:4"})


def test_pruning_takes_parameters_work_and_memory():
    split = {"tensor_parallel": 1}
    whole, pruned = run(hardware=split), run(hardware=split, architecture={"pruned_share": 0.5})
    assert 0.5 < pruned.parameters / whole.parameters < 0.6  # the embeddings stay
    assert pruned.model_flops / whole.model_flops == pytest.approx(
        pruned.parameters / whole.parameters, rel=0.1
    )
    assert pruned.memory_gib.weights < whole.memory_gib.weights
    half = shape(pruned_share=0.5)
    assert (half.kv_heads, half.attention_heads, half.ffn_hidden_size) == (4, 16, 7168)


def test_a_published_count_is_of_the_network_before_pruning():
    keys = {"parameters": 8e9, "method": "full_finetune", "dataset_tokens": 1e8}
    whole, pruned = (
        resolve(plan_from_mapping({**keys, "architecture": some}))[0] for some in ({}, {"pruned_share": 0.25})
    )
    assert 0.74 < pruned.parameters / whole.parameters < 0.80


@pytest.mark.parametrize(
    ("architecture", "words"),
    [({"pruned_share": 0.95}, "0.9 at most"), ({"activation": "relu", "gated_ffn": True}, "has no gate"),
     ({"activation": "swiglu", "gated_ffn": False}, "has a gate"), ({"activation": "tanh"}, "must be")],
)  # fmt: skip
def test_a_shape_that_contradicts_itself_is_refused(architecture, words):
    with pytest.raises(InvalidPlanError, match=words):
        plan_from_mapping({"model": "llama-3-8b", "architecture": architecture})


def test_an_activation_with_a_gate_has_a_third_matrix():
    gated, plain = shape(activation="swiglu"), shape(activation="gelu")
    assert (gated.ffn_matrices, plain.ffn_matrices) == (3, 2)
    assert plain.parameters / gated.parameters == pytest.approx(1 - 32 * 4096 * 14336 / 8.03e9, rel=0.01)


def test_relu_keeps_less_for_the_backward_pass():
    keys = {"activation_recomputation": "none", "hardware": {"micro_batch_size": 4, "tensor_parallel": 8}}
    gelu, relu = (
        run(**keys, architecture={"activation": name}).memory_gib.activations for name in ("gelu", "relu")
    )
    # two bytes of the feed-forward's width less, for each layer and token
    assert (gelu - relu) * 2**30 == pytest.approx(2 * 14336 * 4 * 2048 * 32 / 8, rel=0.2)


def test_layers_that_share_parameters_save_memory_and_no_work():
    own, shared = run(), run(architecture={"unique_layers": 8})
    assert shared.parameters < 0.4 * own.parameters
    assert shared.model_flops == pytest.approx(own.model_flops, rel=0.01)
    assert shared.memory_gib.weights < own.memory_gib.weights


def test_a_quote_says_which_offers_have_no_units_and_a_dense_plan_has_them_again():
    keys = {"model": "llama-2-7b", "method": "lora", "dataset_tokens": 1e6, "precision": "fp16"}
    offers = [offer("0.40", gpu_id="v100-sxm-32gb"), offer("1.20", gpu_id="a100-sxm-80gb")]
    for sparse, left_out, cards in (
        (None, {}, {"v100-sxm-32gb", "a100-sxm-80gb"}),
        ("2:4", {"no units for 2:4 sparsity on this GPU": 1}, {"a100-sxm-80gb"}),
        (None, {}, {"v100-sxm-32gb", "a100-sxm-80gb"}),
    ):
        found = ask(plan_from_mapping({**keys, "weight_sparsity": sparse}), offers)
        assert found.excluded == left_out
        assert {quote.purchase.offer.gpu_id for quote in found.quotes} == cards
