"""The fit behind the constants: it finds what most rows say, between bounds and beside what is believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tools.calibration.calibrate import LOSS_SCALE
from tools.calibration.solver import Array, Prior, solved, weighted_median

X = np.linspace(1.0, 3.0, 12)
# a spread so wide that the belief says nothing
UNSURE = 100.0


def line(values: dict[str, Any], outlier: float = 0.0) -> Array:
    """Residuals of rows on 2 + 0.5 x, of which one lies far off; of a column per constant, a row each."""
    observed = 2.0 + 0.5 * X
    observed[3] += outlier
    return values["level"] + values["slope"] * X - observed


def priors(*, upper: float = np.inf, slope_spread: float = UNSURE) -> list[Prior]:
    return [Prior("level", 1.0, UNSURE, upper), Prior("slope", 1.0, slope_spread, np.inf)]


@pytest.mark.parametrize("takes_columns", [True, False])
@pytest.mark.parametrize("outlier", [0.0, 0.5, 5.0])
def test_one_row_far_off_hardly_moves_the_line_that_the_others_lie_on(
    outlier: float, takes_columns: bool
) -> None:
    found = solved(priors(), lambda v: line(v, outlier), loss_scale=LOSS_SCALE, takes_columns=takes_columns)
    assert [found["level"], found["slope"]] == pytest.approx([2.0, 0.5], rel=0.03)


def test_a_bound_is_kept_and_the_rest_fitted_beside_it() -> None:
    found = solved(priors(upper=1.5), line, loss_scale=1e6, takes_columns=True)
    assert found["level"] == pytest.approx(1.5)
    assert found["slope"] == pytest.approx(np.sum((0.5 + 0.5 * X) * X) / np.sum(X**2), rel=1e-3)


def test_a_constant_that_the_rows_say_little_of_stays_where_it_was_believed() -> None:
    found = solved(priors(slope_spread=1e-4), line, loss_scale=1e6, takes_columns=True)
    assert found["slope"] == pytest.approx(1.0, rel=1e-3)
    assert found["level"] == pytest.approx(np.mean(2.0 - 0.5 * X), rel=0.02)


@pytest.mark.parametrize(
    ("weights", "median"), [([1, 1, 1], 2.0), ([5, 1, 1], 1.0), ([1, 1, 5], 3.0), ([1, 0, 1], 1.0)]
)
def test_half_of_the_weight_lies_at_or_below_the_median(weights: list[float], median: float) -> None:
    values = [3.0, 1.0, 2.0]
    assert weighted_median(np.array(values), np.array([weights[2], weights[0], weights[1]])) == median
