"""Counts as people write them: `20M`, `1.4T`, `2e12`, `1_000_000`, `1,000,000`."""

from __future__ import annotations

import re

SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_COUNT = re.compile(r"^(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(?P<scale>[kmbt]?)$")
_THREES = re.compile(r"^\d{1,3}(,\d{3})+(\.\d+)?")


def count_from(text: str) -> float:
    """The number that a text means; k, M, B and T are thousands, millions, billions and trillions in any case.

    Raises:
        ValueError: anything else, among it `1,4T`, which may be 1.4 or 14.
    """
    lowered = text.strip().lower().replace("_", "")
    if _THREES.match(lowered):
        lowered = lowered.replace(",", "")
    found = _COUNT.match(lowered)
    if found is None:
        raise ValueError(f"not a count: {text!r}")
    return float(found["number"]) * SCALES[found["scale"]]
