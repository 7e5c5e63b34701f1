# ruff: noqa: E501, T201 - a table of bars, shown
"""A ledger of 60,000 offers refreshed every hour: size and times as its log grows to a year."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from gpuledger.core.store import sql
from gpuledger.core.store.database import writing
from gpuledger.core.store.history import price_series
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.offers import OfferQuery, offers
from gpuledger.core.store.publish import publish, reading
from gpuledger.core.store.rollups import check_rollups, derive
from gpuledger.core.store.staging import in_parts
from tests.benchmarks import synthetic_year as year
from tests.benchmarks.page import machine, rounds, table, verdict, write_section

pytestmark = pytest.mark.benchmark_suite

SIZES = {"1 M": 17, "10 M": 167, "100 M": 1667, "525.6 M": year.HOURS}
"""Observations -> hours of 60,000."""


def milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def processor_time(run: Callable[[], object]) -> float:
    """Milliseconds of the best of seven, of all threads."""
    best = float("inf")
    for _ in range(7):
        start = time.process_time()
        run()
        best = min(best, (time.process_time() - start) * 1000)
    return best


def refreshes(folder: Path, home: Home, hours: int, last: list[pa.Table]) -> dict[str, float]:
    """Best of fifteen refreshes of a new ledger, of the grown one, and of a plain insert, in turns."""
    young = Home(folder / "young")
    young.create()
    times: dict[str, list[float]] = {
        name: [] for name in ("first refreshes", "last refreshes", "bare insert", "first CPU", "last CPU")
    }

    def timed(name: str, cpu: str, run: Callable[[], object]) -> None:
        start = time.process_time()
        times[name].append(milliseconds(run))
        times[cpu].append((time.process_time() - start) * 1000)

    with (
        writing(young) as start,
        writing(home) as end,
        duckdb.connect(str(folder / "bare.duckdb")) as bare,
    ):
        migrate(start, sources=[year.source_row()], aliases=())
        year.record_hour(start, 0, year.seen(start, 0))
        for turn in range(15):
            young_table = year.seen(start, turn + 1)
            arrow = in_parts(young_table)
            bare.register("arrow", arrow)
            bare.execute("create table if not exists bare as select * from arrow limit 0")

            def insert() -> None:
                bare.begin()
                bare.execute("insert into bare select * from arrow")
                bare.commit()

            times["bare insert"].append(milliseconds(insert))
            timed(
                "first refreshes",
                "first CPU",
                lambda turn=turn, table=young_table: year.record_hour(start, turn + 1, table),
            )
            timed(
                "last refreshes",
                "last CPU",
                lambda turn=turn: year.record_hour(end, hours + turn, last[turn]),
            )
    return {name: min(each) for name, each in times.items()}


def measured(folder: Path, hours: int) -> dict[str, float]:
    home = Home(folder / "home")
    home.create()
    found: dict[str, float] = {}
    with writing(home) as connection:
        connection.execute("set memory_limit = '5GB'")
        migrate(connection, sources=[year.source_row()], aliases=())
        year.record_hour(connection, 0, year.seen(connection, 0))
        year.fill(connection, 1, hours)
        last = [year.seen(connection, hour) for hour in range(hours, hours + 15)]
        derive(connection, now=year.at_hour(hours - 1))
    found["file MB"] = home.database.stat().st_size / 1e6
    found |= refreshes(folder, home, hours, last)
    with writing(home) as connection:
        found["checks"] = milliseconds(lambda: check_rollups(connection))
        found["derive"] = milliseconds(lambda: derive(connection, now=year.at_hour(hours + 30)))
    found["publish"] = milliseconds(lambda: publish(home, now=year.at_hour(hours + 31)))
    with reading(home) as connection:
        row = connection.execute("select min(gpu_id) from offer").fetchone()
        gpu_id = row[0]

        def asked(query: str) -> float:
            return rounds(lambda: connection.execute(query, {}).fetchall())[0]

        found["latest"] = asked("select count(*), sum(usd_per_gpu_hour), max(valid_from) from offer_latest")
        found["latest, all rows out"] = rounds(
            lambda: sql.arrow(
                connection,
                "select gpu_id, provider, region, purchase_option, usd_per_gpu_hour from offer_latest",
            )
        )[0]
        times = [year.at_hour(int(hours * share)) for share in (0.1, 0.5, 0.97)]
        past = [
            "select count(*), sum(usd_per_gpu_hour), max(valid_from)"
            f" from offers_as_of(timestamptz '{at:%Y-%m-%d %H:%M:%S}+00')"
            for at in times
        ]
        found["as of"] = max(asked(query) for query in past)
        found["as of, CPU"] = min(
            processor_time(lambda query=query: connection.execute(query).fetchall()) for query in past
        )
        found["as of, one GPU"] = rounds(
            lambda: offers(connection, OfferQuery(gpu_ids=[gpu_id]), at=times[1], as_of=times[1]), 5
        )[0]
        found["GPU, index"] = asked(f"select * from gpu_price_index where gpu_id = '{gpu_id}'")
        found["GPU, log"] = asked(
            "select date_trunc('day', observed_at), min(amount / gpu_count) from price_change"
            f" inner join offer using (offer_no) where gpu_id = '{gpu_id}' group by 1"
        )
        found["GPU, history"] = rounds(
            lambda: price_series(
                connection,
                OfferQuery(gpu_ids=[gpu_id]),
                since=year.START,
                until=year.START + timedelta(hours=hours),
                every="1 days",
                stat="min",
            ),
            3,
        )[0]
        found["index"] = asked("select gpu_id, avg(price_index) from gpu_price_index group by gpu_id")
        found["one offer"] = asked("select * from price_change where offer_no = 777")
        count = connection.execute("select count(*) from price_change").fetchone()
        found["changes"] = count[0]
    return found


ROWS = (
    ("changes", "rows of the log"),
    ("file MB", "file, MB"),
    ("bare insert", "DuckDB inserts the 60,000 rows of one refresh, no logic (best of 15, in turns)"),
    ("first refreshes", "refresh of a new ledger (best of 15, in turns with the next)"),
    ("last refreshes", "refresh of the grown ledger (best of 15)"),
    ("first CPU", "CPU time of a refresh of a new ledger, all threads"),
    ("last CPU", "CPU time of a refresh of the grown ledger, all threads"),
    ("latest", "latest prices of everything, aggregated"),
    ("latest, all rows out", "latest prices of everything, 60,000 rows out"),
    ("as of", "as of a past time, everything (slowest of three times)"),
    ("as of, CPU", "CPU time of that, all threads"),
    ("as of, one GPU", "as of a past time, the 1,200 offers of one GPU, all columns"),
    ("GPU, index", "one GPU's whole history by day, from the index"),
    ("GPU, log", "one GPU's daily minimum straight from the log (1,200 offers)"),
    ("GPU, history", "`history GPU --every 1d` (intervals of 1,200 offers, sampled)"),
    ("index", "index of all GPUs"),
    ("one offer", "one offer's changes"),
    ("checks", "checks before publishing"),
    ("derive", "checkpoints and daily index, one more day"),
    ("publish", "publishing, whole: checks, index, latest, copy, fsync"),
)


def test_the_ledger_grows_to_a_year(tmp_path):
    sizes = os.environ.get("GPULEDGER_BENCH_SIZES", ",".join(SIZES)).split(",")
    on = machine()
    found = {size: measured(tmp_path / size.replace(" ", ""), SIZES[size]) for size in sizes}
    body = table(
        ("milliseconds where nothing else is said", *(f"{size} observations" for size in sizes)),
        [
            (
                said,
                *(
                    f"{found[size][key]:,.0f}" if found[size][key] >= 20 else f"{found[size][key]:.1f}"
                    for size in sizes
                ),
            )
            for key, said in ROWS
        ],
    )
    year_end = found[sizes[-1]]
    growth = year_end["last refreshes"] / year_end["first refreshes"]
    bars = [
        ("file under 300 MB", f"{year_end['file MB']:.0f} MB", verdict(year_end["file MB"], 300)),
        ("refresh under 60 ms at the start", f"{year_end['first refreshes']:.0f} ms", verdict(year_end["first refreshes"], 60)),
        ("refresh under 60 ms at the end", f"{year_end['last refreshes']:.0f} ms", verdict(year_end["last refreshes"], 60)),
        ("growth of a refresh under 1.3 x, in CPU time", f"{year_end['last CPU'] / year_end['first CPU']:.2f} x", verdict(year_end["last CPU"] / year_end["first CPU"], 1.3)),
        ("growth of a refresh under 1.3 x", f"{growth:.2f} x", verdict(growth, 1.3)),
        ("refresh at most 3 x the bare insert", f"{year_end['last refreshes'] / year_end['bare insert']:.2f} x", verdict(year_end["last refreshes"] / year_end["bare insert"], 3)),
        ("latest of everything under 20 ms", f"{year_end['latest']:.1f} ms", verdict(year_end["latest"], 20)),
        ("as of any time under 60 ms", f"{year_end['as of']:.0f} ms", verdict(year_end["as of"], 60)),
        ("one GPU's year under 100 ms, from the index", f"{year_end['GPU, index']:.1f} ms", verdict(year_end["GPU, index"], 100)),
        ("one GPU's year under 100 ms, from the log", f"{year_end['GPU, log']:.0f} ms", verdict(year_end["GPU, log"], 100)),
    ]  # fmt: skip
    write_section(
        "History at scale",
        f"60,000 offers of 50 GPUs, refreshed every hour; a third is spot and changes at 20 % of the refreshes, the others at "
        f"1.5 %. The log is written by the shortcut that `tests/store/test_synthetic_year.py` proves equal to the recorder. "
        f"Measured on {on}. A refresh is the whole transaction: 60,000 rows from Arrow compared with the state, changes "
        f"appended, state merged, committed.\n\n{body}\n\nBars, at {sizes[-1]} observations:\n\n"
        + table(("bar", "measured", "verdict"), bars),
    )
    print(body)
    print(table(("bar", "measured", "verdict"), bars))
    assert year_end["file MB"] < 300
    assert year_end["last refreshes"] < 3 * year_end["bare insert"]
    assert min(growth, year_end["last CPU"] / year_end["first CPU"]) < 1.3, (
        "a refresh may not grow with history"
    )
