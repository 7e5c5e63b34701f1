"""The same work on thousands of items, several processes at once."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

SLICES_PER_WORKER = 8
WORTH_A_PROCESS = 50
"""Items below which starting processes takes longer than it saves."""


def in_processes(work: Callable[[Item], Result], items: Sequence[Item], workers: int = 1) -> Iterator[Result]:
    """`work` of each item, in order.

    Processes are forked: what `work` holds is shared with them and not sent, so it may be large; items and
    results are sent. Where other threads run, as in a server, nothing is forked: a lock that one of them holds stays
    locked in the new process for ever.
    """
    if workers == 1 or len(items) < WORTH_A_PROCESS or threading.active_count() > 1:
        yield from map(work, items)
        return
    size = -(-len(items) // (workers * SLICES_PER_WORKER))
    slices = [items[start : start + size] for start in range(0, len(items), size)]
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, initializer=_adopt, initargs=(work,)) as pool:
        for part in pool.map(_do, slices):
            yield from part


# the work of a worker process, set once when the process starts
_adopted: list[Callable[[Any], Any]] = []


def _adopt(work: Callable[[Any], Any]) -> None:
    _adopted[:] = [work]


def _do(items: Sequence[Any]) -> list[Any]:
    return [_adopted[0](item) for item in items]
