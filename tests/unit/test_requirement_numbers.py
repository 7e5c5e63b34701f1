"""N01 to N35: the numbers of the founding articles, exact to the cent unless a tolerance is given."""

from decimal import Decimal

import pytest

from gpuledger.core.cost.accounting import EXCLUSIONS, SIX, normalised_weights
from gpuledger.core.cost.assumption import checkpoint_gb, weights_gb
from gpuledger.core.cost.decisions.claim import checked_claims
from gpuledger.core.cost.decisions.decision import (
    BUY_BELOW_CALLS,
    HOSTING_USD_PER_YEAR,
    VENDOR_MODEL_USD,
    BuildOrBuy,
    OwnOrRent,
    api_usd,
    share_off,
)
from gpuledger.core.cost.decisions.size import HOFFMANN, REFIT, Size, same_loss
from gpuledger.core.cost.spot import Interruptions, expected_loss_hours, schedule
from gpuledger.core.gpu import gpu
from tests.unit.offering import ask, march_2026, offer, quoted_plan, total, usd_lines

D = Decimal
MARCH_2026 = march_2026()


def march(gpu_id: str, provider: str = "runpod", purchase_option: str = "on_demand"):
    found = [
        o
        for o in MARCH_2026
        if (o.gpu_id, o.provider, o.purchase_option) == (gpu_id, provider, purchase_option)
    ]
    assert len(found) == 1, f"the March 2026 list has {len(found)} such rows"
    return found[0]


def run(gpu_id: str, usd: str, **keys):
    """Total of a quoted run on one offer at that price per GPU-hour."""
    return total(ask(quoted_plan(gpu_id, **keys), [offer(usd, gpu_id=gpu_id, max_gpus=8)]))


def test_N01_ten_minutes_and_an_hour_on_an_a10g():
    assert run("a10g-24gb", "1.00", hours=1 / 6) == "0.17"
    assert run("a10g-24gb", "1.00", hours=1) == "1.00"


def test_N02_a_vendors_custom_model_anchors_build_or_buy():
    assert (D(2_000_000), D(3_000_000)) == VENDOR_MODEL_USD
    choice = BuildOrBuy(
        build_usd=D(100_000),
        hosting_usd_per_month=D(0),
        own_usd_per_call=D(0),
        api_usd_per_call=D(0),
        api_training_usd=VENDOR_MODEL_USD[0],
        months=D(1),
        calls_per_month=D(1),
    )
    assert choice.to_dict()["decision"] == "build"
    assert choice.break_even_calls_per_month == 0


def test_N03_gpt_3_costs_500_thousand_to_4_6_million_by_hardware():
    peak = gpu("h100-sxm-80gb").peak_flops_per_second["bf16"]
    gpu_hours = 3.15e23 / (peak * 0.40) / 3600
    usd = float(run("h100-sxm-80gb", "2.69", gpus=1024, gpu_hours=gpu_hours))
    assert usd == pytest.approx(595_000, rel=0.01)
    assert 500_000 < usd < 4_600_000


def test_N04_a_mixture_of_1_8t_takes_three_to_five_times_the_hours_on_a100():
    hours = [quoted_plan("a100-sxm-80gb", gpus=25_000, hours=30 * 24 * months) for months in (3, 5)]
    found = [ask(plan, [offer("1", gpu_id="a100-sxm-80gb", max_gpus=8)]) for plan in hours]
    low, high = (float(answer.quotes[0].to_dict()["gpu_hours"]["mid"]) for answer in found)
    h100 = 8_000 * 90 * 24
    assert (low, high) == (54.0e6, 90.0e6)
    assert h100 == 17.28e6
    assert (low / h100, high / h100) == pytest.approx((3.125, 5.208), abs=0.005)


def test_N05_sixteen_a100_for_500_hours():
    answer = ask(quoted_plan("a100-sxm-80gb", gpus=16, hours=500), [offer("2.75", gpu_id="a100-sxm-80gb")])
    assert total(answer) == "22000.00"
    assert answer.quotes[0].to_dict()["gpu_hours"]["mid"] == 8000


@pytest.mark.parametrize(("factor", "usd"), [(2, "44000.00"), (3, "66000.00")])
def test_N06_failed_runs_multiply_the_sixteen_a100(factor, usd):
    assert run("a100-sxm-80gb", "2.75", gpus=16, hours=500, costs={"failed_run_factor": factor}) == usd


SIZES = [  # S2's table: parameters, GPUs low and high, base and total US dollars
    ("20B", 8, 16, 22_000, 50_000, 50_000, 100_000),
    ("70B", 32, 64, 100_000, 250_000, 200_000, 500_000),
    ("120B", 64, 128, 300_000, 800_000, 500_000, 2_000_000),
    ("frontier", 1_000, None, 50_000_000, 200_000_000, 100_000_000, 500_000_000),
]


@pytest.mark.parametrize("row", SIZES, ids=lambda row: row[0])
def test_N07_totals_are_bases_with_failed_runs_and_the_rest(row):
    """Every total of the table is its base times 1.66 to 2.5: the multiplier that a plan may carry."""
    _, gpus, _, base_low, base_high, total_low, total_high = row
    costs = {"failed_run_factor": total_low / base_low}
    plan = quoted_plan("a100-sxm-80gb", gpus=gpus, gpu_hours=base_low / 2.75, costs=costs)
    answer = ask(plan, [offer("2.75", gpu_id="a100-sxm-80gb")])
    assert float(total(answer)) == pytest.approx(total_low, abs=1)
    assert 1.6 < total_low / base_low < 2.5 and 1.9 < total_high / base_high <= 2.5


SHARES = {
    "run": (30, 40),
    "failed": (15, 25),
    "data": (10, 15),
    "storage": (5, 10),
    "people": (20, 30),
    "safety": (5, 10),
}


def middles() -> dict[str, Decimal]:
    return {name: D(low + high) / 2 for name, (low, high) in SHARES.items()}


def test_N08_shares_sum_to_107_5_and_are_scaled_to_100():
    assert sum(middles().values()) == D("107.5")
    scaled = normalised_weights(middles())
    assert sum(scaled.values()) == D("100.0")
    assert scaled["run"] == D("32.6")
    assert len(SIX) == len(SHARES)


def test_N09_a_run_of_22_000_at_40_and_30_percent_of_the_whole():
    at_40, at_30 = (round(D(22_000) / D(share) * 100) for share in (40, 30))
    assert (at_40, at_30) == (55_000, 73_333)
    assert 50_000 <= at_40 <= at_30 <= 100_000


def test_N10_runs_and_failed_runs_are_over_half():
    assert middles()["run"] + middles()["failed"] == 55


def test_N11_a_checkpoint_of_120b_with_adam():
    assert checkpoint_gb(120 * 10**9) == 1680
    assert weights_gb(120 * 10**9, "bf16") == 240


@pytest.mark.parametrize(("off", "usd"), [("0.40", "0.60"), ("0.70", "0.30")])
def test_N12_spot_is_40_to_70_percent_off(off, usd):
    spot = D("1.00") * (1 - D(off))
    assert share_off(D("1.00"), spot) == D(off)
    plan = quoted_plan(hours=1, costs={"interruption_rate_per_hour": 0})
    answer = ask(plan, [offer("1.00"), offer(str(spot), purchase_option="spot")])
    assert total(answer) == usd


def test_N13_hosting_of_100b_defaults():
    assert (D(50_000), D(500_000)) == HOSTING_USD_PER_YEAR


def test_N14_under_ten_million_calls_a_month_buying_is_cheaper():
    assert BUY_BELOW_CALLS == 10_000_000
    at = {
        "build_usd": D(100_000),
        "hosting_usd_per_month": D(500_000) / 12,
        "own_usd_per_call": D(0),
        "api_usd_per_call": D("0.005"),
        "api_training_usd": D(0),
        "months": D(12),
    }
    below = BuildOrBuy(**at, calls_per_month=D(9_000_000))
    above = BuildOrBuy(**at, calls_per_month=D(11_000_000))
    assert below.to_dict()["decision"] == "buy"
    assert above.to_dict()["decision"] == "build"
    assert 9_000_000 < below.break_even_calls_per_month < 11_000_000


def test_N15_a_smaller_model_trained_longer_saves_a_sixth_of_the_lifetime():
    assert pytest.approx(1.0e23, rel=0.001) == 1.7e22 / 0.17
    assert Size.of(13e9, 615e9, 2e12).lifetime_flops == pytest.approx(1.0e23, rel=0.001)
    savings = []
    for law in (HOFFMANN, REFIT):
        tokens = law.optimal_tokens(13e9)
        smaller = same_loss(law.loss(13e9, tokens), 2e12, law)
        assert smaller.parameters < 13e9 and smaller.training_tokens > tokens
        savings.append(Size.of(13e9, tokens, 2e12, law).lifetime_flops - smaller.lifetime_flops)
    assert savings[0] < 1.7e22 < savings[1]


@pytest.mark.parametrize(
    ("usd", "gpu_hours"), [(10_000, 3_636), (100_000, 36_363), (50_000, 18_181), (200_000, 72_727)]
)
def test_N16_budgets_for_small_models_buy_thousands_of_a100_hours(usd, gpu_hours):
    """A range check: at 2.75 an hour, the 1-20B and 7-20B budgets."""
    assert float(run("a100-sxm-80gb", "2.75", gpus=8, gpu_hours=gpu_hours)) == pytest.approx(usd, rel=0.001)


@pytest.mark.parametrize(("hours", "gpu_hours"), [(500, 8_000), (1_000, 16_000)])
def test_N17_20b_trains_500_to_1000_hours_on_16_gpus(hours, gpu_hours):
    answer = ask(quoted_plan("a100-sxm-80gb", gpus=16, hours=hours), [offer("1", gpu_id="a100-sxm-80gb")])
    assert answer.quotes[0].to_dict()["gpu_hours"]["mid"] == gpu_hours


def test_N18_the_cost_of_a_pass_fell_by_42_7_percent():
    assert round(share_off(D("0.398"), D("0.228")) * 100, 1) == D("42.7")
    claim = next(c for c in checked_claims() if c.claim_id == 21)
    assert claim.verdict == "contradicted" and claim.stated == (-28.4, -28.4)


def test_N19_gpt_3_hours_imply_5_505_per_gpu_hour():
    plan = quoted_plan("a100-sxm-80gb", gpus=1024, hours=34 * 24)
    answer = ask(plan, [offer("1", gpu_id="a100-sxm-80gb")])
    assert answer.quotes[0].to_dict()["gpu_hours"]["mid"] == 835_584
    assert round(D(4_600_000) / 835_584, 3) == D("5.505")


def test_N20_gpt_3_hours_at_1_67():
    usd = run("a100-sxm-80gb", "1.67", gpus=1024, hours=34 * 24)
    assert usd == "1395425.28"


def test_N21_64_gpus_for_a_month():
    assert 64 * 730 == 46_720
    assert round(D(300_000) / 46_720, 2) == D("6.42")
    assert D(300_000) / 64 == D("4687.5")


def test_N22_64_cards_are_paid_off_after_3_85_months():
    choice = OwnOrRent(capex_usd=D(300_000), gpus=64, rent_usd_per_gpu_hour=D("1.67"))
    assert choice.rent_usd_per_month == D("78022.40")
    assert round(choice.break_even_months, 2) == D("3.85")


def test_N23_a_whole_project_of_a_million_with_its_shares():
    parts = {
        "hardware": D(300_000),
        "network": D(50_000),
        "dataset": D(100_000),
        "preparation": D(50_000),
        "people": D(500_000),
    }
    assert sum(parts.values()) == 1_000_000
    assert [int(share) for share in normalised_weights(parts).values()] == [30, 5, 10, 5, 50]
    costs = {"network_usd": "50000", "data_usd": "150000", "people_usd": "500000"}
    plan = quoted_plan("a100-sxm-80gb", gpus=64, gpu_hours=300_000, costs=costs)
    assert total(ask(plan, [offer("1", gpu_id="a100-sxm-80gb")])) == "1000000.00"


def test_N24_scenario_1_84_cents_and_30_84_with_experiments():
    plan = quoted_plan("rtx-4090-24gb", hours=6, costs={"interruption_rate_per_hour": 0})
    spot = [march("rtx-4090-24gb", purchase_option="spot")]
    assert total(ask(plan, spot)) == "0.84"
    costs = {"interruption_rate_per_hour": 0, "experiments": 30, "experiment_usd": "1.00"}
    answer = ask(quoted_plan("rtx-4090-24gb", hours=6, costs=costs), spot, budget_usd=D(100))
    assert total(answer) == "30.84"
    assert answer.budget.to_dict() == {
        "passes": True,
        "is_certain": True,
        "high_usd": "30.84",
        "limit_usd": "100",
        "value_usd": "30.84",
        "slack_usd": "69.16",
    }


def test_N25_spot_4090_is_58_8_percent_off():
    on_demand, spot = march("rtx-4090-24gb"), march("rtx-4090-24gb", purchase_option="spot")
    off = share_off(on_demand.usd_per_gpu_hour, spot.usd_per_gpu_hour)
    assert round(off * 100, 1) == D("58.8")
    assert D("0.4") <= off <= D("0.6")


def test_N26_scenario_2_on_one_a100():
    answer = ask(quoted_plan("a100-pcie-80gb", hours=24), [march("a100-pcie-80gb")], budget_usd=D(500))
    assert total(answer) == "28.56"
    assert answer.budget.passes


def test_N27_scenario_3_on_two_h100():
    answer = ask(quoted_plan(gpus=2, gpu_hours=80), [march("h100-sxm-80gb")], budget_usd=D(2000))
    best = answer.quotes[0]
    assert best.purchase.usd_per_hour == D("5.38")
    assert best.to_dict()["wall_hours"]["mid"] == 40
    assert total(answer) == "215.20"
    assert answer.budget.passes


def test_N28_scenario_3_on_four_h100_takes_half_the_time_for_the_same_money():
    best = ask(quoted_plan(gpus=4, gpu_hours=80), [march("h100-sxm-80gb")]).quotes[0]
    assert best.purchase.usd_per_hour == D("10.76")
    assert best.to_dict()["wall_hours"]["mid"] == 20
    assert str(best.total.mid) == "215.20"


def test_N29_ten_hours_on_a_4090_and_on_an_a100():
    assert total(ask(quoted_plan("rtx-4090-24gb", hours=10), [march("rtx-4090-24gb")])) == "3.40"
    assert total(ask(quoted_plan("a100-pcie-80gb", hours=10), [march("a100-pcie-80gb")])) == "11.90"


@pytest.mark.parametrize(
    ("gpu_id", "hours", "usd"),
    [("rtx-4090-24gb", 8, "2.72"), ("a100-pcie-80gb", 6, "7.14"), ("h100-pcie-80gb", 4, "7.96")],
)
def test_N30_a_full_epoch_of_7b_in_table_mode(gpu_id, hours, usd):
    assert total(ask(quoted_plan(gpu_id, hours=hours), [march(gpu_id)])) == usd


HOURS = [  # S4's hour table: GPU, GPUs, hours low and high, US dollars low and high at the March 2026 list
    ("13B", "rtx-4090-24gb", 1, [16, 20], "5.44", "6.80"),
    ("13B", "a100-pcie-80gb", 1, [12, 16], "14.28", "19.04"),
    ("13B", "a100-sxm-80gb", 1, [10, 14], "13.90", "19.46"),
    ("13B", "h100-pcie-80gb", 1, [8, 10], "15.92", "19.90"),
    ("LoRA 7B", "rtx-4090-24gb", 1, [2, 4], "0.68", "1.36"),
    ("LoRA 7B", "a100-pcie-80gb", 1, [1, 2], "1.19", "2.38"),
    ("QLoRA 13B", "rtx-4090-24gb", 1, [4, 8], "1.36", "2.72"),
    ("70B", "a100-sxm-80gb", 2, [30, 50], "83.40", "139.00"),
    ("70B", "h100-sxm-80gb", 2, [20, 30], "107.60", "161.40"),
    ("70B", "a100-sxm-80gb", 4, [15, 25], "83.40", "139.00"),
    ("over 70B", "h100-sxm-80gb", 4, [25, 40], "269.00", "430.40"),
    ("over 70B", "h100-sxm-80gb", 8, [15, 25], "322.80", "538.00"),
]


@pytest.mark.parametrize("row", HOURS, ids=lambda row: f"{row[0]} on {row[2]} {row[1]}")
def test_N31_the_hour_table_in_dollars(row):
    _, gpu_id, gpus, hours, low, high = row
    found = ask(quoted_plan(gpu_id, gpus=gpus, hours=hours), [march(gpu_id)]).quotes[0].to_dict()["usd_total"]
    assert (found["low"], found["high"]) == (low, high)


def test_N32_spot_takes_60_to_67_percent_off_a_gpt_3_epoch():
    off = [share_off(D(on_demand), D(spot)) for on_demand, spot in ((3000, 1000), (5000, 2000))]
    assert [round(share * 100) for share in off] == [67, 60]


def test_N33_a_fine_tuning_api_against_the_cheapest_card():
    api = api_usd(D(500_000), D("0.03"), epochs=D(3))
    assert api == D("45.00")
    assert api / D("0.84") > 50


@pytest.mark.parametrize("usd", ["1.00", "2.00", "5.00", "20.00"])
def test_N34_validation_and_production_budgets_buy_hours_of_a_4090(usd):
    """A range check: 1 to 2 dollars validate, 5 to 20 train, at 0.34 an hour."""
    hours = float(D(usd) / D("0.34"))
    assert total(ask(quoted_plan("rtx-4090-24gb", hours=hours), [march("rtx-4090-24gb")])) == usd


@pytest.mark.parametrize("minutes", [30, 60])
def test_N35_an_interruption_loses_half_the_checkpoint_interval(minutes):
    of = Interruptions(
        rate_per_hour=0.01,
        checkpoint_write_hours=0,
        restart_hours=0,
        checkpoint_interval_hours=minutes / 60,
    )
    at = schedule(100, of)
    assert expected_loss_hours(of.rate_per_hour, at.part_hours) == pytest.approx(minutes / 60 / 2, rel=0.01)


def test_every_line_of_a_scenario_is_named():
    """The seven exclusions and the categories stay whole beside the numbers above."""
    assert len(EXCLUSIONS) == 7
    assert usd_lines(ask(quoted_plan(hours=1), [march("h100-sxm-80gb")]))["people"] is None
