"""A plan is read strictly: what it says is kept, what it cannot mean is refused with the value seen."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.offer import PurchaseOption
from gpuledger.core.plan import TrainingPlan, plan_from_mapping, preset_plan, presets, read_plan
from gpuledger.core.plan_sections import PurchaseOptionName as PlannedOption

WHOLE_PLAN = """
name = "llama-2-7b"
method = "pretrain"
model = "llama-2-7b"
training_tokens = 2.0e12
sequence_length = 4096
global_batch_tokens = 4194304
precision = "bf16"
optimizer = "adamw"
activation_recomputation = "auto"

[architecture]
layers = 32
hidden_size = 4096
attention_heads = 32
kv_heads = 32
ffn_hidden_size = 11008
vocabulary_size = 32000
gated_ffn = true
tied_embeddings = false

[hardware]
gpu = "a100-sxm-80gb"
gpus = 1024
gpus_per_node = 8
micro_batch_size = 2
tensor_parallel = 2
pipeline_parallel = 1
context_parallel = 1
expert_parallel = 1
sharding = "zero1"
mfu = 0.4

[constraints]
deadline_hours = 500
budget_usd = 400000
max_gpus = 2048
regions = ["us-east-1"]
providers = ["lambda"]
tiers = ["secure"]
purchase_options = ["on_demand", "spot"]

[costs]
dataset_gb = 5000
checkpoint_keep = 3
checkpoint_interval_hours = 2.0
failed_run_factor = 1.2
experiments = 4
utilisation = 0.9
people_usd = 10000.50
data_usd = 0
label_items = 5000
usd_per_label = 0.10
data_overhead = 0.2
hosting_usd_per_month = 99
hosting_months = 12
inference_tokens = 1e12
"""


def test_every_documented_key_is_read() -> None:
    plan = read_plan(WHOLE_PLAN, syntax="toml")
    assert plan.architecture.ffn_hidden_size == 11008
    assert plan.hardware.sharding == "zero1"
    assert plan.constraints.purchase_options == ("on_demand", "spot")
    assert plan.costs.people_usd == Decimal("10000.5")
    assert plan.costs.trials is None


def test_the_same_keys_are_read_from_json() -> None:
    plan = read_plan('{"model": "llama-2-7b", "hardware": {"gpus": 8}}', syntax="json")
    assert plan.hardware.gpus == 8


@pytest.mark.parametrize(
    ("text", "field", "part"),
    [
        ("x = 1", "x", "unknown key"),
        ("modle = 'llama-2-7b'", "modle", "did you mean model"),
        ("parameters = 7e9\n[hardware]\ngps = 8", "hardware.gps", "did you mean gpus"),
        ("model = 'llama-2-7'", "model", "llama-2-7b"),
        ("method = 'finetune'", "method", "'finetune'"),
        ("parameters = -7e9", "parameters", "-7000000000.0"),
        ("parameters = nan", "parameters", "nan"),
        ("parameters = true", "parameters", "True"),
        ("parameters = '7 zillion'", "parameters", "'7 zillion'"),
        ("parameters = 7e9\nsequence_length = 0", "sequence_length", "got 0"),
        ("parameters = 7e9\n[hardware]\nmfu = 1.5", "hardware.mfu", "1.5"),
        ("parameters = 7e9\n[hardware]\ngpus = 2.5", "hardware.gpus", "2.5"),
        ("parameters = 7e9\n[hardware]\ngpu_hours = [5, 1]", "hardware.gpu_hours", "not in order"),
        ("parameters = 7e9\n[costs]\nutilisation = 0", "costs.utilisation", "got 0"),
        ("parameters = 7e9\nlora_rank = 8", "plan", "no meaning"),
        ("parameters = 7e9\nepochs = 2", "plan", "dataset_tokens"),
        ("parameters = 7e9\ntraining_tokens = 1e9\ndataset_tokens = 1e9\nepochs = 3", "plan", "3e+09"),
        (
            "[architecture]\nlayers = 2\nhidden_size = 64\nattention_heads = 8\nkv_heads = 3",
            "architecture",
            "kv_heads 3",
        ),
        ("name = 'nothing'", "model", "nothing says what is trained"),
        ("= =", "syntax", "not toml"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_key_and_the_value_seen(text: str, field: str, part: str) -> None:
    with pytest.raises(InvalidPlanError) as caught:
        read_plan(text, syntax="toml")
    assert caught.value.field == field
    assert part in str(caught.value)


def test_a_plan_may_ask_for_every_way_of_buying_that_an_offer_has() -> None:
    assert set(get_args(PlannedOption)) == set(PurchaseOption)
    plan = preset_plan(presets()[0]).model_dump(mode="json", exclude_unset=True)
    asked = plan_from_mapping({**plan, "constraints": {"purchase_options": ["capacity_block"]}})
    assert asked.constraints.purchase_options == ("capacity_block",)


def test_a_list_is_no_plan() -> None:
    with pytest.raises(InvalidPlanError, match="list"):
        read_plan("[1]", syntax="json")


def test_a_plan_cannot_be_changed() -> None:
    plan = preset_plan("llama-2-7b")
    with pytest.raises(ValueError, match="frozen"):
        plan.name = "other"  # type: ignore[misc]


def test_quoted_hours_are_one_number_a_pair_or_a_table() -> None:
    one = plan_from_mapping({"name": "q", "hardware": {"gpu_hours": 100}}).hardware.gpu_hours
    pair = plan_from_mapping({"name": "q", "hardware": {"wall_hours": [10, 20]}}).hardware.wall_hours
    table = plan_from_mapping({"name": "q", "hardware": {"wall_hours": {"low": 1, "mid": 2, "high": 4}}})
    assert one is not None and (one.low, one.mid, one.high) == (100, 100, 100)
    assert pair is not None and (pair.low, pair.mid, pair.high) == (10, 15, 20)
    assert table.hardware.wall_hours is not None and table.hardware.wall_hours.mid == 2


def test_tokens_are_the_data_set_times_its_epochs() -> None:
    plan = TrainingPlan(parameters=7e9, dataset_tokens=5e7, epochs=3)
    assert plan.total_tokens == 1.5e8


def test_presets_are_many_and_each_gives_a_plan() -> None:
    names = presets()
    assert len(names) > 100
    for name in names:
        assert preset_plan(name).name == name


def test_an_unknown_preset_suggests_the_nearest() -> None:
    with pytest.raises(InvalidPlanError, match="llama-3-8b-lora"):
        preset_plan("llama-3-8b-lroa")
