"""From the steady rate to a whole run: hours follow the rate, and what a team loses beside it."""

from __future__ import annotations

import random

import pytest

from gpuledger.core.estimate.best_layout import DOUBLINGS
from gpuledger.core.estimate.constants import constants
from gpuledger.core.estimate.estimate import Estimate, estimate
from gpuledger.core.estimate.interval import spreads
from gpuledger.core.gpu import gpu, gpus
from gpuledger.core.plan import TrainingPlan, plan_from_mapping, preset_plan, presets

A100 = "a100-sxm-80gb"


def plan(**keys: object) -> TrainingPlan:
    return plan_from_mapping({"model": "llama-2-7b", "training_tokens": 1e11, **keys})


def hours_at_the_rate(found: Estimate) -> float:
    assert found.tokens_per_second and found.model_flops and found.flops_per_token
    return found.model_flops / found.flops_per_token / found.tokens_per_second / 3600


@pytest.mark.parametrize(
    ("keys", "gpus_used", "low", "high"),
    [
        ({"hardware": {"stack": "nemo"}}, 8, 1.03, 1.04),
        ({"team": "tuned"}, 64, 1.03, 1.08),
        ({}, 8, 1.12, 1.16),
        ({}, 64, 1.12, 1.3),
        ({"team": "tuned"}, 16_384, 1.15, 1.5),
    ],
)
def test_a_whole_run_takes_its_tokens_at_the_rate_and_what_the_team_loses(
    keys: dict[str, object], gpus_used: int, low: float, high: float
) -> None:
    found = estimate(plan(**keys), gpu("h100-sxm-80gb"), gpus_used)
    assert found.overhead is not None and low <= found.overhead <= high
    assert found.wall_hours.mid == pytest.approx(hours_at_the_rate(found) * found.overhead)


def test_restarts_grow_with_nodes() -> None:
    k = constants()
    few, many = (estimate(plan(team="tuned"), gpu("h100-sxm-80gb"), n).overhead for n in (1024, 8192))
    assert few is not None and many is not None
    assert many - few == pytest.approx(
        k.tuned_overhead
        * (k.failures_per_node_day * 896 * k.hours_per_failure / 24 + k.tuned_scale_overhead * 3 / DOUBLINGS),
        rel=0.01,
    )


def drawn(number: int) -> tuple[TrainingPlan, str, int]:
    """A plan as somebody may write one: any preset, with any of the usual statements about hardware."""
    choose = random.Random(number)
    base = preset_plan(choose.choice(presets()))
    stack = choose.choice(
        [None, "nemo", "transformers", "fsdp", "megatron", "trl", "torchtitan", "deepspeed"]
    )
    hardware = {"stack": stack, "sharding": choose.choice([None, "zero1", "zero3"])}
    update = {
        "training_tokens": 10 ** choose.uniform(7, 13),
        "dataset_tokens": None,
        "epochs": None,
        "sequence_length": choose.choice([512, 2048, 4096, 8192]),
        "global_batch_tokens": None,
        "hardware": base.hardware.model_copy(update=hardware),
        "team": choose.choice([None, "tuned", "typical"]),
    }
    return (
        base.model_copy(update=update),
        choose.choice([A100, "h100-sxm-80gb", "rtx-4090-24gb", "b200-sxm-180gb"]),
        (1 << choose.randrange(11)),
    )


@pytest.mark.parametrize("plans", [300, pytest.param(1000, marks=pytest.mark.deep)])
def test_no_plan_takes_less_than_its_tokens_at_its_rate_and_dollars_follow_both(plans: int) -> None:
    """Hours are never below tokens at the rate; their elasticity in tokens and in the rate is 1 within 3 percent."""
    for number in range(plans):
        of, gpu_id, count = drawn(number)
        found = estimate(of, gpus()[gpu_id], count)
        assert found.wall_hours.low <= found.wall_hours.mid <= found.wall_hours.high
        assert found.wall_hours.mid >= 1.03 * hours_at_the_rate(found) * (1 - 1e-9), of
        if number % 5 == 0:
            longer = estimate(
                of.model_copy(update={"training_tokens": 2 * (of.training_tokens or 0)}),
                gpus()[gpu_id],
                count,
            )
            assert longer.gpu_hours.mid / found.gpu_hours.mid == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize(
    "change",
    [
        {"hardware": {"sharding": "zero3", "stack": "transformers"}},
        {"hardware": {"sharding": "zero3", "network_gbit_per_second": 10}},
        {"hardware": {"tensor_parallel": 8, "pipeline_parallel": 8}},
    ],
)
def test_a_lever_that_changes_the_step_changes_the_hours_by_as_much(change: dict[str, object]) -> None:
    base = plan(model="llama-3-8b", team="typical", hardware={"sharding": "zero3"})
    other = plan(model="llama-3-8b", team="typical", **change)
    before, after = (estimate(p, gpu("h100-sxm-80gb"), 256) for p in (base, other))
    assert before.step_seconds is not None and after.step_seconds is not None
    assert after.wall_hours.mid / before.wall_hours.mid == pytest.approx(
        after.step_seconds / before.step_seconds
    )


def test_the_interval_of_hours_is_skewed_to_the_long_side_where_little_is_said() -> None:
    low, high = spreads()["hours", "pretraining, open"]
    found = estimate(plan(), gpu(A100), 64)
    assert found.wall_hours.high / found.wall_hours.mid > 1
    assert found.wall_hours.mid / found.wall_hours.low > 1
    assert low > 0 and high > 0


def test_a_rate_has_an_interval_of_its_own_around_the_pinned_number() -> None:
    found = estimate(plan(), gpu(A100), 64)
    assert found.tokens_per_second_range is not None
    assert found.tokens_per_second_range.mid == found.tokens_per_second
    assert found.tokens_per_second_range.low < found.tokens_per_second < found.tokens_per_second_range.high
