"""Run seeds: `python -m tests.simulation.run --seeds 10000`, or one of them again with `--seed N`."""

from __future__ import annotations

import argparse
import logging
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gpuledger.core.store.home import Home
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import refresh_sources
from gpuledger.scrapers.archives import changes
from tests.conftest import Clock
from tests.simulation.invariants import Books
from tests.simulation.rim import Plan, Rim
from tests.simulation.steps import Machine, fetcher_of, last_was_true, settle, take_step, transport
from tests.simulation.world import World

STEPS_OF_A_SEED = 8
WORLDS = 6
"""Markets with which seeds begin; their first refresh is made once per process."""
SECONDS_BETWEEN_LINES = 30
AGAIN = "make simulate SEED="


@dataclass(frozen=True)
class Result:
    """How one seed ended."""

    seed: int
    trace: tuple[str, ...]
    error: str = ""
    hours: float = 0
    steps: int = 0
    checks: int = 0


@cache
def place() -> Path:
    """A folder in memory where there is one."""
    memory = Path("/dev/shm")
    made = Path(
        tempfile.mkdtemp(prefix="gpuledger-simulation-", dir=memory if os.access(memory, os.W_OK) else None)
    )
    # pools end their workers without `atexit`
    from multiprocessing.util import Finalize

    Finalize(None, shutil.rmtree, args=(made,), kwargs={"ignore_errors": True}, exitpriority=1)
    return made


def market(number: int) -> World:
    """The market of that number as it is on its first day."""
    world = World(Clock(), random.Random(f"market {number}"))
    world.begin(3 + number % 3)
    return world


def machine_in(world: World, root: Path, chance: random.Random) -> Machine:
    home = Home(root)
    ledger = LedgerWriter(home=home, sources=(*world.sources, changes.SOURCE), clock=world.clock)
    rim = Rim(root, world.clock, chance)
    world.may_err = last_was_true(ledger, world)
    return Machine(
        world=world,
        rim=rim,
        books=Books(world, home.archive),
        ledger=ledger,
        fetcher=fetcher_of(world, transport(world)),
        chance=chance,
    )


@cache
def first_day(number: int) -> Path:
    """The home of a market after one true answer of every provider."""
    root = place() / f"market-{number}"
    world = market(number)
    machine = machine_in(world, root, random.Random(0))
    with machine.rim.installed(), machine.rim.step(Plan()):
        refresh_sources(machine.ledger, machine.ledger.sources[:-1], machine.fetcher)
    return root


def run_seed(seed: int, steps: int = STEPS_OF_A_SEED) -> Result:
    """One seed from its first day to its end."""
    logging.getLogger("gpuledger").setLevel(logging.CRITICAL)
    number = seed % WORLDS
    home = first_day(number)
    root = place() / "home"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(home, root)
    world = market(number)
    # the first answers were sent by a market like this one
    for provider in world.providers.values():
        world.true_prices |= {(one.sku, one.usd) for one in provider.offers.values()}
    chance = random.Random(f"seed {seed}")
    world.chance.seed(f"life {seed}")
    machine = machine_in(world, root, chance)
    started, error = world.clock(), ""
    taken = 0
    try:
        with machine.rim.installed():
            while taken < steps:
                taken += 1
                take_step(machine)
            settle(machine)
    except AssertionError as broken:
        error = str(broken) or traceback.format_exc()
    except Exception:
        error = traceback.format_exc()
    finally:
        machine.fetcher.client.close()
    hours = (world.clock() - started).total_seconds() / 3600
    return Result(seed, tuple(machine.trace), error, hours, taken, machine.books.checks)


def told(result: Result) -> str:
    """A failure with its steps, and the command that repeats it."""
    return "\n".join(
        [f"seed {result.seed}: {result.error}", *result.trace, f"repeat it: {AGAIN}{result.seed}"]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    if chosen.seed is not None:
        result = run_seed(chosen.seed)
        print("\n".join(result.trace) if not result.error else told(result))  # noqa: T201
        return 1 if result.error else 0
    started, totals, failures = time.monotonic(), Counter[str](), []
    last = started
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    with ProcessPoolExecutor(chosen.workers) as pool:
        for done in as_completed(pool.submit(run_seed, seed) for seed in seeds):
            result = done.result()
            totals.update(seeds=1, steps=result.steps, checks=result.checks, hours=int(result.hours))
            if result.error:
                failures.append(result.seed)
                print(told(result), flush=True)  # noqa: T201
            if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                print(_line(totals, failures, last - started), flush=True)  # noqa: T201
    print(_line(totals, failures, time.monotonic() - started))  # noqa: T201
    return 1 if failures else 0


def _line(totals: Counter[str], failures: list[int], seconds: float) -> str:
    return (
        f"{totals['seeds']} seeds, {totals['steps']} steps, {totals['checks']} ledgers checked,"
        f" {totals['hours']} simulated hours in {seconds:.0f} s; {len(failures)} failed {sorted(failures)[:20]}"
    )


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
