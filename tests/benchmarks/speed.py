"""Times of a benchmark: the clock, and processor time, which other work on the machine disturbs less."""

import sys
import time
from collections.abc import Callable, Iterator
from itertools import count

from gpuledger.core.plan import TrainingPlan


def best_of(rounds: int, run: Callable[[], object]) -> float:
    """Seconds of the fastest of some rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def best_times(rounds: int, run: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds by the clock and of processor time, each of its fastest round."""
    clock, cpu = [], []
    for _ in range(rounds):
        start, used = time.perf_counter(), time.process_time()
        run()
        cpu.append(time.process_time() - used)
        clock.append(time.perf_counter() - start)
    return min(clock) * 1000, min(cpu) * 1000


def all_of(run: Callable[[], object], items: int) -> tuple[float, float]:
    """Seconds by the clock and of processor time for one of so many items, in this process."""
    start, cpu = time.perf_counter(), time.process_time()
    run()
    return (time.perf_counter() - start) / items, (time.process_time() - cpu) / items


def varied(plan: TrainingPlan) -> Iterator[TrainingPlan]:
    """The plan with another batch each time, so that no round finds the steps of the one before."""
    usual = plan.global_batch_tokens or 131_072.0
    for number in count(1):
        yield plan.model_copy(update={"global_batch_tokens": usual + 8192.0 * number})


def report(line: str) -> None:
    """A line for who runs the benchmark."""
    sys.stdout.write(f"\n{line}\n")
