"""Parameters are counted from the shape, and a shape is inferred where only counts are known."""

from __future__ import annotations

import pytest

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.architecture import resolve
from gpuledger.core.plan import TrainingPlan, model_rows, plan_from_mapping, preset_plan

# configurations as published on the model pages, the keys that matter for counting
LLAMA_3_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
    "max_position_embeddings": 8192,
}
GPT2 = {
    "model_type": "gpt2",
    "n_embd": 768,
    "n_head": 12,
    "n_layer": 12,
    "n_positions": 1024,
    "vocab_size": 50257,
}
MIXTRAL = {
    "model_type": "mixtral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "vocab_size": 32000,
    "sliding_window": None,
    "tie_word_embeddings": False,
}
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3",
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 3,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "num_hidden_layers": 61,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 129280,
    "tie_word_embeddings": False,
}


def test_ninety_presets_count_to_within_half_a_percent_of_what_was_published() -> None:
    close = []
    for name, row in model_rows().items():
        shape, _, _ = resolve(preset_plan(name))
        if abs(shape.counted_parameters / float(row["published_parameters"]) - 1) <= 0.005:
            close.append(name)
    assert len(model_rows()) >= 60
    assert len(close) >= 90


@pytest.mark.parametrize("name", [name for name, row in model_rows().items() if row["experts"]])
def test_active_parameters_of_experts_are_near_the_published_count(name: str) -> None:
    shape, _, _ = resolve(preset_plan(name))
    # some authors count embeddings into the active parameters and some do not
    assert shape.counted_active_parameters == pytest.approx(
        float(model_rows()[name]["published_active_parameters"]), rel=0.17
    )


def test_every_preset_cites_its_source() -> None:
    assert all(len(row["source"]) > 15 for row in model_rows().values())


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (LLAMA_3_8B, 8_030_261_248),
        (GPT2, 124_439_808),
        (MIXTRAL, 46_702_792_704),
        (DEEPSEEK_V3, 671_026_419_200),
    ],
)
def test_a_configuration_file_counts_up_to_its_model(config: dict[str, object], parameters: int) -> None:
    shape, _, warnings = resolve(plan_from_mapping(config))
    assert shape.counted_parameters == pytest.approx(parameters, rel=2e-4)
    assert not warnings


def test_a_configuration_without_layers_is_refused() -> None:
    with pytest.raises(InvalidPlanError, match="layers"):
        plan_from_mapping({"model_type": "llama", "hidden_size": 4096})


def test_a_bare_count_gets_a_llama_like_shape_and_says_so() -> None:
    shape, assumptions, _ = resolve(TrainingPlan(parameters=6.7e9))
    assert 28 <= shape.layers <= 36
    assert 3584 <= shape.hidden_size <= 4608
    assert shape.parameters == 6.7e9
    assert any(text.startswith("architecture") for text in assumptions)


def test_gate_and_tie_are_those_that_count_up_to_the_published_number() -> None:
    keys = {
        "layers": 40,
        "hidden_size": 4096,
        "attention_heads": 32,
        "kv_heads": 8,
        "ffn_hidden_size": 12800,
        "vocabulary_size": 49152,
        "parameters": 8.17e9,
    }
    shape, _, _ = resolve(plan_from_mapping({"architecture": keys}))
    assert (shape.gated_ffn, shape.tied_embeddings) == (True, True)


def test_experts_are_inferred_from_total_and_active_counts() -> None:
    keys = {
        "layers": 48,
        "hidden_size": 2048,
        "attention_heads": 32,
        "kv_heads": 4,
        "ffn_hidden_size": 768,
        "vocabulary_size": 151936,
        "parameters": 30.5e9,
        "active_parameters": 3.3e9,
    }
    shape, assumptions, _ = resolve(plan_from_mapping({"architecture": keys}))
    assert shape.experts == 128
    assert 7 <= shape.experts_per_token <= 11
    assert any("experts" in text for text in assumptions)


def test_a_count_far_from_the_shape_is_warned_about() -> None:
    keys = {
        "layers": 32,
        "hidden_size": 4096,
        "ffn_hidden_size": 11008,
        "vocabulary_size": 32000,
        "parameters": 70e9,
    }
    _, _, warnings = resolve(plan_from_mapping({"architecture": keys}))
    assert "7e+10" in warnings[0]


def test_layers_follow_from_the_count_and_the_width_where_that_is_given() -> None:
    """BLOOM prequel of 194 billion parameters, 14,400 wide: some 77 layers, not the 101 of a narrower network."""
    plan = plan_from_mapping({"parameters": 194e9, "architecture": {"hidden_size": 14400}})
    architecture, _, _ = resolve(plan)
    assert 70 <= architecture.layers <= 80
