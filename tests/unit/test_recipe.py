"""What is taken of a preset that is pretrained again, of hardware that fits nothing, and of little said."""

from __future__ import annotations

from typing import Any

import pytest

from gpuledger.core.estimate.batch import usual_batch_tokens
from gpuledger.core.estimate.estimate import Estimate, empty_text, estimate
from gpuledger.core.estimate.search import estimate_plan, hardware_for
from gpuledger.core.estimate.sweep import sweep
from gpuledger.core.estimate.workload import demand
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import TrainingPlan, plan_from_mapping

V3 = {"model": "deepseek-v3", "training_tokens": 14.8e12, "sequence_length": 4096}


def on(gpu_id: str, gpus: int, **keys: Any) -> Estimate:
    hardware = {"gpu": gpu_id, "gpus": gpus, **keys.pop("hardware", {})}
    return estimate_plan(plan_from_mapping({**keys, "hardware": hardware}))


@pytest.mark.parametrize(
    ("keys", "gpu_id", "gpus", "published_gpu_hours"),
    [
        ({"model": "llama-2-7b", "training_tokens": 2e12}, "a100-sxm-80gb", 1024, 184_320),
        ({"model": "llama-2-70b", "training_tokens": 2e12}, "a100-sxm-80gb", 1024, 1_720_320),
        (
            {"model": "tinyllama-1.1b", "training_tokens": 3e12, "sequence_length": 2048},
            "a100-sxm-40gb",
            16,
            2160 * 16,
        ),
        (V3, "h800-sxm-80gb", 2048, 2.664e6),
    ],
)
def test_a_published_run_that_a_plan_only_names_takes_what_was_published(
    keys: dict[str, Any], gpu_id: str, gpus: int, published_gpu_hours: float
) -> None:
    """Model cards of Llama 2, README of TinyLlama (90 days), arXiv:2412.19437, table 1."""
    assert on(gpu_id, gpus, **keys).gpu_hours.mid == pytest.approx(published_gpu_hours, rel=0.06)


def test_precision_and_software_of_a_published_run_are_said_as_assumptions() -> None:
    v3 = on("h800-sxm-80gb", 2048, **V3)
    assert "precision: fp8 (not given; deepseek-v3 was trained so)" in v3.assumptions
    assert v3.gpu_hours.mid == on("h800-sxm-80gb", 2048, **V3, precision="fp8").gpu_hours.mid
    tiny = on("a100-sxm-40gb", 16, model="tinyllama-1.1b", training_tokens=3e12)
    assert "hardware.stack: tinyllama (not given; tinyllama-1.1b was trained so)" in tiny.assumptions
    assert "team: typical (not given)" in tiny.assumptions


@pytest.mark.parametrize(
    "keys",
    [
        {"hardware": {"stack": "megatron"}},
        {"hardware": {"tensor_parallel": 1}},
        {"team": "tuned"},
        {"method": "full_finetune", "training_tokens": 1e9},
    ],
)
def test_who_says_software_division_team_or_another_method_does_not_repeat_the_run(
    keys: dict[str, Any],
) -> None:
    found = on("a100-sxm-40gb", 16, **{"model": "tinyllama-1.1b", "training_tokens": 3e12, **keys})
    assert not any("was trained so" in text for text in found.assumptions)


def test_a_search_takes_the_published_precision_where_the_accelerator_has_it() -> None:
    plan = plan_from_mapping(V3 | {"hardware": {"gpus": 2048}})
    swept = sweep(plan, hardware_for(plan))
    for gpu_id, precision in (("h800-sxm-80gb", True), ("a100-sxm-80gb", False)):
        position = next(i for i, c in enumerate(swept.on.candidates) if c.gpu.gpu_id == gpu_id)
        found = swept.estimate(position)
        assert any("precision: fp8" in text for text in found.assumptions) == precision
        assert found.gpu_hours.mid == pytest.approx(estimate(plan, gpu(gpu_id), 2048).gpu_hours.mid)


@pytest.mark.parametrize(
    ("parameters", "tokens"),
    [(1.2e8, 1_048_576), (6.7e9, 1_835_076), (4e10, 3_329_021), (1.75e11, 4_194_304)],
)
def test_the_batch_follows_the_network(parameters: float, tokens: float) -> None:
    plan = TrainingPlan(method="pretrain", parameters=parameters, training_tokens=1e12)
    assert usual_batch_tokens(plan, demand(plan).architecture, 4096) == pytest.approx(tokens, rel=1e-3)


def test_whole_fine_tuning_is_sharded_as_recipes_do_and_adapters_are_not() -> None:
    keys = {"model": "llama-2-7b", "training_tokens": 1e9, "sequence_length": 2048}
    assert on("a100-sxm-80gb", 8, method="full_finetune", **keys).parallelism["sharding"] == "zero3"
    assert on("a100-sxm-80gb", 8, method="lora", **keys).parallelism["sharding"] == "zero1"


def test_fine_tuning_that_does_not_fit_names_the_offload_that_would() -> None:
    keys = {"model": "llama-2-70b", "method": "qlora", "training_tokens": 5e7, "sequence_length": 2048}
    found = on("rtx-3090-24gb", 2, **keys)
    assert found.fits is False
    (hint,) = [text for text in found.warnings if text.startswith("hardware.offload")]
    assert 'hardware.offload = ["parameters"] would fit' in hint
    assert on("rtx-3090-24gb", 2, **keys, hardware={"offload": ["parameters"]}).fits is True
    pretraining = on("rtx-3090-24gb", 2, model="llama-2-70b", method="pretrain", training_tokens=5e9)
    assert not any(text.startswith("hardware.offload") for text in pretraining.warnings)


def test_a_pretraining_that_says_nothing_leaves_memory_free_and_one_that_states_its_division_does_not() -> (
    None
):
    keys = {"model": "llama-2-13b", "training_tokens": 1e12, "sequence_length": 4096}
    free = on("h100-sxm-80gb", 64, **keys)
    assert free.memory_gib is not None and free.memory_gib.total < 0.86 * 80
    stated = on("h100-sxm-80gb", 64, **keys, hardware={"tensor_parallel": 2})
    assert stated.memory_gib is not None and stated.memory_gib.total > free.memory_gib.total


def test_an_mfu_that_nobody_would_run_is_warned_of() -> None:
    keys = {"model": "gpt2", "training_tokens": 1e10, "global_batch_tokens": 524_288.0}
    found = on("h100-sxm-80gb", 4096, **keys)
    assert found.mfu is not None and found.mfu < 0.02
    assert any("is so low that nobody lets such a job run" in text for text in found.warnings)
    assert empty_text(found) is not None
