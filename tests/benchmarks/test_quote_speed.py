"""How fast quotes are: one over 60,000 offers, and ten thousand plans; with the plain ways beside them.

Run with `make bench`. The bars: 80 ms for one quote in process, 15 s for ten thousand plans on two cores; a section
says where one is missed.
"""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from math import isfinite
from pathlib import Path

import duckdb
import pytest

from gpuledger.core.cost.batch import PreparedMarket
from gpuledger.core.cost.configurations import Configurations, Limits
from gpuledger.core.cost.market.offers import Machine
from gpuledger.core.cost.market.snapshot import LedgerMarket
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.quote import quote
from gpuledger.core.plan import plan_from_mapping, preset_plan
from gpuledger.core.store.home import Home
from gpuledger.core.store.offer_table import offer_table
from gpuledger.core.store.offers import OfferQuery, offers
from gpuledger.core.store.publish import reading
from tests.benchmarks.large_market import OFFERS, fill
from tests.benchmarks.page import machine, table, verdict, write_section
from tests.benchmarks.speed import all_of, best_of, report, varied

pytestmark = pytest.mark.benchmark_suite

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PLANS, SAMPLE, CORES = 10_000, 1_050, 2
ONE_QUOTE_SECONDS, ALL_PLANS_SECONDS = 0.080, 15.0


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    home = Home(Path(tmp_path_factory.mktemp("large")) / "home")
    fill(home, now=NOW)
    with reading(home) as opened:
        assert opened.execute("select count(*) from offer_latest").fetchone() == (OFFERS,)
        yield opened


def least_hours(plan, market: LedgerMarket) -> Iterator[tuple[Machine, float]]:
    """The least paid hours of each machine that runs the plan."""
    found = Configurations(plan, market.shelf.machines, Limits.of(plan))
    least = found.least(None, 1.0).hours.tolist()
    return ((machine, hours) for machine, hours in zip(found.machines, least, strict=True) if isfinite(hours))


def plain_loop(connection: duckdb.DuckDBPyConnection, plan) -> float:
    """Every offer as a record, every record priced, in Python."""
    hours: dict[object, float] = {}
    best = float("inf")
    found = offers(connection, OfferQuery())
    market = LedgerMarket(connection, Question.of(plan, now=NOW).offers, at=NOW)
    for kind, needed in least_hours(plan, market):
        hours[kind.gpu_id, kind.gpu_count] = needed
    for offer in found:
        key = (offer.gpu_id, int(offer.gpu_count))
        if key in hours and offer.usd_per_hour is not None:
            best = min(best, float(offer.usd_per_hour) * hours[key])
    return best


def plain_duckdb(connection: duckdb.DuckDBPyConnection, plan) -> float:
    """The same in one statement, with the hours as a table; prices of hours alone, no lines."""
    market = LedgerMarket(connection, Question.of(plan, now=NOW).offers, at=NOW)
    rows = [(m.gpu_id, m.gpu_count, needed) for m, needed in least_hours(plan, market)]
    values = ", ".join(f"('{gpu_id}', {count}, {hours})" for gpu_id, count, hours in rows)
    found = connection.execute(
        "select min(usd_per_hour * hours) from offer_latest as o "
        f"inner join (values {values}) as h(g, n, hours) on o.gpu_id = h.g and o.gpu_count = h.n"
    ).fetchone()
    return 0.0 if found is None else float(found[0])


def test_a_quote_over_sixty_thousand_offers(connection):
    asked, rows, slowest, slowest_first = QuoteOptions(), [], 0.0, 0.0
    for name in ("llama-2-7b-qlora", "llama-2-7b", "llama-2-70b", "mixtral-8x7b"):
        plan = preset_plan(name)
        plans = varied(plan)

        def whole(cache=None, plans=plans):
            plan = next(plans)
            question = Question.of(plan, asked, now=NOW)
            return quote(question, LedgerMarket(connection, question.offers, at=NOW, cache=cache))

        # as a server and a pinned ledger ask: what the last question read of the snapshot is there
        served = partial(whole, {})
        served()
        times = [(*all_of(served, 1), *all_of(whole, 1)) for _ in range(7)]
        ours, cpu, _, first = (min(measured) for measured in zip(*times, strict=True))
        loop = best_of(2, lambda plan=plan: plain_loop(connection, plan))
        sql = best_of(3, lambda plan=plan: plain_duckdb(connection, plan))
        rows.append(
            (
                name,
                *(f"{seconds * 1e3:.0f}" for seconds in (ours, cpu, first, loop, sql)),
                f"{loop / ours:.0f} x",
            )
        )
        slowest, slowest_first = max(slowest, cpu), max(slowest_first, first)
        assert ours < loop / 2
    text = table(
        (
            "plan",
            "quote, ms",
            "its processor time, ms",
            "of the first under a filter, ms",
            "pure Python loop, ms",
            "plain DuckDB, ms",
            "loop / quote",
        ),
        rows,
    )
    about = (
        f"One plan over {OFFERS:,} offers of a snapshot, in process: ten quotes with lines and receipts. The loop "
        "makes a record of every offer and prices its hours; plain DuckDB does that in one statement; neither makes "
        "lines. The first question under a filter reads what is on sale, which later ones of the snapshot use until "
        f"a price changes its state. Bar: {ONE_QUOTE_SECONDS * 1e3:.0f} ms of processor time, "
        f"{verdict(slowest, ONE_QUOTE_SECONDS)}; of the first {verdict(slowest_first, ONE_QUOTE_SECONDS)}. "
        f"{machine()}. "
        "`pytest -s -m benchmark_suite tests/benchmarks/test_quote_speed.py`"
    )
    write_section("A quote over 60,000 offers", f"{about}\n\n{text}")
    report(text)


def tuning(number: int):
    """A fine-tuning run; no two are alike, and most differ in what an estimate depends on."""
    models = ("llama-2-7b", "llama-3-8b", "llama-2-13b", "mistral-7b", "mixtral-8x7b", "llama-2-70b", "gpt2")
    method = ("lora", "qlora", "full_finetune")[number % 3]
    keys = {"name": f"plan-{number}", "method": method, "model": models[number % len(models)]}
    tokens = {"dataset_tokens": 1e8 * (1 + number % 50), "epochs": 1 + number % 4}
    sizes = {"sequence_length": 256 * (1 + number % 31), "global_batch_tokens": 8192.0 * (8 + number % 97)}
    return plan_from_mapping(keys | tokens | sizes)


def test_ten_thousand_plans(connection):
    workers = min(CORES, os.cpu_count() or 1)
    plans = [tuning(number) for number in range(PLANS)]
    start = time.perf_counter()
    batch = PreparedMarket(
        offers=offer_table(connection, OfferQuery()), now=NOW, options=QuoteOptions(limit=1)
    )
    loaded = time.perf_counter()
    found = list(batch.answers(plans, workers=workers))
    seconds = time.perf_counter() - start
    alone, cpu = all_of(lambda: list(batch.answers(plans[:SAMPLE])), SAMPLE)
    loop = best_of(1, lambda: plain_loop(connection, plans[0]))
    sql = best_of(1, lambda: plain_duckdb(connection, plans[0]))
    ideal = loaded - start + PLANS * cpu / CORES
    rows = [
        (f"all, by the clock, {workers} processes, s", f"{seconds:.1f}", verdict(seconds, ALL_PLANS_SECONDS)),
        ("of that loading the offers, s", f"{loaded - start:.1f}", ""),
        ("processor time of one plan, ms", f"{cpu * 1e3:.1f}", ""),
        (f"that on {CORES} idle cores, s", f"{ideal:.1f}", verdict(ideal, ALL_PLANS_SECONDS)),
        ("one plan by the clock, ms", f"{alone * 1e3:.1f}", ""),
        ("one plan, pure Python loop, ms", f"{loop * 1e3:.0f}", ""),
        ("one plan, plain DuckDB, ms", f"{sql * 1e3:.0f}", ""),
    ]
    text = table(("what", "measured", f"bar {ALL_PLANS_SECONDS:.0f} s"), rows)
    about = (
        f"{PLANS:,} fine-tuning plans of seven models, no two alike, each against {OFFERS:,} offers in memory, the "
        f"best quote of each. Processor time says what the clock would on an idle machine. {machine()}. "
        "`pytest -s -m benchmark_suite tests/benchmarks/test_quote_speed.py`"
    )
    write_section("Quotes for 10,000 plans", f"{about}\n\n{text}")
    report(text)
    assert len(found) == PLANS and not any("error" in row for row in found)
    assert cpu < loop / 10
