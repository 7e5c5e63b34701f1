"""The minimiser behind the constants: it finds what most rows say, between bounds."""

from __future__ import annotations

import numpy as np
import pytest

from core.estimate.robust import minimised

X = np.arange(10.0)
WIDE = np.array([-10.0, -10.0])


def line(outlier: float) -> np.ndarray:
    y = 2.0 + 0.5 * X
    y[3] += outlier
    return y


@pytest.mark.parametrize("outlier", [0.0, 5.0, 500.0])
def test_one_row_far_off_hardly_moves_the_line_that_the_others_lie_on(outlier: float) -> None:
    y = line(outlier)
    found = minimised(lambda p: p[0] + p[1] * X - y, np.array([0.0, 0.0]), WIDE, -WIDE, scale=0.01, steps=100)
    assert found == pytest.approx([2.0, 0.5], abs=0.02)


def test_a_bound_is_kept_and_the_rest_fitted_beside_it() -> None:
    y = line(0.0)
    found = minimised(
        lambda p: p[0] + p[1] * X - y,
        np.array([0.0, 0.0]),
        WIDE,
        np.array([1.0, 10.0]),
        scale=10.0,
        steps=100,
    )
    assert found[0] == pytest.approx(1.0)
    assert found[1] == pytest.approx(np.sum((1.0 + 0.5 * X) * X) / np.sum(X**2), rel=1e-3)
