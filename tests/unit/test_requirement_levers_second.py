"""L23 to L44: what moves the cost of training, second half."""

from decimal import Decimal

import pytest

from gpuledger.core.cost.accounting import EXCLUSIONS, not_included
from gpuledger.core.cost.decisions.budget import FLAGGED, differences, read_actual
from gpuledger.core.cost.decisions.decision import (
    BuildOrBuy,
    OwnOrRent,
)
from gpuledger.core.cost.decisions.size import REFIT, Size, optimal, same_loss
from gpuledger.core.cost.market.own_terms import read_overrides
from gpuledger.core.cost.market.side_prices import SidePrices
from gpuledger.core.errors import NoOfferError
from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping
from gpuledger.core.timing import yearly_decline
from tests.unit.offering import ask, offer, quoted_plan, stale, total, usd_lines

D = Decimal


def test_L23_the_community_tier_can_be_left_out_and_says_how_reliable_it_is():
    offers = [offer("1.00", tier="community", availability="limited"), offer("2.00", tier="secure")]
    both = ask(quoted_plan(hours=1), offers)
    secure = ask(quoted_plan(hours=1), offers, tiers=("secure",))
    assert both.quotes[0].to_dict()["tier"] == "community"
    assert both.quotes[0].to_dict()["availability"] == "limited"
    assert [q.to_dict()["tier"] for q in secure.quotes] == ["secure"]
    assert secure.excluded == {"another tier than asked for": 1}


@pytest.mark.parametrize(("factor", "usd"), [(2, "44000.00"), (2.5, "55000.00"), (3, "66000.00")])
def test_L24_failed_runs_multiply_the_run(factor, usd):
    plan = quoted_plan("a100-sxm-80gb", gpus=16, hours=500, costs={"failed_run_factor": factor})
    assert total(ask(plan, [offer("2.75", gpu_id="a100-sxm-80gb")])) == usd


def test_L24_two_to_three_times_is_a_range_of_the_total():
    plan = quoted_plan("a100-sxm-80gb", gpus=16, hours=500, costs={"failed_run_factor": [2, 3]})
    quotes = ask(plan, [offer("2.75", gpu_id="a100-sxm-80gb")]).quotes
    assert quotes[0].to_dict()["usd_total"] == {"low": "44000.00", "mid": "55000.00", "high": "66000.00"}


def test_L25_idle_time_divides_by_the_utilisation():
    assert total(ask(quoted_plan(hours=90, costs={"utilisation": 0.9}), [offer("1.00")])) == "100.00"


def test_L26_spot_takes_longer_and_its_saving_is_net_of_that():
    costs = {"interruption_rate_per_hour": 0.05, "checkpoint_write_minutes": 5, "restart_minutes": 15}
    found = ask(quoted_plan(hours=100, costs=costs), [offer("2.00"), offer("1.00", purchase_option="spot")])
    spot, on_demand = (q.to_dict() for q in found.quotes)
    assert (spot["purchase_option"], on_demand["purchase_option"]) == ("spot", "on_demand")
    assert spot["wall_hours"]["mid"] > on_demand["wall_hours"]["mid"] == 100
    assert D(spot["usd_total"]["mid"]) > 100
    assert usd_lines(found)["expected_interruptions"] == str(D(spot["usd_total"]["mid"]) - 100)


def test_L27_hosting_over_the_horizon_is_part_of_the_total():
    costs = {"hosting_usd_per_month": "4166.67", "hosting_months": 12}
    found = ask(quoted_plan(hours=10, costs=costs), [offer("1.00")])
    assert usd_lines(found)["hosting"] == "50000.04"
    assert total(found) == "50010.04"


def test_L28_build_or_buy_returns_the_break_even_calls_a_month():
    choice = BuildOrBuy(
        build_usd=D(12_000),
        hosting_usd_per_month=D(4_000),
        own_usd_per_call=D("0.01"),
        api_usd_per_call=D("0.03"),
        api_training_usd=D(0),
        months=D(12),
        calls_per_month=D(250_000),
    )
    # (12,000 / 12 + 4,000) / (0.03 - 0.01)
    assert choice.break_even_calls_per_month == 250_000
    assert choice.build_total_usd == choice.buy_total_usd == D("90000.00")


def test_L29_many_tokens_to_serve_make_the_model_smaller_and_its_training_longer():
    assert Size.of(1e9, 2e10, 1e12).lifetime_flops == 6 * 1e9 * 2e10 + 2 * 1e9 * 1e12
    trained = optimal(1e22)
    served = same_loss(REFIT.loss(trained.parameters, trained.training_tokens), 5e12)
    assert served.parameters < trained.parameters
    assert served.training_tokens > trained.training_tokens
    unsized = Size.of(trained.parameters, trained.training_tokens, 5e12).lifetime_flops
    assert served.lifetime_flops < unsized


def test_L30_broad_accounting_has_all_six_lines():
    rows = ask(quoted_plan(hours=1, costs={"people_usd": "9"}), [offer("1.00")]).to_dict()["accounting"]
    given = {row["category"]: row["usd"] for row in rows}
    assert given == {
        "final run": "1.00",
        "failed runs and experiments": None,
        "data": None,
        "storage and network": None,
        "people": "9.00",
        "safety": None,
        "teacher model": None,
        "hosting": None,
    }
    assert [row["basis"] for row in rows if row["usd"] is None] == ["not given"] * 6
    assert sum(D(row["percent"]) for row in rows if row["percent"]) == 100


def test_L31_500_to_200_thousand_in_two_years_is_36_8_percent_a_year():
    assert round(yearly_decline(D(500_000), D(200_000), D(2)) * 100, 1) == D("36.8")


def test_L32_lines_more_than_a_tenth_over_budget_are_flagged():
    plan = quoted_plan(hours=100, costs={"data_usd": "50", "people_usd": "200"})
    lines = ask(plan, [offer("1.00")]).lines
    paid = read_actual("name,usd\ngpu_time,111.00\ndata,55.00\npeople,150\nstorage,3.50\n", "actual.csv")
    rows = {row.name: row for row in differences(lines, paid)}
    assert {name: row.state for name, row in rows.items() if row.state in FLAGGED} == {
        "gpu_time": "over",
        "storage": "not planned",
    }
    assert rows["data"].state == "ok" and rows["people"].state == "under"
    assert (rows["total"].planned_usd, rows["total"].actual_usd) == (D("350.00"), D("319.50"))


def test_L33_owning_pays_off_after_months_and_later_with_running_costs():
    bare = OwnOrRent(capex_usd=D(300_000), gpus=64, rent_usd_per_gpu_hour=D("1.67"))
    full = OwnOrRent(
        capex_usd=D(300_000), gpus=64, rent_usd_per_gpu_hour=D("1.67"), running_usd_per_month=D(18_022)
    )
    assert round(bare.break_even_months, 2) == D("3.85")
    assert round(full.break_even_months, 2) == D("5.00")


def test_L33_owned_machines_are_quoted_beside_rented_ones():
    own = """
[[owned]]
name = "lab"
gpu = "h100-sxm-80gb"
gpus = 8
capex_usd = 250000
life_months = 48
watts_per_gpu = 1000
usd_per_kwh = 0.10
power_usage_effectiveness = 1.5
"""
    found = ask(
        quoted_plan(gpus=8, hours=100), [offer("2.69", gpu_count=8)], overrides=read_overrides(own, "test")
    )
    best = found.quotes[0]
    assert best.purchase.offer.provider == "owned"
    # 250,000 / 48 months / 8 cards / 730 h + 1 kW x 1.5 x 0.10
    assert best.purchase.offer.usd_per_gpu_hour == D("1.041838")
    assert str(best.total.mid) == "833.47"
    assert best.receipt.overrides == (read_overrides(own, "test").owned[0].line,)


def test_L34_utilisation_and_one_transfer_instead_of_many_are_options():
    transfer = [
        {
            "provider": "runpod",
            "region": "global",
            "direction": "egress",
            "from_gb": D(0),
            "usd_per_gb": D("0.09"),
        },
        {
            "provider": "runpod",
            "region": "global",
            "direction": "egress",
            "from_gb": D(10_240),
            "usd_per_gb": D("0.05"),
        },
    ]
    around = SidePrices(transfer=transfer)
    small, batched = (
        usd_lines(ask(quoted_plan(hours=1, costs={"egress_gb": gb}), [offer("1.00")], around=around))[
            "egress"
        ]
        for gb in (1_000, 20_000)
    )
    assert (small, batched) == ("90.00", "1000.00")
    scaled = ask(quoted_plan(hours=100, costs={"utilisation": 0.5}), [offer("1.00")])
    assert total(scaled) == "200.00"


def test_L35_an_efficiency_of_50_to_80_percent_yields_low_and_high():
    ideal = 40.0
    plan = quoted_plan(hours=[ideal / 0.8, ideal / 0.5])
    usd = ask(plan, [offer("1.00")]).quotes[0].to_dict()["usd_total"]
    assert usd == {"low": "50.00", "mid": "65.00", "high": "80.00"}


def fine_tune(tokens: float, epochs: float = 1.0):
    keys = {"name": "p", "method": "lora", "model": "llama-2-7b", "lora_rank": 16, "sequence_length": 512}
    return plan_from_mapping(keys | {"dataset_tokens": tokens, "epochs": epochs, "global_batch_tokens": 8192})


def hours_of(plan) -> float:
    return estimate(plan, gpu("h100-sxm-80gb"), 1).wall_hours.mid


def test_L36_ten_times_the_data_takes_ten_times_the_hours():
    assert hours_of(fine_tune(1e6)) / hours_of(fine_tune(1e5)) == pytest.approx(10.0, rel=1e-6)


def test_L37_three_epochs_are_three_times_one():
    assert hours_of(fine_tune(1e6, 3)) == pytest.approx(3 * hours_of(fine_tune(1e6)), rel=1e-6)


@pytest.mark.parametrize(("exponent", "factor"), [("0.585", 1.5), ("1.0", 2.0)])
def test_L38_twice_the_model_takes_1_5_to_2_times_the_hours_of_a_table(exponent, factor):
    hours = 8 * 2 ** float(exponent)
    once, twice = (ask(quoted_plan(hours=h), [offer("1.00")]) for h in (8, hours))
    assert float(twice.mid) == pytest.approx(float(once.mid) * factor, rel=0.001)


@pytest.mark.parametrize(
    ("budget", "deadline", "passes", "slack_usd", "slack_hours"),
    [("300", 50.0, True, "84.8", "10"), ("200", 30.0, False, "-15.2", "-10")],
)
def test_L39_budget_and_deadline_pass_or_fail_with_slack(budget, deadline, passes, slack_usd, slack_hours):
    plan = quoted_plan(gpus=2, gpu_hours=80)
    found = ask(plan, [offer("2.69", max_gpus=8)], budget_usd=D(budget), deadline_hours=deadline)
    assert (found.budget.passes, found.budget.to_dict()["slack_usd"]) == (passes, slack_usd)
    assert (found.deadline.passes, found.deadline.to_dict()["slack_hours"]) == (passes, slack_hours)


def test_L40_the_seven_exclusions_are_listed_until_an_amount_is_given():
    found = ask(quoted_plan(hours=1), [offer("1.00")])
    assert found.to_dict()["not_included"] == [name for name, _ in EXCLUSIONS]
    assert len(EXCLUSIONS) == 7
    given = quoted_plan(hours=1, costs={"people_usd": "1", "hosting_usd_per_month": "5", "hosting_months": 1})
    assert set(not_included(found.costs)) - set(not_included(given.costs)) == {
        "development and operation",
        "deployment",
    }


def test_L41_every_computed_estimate_has_a_low_a_mid_and_a_high():
    usd = ask(fine_tune(1e8), [offer("2.69"), offer("1.19", gpu_id="a100-pcie-80gb")])
    assert len(usd.quotes) == 2
    for found in usd.quotes:
        assert found.total.low < found.total.mid < found.total.high


def test_L42_what_is_sold_out_is_not_first():
    offers = [offer("1.00", availability="sold_out"), offer("2.00"), stale(offer("1.50"))]
    assert [q.price_state for q in ask(quoted_plan(hours=1), offers).quotes] == ["fresh", "stale", "sold_out"]


def test_L43_storage_is_months_times_terabytes_times_the_rate():
    storage = [
        {
            "provider": "runpod",
            "region": "global",
            "kind": "object",
            "from_gb": D(0),
            "usd_per_gb_month": D("0.023"),
        }
    ]
    costs = {"dataset_gb": 100_000, "storage_months": 12}
    found = ask(quoted_plan(hours=1, costs=costs), [offer("1.00")], around=SidePrices(storage=storage))
    assert usd_lines(found)["dataset_storage"] == "27600.00"


def test_L44_an_fp8_plan_on_a100_is_rejected_with_a_reason():
    plan = plan_from_mapping(
        {
            "name": "p",
            "model": "llama-2-7b",
            "training_tokens": 1e9,
            "sequence_length": 4096,
            "precision": "fp8",
        }
    )
    with pytest.raises(NoOfferError, match="no fp8 on this GPU"):
        ask(plan, [offer("1.39", gpu_id="a100-sxm-80gb", gpu_count=8)])
    found = ask(plan, [offer("1.39", gpu_id="a100-sxm-80gb", gpu_count=8), offer("2.69", gpu_count=8)])
    assert found.excluded == {"no fp8 on this GPU": 1}
    assert found.quotes[0].purchase.offer.gpu_id == "h100-sxm-80gb"
