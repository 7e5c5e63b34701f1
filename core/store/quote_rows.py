"""The offers that a quote may choose from as columns, ranked by the least that a plan can come to on each.

The same order as sql/queries/quote_floor.sql gives, without reading sixty thousand rows for each ranking.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.store import sql
from gpuledger.core.validity import STATES


@dataclass(frozen=True, kw_only=True)
class ShapeNeeds:
    """The least that a plan needs of each shape that it runs on, as columns."""

    key: NDArray[np.uint64]
    """Of the shape in the snapshot; each has an offer that may be quoted."""
    misses_deadline: NDArray[np.bool_]
    hours: NDArray[np.float64]
    """Least paid hours of one price unit."""
    units: NDArray[np.float64]
    factor: NDArray[np.float64]
    """On the list price."""
    contracted: NDArray[np.float64]
    """US dollars per GPU-hour instead of the list price; not a number without."""


class RankedRows(NamedTuple):
    """Offers of one class by the lower bound of their total."""

    misses_deadline: bool
    state_class: int
    row_no: NDArray[np.int64]
    floor_usd: NDArray[np.float64]


class QuotableRows:
    """What the lower bounds of a snapshot's offers are computed of, read once for all rankings of a question."""

    def __init__(self, connection: Any) -> None:
        read = connection.execute(sql.text("queries/quote_row")).fetchnumpy()
        self._row_no: NDArray[np.int64] = np.asarray(read["row_no"], np.int64)
        shapes = np.unique(np.asarray(read["shape_key"], np.uint64), return_inverse=True)
        self._keys: NDArray[np.uint64] = shapes[0]
        self._shape: NDArray[np.intp] = shapes[1]
        self._state: NDArray[np.intp] = np.asarray(read["state_class"], np.intp)
        self._gpu_count, self._usd_per_hour, self._term_hours = (
            np.asarray(read[name], float) for name in ("gpu_count", "usd_per_hour", "term_hours")
        )

    def ranked(self, needs: ShapeNeeds, states: Collection[int]) -> Iterator[RankedRows]:
        """The offers of those shapes and states, class by class, the best first; of equal bounds in no order."""
        needed = np.full(len(self._keys), -1, np.intp)
        needed[np.searchsorted(self._keys, needs.key)] = np.arange(len(needs.key))
        is_asked = np.zeros(len(STATES), bool)
        is_asked[list(states)] = True
        place = needed[self._shape]
        at = np.flatnonzero((place >= 0) & is_asked[self._state])
        shape = place[at]
        contracted = needs.contracted[shape] * self._gpu_count[at]
        price = np.where(np.isnan(contracted), self._usd_per_hour[at] * needs.factor[shape], contracted)
        floor = price * np.maximum(needs.hours[shape], self._term_hours[at] * needs.units[shape])
        ranks = needs.misses_deadline[shape] * len(is_asked) + self._state[at]
        for rank in np.unique(ranks).tolist():
            same = np.flatnonzero(ranks == rank)
            same = same[np.argsort(floor[same])]
            misses, state = divmod(rank, len(is_asked))
            yield RankedRows(bool(misses), state, self._row_no[at[same]], floor[same])
