"""Memory by component: bytes per parameter of each regime, and what each division divides."""

from __future__ import annotations

import pytest

from gpuledger.core.estimate.estimate import Estimate, MemoryGiB, estimate
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping

GIB = 2**30
LLAMA = {
    "method": "pretrain",
    "model": "llama-2-7b",
    "training_tokens": 1e9,
    "sequence_length": 4096,
    "global_batch_tokens": 1048576,
}
ONE = {"tensor_parallel": 1, "pipeline_parallel": 1, "micro_batch_size": 1, "sharding": "none"}
PARAMETERS = 6_738_415_616


def run(
    gpus: int = 8, gpu_id: str = "h100-sxm-80gb", hardware: dict[str, object] | None = None, **keys: object
) -> Estimate:
    plan = plan_from_mapping({**LLAMA, **keys, "hardware": {**ONE, **(hardware or {})}})
    return estimate(plan, gpu(gpu_id), gpus)


def memory(gpus: int = 8, hardware: dict[str, object] | None = None, **keys: object) -> MemoryGiB:
    found = run(gpus, hardware=hardware, **keys).memory_gib
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("optimizer", "bytes_per_parameter"),
    [("adamw", 12), ("adamw_8bit", 6), ("sgd", 8), ("adafactor", 4), ("muon", 8)],
)
def test_optimizer_states_take_their_bytes_per_parameter(optimizer: str, bytes_per_parameter: int) -> None:
    assert memory(optimizer=optimizer).optimizer == pytest.approx(bytes_per_parameter * PARAMETERS / GIB)


def test_each_stage_of_zero_divides_one_more_state() -> None:
    none, one, two, three = (memory(hardware={"sharding": s}) for s in ("none", "zero1", "zero2", "zero3"))
    assert one.optimizer == pytest.approx(none.optimizer / 8)
    assert one.gradients == none.gradients
    assert two.gradients < none.gradients / 7
    assert two.weights == none.weights
    assert three.weights == pytest.approx(none.weights / 8)


def test_states_are_divided_among_the_gpus_that_share_a_copy() -> None:
    whole, halves = (memory(hardware={"sharding": "zero3", **more}) for more in ({}, {"sharding_gpus": 4}))
    assert halves.weights == pytest.approx(2 * whole.weights)
    assert halves.optimizer == pytest.approx(2 * whole.optimizer)


def test_tensor_and_pipeline_parallelism_divide_the_weights() -> None:
    whole = memory(hardware={"sharding": "zero1"})
    assert memory(hardware={"tensor_parallel": 2}).weights == pytest.approx(whole.weights / 2)
    assert memory(hardware={"pipeline_parallel": 2}).weights == pytest.approx(whole.weights / 2)


def test_recomputation_trades_activations_for_time() -> None:
    none, full = run(activation_recomputation="none"), run(activation_recomputation="full")
    assert none.memory_gib is not None and full.memory_gib is not None
    assert full.memory_gib.activations < none.memory_gib.activations / 4
    assert full.step_seconds is not None and none.step_seconds is not None
    assert full.step_seconds > none.step_seconds * 1.1
    assert full.hfu is not None and full.mfu is not None and full.hfu > full.mfu * 1.2


def test_without_recomputation_both_utilisations_are_one() -> None:
    found = run(activation_recomputation="none")
    assert found.hfu == pytest.approx(found.mfu)


def test_attention_without_flash_keeps_the_matrix_of_scores() -> None:
    """5 a s bytes per token and layer, arXiv:2205.05198, equation 1."""
    plain = memory(activation_recomputation="none", flash_attention=False).activations
    flash = memory(activation_recomputation="none").activations
    assert (plain - flash) * GIB == pytest.approx(5 * 32 * 4096 * 4096 * 32, rel=0.1)


def test_activations_grow_with_the_micro_batch() -> None:
    one = memory(activation_recomputation="none")
    four = memory(activation_recomputation="none", hardware={"micro_batch_size": 4})
    assert four.activations == pytest.approx(4 * one.activations)


def test_context_parallelism_divides_activations() -> None:
    assert memory(hardware={"context_parallel": 4}).activations == pytest.approx(memory().activations / 4)


def test_expert_parallelism_divides_the_experts_only() -> None:
    plain = memory(model="mixtral-8x7b", hardware={"expert_parallel": 1})
    spread = memory(model="mixtral-8x7b", hardware={"expert_parallel": 8})
    dense = (46_702_792_704 - 32 * 8 * 3 * 4096 * 14336) * 2 / GIB
    assert spread.weights == pytest.approx(dense + (plain.weights - dense) / 8, rel=1e-3)


def test_adapters_need_no_gradients_of_frozen_weights() -> None:
    lora = memory(1, method="lora", lora_rank=8, lora_targets="query_value")
    # 4,194,304 trained parameters: litgpt's table for Llama 2 7B at rank 8
    assert lora.gradients == pytest.approx(4_194_304 * 2 / GIB)
    assert lora.optimizer == pytest.approx(4_194_304 * 12 / GIB)
    assert lora.weights == pytest.approx(2 * PARAMETERS / GIB)


def test_four_bit_weights_keep_embeddings_whole() -> None:
    qlora = memory(1, method="qlora", lora_rank=8)
    assert 0.25 < qlora.weights / (2 * PARAMETERS / GIB) < 0.4


def test_the_total_is_the_sum_and_decides_what_fits() -> None:
    found = run(1, method="lora", lora_rank=8)
    m = found.memory_gib
    assert m is not None
    assert m.total == pytest.approx(m.weights + m.gradients + m.optimizer + m.activations + m.overhead)
    assert found.fits is True
    small = run(1, "t4-16gb", method="lora", lora_rank=8, precision="fp16")
    assert small.fits is False
    assert any("does not fit" in text for text in small.warnings)
