"""Shares of variance against a closed form, and what may come of a project."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from gpuledger.core.cost.amount import Amount
from gpuledger.core.cost.project import Project, _normal, first_order_shares, one_at_a_time, outcomes

Z = 1.2815515655446004


def project(**changes) -> Project:
    keys: dict[str, Any] = dict(  # noqa: C408
        run_usd=100.0,
        useful_hours=Amount(*(Decimal(repr(10 * math.exp(z * 0.4 * Z))) for z in (-1, 0, 1))),
        price_spread=0.3,
        rates=None,
        part_hours=1.0,
        restart_hours=0.2,
        runs=(1.0, 1.0, 1.0),
        more_runs=0.0,
        idle_factor=1.0,
        other_usd=Amount.same(Decimal(0)),
        fixed_usd=0.0,
        credit_usd=0.0,
        calibration=1.0,
    )
    return Project(**(keys | changes))


def test_shares_of_a_product_of_lognormals_agree_with_the_closed_form():
    """First-order index of a product of independent lognormals: (e^(s_i^2) - 1) / (e^(sum of s^2) - 1)."""
    shares = first_order_shares(project().usd, ("speed", "price"))
    whole = math.expm1(0.4**2 + 0.3**2)
    assert shares["speed"] == pytest.approx(math.expm1(0.4**2) / whole, abs=0.02)
    assert shares["price"] == pytest.approx(math.expm1(0.3**2) / whole, abs=0.02)


def test_shares_of_a_sum_agree_with_the_closed_form():
    shares = first_order_shares(lambda at: 3 * at["a"] + 4 * at["b"], ("a", "b"))
    assert shares == {"a": pytest.approx(9 / 25, abs=0.02), "b": pytest.approx(16 / 25, abs=0.02)}


def test_the_normal_variate_of_a_quantile():
    at = np.array([1e-6, 0.01, 0.1, 0.5, 0.9, 0.999])
    expected = [-4.753424, -2.326348, -1.281552, 0.0, 1.281552, 3.090232]
    assert _normal(at) == pytest.approx(expected, abs=1e-5)


def test_the_ends_of_an_input_are_those_of_its_range():
    row = next(row for row in one_at_a_time(project()) if row["input"] == "speed")
    assert (row["usd_low"], row["usd_high"]) == (
        pytest.approx(100 * math.exp(-0.4 * Z), rel=1e-6),
        pytest.approx(100 * math.exp(0.4 * Z), rel=1e-6),
    )


def test_outcomes_of_the_same_seed_are_the_same_and_agree_with_the_lognormal():
    found = outcomes(project(price_spread=0.0), draws=20_000, seed=7, budget_usd=100, deadline_hours=10)
    assert found == outcomes(
        project(price_spread=0.0), draws=20_000, seed=7, budget_usd=100, deadline_hours=10
    )
    assert found["chance_within_budget"] == pytest.approx(0.5, abs=0.02)
    assert found["usd"]["p90"] == pytest.approx(100 * math.exp(0.4 * Z), rel=0.03)
    assert found != outcomes(
        project(price_spread=0.0), draws=20_000, seed=8, budget_usd=100, deadline_hours=10
    )


def test_failed_runs_come_whole_and_interruptions_take_time():
    runs = outcomes(project(runs=(1.0, 1.5, 2.0), price_spread=0.0), draws=20_000)
    assert runs["usd_mean"] > 1.4 * outcomes(project(price_spread=0.0), draws=20_000)["usd_mean"]
    spot = outcomes(project(rates=(0.05, 0.1, 0.2)), draws=20_000)
    assert spot["wall_hours"]["p50"] > outcomes(project(), draws=20_000)["wall_hours"]["p50"]
