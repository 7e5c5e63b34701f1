"""Sizes for a budget, and the arithmetic of decisions."""

from decimal import Decimal

import pytest

from gpuledger.core.cost.decisions.budget import read_actual
from gpuledger.core.cost.decisions.decision import BuildOrBuy, OwnOrRent, break_even_utilisation
from gpuledger.core.cost.decisions.size import (
    HOFFMANN,
    REFIT,
    affordable,
    lifetime_optimal,
    optimal,
    same_loss,
)
from gpuledger.core.errors import UsageError
from tests.unit.offering import ask, offer

D = Decimal


def test_the_optimum_spends_all_flops_and_no_neighbour_is_better():
    for law in (REFIT, HOFFMANN):
        best = optimal(1e22, law)
        assert best.training_flops == pytest.approx(1e22)
        for factor in (0.8, 1.25):
            tokens = 1e22 / 6 / (best.parameters * factor)
            assert law.loss(best.parameters * factor, tokens) > best.loss


def test_the_refit_says_about_20_tokens_per_parameter():
    best = optimal(5.76e23)
    assert best.training_tokens / best.parameters == pytest.approx(20, rel=0.15)


def test_without_tokens_to_serve_the_lifetime_optimum_is_the_training_optimum():
    assert lifetime_optimal(1e22, 0.0).parameters == pytest.approx(optimal(1e22).parameters, rel=1e-3)


def test_a_budget_that_serves_too_buys_a_smaller_model():
    assert lifetime_optimal(1e23, 5e12).parameters < optimal(1e23).parameters
    assert lifetime_optimal(1e23, 5e12).lifetime_flops == pytest.approx(1e23)


def test_a_loss_below_that_of_the_text_is_refused():
    with pytest.raises(ValueError, match="cannot be reached"):
        same_loss(1.0, 0.0)


def test_the_size_for_a_budget_costs_the_budget():
    offers = [offer("2.00", gpu_count=8), offer("1.20", gpu_count=8, gpu_id="a100-sxm-80gb")]
    found = affordable(D(20_000), 0.0, lambda plan: ask(plan, offers, limit=1))
    assert 19_800 < found.spent_usd <= 20_000
    assert 1e9 < found.size.parameters < 1e11
    more = affordable(D(80_000), 0.0, lambda plan: ask(plan, offers, limit=1))
    assert more.size.parameters > found.size.parameters


def test_serving_takes_its_part_of_the_budget():
    offers = [offer("2.00", gpu_count=8)]
    found = affordable(D(20_000), 1e12, lambda plan: ask(plan, offers, limit=1))
    assert float(found.training_usd + found.inference_usd) == pytest.approx(20_000, rel=0.02)
    assert found.inference_usd > 0


def test_building_that_saves_nothing_per_call_never_pays():
    choice = BuildOrBuy(
        build_usd=D(1),
        hosting_usd_per_month=D(1),
        own_usd_per_call=D("0.02"),
        api_usd_per_call=D("0.01"),
        api_training_usd=D(0),
        months=D(1),
        calls_per_month=D(1000),
    )
    assert choice.break_even_calls_per_month is None
    assert choice.to_dict()["decision"] == "buy"


def test_owning_that_runs_dearer_than_rent_never_pays():
    choice = OwnOrRent(capex_usd=D(1), gpus=1, rent_usd_per_gpu_hour=D(1), running_usd_per_month=D(800))
    assert choice.break_even_months is None and choice.to_dict()["decision"] == "rent"


def test_an_on_demand_price_of_zero_has_no_break_even():
    with pytest.raises(UsageError, match="above 0, got 0"):
        break_even_utilisation(D(1), D(0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 'name' is missing"),
        ("name,amount\nx,1\n", "column 'usd' is missing"),
        ("name,usd\nx,abc\n", "actual.csv line 2: usd: 'abc' is no amount"),
        ("name,usd\n", "no line in it"),
    ],
)
def test_a_wrong_list_of_payments_names_line_and_value(text, message):
    with pytest.raises(UsageError, match=message):
        read_actual(text, "actual.csv")


def test_payments_of_one_name_add_up():
    assert read_actual("Name,USD\ndata,1.10\ndata,2.20\n", "actual.csv") == {"data": D("3.30")}
