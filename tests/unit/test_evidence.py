"""Published runs beside an estimate: the nearest are shown, with what they reached and what is computed of them."""

from __future__ import annotations

import json

import pytest

from gpuledger.core import seeds
from gpuledger.core.cost.physics import estimates_of
from gpuledger.core.estimate.evidence import MOST_OF_A_FAMILY, nearest_runs, traits_of
from gpuledger.core.gpu import gpu, gpus
from gpuledger.core.plan import plan_from_mapping


def plan(**keys: object):
    return plan_from_mapping({"method": "pretrain", "training_tokens": 1e9, **keys})


@pytest.mark.parametrize(
    ("keys", "gpu_id", "count", "methods"),
    [
        ({"model": "llama-3-8b", "method": "lora"}, "h100-sxm-80gb", 1, {"lora", "qlora"}),
        ({"model": "llama-2-7b"}, "a100-sxm-80gb", 512, {"pretrain"}),
        ({"model": "deepseek-v3", "precision": "fp8"}, "b200-sxm-180gb", 256, {"pretrain"}),
    ],
)
def test_the_three_nearest_runs_are_of_the_same_kind(
    keys: dict[str, object], gpu_id: str, count: int, methods: set[str]
) -> None:
    found = nearest_runs(plan(**keys), gpu(gpu_id), count)
    rows = {row["run"]: row for row in seeds.rows("published_run")}
    assert len(found) == 3
    assert {rows[one.run]["method"] for one in found} <= methods
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    families = [rows[one.run]["family"] for one in found]
    assert max(families.count(family) for family in families) <= MOST_OF_A_FAMILY
    for one in found:
        assert one.reached == float(rows[one.run]["reached"]) and one.source
        assert 0.2 < one.computed / one.reached < 5


def test_a_published_run_is_nearest_to_itself() -> None:
    row = next(row for row in seeds.rows("published_run") if row["run"] == "qwen-7B-lora-1x-2048-speed")
    found = nearest_runs(
        plan_from_mapping({"method": "pretrain"} | json.loads(row["plan"])), gpus()[row["gpu_id"]], 1
    )
    assert (found[0].run, found[0].distance) == (row["run"], 0)


def test_an_estimate_says_how_far_the_nearest_run_is_unless_told_not_to() -> None:
    asked = plan(model="llama-2-7b", hardware={"gpu": "a100-sxm-80gb", "gpus": 256})
    (shown,), (bare,) = (estimates_of(asked, evidence=shown) for shown in (True, False))
    assert len(shown.evidence) == 3 and any("nearest published run" in text for text in shown.assumptions)
    assert bare.evidence == () and not any("nearest published run" in text for text in bare.assumptions)
    assert shown.wall_hours == bare.wall_hours


def test_every_row_of_the_table_names_a_known_accelerator_a_measure_and_a_source() -> None:
    rows = seeds.rows("published_run")
    assert len(rows) > 400 and len({row["family"] for row in rows}) > 35
    for row in rows:
        assert row["gpu_id"] in gpus() and row["source"] and float(row["reached"]) > 0
        assert row["measure"] in ("gpu_hours", "tokens_per_second")


def test_the_traits_in_the_table_are_those_of_the_plans() -> None:

    for row in seeds.rows("published_run")[::17]:
        traits = traits_of(
            plan_from_mapping({"method": "pretrain"} | json.loads(row["plan"])),
            gpus()[row["gpu_id"]],
            int(row["gpus"]),
        )
        assert (traits.method, traits.kernels, traits.stack) == (row["method"], row["kernels"], row["stack"])
