"""Robust least squares: Levenberg and Marquardt's steps on residuals whose outliers count linearly.

The loss of a residual r is 2 (sqrt(1 + (r/s)^2) - 1) s^2, close to r^2 for small ones and to 2 s |r| for large
ones; its steps are those of least squares with the weights 1 / sqrt(1 + (r/s)^2) (Marquardt, SIAM Journal on
Applied Mathematics 11, 1963; Triggs et al., "Bundle adjustment", 2000, section 4.3).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DIFFERENCE = 1e-3
TRIES = 8
ENOUGH = 1e-5


def minimised(
    residuals: Callable[[Array], Array],
    start: Array,
    lowest: Array,
    highest: Array,
    *,
    scale: float,
    steps: int,
) -> Array:
    """The point between the bounds, near `start`, of the least robust loss."""
    point = np.clip(start, lowest, highest)
    found = residuals(point)
    cost, damping = _loss(found, scale), 1e-2
    for _ in range(steps):
        jacobian = _jacobian(residuals, point, found)
        weights = 1.0 / np.sqrt(1.0 + (found / scale) ** 2)
        gradient = jacobian.T @ (weights * found)
        curvature = (jacobian * weights[:, None]).T @ jacobian
        # what lies on a bound and would leave it stays there
        free = ~(((point <= lowest) & (gradient > 0)) | ((point >= highest) & (gradient < 0)))
        before = cost
        for _ in range(TRIES):
            step = _step(curvature, gradient, free, damping)
            candidate = np.clip(point + step, lowest, highest)
            at_candidate = residuals(candidate)
            if _loss(at_candidate, scale) < cost:
                point, found, cost = candidate, at_candidate, _loss(at_candidate, scale)
                damping = max(damping / 4.0, 1e-6)
                break
            damping *= 4.0
        if before - cost <= ENOUGH * before:
            break
    return point


def _loss(found: Array, scale: float) -> float:
    return float(2.0 * scale**2 * (np.sqrt(1.0 + (found / scale) ** 2) - 1.0).sum())


def _jacobian(residuals: Callable[[Array], Array], point: Array, found: Array) -> Array:
    columns = list[Array]()
    for i in range(len(point)):
        moved = point.copy()
        moved[i] += DIFFERENCE
        columns.append((residuals(moved) - found) / DIFFERENCE)
    return np.stack(columns, axis=1)


def _step(curvature: Array, gradient: Array, free: NDArray[np.bool_], damping: float) -> Array:
    step = np.zeros(len(gradient))
    inner = curvature[np.ix_(free, free)]
    damped = inner + damping * np.diag(np.diag(inner) + 1e-9)
    step[free] = np.clip(-np.linalg.solve(damped, gradient[free]), -1.0, 1.0)
    return step
