"""Cases that users reported, each with the answer that is right: what was published, or what the arithmetic gives."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gpuledger.core.estimate.architecture import resolve
from gpuledger.core.estimate.estimate import Estimate, estimate
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping
from tests.command_line import app

pytestmark = pytest.mark.usefixtures("today")


def run(home: Path, *words: str, text: str | None = None):
    return CliRunner().invoke(app, ["--home", str(home), *words], input=text)


def computed(keys: dict[str, Any]) -> Estimate:
    hardware = keys["hardware"]
    return estimate(plan_from_mapping(keys), gpu(hardware["gpu"]), hardware["gpus"])


# billions as published, of which `active` pass a token; the whole class, not the keys that a Llama has too
CONFIGS = {
    "dbrx": (131.6, 36.0, {"d_model": 6144, "n_heads": 48, "n_layers": 40, "vocab_size": 100352, "max_seq_len": 32768,
        "tie_word_embeddings": False, "attn_config": {"kv_n_heads": 8, "clip_qkv": 8},
        "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4}}),
    "jamba": (51.6, 12.1, {"hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32,
        "num_key_value_heads": 8, "num_hidden_layers": 32, "num_experts": 16, "num_experts_per_tok": 2,
        "attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2, "expert_layer_offset": 1,
        "mamba_expand": 2, "vocab_size": 65536, "tie_word_embeddings": False}),
    "qwen": (7.72, 7.72, {"hidden_size": 4096, "intermediate_size": 22016, "num_attention_heads": 32,
        "num_hidden_layers": 32, "vocab_size": 151936, "tie_word_embeddings": False, "seq_length": 8192}),
    "whisper": (1.54, 1.54, {"d_model": 1280, "encoder_layers": 32, "decoder_layers": 32, "encoder_ffn_dim": 5120,
        "decoder_ffn_dim": 5120, "encoder_attention_heads": 20, "num_hidden_layers": 32, "vocab_size": 51866}),
    "llama4": (107.8, 17.2, {"text_config": {"model_type": "llama4_text", "attention_chunk_size": 8192,
        "head_dim": 128, "hidden_size": 5120, "interleave_moe_layer_step": 1, "intermediate_size": 8192,
        "intermediate_size_mlp": 16384, "num_attention_heads": 40, "num_experts_per_tok": 1, "num_hidden_layers": 48,
        "num_key_value_heads": 8, "num_local_experts": 16, "tie_word_embeddings": False, "vocab_size": 202048}}),
    "gemma3": (11.8, 11.8, {"text_config": {"model_type": "gemma3_text", "hidden_size": 3840,
        "intermediate_size": 15360, "num_attention_heads": 16, "num_hidden_layers": 48, "num_key_value_heads": 8,
        "sliding_window": 1024}, "vision_config": {"hidden_size": 1152}}),
    "mllama": (10.64, None, {"text_config": {"model_type": "mllama_text_model", "hidden_size": 4096,
        "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 40,
        "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38], "vocab_size": 128256, "tie_word_embeddings": False},
        "vision_config": {"hidden_size": 1280, "num_hidden_layers": 32, "num_global_layers": 8,
        "intermediate_size": 5120}}),
    # 4.19 with the embedding of 0.58, which the 3.6 that are published leave out
    "gpt_oss": (20.9, 3.61, {"hidden_size": 2880, "intermediate_size": 2880, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "num_hidden_layers": 24, "num_local_experts": 32,
        "num_experts_per_tok": 4, "sliding_window": 128, "vocab_size": 201088, "tie_word_embeddings": False,
        "layer_types": ["sliding_attention", "full_attention"] * 12}),
}  # fmt: skip


@pytest.mark.parametrize("model_type", CONFIGS)
def test_a_config_is_read_as_its_type_means_it(model_type):
    parameters, active, keys = CONFIGS[model_type]
    found = resolve(plan_from_mapping({"model_type": model_type, **keys}))[0]
    assert found.parameters / 1e9 == pytest.approx(parameters, rel=0.005)
    assert active is None or found.active_parameters / 1e9 == pytest.approx(active, rel=0.01)


@pytest.mark.parametrize(("model_type", "share"), [("gemma3", 5 / 6), ("gpt_oss", 0.5)])
def test_layers_with_a_window_are_those_that_the_type_says(model_type, share):
    found = resolve(plan_from_mapping({"model_type": model_type, **CONFIGS[model_type][2]}))[0]
    assert found.windowed_layers_share == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("card", ["4090", "3090"])
def test_a_number_that_names_a_card_means_the_card(home, card):
    """Which memory it has is in the id: 24 GB of each."""
    rows = run(home, "offers", "--gpu", card, "--as-of", "2026-03-15").stdout.splitlines()
    quoted = json.loads(
        run(home, "quote", "llama-3-8b-lora", "--gpu", card, "--as-of", "2026-03-15", "-f", "json").stdout
    )
    assert {json.loads(row)["gpu_id"] for row in rows} == {f"rtx-{card}-24gb"}
    assert {row["gpu_id"] for row in quoted["quotes"]} == {f"rtx-{card}-24gb"}


@pytest.mark.parametrize("card", ["4090", "3090", "5090"])
def test_a_number_that_names_a_card_is_one_of_it(home, card):
    answer = run(home, "estimate", "llama-3-8b-lora", "--gpu", card).stdout
    assert f'"gpu_id": "rtx-{card}' in answer and '"gpus": 1' in answer


def test_a_memory_without_its_unit_is_asked_about(home):
    answer = run(home, "offers", "--gpu", "H100:80", "--as-of", "2026-03-15")
    assert answer.exit_code == 2 and "did you mean H100:80GB?" in answer.stderr


@pytest.mark.parametrize(
    ("model", "card", "low", "high"),
    # published by users of Unsloth: about 20 GB on an RTX 4090, about 10 GB on a T4
    [("llama-3-8b", "rtx-4090-24gb", 17.0, 23.0), ("llama-2-7b", "t4-16gb", 8.5, 11.5)],
)
def test_a_long_context_fits_where_logits_are_never_held(model, card, low, high):
    keys = {"method": "qlora", "sequence_length": 16384, "global_batch_tokens": 16384, "lora_rank": 16}
    hardware = {"gpu": card, "gpus": 1, "micro_batch_size": 1, "stack": "unsloth"}
    found = computed({"model": model, **keys, "hardware": hardware})
    assert found.fits and low <= found.memory_gib.total <= high


@pytest.mark.parametrize("stack", ["llama-factory", "transformers", "peft", "trl", "axolotl", "deepspeed"])
def test_software_for_adapters_divides_the_data_alone(stack):
    keys = {"model": "gemma-2b", "method": "lora", "lora_rank": 8, "lora_targets": "query_value", "precision": "fp16",
            "sequence_length": 4096, "global_batch_tokens": 262144}  # fmt: skip
    found = computed(
        {**keys, "hardware": {"gpu": "a100-sxm-40gb", "gpus": 4, "micro_batch_size": 4, "stack": stack}}
    )
    assert (found.parallelism["data_parallel"], found.parallelism["tensor_parallel"]) == (4, 1)
    assert found.fits is False


def test_the_reported_adapter_run_needs_65_gib():
    keys = {"model": "gemma-2b", "method": "lora", "lora_rank": 8, "lora_targets": "query_value", "precision": "fp16",
            "sequence_length": 4096, "global_batch_tokens": 262144}  # fmt: skip
    hardware = {"gpu": "a100-sxm-40gb", "gpus": 4, "micro_batch_size": 4, "stack": "llama-factory"}
    assert computed({**keys, "hardware": hardware}).memory_gib.total == pytest.approx(64.9, rel=0.05)


OFFLOADED = """
model="llama-2-70b"
method="full_finetune"
sequence_length=2048
dataset_tokens=1e8
optimizer="adamw_8bit"
[hardware]
offload="optimizer"
gpu="a100-sxm-80gb"
gpus=8
sharding="zero3"
micro_batch_size=1
stack="axolotl"
"""
LIST = """observed_at,provider,instance_type,region,price,gpu_label,gpu_count,gpu_memory_gib{more}
2026-11-28,{name},p4like,us-1,24.00,A100 SXM4,8,80{value}
"""


def test_a_machine_with_too_little_memory_for_what_is_offloaded_is_left_out(tmp_path):
    listed = tmp_path / "list.csv"
    for name, more, value in (
        ("acme", ",memory_gib", ",512"),
        ("large", ",memory_gib", ",2048"),
        ("silent", "", ""),
    ):
        listed.write_text(LIST.format(more=more, value=value, name=name))
        assert run(tmp_path, "import", "changes", str(listed)).exit_code == 0
    small = run(tmp_path, "quote", "-", "--provider", "acme", text=OFFLOADED)
    assert small.exit_code == 1 and "less host memory than offloading takes" in small.stderr
    assert run(tmp_path, "quote", "-", "--provider", "large", text=OFFLOADED).exit_code == 0
    silent = json.loads(run(tmp_path, "quote", "-", "--provider", "silent", text=OFFLOADED).stdout)
    assert any("1,028 GiB of each machine's own memory" in text for text in silent["warnings"])


@pytest.mark.parametrize(
    ("parameters", "reported_hours"),
    [(6.7e9, 85), (33e9, 440)],
)
def test_a_published_fine_tuning_lies_within_the_interval(parameters, reported_hours):
    """LLM4Decompile, arXiv:2403.05286: 2 epochs of 534,564 samples x 4 levels on 8 A100; tokens are an upper bound."""
    keys = {"method": "full_finetune", "training_tokens": 4.38e9, "sequence_length": 1024}
    found = computed({"parameters": parameters, **keys, "hardware": {"gpu": "a100-sxm-80gb", "gpus": 8}})
    assert found.wall_hours.low < reported_hours <= found.wall_hours.high * 1.001


@pytest.mark.parametrize("stack", ["transformers", "peft", "litgpt", "megatron"])
@pytest.mark.parametrize("method", ["full_finetune", "lora", "pretrain"])
def test_a_whole_run_takes_no_less_than_its_tokens_at_its_own_rate(stack, method):
    keys = {"model": "llama-2-7b", "method": method, "training_tokens": 1e9, "sequence_length": 2048}
    hardware = {
        "gpu": "a100-sxm-80gb",
        "gpus": 8,
        "tensor_parallel": 1,
        "sharding": "zero3",
        "micro_batch_size": 1,
    }
    for division in (hardware, {"gpu": "a100-sxm-80gb", "gpus": 8}):
        found = computed({**keys, "hardware": {**division, "stack": stack}})
        assert found.wall_hours.mid >= 1e9 / found.tokens_per_second / 3600
