"""Tables of many cases, of which the default suite runs some."""

from collections.abc import Iterable
from typing import Any

import pytest


def first_quick(cases: Iterable[Any], quick: int = 1) -> list[Any]:
    """All cases; those after the first few belong to `make faults` alone."""
    return [
        case if place < quick else pytest.param(case, marks=pytest.mark.faults)
        for place, case in enumerate(cases)
    ]
