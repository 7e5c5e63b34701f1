"""The same work on thousands of items, several processes at once."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

SLICES_PER_WORKER = 8
ONE_SLICE = 500
"""Items of a slice where there is one process: its first results come after so many."""
WORTH_A_PROCESS = 50
"""Items below which starting processes takes longer than it saves."""


def in_processes(work: Callable[[Item], Result], items: Sequence[Item], workers: int = 1) -> Iterator[Result]:
    """`work` of each item, in order.

    Processes are forked: what `work` holds is shared with them and not sent, so it may be large; items and
    results are sent. Where other threads run, as in a server, nothing is forked: a lock that one of them holds stays
    locked in the new process for ever.
    """
    if _is_alone(items, workers):
        yield from map(work, items)
        return
    yield from _in_pool(partial(_each, work), items, workers)


def slices_in_processes(
    work: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item], workers: int = 1
) -> Iterator[Result]:
    """The same for work that is quicker on many items at once: it gives one result for each, in order."""
    if not _is_alone(items, workers):
        yield from _in_pool(work, items, workers)
        return
    for start in range(0, len(items), ONE_SLICE):
        yield from work(items[start : start + ONE_SLICE])


def _is_alone(items: Sequence[Any], workers: int) -> bool:
    return workers == 1 or len(items) < WORTH_A_PROCESS or threading.active_count() > 1


def _in_pool(
    work: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item], workers: int
) -> Iterator[Result]:
    size = -(-len(items) // (workers * SLICES_PER_WORKER))
    slices = [items[start : start + size] for start in range(0, len(items), size)]
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, initializer=_adopt, initargs=(work,)) as pool:
        for part in pool.map(_do, slices):
            yield from part


def _each(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [work(item) for item in items]


# the work of a worker process, set once when the process starts
_adopted: list[Callable[[Sequence[Any]], Sequence[Any]]] = []


def _adopt(work: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
    _adopted[:] = [work]


def _do(items: Sequence[Any]) -> Sequence[Any]:
    return _adopted[0](items)
