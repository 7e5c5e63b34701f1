"""An estimate's record, its refusals, and what must hold whatever the plan."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.best_layout import TIGHT_FACTOR
from gpuledger.core.estimate.estimate import Estimate, estimate
from gpuledger.core.gpu import gpu, gpus
from gpuledger.core.plan import TrainingPlan, plan_from_mapping, preset_plan, presets
from tests.depth import examples

FIELDS = {
    "plan", "gpu_id", "gpus", "nodes", "parallelism", "parameters", "active_parameters", "model_flops",
    "flops_per_token", "mfu", "hfu", "tokens_per_second", "tokens_per_second_range", "step_seconds", "overhead",
    "wall_hours", "gpu_hours",
    "memory_gib", "host_memory_gib", "fits", "gpu_memory_gib", "data_gb_per_second", "limited_by", "assumptions",
    "warnings", "evidence",
}  # fmt: skip
H100, A100 = "h100-sxm-80gb", "a100-sxm-80gb"
model_names = st.sampled_from(presets())
gpu_ids = st.sampled_from([A100, H100, "b200-sxm-180gb", "l40s-48gb", "rtx-4090-24gb", "mi300x-192gb"])


def test_the_record_has_the_pinned_fields_and_is_ready_for_json() -> None:
    out = json.loads(json.dumps(estimate(preset_plan("llama-2-7b"), gpu(A100), 128).to_dict()))
    assert set(out) == FIELDS
    assert set(out["wall_hours"]) == {"low", "mid", "high"}
    parts = {"weights", "gradients", "optimizer", "activations", "beside", "rollout", "overhead"}
    assert set(out["memory_gib"]) == parts | {"total", "low", "high", "least"}
    assert out["nodes"] == 16


def test_llama_2_7b_takes_about_the_gpu_hours_that_were_published() -> None:
    """184,320 A100 hours, arXiv:2307.09288, table 2."""
    found = estimate(preset_plan("llama-2-7b"), gpu(A100), 1024)
    assert found.gpu_hours.low < 184_320 < found.gpu_hours.high


def test_figures_of_one_record_agree() -> None:
    e = estimate(preset_plan("llama-2-13b"), gpu(H100), 256)
    assert e.tokens_per_second is not None and e.step_seconds is not None and e.model_flops is not None
    assert e.mfu == pytest.approx(e.flops_per_token * e.tokens_per_second / (256 * 989.4e12))  # type: ignore[operator]
    assert e.step_seconds == pytest.approx(4194304 / e.tokens_per_second)
    assert e.gpu_hours.mid == pytest.approx(e.wall_hours.mid * 256)
    assert e.overhead is not None and e.overhead >= 1.03
    assert e.wall_hours.mid == pytest.approx(2.0e12 / e.tokens_per_second / 3600 * e.overhead)


def test_assumed_inputs_are_listed() -> None:
    bare = estimate(TrainingPlan(parameters=6.7e9), gpu(A100), 64)
    assert {"sequence_length", "global_batch_tokens", "training_tokens", "team"} <= {
        a.split(":")[0] for a in bare.assumptions
    }


@pytest.mark.parametrize(
    ("keys", "gpu_id", "part"),
    [
        ({"precision": "fp8"}, A100, "no fp8"),
        ({"precision": "fp4"}, H100, "no fp4"),
        ({"precision": "bf16"}, "v100-sxm-32gb", "no bf16"),
        ({}, "inferentia2-32gb", "inference"),
        ({}, "k80-12gb", "no published rates"),
        ({"hardware": {"mfu": 0.9}}, A100, "0.869"),
        ({"hardware": {"tensor_parallel": 3}}, A100, "does not divide"),
        ({"hardware": {"gpu_hours": 100}, "training_tokens": 2e12}, A100, "above"),
        ({"global_batch_tokens": 1024}, A100, "one sequence"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(keys: dict[str, object], gpu_id: str, part: str) -> None:
    with pytest.raises(InvalidPlanError, match=part):
        estimate(plan_from_mapping({"model": "llama-2-7b", **keys}), gpu(gpu_id), 8)


def test_a_gpu_without_bf16_gets_fp16_where_nothing_was_asked_for() -> None:
    found = estimate(preset_plan("gpt2"), gpu("v100-sxm-32gb"), 8)
    assert any("fp16" in text for text in found.assumptions)


def test_a_stated_utilisation_is_taken_as_it_is() -> None:
    plan = plan_from_mapping({"model": "llama-2-7b", "training_tokens": 2e12, "hardware": {"mfu": 0.4}})
    found = estimate(plan, gpu(A100), 512)
    assert found.mfu == pytest.approx(0.4)
    assert found.gpu_hours.mid == pytest.approx(found.model_flops / (0.4 * 312e12) / 3600)  # type: ignore[operator]


def test_quoted_hours_are_kept_exactly() -> None:
    plan = plan_from_mapping({"name": "q", "hardware": {"gpu_hours": 1234.5}})
    found = estimate(plan, gpu(H100), 8)
    assert (found.gpu_hours.low, found.gpu_hours.mid, found.gpu_hours.high) == (1234.5, 1234.5, 1234.5)
    assert found.wall_hours.mid == 1234.5 / 8
    assert found.parameters is None


def test_a_quoted_range_stays_a_range() -> None:
    found = estimate(plan_from_mapping({"name": "q", "hardware": {"wall_hours": [10, 20]}}), gpu(H100), 8)
    assert (found.gpu_hours.low, found.gpu_hours.mid, found.gpu_hours.high) == (80, 120, 160)


def test_most_accelerators_of_the_seed_can_be_estimated() -> None:
    able = 0
    for known in gpus().values():
        try:
            found = estimate(preset_plan("gpt2"), known, known.gpus_per_node)
        except InvalidPlanError:
            continue
        able += 1
        assert 0 < (found.mfu or 0) < 1, known.gpu_id
    assert able >= 60


@settings(max_examples=examples(40), deadline=None)
@given(name=model_names, gpu_id=gpu_ids, factor=st.floats(1.01, 4.0))
def test_more_bandwidth_is_never_slower(name: str, gpu_id: str, factor: float) -> None:
    known = gpu(gpu_id)
    tuned = preset_plan(name).model_copy(update={"team": "tuned"})
    # who leaves the division to what people do may get a roomier one, which is slower by so much at most
    for plan, most in ((tuned, 1.0001), (preset_plan(name), TIGHT_FACTOR)):
        before = estimate(plan, known, 64).wall_hours.mid
        for rate in ("memory_bytes_per_second", "interconnect_bytes_per_second"):
            faster = dataclasses.replace(known, **{rate: getattr(known, rate) * factor})
            assert estimate(plan, faster, 64).wall_hours.mid <= before * most


@settings(max_examples=examples(40), deadline=None)
@given(parameters=st.floats(1e8, 3e11), tokens=st.floats(1e9, 1e13), factor=st.floats(1.3, 4.0))
def test_more_tokens_and_more_parameters_are_never_cheaper(
    parameters: float, tokens: float, factor: float
) -> None:
    def gpu_hours(n: float, d: float) -> float:
        return estimate(
            TrainingPlan(method="pretrain", parameters=n, training_tokens=d), gpu(H100), 512
        ).gpu_hours.mid

    # below 1.3 a network whose layers and heads divide well may beat a smaller one that divides badly
    base = gpu_hours(parameters, tokens)
    assert gpu_hours(parameters, tokens * factor) > base
    assert gpu_hours(parameters * factor, tokens) > base * 0.999


DIVISION = ("tensor_parallel", "pipeline_parallel", "virtual_pipeline", "sharding", "micro_batch_size")


@settings(max_examples=examples(60), deadline=None)
@given(parameters=st.floats(1e8, 3e11), gpu_id=gpu_ids, doublings=st.integers(0, 11))
def test_twice_the_gpus_are_never_more_than_twice_as_fast(
    parameters: float, gpu_id: str, doublings: int
) -> None:
    """Unless memory was short on the fewer ones, so that they divide or recompute what more of them need not."""
    plan = TrainingPlan(
        method="pretrain", parameters=parameters, training_tokens=1e12, global_batch_tokens=2**22
    )
    few, many = (estimate(plan, gpu(gpu_id), count) for count in (2**doublings, 2 ** (doublings + 1)))
    kept = [name for name in DIVISION if few.parallelism[name] == many.parallelism[name]]
    short = few.parallelism["recomputed_layers_share"] > many.parallelism["recomputed_layers_share"]  # type: ignore[operator]
    if few.fits and len(kept) == len(DIVISION) and not short:
        assert few.wall_hours.mid <= 2 * many.wall_hours.mid * 1.0001


@pytest.mark.parametrize(
    "name", ["llama-2-70b", "mixtral-8x7b", "llama-3-8b-qlora", "gpt2", "bert-large", "t5-11b"]
)
def test_no_rate_exceeds_what_matrix_multiplies_reach(name: str) -> None:
    for gpu_id, ceiling in ((A100, 0.869), (H100, 0.803)):
        found = estimate(preset_plan(name), gpu(gpu_id), 64)
        assert isinstance(found, Estimate)
        assert found.hfu is not None and found.hfu < ceiling
