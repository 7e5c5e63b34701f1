"""What the filters offer to choose from, read once per snapshot."""

from __future__ import annotations

import threading
from typing import Any

from gpuledger.ledger import Ledger


class Facets:
    """Accelerators, providers and places of the last snapshot asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = -1
        self._choices: dict[str, Any] = {}

    def of_snapshot(self, ledger: Ledger) -> dict[str, Any]:
        """Names to choose from in this snapshot."""
        number = ledger.edition.number
        with self._lock:
            if self._number == number:
                return self._choices
        gpus = [row for row in ledger.gpus() if row["offers"]]
        regions = ledger.regions()
        choices = {
            "gpus": gpus,
            "providers": [row["provider"] for row in ledger.providers()],
            "continents": sorted({word for row in regions for word in (row["continent"] or "").split()}),
            "countries": sorted({row["country"] for row in regions if row["country"]}),
        }
        with self._lock:
            self._number, self._choices = number, choices
        return choices
