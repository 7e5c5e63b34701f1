"""Robust least squares beside priors. Needs scipy, a development dependency."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuledger.core import seeds

Array = NDArray[np.float64]
STEPS = 80
DIFFERENCE = 1e-3


@dataclass(frozen=True)
class Prior:
    """What is believed of one constant before the rows speak; spreads are of the logarithm."""

    constant: str
    value: float
    log_spread: float
    upper: float


def priors(group: str) -> list[Prior]:
    """The constants of one group that have a prior, as the table lists them."""
    return [
        Prior(row["constant"], float(row["prior"]), float(row["log_spread"]), float(row["upper"] or "inf"))
        for row in seeds.rows("calibration")
        if row["group"] == group and row["log_spread"]
    ]


def solved(
    names: Sequence[Prior],
    residuals: Callable[[dict[str, Any]], Array],
    *,
    loss_scale: float,
    takes_columns: bool,
) -> dict[str, float]:
    """The constants that minimise `residuals(mapping)` beside their priors.

    Args:
        takes_columns: `residuals` takes a column of values per constant too, and gives a row for each: then
            all slopes are found at once.
    """
    centre = np.log([p.value for p in names])
    spread = np.array([p.log_spread for p in names])
    highest = np.array([min(math.log(p.upper), c + 3.0) for p, c in zip(names, centre, strict=True)])

    def mapping(x: Array) -> dict[str, float]:
        return {p.constant: math.exp(v) for p, v in zip(names, x, strict=True)}

    def all_residuals(x: Array) -> Array:
        return np.concatenate([residuals(mapping(x)), (x - centre) / spread])

    def slopes(x: Array) -> Array:
        moved = np.exp(x + DIFFERENCE * np.eye(len(x)))
        columns = {p.constant: moved[:, [i]] for i, p in enumerate(names)}
        rows = (residuals(columns) - residuals(mapping(x))) / DIFFERENCE
        return np.concatenate([rows.T, np.diag(1.0 / spread)])

    lowest = centre - 3.0
    optimize: Any = importlib.import_module("scipy.optimize")
    found = optimize.least_squares(
        all_residuals,
        np.clip(centre, lowest, highest),
        bounds=(lowest, highest),
        loss="soft_l1",
        f_scale=loss_scale,
        jac=slopes if takes_columns else "2-point",
        diff_step=DIFFERENCE,
        ftol=1e-4,
        max_nfev=STEPS,
    )
    return mapping(found.x)


def weighted_median(values: Array, weights: Array) -> float:
    """The value that half of the weight lies at or below."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2.0)])
