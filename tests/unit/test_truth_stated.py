"""A row of the published runs says what ran it, over which network, and what its name stands for."""

from __future__ import annotations

import pytest

from tools.calibration.truth import stated
from tools.calibration.truth.vendor import evaluation_tokens_share

EMPTY = dict.fromkeys(
    ["source", "notes", "parallelism", "gpu", "method", "model", "params_total", "params_active"], ""
)


@pytest.mark.parametrize(
    ("keys", "stack"),
    [
        ({"source": "NVIDIA/NeMo-Framework-Launcher README history"}, "nemo megatron"),
        ({"source": "NVIDIA/NeMo docs/source/performance"}, "nemo"),
        ({"source": "Narayanan et al. 2021 arXiv:2104.04473 Table 1"}, "megatron-lm v2"),
        ({"source": "Lightning-AI/litgpt", "parallelism": "ddp eager"}, "eager"),
        ({"source": "Lightning-AI/litgpt", "parallelism": "thunder nvfuser"}, None),
        ({"source": "a model card"}, None),
    ],
)
def test_the_source_names_the_software(keys: dict[str, str], stack: str | None) -> None:
    assert stated.software(EMPTY | keys) == stack


@pytest.mark.parametrize(
    ("keys", "rate"),
    [
        ({"source": "train_performance.md (A100-80GB SXM, 4 x 100 Gb RoCE per node)"}, 50.0),
        ({"notes": "400 Gbps (A100) / 800 Gbps (H100) network.", "gpu": "A100"}, 50.0),
        ({"notes": "400 Gbps (A100) / 800 Gbps (H100) network.", "gpu": "H100 SXM"}, 100.0),
        ({"notes": "400 Gbps (A100)", "gpu": "TPU v4"}, None),
        ({}, None),
    ],
)
def test_the_network_of_one_gpu_is_an_eighth_of_that_of_a_node(
    keys: dict[str, str], rate: float | None
) -> None:
    assert stated.network_gbit_per_second(EMPTY | keys) == rate


@pytest.mark.parametrize(
    ("division", "gpus"),
    [("tp1 zero1(8)", 8), ("tp1 zero1(-1)", None), ("zero3 (MiCS sharding, 128-way)", 128), ("fsdp", None)],
)
def test_the_gpus_that_share_a_copy_of_the_states_are_read(division: str, gpus: int | None) -> None:
    assert stated.sharding_gpus(EMPTY | {"parallelism": division}) == gpus


@pytest.mark.parametrize(
    ("model", "active", "preset"),
    [
        ("DeepSeek-V2 (per 1T tokens)", "21e9", "deepseek-v2"),
        ("Qwen3_30B_a3B", "3e9", "qwen3-30b-a3b"),
        ("Grok-1 314B", "86e9", "grok-1"),
        ("a mixture of our own", "3e9", None),
        ("Llama 2 7B", "300e9", None),
    ],
)
def test_only_a_mixture_of_experts_is_looked_up_by_its_name(
    model: str, active: str, preset: str | None
) -> None:
    row = EMPTY | {"model": model, "params_total": "300e9", "params_active": active}
    assert stated.expert_preset(row) == preset


def test_an_mlperf_rate_includes_its_evaluations() -> None:
    """8 rounds of 384 sequences, the first 3 without an evaluation of 173."""
    lora = {"benchmark": "llama2_70b_lora", "tokens_median": str(3072 * 8192), "seq_len": "8192"}
    assert evaluation_tokens_share(lora) == pytest.approx(5 * 173 / 3072)
    pretraining = {"benchmark": "gpt3", "tokens_median": str(24576 * 2048 * 23), "seq_len": "2048"}
    assert evaluation_tokens_share(pretraining) == pytest.approx(0.208, abs=0.001)
