"""From the steady state to a typical whole run: the typical rate, scale, and what was assumed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gpuledger.core.estimate.best_layout import choose, problem, whole_run_factor
from gpuledger.core.estimate.constants import constants
from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from tools.calibration.calibrate import row_of

A100 = "a100-sxm-80gb"


def plan(**keys: object) -> TrainingPlan:
    return plan_from_mapping({"model": "llama-2-7b", "training_tokens": 1e11, **keys})


def factor(gpus: int, hfu: float) -> float:
    layout = choose(problem([row_of(plan(), A100, gpus)]), constants()).layout
    return float(np.ravel(whole_run_factor(hfu, layout, constants()))[0])


def test_a_run_on_one_node_carries_no_overhead_of_scale() -> None:
    """On n nodes 1 - 1/n of it: 8 GPUs make one node, 512 make 64."""
    k = constants()
    assert factor(8, 0.5) == pytest.approx(k.whole_run_overhead * 0.5**k.whole_run_blend)
    assert factor(512, 0.5) / factor(8, 0.5) == pytest.approx(1 + k.scale_overhead * (1 - 1 / 64))


def test_computed_rates_are_drawn_toward_the_typical_one() -> None:
    """A quarter of the computed rate is four times the tuned hours, but fewer times those of a whole run."""
    assert factor(64, 0.6) / factor(64, 0.15) == pytest.approx(4.0 ** constants().whole_run_blend)


def test_hours_below_the_computed_rate_are_warned_about() -> None:
    slow = plan(
        hardware={"tensor_parallel": 8, "micro_batch_size": 1, "sharding": "none"},
        model="gpt2",
        sequence_length=1024,
    )
    found = estimate(slow, gpu(A100), 64)
    assert found.tokens_per_second is not None
    assert found.wall_hours.mid < 1e11 / found.tokens_per_second / 3600
    assert any("published runs sustain" in text for text in found.warnings)


def test_every_input_left_out_is_listed_and_widens_the_interval() -> None:
    given = {
        "sequence_length": 4096,
        "global_batch_tokens": 4194304,
        "activation_recomputation": "none",
        "hardware": {
            "sharding": "zero3",
            "micro_batch_size": 1,
            "stack": "llm-foundry",
            "network_gbit_per_second": 200,
        },
    }
    stated, open_ = estimate(plan(**given), gpu(A100), 64), estimate(plan(), gpu(A100), 64)
    assert stated.assumptions == ()
    names = {text.split(":")[0] for text in open_.assumptions}
    assert names >= {
        "hardware",
        "hardware.stack",
        "hardware.micro_batch_size",
        "hardware.network_gbit_per_second",
        "activation_recomputation",
    }
    k = constants()
    for found in (stated, open_):
        width = math.hypot(k.whole_run_spread, k.assumed_spread * math.sqrt(len(found.assumptions)))
        assert math.log(found.wall_hours.high / found.wall_hours.mid) == pytest.approx(width)


def test_experts_widen_the_interval() -> None:
    keys = {"sequence_length": 4096, "global_batch_tokens": 4194304}
    dense, routed = (
        estimate(plan(model=m, **keys), gpu(A100), 256) for m in ("llama-2-70b", "mixtral-8x22b")
    )
    assert len(dense.assumptions) == len(routed.assumptions)
    assert routed.wall_hours.high / routed.wall_hours.mid > dense.wall_hours.high / dense.wall_hours.mid
