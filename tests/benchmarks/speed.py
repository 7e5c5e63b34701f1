"""Times of a benchmark: the clock, and processor time, which other work on the machine disturbs less."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def best_of(count: int, run: Callable[[], object]) -> float:
    """Seconds of the fastest of some rounds."""
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def each_of(run: Callable[[Item], object], items: Sequence[Item]) -> tuple[float, float]:
    """Seconds by the clock and of processor time for one item, in this process, the mean over all."""
    start, cpu = time.perf_counter(), time.process_time()
    for item in items:
        run(item)
    return (time.perf_counter() - start) / len(items), (time.process_time() - cpu) / len(items)


def report(line: str) -> None:
    """A line for who runs the benchmark."""
    sys.stdout.write(f"\n{line}\n")
