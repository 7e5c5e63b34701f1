"""L01 to L22: what moves the cost of training, first half."""

import math
from decimal import Decimal
from itertools import pairwise

import pytest

from gpuledger.core.cheapest import spread
from gpuledger.core.cost.assumption import WEIGHT_BYTES, weights_gb
from gpuledger.core.cost.cost_lines import STORAGE
from gpuledger.core.cost.decisions.decision import break_even_utilisation, price_for_work
from gpuledger.core.cost.market.own_terms import read_overrides
from gpuledger.core.cost.market.side_prices import SidePrices
from gpuledger.core.estimate.architecture import resolve
from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.estimate.flops import attended_positions, forward_flops
from gpuledger.core.estimate.workload import demand, lora_parameters
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import TrainingPlan, model_rows, plan_from_mapping
from tests.unit.offering import NOW, ask, offer, quoted_plan, total, usd_lines

D = Decimal


def physics_plan(**keys) -> TrainingPlan:
    base = {"method": "pretrain", "model": "llama-2-7b", "training_tokens": 1e9, "sequence_length": 4096}
    return plan_from_mapping(base | keys)


def adapting(method: str, **keys) -> TrainingPlan:
    base = {"method": method, "training_tokens": 1e7, "sequence_length": 512, "global_batch_tokens": 8192}
    return physics_plan(**(base | keys))


def test_L01_cost_is_gpu_hours_times_rate():
    assert (
        total(ask(quoted_plan("a100-pcie-80gb", hours=10), [offer("1.19", gpu_id="a100-pcie-80gb")]))
        == "11.90"
    )


def test_L02_qlora_of_7b_fits_24_gb():
    assert estimate(adapting("qlora", lora_rank=16), gpu("rtx-4090-24gb"), 1).fits


@pytest.mark.parametrize("gpu_id", ["rtx-4090-24gb", "a100-pcie-40gb", "a100-sxm-80gb"])
def test_L02_full_fine_tuning_of_7b_does_not_fit_one_card(gpu_id):
    found = estimate(adapting("full_finetune"), gpu(gpu_id), 1)
    assert found.fits is False
    assert found.memory_gib.total > 80


def test_L02_a_smaller_gpu_wins_where_it_is_enough():
    offers = [offer("0.34", gpu_id="rtx-4090-24gb"), offer("2.69", gpu_id="h100-sxm-80gb")]
    assert ask(adapting("qlora", lora_rank=16), offers).quotes[0].purchase.offer.gpu_id == "rtx-4090-24gb"


def test_L03_one_plan_returns_a_quote_for_each_purchase_option():
    offers = [
        offer("2.69"),
        offer("1.50", purchase_option="spot"),
        offer("2.00", purchase_option="reserved", term_months=D(1)),
    ]
    found = {
        q.purchase.offer.purchase_option: q.to_dict() for q in ask(quoted_plan(hours=500), offers).quotes
    }
    assert set(found) == {"on_demand", "spot", "reserved"}
    assert found["reserved"]["term_months"] == "1"
    assert found["on_demand"]["term_months"] is None


def test_L04_prices_differ_by_region():
    offers = [
        offer(usd, region=region)
        for region, usd in [("eu", "3.00"), ("eu", "2.00"), ("us", "1.00"), ("eu", "7.00")]
    ]
    found = {row.group: row for row in spread(offers, "region", at=NOW)}
    assert list(found) == ["us", "eu"]
    eu = found["eu"]
    assert (eu.min_usd_per_gpu_hour, eu.median_usd_per_gpu_hour, eu.max_usd_per_gpu_hour) == (
        D(2),
        D(3),
        D(7),
    )


KNOWN = [name for name, row in model_rows().items() if row["published_parameters"]]


def test_L05_parameters_follow_from_the_shape_of_known_models():
    assert len(KNOWN) >= 10
    off = {}
    for name in KNOWN:
        found = resolve(plan_from_mapping({"name": name, "model": name}))[0]
        off[name] = abs(found.parameters / float(model_rows()[name]["published_parameters"]) - 1)
    assert sorted(off.values())[9] <= 0.02, off


def test_L06_lora_trains_at_most_2_percent_of_7b():
    plan = adapting("lora", lora_rank=16, lora_targets="all_linear")
    architecture = resolve(plan)[0]
    share = lora_parameters(plan, architecture) / architecture.parameters
    assert 0 < share <= 0.02


def test_L07_tied_embeddings_lower_parameters_and_flops():
    shape = {"layers": 12, "hidden_size": 768, "attention_heads": 12, "vocabulary_size": 50_257}
    tied, apart = (
        resolve(plan_from_mapping({"name": "p", "architecture": shape | {"tied_embeddings": is_tied}}))[0]
        for is_tied in (True, False)
    )
    assert apart.parameters - tied.parameters == pytest.approx(768 * 50_257, rel=0.01)
    assert apart.parameters > tied.parameters


def test_L07_a_gated_feed_forward_net_costs_more_flops_than_a_plain_one():
    shape = {
        "layers": 12,
        "hidden_size": 768,
        "attention_heads": 12,
        "vocabulary_size": 50_257,
        "ffn_hidden_size": 2048,
    }
    gated, plain = (
        plan_from_mapping(
            {"name": "p", "training_tokens": 1e9, "architecture": shape | {"gated_ffn": is_gated}}
        )
        for is_gated in (True, False)
    )
    assert demand(gated).workload.model_flops_per_token > demand(plain).workload.model_flops_per_token


def test_L08_doubled_context_takes_four_times_the_attention_flops_per_sequence():
    architecture = resolve(physics_plan())[0]
    short, long = (forward_flops(architecture, n).attention * n for n in (4096, 8192))
    assert long / short == pytest.approx(4.0)


def test_L08_a_window_of_the_root_of_the_context_takes_2_83_times():
    """n * sqrt(n): each doubling multiplies by 2.83, so two of them by 8."""
    found = []
    for n in (65_536, 262_144):
        keys = {"architecture": {"sliding_window": math.isqrt(n)}}
        architecture = resolve(physics_plan(**keys))[0]
        found.append(attended_positions(architecture, n) * n)
    assert found[1] / found[0] == pytest.approx(2.83**2, rel=0.01)


def test_L09_activations_double_with_the_micro_batch_and_not_with_accumulation():
    def memory(**keys):
        hardware = {"micro_batch_size": 1, "tensor_parallel": 1, "pipeline_parallel": 1} | keys.pop(
            "hardware", {}
        )
        plan = adapting("full_finetune", activation_recomputation="none", hardware=hardware, **keys)
        return estimate(plan, gpu("h100-sxm-80gb"), 8).memory_gib

    one, two = memory(), memory(hardware={"micro_batch_size": 2})
    accumulated = memory(global_batch_tokens=16_384)
    assert two.activations / one.activations == pytest.approx(2.0, rel=0.05)
    assert accumulated.total == pytest.approx(one.total, rel=1e-9)


@pytest.mark.parametrize(
    ("precision", "size", "saved"),
    [
        ("fp32", 4, 0),
        ("bf16", 2, 50),
        ("fp8", 1, 75),
        ("fp4", 0.5, 87.5),
        ("int8", 1, 75),
        ("int4", 0.5, 87.5),
    ],
)
def test_L10_precision_sets_the_bytes_of_a_weight(precision, size, saved):
    assert float(WEIGHT_BYTES[precision]) == size
    assert (1 - weights_gb(10**9, precision) / weights_gb(10**9, "fp32")) * 100 == D(str(saved))


def test_L11_sweeps_multiply_the_cost():
    plan = quoted_plan(hours=100, costs={"trials": 8, "trial_fraction": 0.1})
    found = ask(plan, [offer("1.00")])
    assert usd_lines(found)["hyperparameter_sweep"] == "80.00"
    assert total(found) == "180.00"


def test_L12_early_stopping_cuts_the_hours():
    found = ask(quoted_plan(hours=100, costs={"early_stop": 0.8}), [offer("1.00")])
    assert found.quotes[0].to_dict()["wall_hours"]["mid"] == 80
    assert total(found) == "80.00"


def test_L13_checkpoints_take_space_for_a_time_and_bound_the_lost_work():
    costs = {"checkpoint_keep": 3, "storage_months": 2}
    storage = [
        {
            "provider": "runpod",
            "region": "global",
            "kind": "object",
            "from_gb": D(0),
            "usd_per_gb_month": D("0.05"),
        }
    ]
    found = ask(
        quoted_plan(hours=10, costs=costs, parameters=10e9),
        [offer("1.00")],
        around=SidePrices(storage=storage),
    )
    line = next(line for line in found.lines if line.name == "checkpoint_storage")
    # 10e9 parameters x 14 bytes x 3 checkpoints = 420 GB for 2 months
    assert line.usd.mid == D("42.00")
    assert line.category == STORAGE and "420 GB" in line.basis


def test_L13_resuming_bounds_the_work_lost_to_an_interruption():
    rates = {"interruption_rate_per_hour": 0.05, "restart_minutes": 0, "checkpoint_write_minutes": 0}
    hours = [
        ask(
            quoted_plan(hours=100, costs=rates | {"checkpoint_interval_hours": every}),
            [offer("1", purchase_option="spot")],
        )
        .quotes[0]
        .to_dict()["interruptions"]["expected_hours"]
        for every in (1, 10, 100)
    ]
    assert hours[0] < hours[1] < hours[2]


def test_L14_starting_from_a_base_saves_nine_tenths():
    base = read_overrides("[[discount]]\npercent = 90\n", "a test")
    answer = ask(quoted_plan(hours=1_000), [offer("100.00")], overrides=base)
    assert (total(answer), answer.quotes[0].to_dict()["usd_list_total"]["mid"]) == ("10000.00", "100000.00")


def test_L15_twice_the_gpus_never_halve_the_time():
    plan = physics_plan(global_batch_tokens=4_194_304)
    hours = [estimate(plan, gpu("h100-sxm-80gb"), gpus).wall_hours.mid for gpus in (8, 16, 32, 64, 128)]
    for slow, fast in pairwise(hours):
        assert 1 < slow / fast <= 2.0


def test_L16_egress_is_terabytes_times_the_rate():
    transfer = [
        {
            "provider": "runpod",
            "region": "global",
            "direction": "egress",
            "from_gb": D(0),
            "usd_per_gb": D("0.09"),
        }
    ]
    found = ask(
        quoted_plan(hours=1, costs={"egress_gb": 1000}),
        [offer("1.00")],
        around=SidePrices(transfer=transfer),
    )
    assert usd_lines(found)["egress"] == "90.00"


def test_L16_a_stalled_input_pipeline_idles_the_gpus():
    """A tenth of the time waiting for data is a utilisation of 0.9."""
    found = ask(quoted_plan(hours=90, costs={"utilisation": 0.9}), [offer("1.00")])
    assert usd_lines(found)["idle_time"] == "10.00"


def test_L17_data_has_fixed_costs_labels_and_an_overhead():
    costs = {"data_usd": "1000", "label_items": 5000, "usd_per_label": "0.10", "data_overhead": 0.2}
    answer = ask(quoted_plan(hours=1, costs=costs), [offer("1.00")])
    found = usd_lines(answer)
    assert (found["data"], found["labels"], found["data_overhead"]) == ("1000.00", "500.00", "300.00")
    assert total(answer) == "1801.00"


def test_L18_a_teacher_is_paid_when_asked():
    student = ask(quoted_plan(hours=10), [offer("1.00")])
    both = ask(quoted_plan(hours=10, costs={"teacher_usd": "2500"}), [offer("1.00")])
    assert (total(student), total(both)) == ("10.00", "2510.00")


def test_L19_flops_follow_active_parameters_and_memory_all():
    found = demand(physics_plan(model="mixtral-8x7b")).workload
    assert float(found.active_parameters) < 0.35 * float(found.parameters)
    dense = 6 * float(found.parameters)
    assert float(found.model_flops_per_token) < 0.5 * dense


def test_L20_price_per_work_ranks_otherwise_than_price_per_hour():
    cheap, fast = offer("0.34", gpu_id="rtx-4090-24gb"), offer("1.99", gpu_id="h100-pcie-80gb")
    by_hour = [cheap, fast]
    mfu = {"rtx-4090-24gb": 0.10, "h100-pcie-80gb": 0.45}

    def per_work(found):
        peak = gpu(found.gpu_id).peak_flops_per_second["bf16"]
        return price_for_work(found.usd_per_gpu_hour, peak * mfu[found.gpu_id])

    assert min(by_hour, key=lambda o: o.usd_per_gpu_hour) is cheap
    assert min(by_hour, key=per_work) is fast


def test_L21_a_reservation_pays_from_the_ratio_of_the_rates_on():
    assert break_even_utilisation(D("1.50"), D("2.50")) == D("0.6")


@pytest.mark.parametrize(("hours", "winner"), [(430, "on_demand"), (445, "reserved")])
def test_L21_the_ranking_turns_where_break_even_says(hours, winner):
    """A month of 730 h at 1.50 costs 1,095: 438 h at 2.50."""
    offers = [offer("2.50"), offer("1.50", purchase_option="reserved", term_months=D(1))]
    assert ask(quoted_plan(hours=hours), offers).quotes[0].purchase.offer.purchase_option == winner


def test_L22_a_credit_lowers_what_is_payable_and_not_the_list_cost():
    credit = [{"provider": "runpod", "usd": "50"}]
    found = ask(quoted_plan(hours=100, credit=credit), [offer("1.00")]).quotes[0].to_dict()
    assert (found["usd_total"]["mid"], found["usd_list_total"]["mid"]) == ("50.00", "100.00")
    more = ask(quoted_plan(hours=10, credit=credit), [offer("1.00")]).quotes[0].to_dict()
    assert (more["usd_total"]["mid"], more["usd_list_total"]["mid"]) == ("0.00", "10.00")
