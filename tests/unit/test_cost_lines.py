"""Properties that hold for every quote: lines sum to totals, the search finds what looking at all would
find."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gpuledger.core.cost.market.side_prices import SidePrices
from tests.depth import examples
from tests.unit.offering import ask, offer, quoted_plan

D = Decimal
prices = st.decimals("0.01", "99.99", places=4).map(str)
shares = st.floats(0.05, 1.0)
money = st.decimals("0", "99999.99", places=2).map(str)

costs = st.fixed_dictionaries(
    {},
    optional={
        "dataset_gb": st.floats(0, 1e5),
        "checkpoint_keep": st.integers(0, 20),
        "failed_run_factor": st.floats(1, 4) | st.tuples(st.floats(1, 2), st.floats(2, 4)).map(list),
        "experiments": st.integers(0, 40),
        "experiment_usd": money,
        "trials": st.integers(0, 20),
        "trial_fraction": shares,
        "early_stop": shares,
        "utilisation": shares,
        "people_usd": money,
        "data_usd": money,
        "label_items": st.integers(0, 10_000),
        "usd_per_label": st.decimals("0", "9.999", places=3).map(str),
        "data_overhead": st.floats(0, 2),
        "safety_usd": money,
        "teacher_usd": money,
        "network_usd": money,
        "storage_usd": money,
        "hosting_usd_per_month": money,
        "hosting_months": st.floats(0, 60),
        "egress_gb": st.floats(0, 1e5),
        "storage_months": st.floats(0, 24),
        "interruption_rate_per_hour": st.floats(0, 0.5),
        "checkpoint_write_minutes": st.floats(0, 30),
        "restart_minutes": st.floats(0, 60),
    },
)
offers = st.builds(
    lambda usd, **terms: offer(usd, **terms),
    prices,
    gpu_count=st.sampled_from([1, 2, 4, 8]),
    provider=st.sampled_from(["runpod", "lambda", "aws"]),
    purchase_option=st.sampled_from(["on_demand", "spot"]),
    billing_increment_seconds=st.sampled_from([None, 1, 60, 3600]),
    minimum_billing_seconds=st.sampled_from([None, 60, 3600]),
    max_gpus=st.sampled_from([None, 8]),
    availability=st.sampled_from(["available", "sold_out"]),
) | st.builds(
    lambda usd, months: offer(usd, purchase_option="reserved", term_months=D(months), gpu_count=8),
    prices,
    st.sampled_from([1, 12, 36]),
)
hours = st.floats(0.01, 3000) | st.tuples(st.floats(1, 10), st.floats(10, 50)).map(list)

AROUND = SidePrices(
    storage=[
        {
            "provider": "aws",
            "region": "global",
            "kind": "object",
            "from_gb": D(0),
            "usd_per_gb_month": D("0.023"),
        }
    ],
    transfer=[
        {
            "provider": "aws",
            "region": "global",
            "direction": "egress",
            "from_gb": D(0),
            "usd_per_gb": D("0.09"),
        }
    ],
)


def distinct(found: list[Any]) -> list[Any]:
    return list({one.price_id: one for one in found}.values())


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(offers, min_size=1, max_size=5), costs, hours, st.integers(1, 8))
def test_the_lines_sum_to_the_total_to_the_cent(found, spent, wall, gpus):
    answer = ask(
        quoted_plan(gpus=gpus, hours=wall, costs=spent, parameters=7e9), distinct(found), around=AROUND
    )
    assert answer.quotes
    for quote in answer.quotes:
        printed = quote.to_dict()
        for case, key in (("low", "usd_low"), ("mid", "usd"), ("high", "usd_high")):
            lines = [D(line[key]) for line in printed["lines"] if line[key] is not None]
            assert sum(lines, D(0)) == D(printed["usd_total"][case])
            assert all(type(line.usd.mid) is D for line in quote.lines if line.usd is not None)
        assert (
            D(printed["usd_total"]["low"])
            <= D(printed["usd_total"]["mid"])
            <= D(printed["usd_total"]["high"])
        )
        assert D(printed["usd_total"]["low"]) >= 0


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(offers, min_size=1, max_size=12), costs, hours, st.integers(1, 3))
def test_the_search_by_bounds_finds_what_looking_at_all_finds(found, spent, wall, limit):
    plan = quoted_plan(gpus=2, hours=wall, costs=spent, parameters=7e9)
    every = ask(plan, distinct(found), around=AROUND, limit=100)
    few = ask(plan, distinct(found), around=AROUND, limit=limit)
    assert [q.quote_id for q in few.quotes] == [q.quote_id for q in every.quotes[:limit]]


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(offers, min_size=1, max_size=8), costs, hours)
def test_a_quoted_run_never_costs_less_than_its_hours_at_the_list_price(found, spent, wall):
    spent = {key: value for key, value in spent.items() if key != "early_stop"}
    answer = ask(quoted_plan(gpus=2, hours=wall, costs=spent), distinct(found), around=AROUND, limit=100)
    for quote in answer.quotes:
        bought = quote.purchase
        least = bought.useful_hours.mid * bought.usd_per_hour
        assert quote.total.mid >= least - D("0.02")
