"""Write `sql/seeds/interval.csv`: quantiles of published over computed, by class of plan, families left out in turn."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpuledger.core import seeds

if TYPE_CHECKING:
    from tools.calibration.calibrate import Throughput

COVERED = 0.815
"""Of the rows by an interval of 80 percent: a little more, as rows of one family err together."""
FEWEST_ROWS = 20
"""A class of fewer rows is at least as wide as the widest of its kind."""
NARROWEST = 0.04
"""No machine repeats itself better: identical systems of one MLPerf round differ by up to 12 percent."""


def is_counted(rows: Throughput, *, as_said: bool) -> NDArray[np.bool_]:
    """The rows whose errors say something of the class: not those that are only predicted, nor as users say them
    those whose tiny batches no user leaves out.
    """
    left_out = rows.tables == "bloom_sweep"
    if as_said:
        left_out |= np.char.startswith(rows.families, "vTrain") | (rows.families == "nanotron 1B logs speed")
    return ~left_out


def quantiles(ratios: NDArray[np.float64]) -> tuple[float, float]:
    """Logarithms of mid over low and of high over mid that hold the share `COVERED` of published over computed."""
    low, high = np.quantile(np.log(ratios), [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return max(float(-low), NARROWEST), max(float(high), NARROWEST)


RUN_BEYOND_RATE = 0.1
"""By which hours of reinforcement learning are wider than their rate, of which alone there is published evidence."""


def write(levels: Sequence[tuple[Throughput, NDArray[np.float64]]], online: NDArray[np.float64]) -> None:
    """The table, out of predictions with families left out, of plans as stated and as users say them.

    Args:
        online: published over computed rates of reinforcement learning, each source left out.
    """
    ratios: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for level, (rows, held_out) in enumerate(levels):
        classes, counted = rows.classes(), is_counted(rows, as_said=level > 0)
        for i in np.flatnonzero(counted).tolist():
            name = classes[i]
            ratios["hours" if rows.is_run[i] else "rate", str(name)].append(rows.observed[i] / held_out[i])
    ratios["rate", "online"] = online.tolist()
    path = seeds.FOLDER / "interval.csv"
    old = seeds.read_rows(path)
    found = {key: quantiles(np.array(values)) for key, values in ratios.items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(old[0]), lineterminator="\n")
        writer.writeheader()
        for row in old:
            key = (row["quantity"], row["class"])
            count = len(ratios.get(key, ()))
            if count >= FEWEST_ROWS:
                low, high = found[key]
                row = {**row, "rows": str(count), "low_log": f"{low:.3f}", "high_log": f"{high:.3f}"}
            elif key == ("hours", "online"):
                low, high = (side + RUN_BEYOND_RATE for side in reversed(found["rate", "online"]))
                row = {**row, "rows": "0", "low_log": f"{low:.3f}", "high_log": f"{high:.3f}"}
            writer.writerow(row)
