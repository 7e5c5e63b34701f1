"""Fine-tuning of networks of less than 1.5 billion parameters: many short sequences a pass, nothing recomputed, and no
matrix to the vocabulary where an encoder classifies.
"""

from __future__ import annotations

from typing import Any

import pytest

from gpuledger.core.estimate.estimate import Estimate
from gpuledger.core.estimate.search import estimate_plan
from gpuledger.core.plan import plan_from_mapping

TITAN, V100 = "titan-rtx-24gb", "v100-sxm-16gb"
BERT_BASE = {
    "layers": 12,
    "hidden_size": 768,
    "attention_heads": 12,
    "ffn_hidden_size": 3072,
    "gated_ffn": False,
    "tied_embeddings": True,
    "vocabulary_size": 30522,
    "causal": False,
}


def tuned(gpu_id: str, gpus: int = 1, **keys: Any) -> Estimate:
    hardware = {"gpu": gpu_id, "gpus": gpus, **keys.pop("hardware", {})}
    plan = {"method": "full_finetune", "training_tokens": 5e7, "sequence_length": 1024}
    return estimate_plan(plan_from_mapping({**plan, **keys, "hardware": hardware}))


@pytest.mark.parametrize(
    ("model", "gpu_id", "precision", "samples", "length", "hours"),
    [
        ("bert-base", TITAN, "fp16", 3 * 392_702, 128, 1 + 17 / 60),
        ("bert-base", TITAN, "fp16", 3 * 363_846, 128, 1 + 12 / 60),
        ("bert-base", TITAN, "fp16", 3 * 104_743, 128, 20.3 / 60),
        ("bert-base", TITAN, "fp16", 3 * 67_349, 128, 13.2 / 60),
        ("bert-base", TITAN, "fp32", 3 * 392_702, 128, 2 + 35.4 / 60),
        ("bert-base", V100, "fp32", 2 * 392_702, 128, 106 / 60),
        ("bert-base", V100, "fp16", 2 * 88_524, 384, 24 / 60),
        ("bert-large", V100, "fp16", 2 * 88_524, 384, 68 / 60),
    ],
)
def test_encoders_are_tuned_as_fast_as_transformers_publishes(
    model: str, gpu_id: str, precision: str, samples: int, length: int, hours: float
) -> None:
    """transformers, examples/pytorch: MNLI, QQP, QNLI, SST-2 on a Titan RTX, XNLI and SQuAD on a V100, padded to the
    stated length.
    """
    found = tuned(
        gpu_id, model=model, precision=precision, training_tokens=samples * length, sequence_length=length
    )
    assert found.wall_hours.mid == pytest.approx(hours, rel=0.25)
    assert found.wall_hours.low <= hours <= found.wall_hours.high


@pytest.mark.parametrize(
    ("keys", "sequences", "recomputation"),
    [
        ({"model": "gpt2"}, 4, "selective"),
        ({"model": "bert-base", "sequence_length": 128}, 32, "selective"),
        ({"model": "llama-3.2-1b"}, 4, "selective"),
        ({"model": "llama-3.2-1b", "method": "lora"}, 4, "selective"),
        ({"model": "llama-3.2-1b", "method": "dpo"}, 4, "full"),
        ({"model": "llama-3.2-1b", "hardware": {"stack": "trl"}}, 4, "full"),
        ({"model": "smollm2-1.7b"}, 1, "full"),
        ({"model": "llama-3.2-3b", "method": "lora"}, 1, "full"),
        ({"model": "llama-3-8b", "sequence_length": 512, "method": "lora"}, 2, "full"),
    ],
)
def test_recipes_save_no_memory_on_small_networks(
    keys: dict[str, Any], sequences: int, recomputation: str
) -> None:
    found = tuned("a100-sxm-80gb", **keys)
    assert found.parallelism["micro_batch_size"] == sequences
    assert found.parallelism["activation_recomputation"] == recomputation


def test_a_shape_is_as_small_as_the_preset_that_has_it() -> None:
    keys: dict[str, Any] = {"precision": "fp16", "sequence_length": 128}
    shape, preset = tuned(V100, architecture=BERT_BASE, **keys), tuned(V100, model="bert-base", **keys)
    assert shape.parallelism == preset.parallelism
    assert shape.wall_hours.mid == pytest.approx(preset.wall_hours.mid, rel=0.05)


def test_a_mixture_without_its_count_is_not_taken_as_small() -> None:
    shape = {"layers": 16, "hidden_size": 2048, "attention_heads": 16, "vocabulary_size": 50304}
    experts = {"experts": 64, "experts_per_token": 8, "expert_ffn_hidden_size": 1024}
    found = tuned("h100-sxm-80gb", 8, architecture={**shape, **experts}, method="lora")
    assert found.parallelism["activation_recomputation"] == "full"


def test_only_encoders_that_are_fine_tuned_have_no_matrix_to_the_vocabulary() -> None:
    said = "architecture: an encoder that is fine-tuned has no matrix to the vocabulary"
    tuned_encoder, trained = (
        tuned(V100, model="bert-base", method=method, precision="fp16", training_tokens=1e10)
        for method in ("full_finetune", "pretrain")
    )
    assert said in tuned_encoder.assumptions
    assert trained.flops_per_token - tuned_encoder.flops_per_token == pytest.approx(6 * 768 * 30522)
    assert said not in trained.assumptions
    assert said not in tuned("a100-sxm-80gb", 8, model="t5-3b").assumptions


@pytest.mark.parametrize(
    "keys", [{"model": "qwen2.5-0.5b", "hardware": {"stack": "trl"}}, {"model": "gpt2-xl"}]
)
def test_a_single_gpu_loses_nothing_to_sharding_whatever_it_is_called(keys: dict[str, Any]) -> None:
    hardware = keys.get("hardware", {})
    rates = [
        tuned("rtx-4090-24gb", **{**keys, "hardware": {**hardware, "sharding": sharding}}).tokens_per_second
        for sharding in ("none", "zero3")
    ]
    assert rates[1] == pytest.approx(rates[0], rel=0.01)
