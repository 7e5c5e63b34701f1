"""Operations per token against closed forms of the papers."""

from __future__ import annotations

import pytest

from gpuledger.core.estimate.architecture import resolve
from gpuledger.core.estimate.flops import attended_positions, forward_flops
from gpuledger.core.estimate.workload import demand
from gpuledger.core.plan import TrainingPlan, plan_from_mapping, preset_plan

GPT = {
    "layers": 96,
    "hidden_size": 12288,
    "attention_heads": 96,
    "ffn_hidden_size": 49152,
    "vocabulary_size": 51200,
    "gated_ffn": False,
    "tied_embeddings": True,
    "causal": False,
}


def per_token(**keys: object) -> float:
    return float(
        demand(
            plan_from_mapping({"method": "pretrain", "training_tokens": 1e9, **keys})
        ).workload.model_flops_per_token
    )


def test_a_step_of_gpt_3_costs_what_the_megatron_formula_says() -> None:
    """72 s l h^2 (1 + s/6h + V/12lh) per sequence, arXiv:2104.04473, equation 3."""
    s, layers, h, vocabulary = 2048, 96, 12288, 51200
    expected = 72 * layers * h**2 * (1 + s / (6 * h) + vocabulary / (12 * layers * h))
    assert per_token(architecture=GPT, sequence_length=s) == pytest.approx(expected, rel=1e-3)


def test_a_causal_network_attends_to_half_the_sequence() -> None:
    full, _, _ = resolve(plan_from_mapping({"architecture": GPT}))
    half, _, _ = resolve(plan_from_mapping({"architecture": {**GPT, "causal": True}}))
    assert forward_flops(half, 2048).attention == forward_flops(full, 2048).attention / 2


@pytest.mark.parametrize(("window", "positions"), [(None, 4096.0), (1024, 960.0), (8192, 4096.0)])
def test_a_window_bounds_what_a_token_attends_to(window: int | None, positions: float) -> None:
    keys = {"layers": 2, "hidden_size": 512, "sliding_window": window}
    shape, _, _ = resolve(plan_from_mapping({"architecture": {k: v for k, v in keys.items() if v}}))
    assert attended_positions(shape, 8192) == pytest.approx(positions)


def test_six_operations_per_active_parameter_are_the_bulk() -> None:
    for name in ("llama-2-7b", "mixtral-8x7b", "deepseek-v3"):
        need = demand(preset_plan(name))
        ratio = need.workload.model_flops_per_token / (6 * need.architecture.active_parameters)
        assert 0.97 < ratio < 1.25, name


def test_lora_costs_about_two_thirds_of_full_fine_tuning() -> None:
    full = per_token(model="llama-2-7b", method="full_finetune", sequence_length=512)
    lora = per_token(model="llama-2-7b", method="lora", lora_rank=16, sequence_length=512)
    assert lora / full == pytest.approx(2 / 3, abs=0.02)


def test_a_cached_reference_saves_dpo_its_forward_pass() -> None:
    plain = per_token(model="llama-2-7b", method="dpo")
    cached = per_token(model="llama-2-7b", method="dpo", cached_reference=True)
    assert cached == per_token(model="llama-2-7b", method="full_finetune")
    assert plain / cached == pytest.approx(4 / 3, rel=0.01)


def test_freezing_half_the_layers_saves_their_weight_and_input_gradients() -> None:
    whole = per_token(model="llama-2-7b", method="full_finetune")
    half = per_token(model="llama-2-7b", method="full_finetune", frozen_layers_share=0.5)
    assert half / whole == pytest.approx(2 / 3, rel=0.01)


def test_distillation_adds_the_teacher_forward_pass() -> None:
    alone = per_token(model="llama-3.2-1b")
    taught = per_token(model="llama-3.2-1b", method="distillation", teacher_parameters=8e9)
    assert taught - alone == pytest.approx(2 * 8e9)


def test_ppo_costs_more_than_grpo_costs_more_than_fine_tuning() -> None:
    costs = [per_token(model="opt-1.3b", method=method) for method in ("full_finetune", "grpo", "ppo")]
    assert costs == sorted(costs)
    assert costs[2] > 2 * costs[0]


def test_tied_embeddings_change_parameters_but_not_operations() -> None:
    keys = {
        "layers": 12,
        "hidden_size": 768,
        "ffn_hidden_size": 3072,
        "vocabulary_size": 50304,
        "gated_ffn": False,
    }
    tied, untied = ({"architecture": {**keys, "tied_embeddings": flag}} for flag in (True, False))
    assert per_token(**tied) == per_token(**untied)
    assert resolve(plan_from_mapping(tied))[0].parameters < resolve(plan_from_mapping(untied))[0].parameters


def test_tokens_left_out_are_twenty_per_parameter_and_said_so() -> None:
    need = demand(TrainingPlan(parameters=1e9))
    assert need.workload.tokens == 2e10
    assert any(text.startswith("training_tokens") for text in need.assumptions)
