"""What holds for as long as a snapshot does, read once per process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from gpuledger.ledger import Ledger

MOST = 200


class SnapshotCache:
    """Answers of the newest snapshot by name, the least recently used ones dropped first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = -1
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()

    def look_up(self, ledger: Ledger, name: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gave for the ledger's snapshot, made now where nobody asked yet."""
        number = ledger.edition.number
        with self._lock:
            if number > self._number:
                self._answers.clear()
                self._number = number
            if number == self._number and name in self._answers:
                self._answers.move_to_end(name)
                return self._answers[name]
        answer = make()
        with self._lock:
            if number == self._number:
                self._answers[name] = answer
                if len(self._answers) > MOST:
                    self._answers.popitem(last=False)
        return answer
