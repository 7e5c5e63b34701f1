"""What the filters offer to choose from, read once per snapshot."""

from __future__ import annotations

import threading
from typing import Any

from gpuledger.core.store.snapshot_pool import Served
from gpuledger.desk import Desk


class Facets:
    """Accelerators, providers and places of the last snapshot asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = -1
        self._found: dict[str, Any] = {}

    def of(self, desk: Desk, served: Served) -> dict[str, Any]:
        """Names to choose from in this snapshot."""
        number = served.edition.number
        with self._lock:
            if self._number == number:
                return self._found
        gpus = [row for row in desk.listing(served, "gpus") if row["offers"]]
        regions = desk.listing(served, "regions")
        found = {
            "gpus": gpus,
            "providers": [row["provider"] for row in desk.listing(served, "providers")],
            "continents": sorted({row["continent"] for row in regions if row["continent"]}),
            "countries": sorted({row["country"] for row in regions if row["country"]}),
        }
        with self._lock:
            self._number, self._found = number, found
        return found
