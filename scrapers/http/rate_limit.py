"""How long one waits before asking the same host again."""

from __future__ import annotations

import threading
import time


class Politeness:
    """Keeps a minimum time between two requests to one host, over all threads. Hosts are the sources' own,
    so that many sources behind one mirror do not wait for each other."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._next_at: dict[str, float] = {}

    def wait(self, host: str, seconds: float) -> None:
        with self._guard:
            now = time.monotonic()
            start_at = max(now, self._next_at.get(host, now))
            self._next_at[host] = start_at + seconds
        time.sleep(max(0.0, start_at - now))
