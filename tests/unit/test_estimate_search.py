"""Search over hardware, batches of plans, and a user's own measurements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpuledger.core.errors import DoesNotFitError, InvalidPlanError
from gpuledger.core.estimate.estimate import Estimate, estimate
from gpuledger.core.estimate.measurements import (
    Measurement,
    append_measurement,
    measurement_of_text,
    narrowed,
    read_measurements,
)
from gpuledger.core.estimate.search import (
    best,
    estimate_plan,
    frugal,
    hardware_for,
    on_each,
)
from gpuledger.core.estimate.sweep import Candidate, HardwareChoices, in_groups, refusal, sweep
from gpuledger.core.gpu import gpu
from gpuledger.core.parallel import WORTH_A_PROCESS
from gpuledger.core.plan import plan_from_mapping, preset_plan

A100 = "a100-sxm-80gb"
RUN = """
model = "llama-2-7b"
[hardware]
gpu = "a100-sxm-80gb"
gpus = 64
[measured]
tokens_per_second = 230000
"""


def on(counts: tuple[int, ...], *gpu_ids: str) -> HardwareChoices:
    return HardwareChoices(Candidate(gpu=gpu(g), gpus=n, gpus_per_node=8) for g in gpu_ids for n in counts)


@pytest.mark.parametrize("name", ["llama-2-7b", "llama-2-70b", "mixtral-8x7b", "llama-3-8b-full_finetune"])
def test_a_sweep_gives_the_estimate_of_each_choice(name: str) -> None:
    plan, counts = preset_plan(name), (4, 8, 64, 512, 4096)
    chosen = on(counts, A100, "h100-sxm-80gb", "v100-sxm-16gb")
    found = sweep(plan, chosen)
    for position, at in enumerate(chosen.candidates):
        alone = estimate(plan, at.gpu, at.gpus)
        assert found.wall_hours[position] == pytest.approx(alone.wall_hours.mid, rel=1e-12)
        assert bool(found.fits[position]) == alone.fits
        assert found.estimate(position) == alone


def test_a_stated_utilisation_decides_the_hours_of_a_sweep() -> None:
    plan = plan_from_mapping({"model": "llama-2-7b", "training_tokens": 1e11, "hardware": {"mfu": 0.4}})
    found = sweep(plan, on((64,), A100))
    assert found.wall_hours[0] == pytest.approx(estimate(plan, gpu(A100), 64).wall_hours.mid, rel=1e-12)


def test_quoted_hours_are_swept_as_given() -> None:
    plan = plan_from_mapping({"hardware": {"wall_hours": 30}})
    assert sweep(plan, on((8, 16), A100)).wall_hours.tolist() == [30.0, 30.0]


def test_gpus_that_refuse_the_plan_have_no_hours_and_a_reason() -> None:
    plan = plan_from_mapping({"model": "llama-2-7b", "precision": "fp8"})
    assert np.isnan(sweep(plan, on((64,), A100, "h100-sxm-80gb")).wall_hours).tolist() == [True, False]
    assert "no fp8" in str(refusal(plan, gpu(A100)))
    assert refusal(plan, gpu("h100-sxm-80gb")) is None


def test_the_smallest_fit_of_qlora_is_one_consumer_card() -> None:
    (found,) = on_each(preset_plan("llama-2-7b-qlora"), [gpu("rtx-4090-24gb")])
    assert isinstance(found, Estimate) and found.gpus == 1


def test_what_fits_nowhere_says_by_how_much() -> None:
    plan = plan_from_mapping(
        {"parameters": 1e13, "training_tokens": 1e13, "hardware": {"tensor_parallel": 1}}
    )
    (found,) = on_each(plan, [gpu("t4-16gb")])
    assert isinstance(found, DoesNotFitError) and "GiB per GPU at best" in str(found)


def test_the_fastest_choice_is_not_the_one_of_fewest_gpu_hours() -> None:
    plan = preset_plan("llama-2-7b")
    found = sweep(plan, on((8, 64, 512, 4096), A100))
    fastest, frugal = best(found, plan, "fastest"), best(found, plan)
    assert fastest.wall_hours.mid < frugal.wall_hours.mid
    assert frugal.gpu_hours.mid < fastest.gpu_hours.mid


def test_a_deadline_is_met_or_refused_with_the_fastest_time() -> None:
    keys = {"model": "llama-2-7b", "training_tokens": 1e11, "hardware": {"gpu": A100}}
    met = estimate_plan(plan_from_mapping({**keys, "constraints": {"deadline_hours": 100}}))
    assert met.wall_hours.mid <= 100
    with pytest.raises(DoesNotFitError, match="the fastest takes"):
        estimate_plan(plan_from_mapping({**keys, "constraints": {"deadline_hours": 0.01}}))


def test_most_gpus_bounds_the_search() -> None:
    plan = plan_from_mapping({"model": "gpt2", "constraints": {"max_gpus": 4}})
    assert max(c.gpus for c in hardware_for(plan).candidates) == 4


def test_several_processes_give_the_answers_of_one_in_their_order() -> None:
    keys = [
        {"name": f"p{n}", "model": "gpt2", "training_tokens": 1e9 * (n + 1)} for n in range(WORTH_A_PROCESS)
    ]
    plans = [plan_from_mapping(one) for one in keys]
    choices = on((8, 64), A100)
    assert frugal(plans, choices, workers=2) == frugal(plans, choices)


def test_the_frugal_choice_of_many_plans_is_that_of_each() -> None:
    plans = [preset_plan(name) for name in ("gpt2", "llama-3-8b-qlora", "llama-2-7b")]
    choices = on((8, 64, 512), A100, "h100-sxm-80gb")
    for plan, found in zip(plans, frugal(plans, choices), strict=True):
        assert found is not None
        assert found[1] == pytest.approx(best(sweep(plan, choices), plan).gpu_hours.mid)


def test_a_measured_speed_narrows_later_estimates_and_is_cited(tmp_path: Path) -> None:
    kept = tmp_path / "measured.json"
    append_measurement(kept, measurement_of_text(RUN, syntax="toml", measured_at="2026-11-20T12:00:00Z"))
    plan = preset_plan("llama-2-7b")
    before = estimate(plan, gpu(A100), 64)
    after = narrowed(before, plan, read_measurements(kept))
    assert after.tokens_per_second == pytest.approx(230_000, rel=0.01)
    assert after.wall_hours.high / after.wall_hours.low < before.wall_hours.high / before.wall_hours.low
    assert "measured here" in after.assumptions[-1]


def test_a_measurement_speaks_for_its_gpu_method_and_size_only(tmp_path: Path) -> None:
    own = [measurement_of_text(RUN, syntax="toml", measured_at="2026-11-20T12:00:00Z")]
    for name, gpu_id in (("llama-2-7b", "h100-sxm-80gb"), ("llama-2-70b", A100), ("llama-2-7b-lora", A100)):
        plan = preset_plan(name)
        found = estimate(plan, gpu(gpu_id), 64)
        assert narrowed(found, plan, own) == found


def test_a_newer_measurement_of_the_same_run_replaces_the_older(tmp_path: Path) -> None:
    kept = tmp_path / "home" / "measured.json"
    for speed in ("230000", "240000"):
        append_measurement(
            kept,
            measurement_of_text(
                RUN.replace("230000", speed), syntax="toml", measured_at="2026-11-20T12:00:00Z"
            ),
        )
    assert [round(m.tokens_per_second) for m in read_measurements(kept)] == [240_000]


def runs_at(*speeds: float) -> list[Measurement]:
    one = measurement_of_text(RUN, syntax="toml", measured_at="2026-11-20T12:00:00Z")
    return [
        replace(one, run=f"run-{n}", speed_ratio=one.speed_ratio * speed) for n, speed in enumerate(speeds)
    ]


def test_several_runs_of_one_plan_all_count(tmp_path: Path) -> None:
    kept = tmp_path / "measured.json"
    for one in (*runs_at(0.9, 1.1), *runs_at(1.0)):
        append_measurement(kept, one)
    assert [one.run for one in read_measurements(kept)] == ["run-1", "run-0"]


@pytest.mark.parametrize(("speeds", "is_wider"), [((0.98, 1.02), False), ((0.5, 2.0), True)])
def test_runs_that_are_far_apart_leave_a_wide_interval(speeds: tuple[float, ...], is_wider: bool) -> None:
    plan = preset_plan("llama-2-7b")
    computed = estimate(plan, gpu(A100), 64)
    one, several = (narrowed(computed, plan, runs_at(*each)) for each in ((1.0,), speeds))
    assert several.tokens_per_second == pytest.approx(one.tokens_per_second, rel=0.01)
    wide = [each.tokens_per_second_range.high / each.tokens_per_second_range.low for each in (one, several)]
    assert (wide[1] > wide[0] * 1.01) is is_wider
    if is_wider:
        # each of the runs is inside
        assert several.tokens_per_second_range.high >= 2.0 * several.tokens_per_second * 0.99


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("tokens_per_second = 230000", "tokens_per_second = 230", "check the unit"),
        ("tokens_per_second = 230000", "step_seconds = -1", "positive"),
        ("tokens_per_second = 230000", "speed = 3", "tokens_per_second or step_seconds"),
        ('gpu = "a100-sxm-80gb"\n', "", "names its gpu"),
    ],
)
def test_a_measurement_that_cannot_be_is_refused(old: str, new: str, part: str) -> None:
    with pytest.raises(InvalidPlanError, match=part):
        measurement_of_text(RUN.replace(old, new), syntax="toml", measured_at="2026-11-20T12:00:00Z")


def tuning(number: int):
    """Plans of which many, but not all, may be computed as one: other methods, lengths, batches, ranks, divisions."""
    kinds = [
        {"model": "llama-2-7b", "method": "qlora", "lora_rank": 8 << number % 3},
        {"model": "llama-2-7b", "method": "full_finetune", "frozen_layers_share": (number % 4) / 8},
        {"model": "mixtral-8x7b", "method": "pretrain", "evaluation_tokens_share": (number % 3) / 100},
        {"model": "deepseek-v3", "method": "pretrain"},
        {"model": "llama-3-8b", "method": "grpo"},
        {"model": "llama-2-13b", "method": "full_finetune", "hardware": {"offload": ["optimizer"]}},
        {"model": "gpt2", "method": "pretrain", "hardware": {"micro_batch_size": 4, "tensor_parallel": 2}},
    ]
    sizes = {"sequence_length": 1024 * (1 + number % 9), "global_batch_tokens": 65_536.0 * (2 + number % 5)}
    return plan_from_mapping(kinds[number % len(kinds)] | sizes | {"dataset_tokens": 1e8 * (1 + number % 11)})


def test_plans_whose_steps_are_computed_as_one_have_the_hours_that_each_has_alone() -> None:
    plans = [tuning(number) for number in range(84)]
    plans += [plan_from_mapping({"hardware": {"wall_hours": 30}}), preset_plan("llama-2-7b")]
    wrong = plan_from_mapping({"model": "llama-2-7b", "sequence_length": 4096, "global_batch_tokens": 512})
    counts = ((8, 64, 4096), A100, "h100-sxm-80gb", "rtx-4090-24gb", "v100-sxm-16gb")
    shared, groups = on(*counts), list[int]()
    for group in in_groups([*plans, wrong], shared):
        groups.append(len(group))
        for position in group:
            if position == len(plans):
                continue
            joint, alone = sweep(plans[position], shared), sweep(plans[position], on(*counts))
            assert joint.wall_hours.tolist() == pytest.approx(alone.wall_hours.tolist(), rel=0, nan_ok=True)
            assert joint.memory_gib.tolist() == pytest.approx(alone.memory_gib.tolist(), rel=0, nan_ok=True)
            assert joint.fits.tolist() == alone.fits.tolist()
            for place in np.flatnonzero(joint.fits).tolist()[:2]:
                assert joint.estimate(place) == alone.estimate(place)
                assert joint.hours(place) == joint.estimate(place).wall_hours
    assert sum(groups) == len(plans) + 1 and max(groups) > 4
