"""The index of real archives against a computation by hand: plain Python over their rows, nothing of the program in it.

The lists are change lists of AWS, Azure and Google Cloud. The two of AWS and Azure are said to cover until 1 July 2025:
the rows of later versions are kept aside, so their last rows are not their end.
"""

import csv
import itertools
import math
import os
import statistics
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from gpuledger.flows.imports import files_of, import_files
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.scrapers.archives.registry import EVERY_SOURCE, archive
from tests.template import made_once

REAL = os.environ.get("GPULEDGER_HISTORY")
NOW = datetime(2026, 11, 29, tzinfo=UTC)
END = date(2025, 7, 1)
UNTIL = f"..{END}T00:00:00+00:00"
LISTS = {
    "aws": (
        "changes",
        "aws_karpenter_2022_2026/changes_aws.csv",
        {"provider": "aws", "covers": "2022-06-23" + UNTIL},
    ),
    "azure": (
        "changes",
        "azure_karpenter_2023_2026/gpu_changes.csv",
        {"provider": "azure", "covers": "2023-10-27" + UNTIL},
    ),
    "gcp": ("cyclenerd", "gcp_cyclenerd_2022_2026/changes.csv", {}),
    "p5": ("changes", "aws_p5_daily_2025_2026/gpu_prices.csv", {"provider": "aws", "region": "us-east-1"}),
    "one day of AWS": ("changes", "aws_sparecores_2024_02/server_price.csv", {}),
}
MACHINE_COLUMN = {
    "aws": "instance_type",
    "azure": "arm_sku_name",
    "gcp": "machine_type",
    "p5": "instance",
    "one day of AWS": "server_id",
}
ORDERS = [tuple(LISTS), tuple(LISTS)[::-1], ("gcp", "one day of AWS", "aws", "p5", "azure")]

# accelerator -> machines of it and their GPUs, by each provider's documentation
MACHINES = {
    "h100-sxm-80gb": {
        "aws": {"p5.48xlarge": 8},
        "azure": dict.fromkeys(
            (f"Standard_ND96{kind}_H100_v5" for kind in ("is", "isr", "isf", "isrf", "is_flex", "is_noIB")), 8
        ),
        "gcp": {
            "a3-highgpu-1g": 1,
            "a3-highgpu-2g": 2,
            "a3-highgpu-4g": 4,
            "a3-highgpu-8g": 8,
            "a3-megagpu-8g": 8,
        },
    },
    "a100-sxm-40gb": {
        "aws": {"p4d.24xlarge": 8},
        "azure": {"Standard_ND96asr_v4": 8, "Standard_ND96asr_A100_v4": 8},
        "gcp": {
            **{f"a2-highgpu-{count}g": count for count in (1, 2, 4, 8)},
            "a2-megagpu-16g": 16,
        },
    },
    "a100-sxm-80gb": {
        "aws": {"p4de.24xlarge": 8},
        "azure": {"Standard_ND96ams_A100_v4": 8, "Standard_ND96amsr_A100_v4": 8},
        "gcp": {f"a2-ultragpu-{count}g": count for count in (1, 2, 4, 8)},
    },
}

Prices = dict[tuple[str, str, str], list[tuple[datetime, float | None]]]
"""provider, machine, region -> times and prices, `None` where it was removed."""


def rows_of(name: str) -> Iterator[dict[str, str]]:
    with (Path(REAL or "") / LISTS[name][1]).open(newline="") as file:
        yield from csv.DictReader(file)


def only_the_machines(name: str, folder: Path) -> Path:
    """The list without the machines that no accelerator here has. What it covers stays: from its first row to its
    last."""
    machines = {each for providers in MACHINES.values() for names in providers.values() for each in names}
    rows = list(rows_of(name))
    path = folder / LISTS[name][1]
    path.parent.mkdir(parents=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        ends = (rows[0], rows[-1])
        writer.writerows(row for row in rows if row[MACHINE_COLUMN[name]] in machines or row in ends)
    return path


def by_hand(gpu_id: str) -> Prices:
    """What the three change lists, and the daily rows of p5, say of one accelerator."""
    prices: dict[tuple[str, str, str], dict[datetime, float | None]] = defaultdict(dict)
    machines = MACHINES[gpu_id]

    def note(provider: str, machine: str, region: str, at: str, price: str) -> None:
        if machine not in machines[provider]:
            return
        time = datetime.fromisoformat(at)
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        usd = float(price) if price else None
        before = prices[provider, machine, region].get(time)
        # of two words about one moment the lower price stands, and any price before a removal
        prices[provider, machine, region][time] = usd if before is None else min(before, usd or before)

    for row in rows_of("aws"):
        note("aws", row["instance_type"], row["region"], row["observed_at"], row["price_usd_hour"])
    for row in rows_of("azure"):
        note("azure", row["arm_sku_name"], row["region"], row["observed_at"], row["price_usd_hour"])
    for row in rows_of("gcp"):
        if row["metric"] == "hour":
            note("gcp", row["machine_type"], row["region"], row["observed_at"], row["price_usd"])
    for row in rows_of("p5"):
        if row["price_usd"]:
            note("aws", row["instance"], "us-east-1", row["timestamp"], row["price_usd"])
    return {key: sorted(times.items()) for key, times in prices.items()}


def index_by_hand(prices: Prices) -> dict[date, float]:
    """Logarithm of the index day by day: the mean over providers of the median change of their offers. What a provider
    did while fewer than three could be compared counts on the next day on which three can."""
    day = min(times[0][0] for times in prices.values()).date()
    index, level, begun = {}, 0.0, False
    pending: dict[str, float] = {}
    while day <= END:
        changes: dict[str, list[float]] = defaultdict(list)
        shown: set[str] = set()
        for (provider, _, _), times in prices.items():
            before = [usd for at, usd in times if at.date() < day]
            today = [usd for at, usd in times if at.date() == day and usd is not None]
            standing = before[-1] if before else None
            if standing is None and not today:
                continue
            shown.add(provider)
            if standing is not None:
                changes[provider].append(math.log(today[-1] / standing) if today else 0.0)
        for provider, logs in changes.items():
            if provider in pending:
                pending[provider] += statistics.median(logs)
        votes = {provider: pending[provider] for provider in changes if provider in pending}
        if not begun and len(shown) >= 3:
            begun = True
            index[day] = level
        elif begun and len(votes) >= 3:
            level += sum(votes.values()) / len(votes)
            index[day] = level
            pending |= dict.fromkeys(votes, 0.0)
        if begun:
            for provider in shown:
                pending.setdefault(provider, 0.0)
        day += timedelta(1)
    return index


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(0, marks=pytest.mark.deep),
        *(pytest.param(which, marks=pytest.mark.recovery) for which in (1, 2, "whole")),
    ],
    ids=["one order", "its reverse", "another order", "whole lists"],
)
def stored(request) -> dict[str, list[tuple]]:
    """Rows of the index by accelerator, of a ledger into which the lists came in that order."""
    if REAL is None:
        pytest.skip("GPULEDGER_HISTORY is not set: no recorded archives to import")

    def make(folder: Path) -> None:
        ledger = LedgerWriter(home=Home(folder / "home"), sources=EVERY_SOURCE, clock=lambda: NOW)
        is_whole = request.param == "whole"
        for name in ORDERS[0 if is_whole else request.param]:
            source, place, context = LISTS[name]
            path = Path(REAL) / place if is_whole else only_the_machines(name, folder)
            report = import_files(ledger, archive(source), files_of(path), context=context)
            assert [run.outcome for run in report.cycle.runs] == ["accepted"], path

    home = Home(made_once(f"archives-{request.param}", make) / "home")
    query = (
        "select price_date, state, price_index, providers, matched_offers, floor_provider, reason from gpu_price_index"
        " where gpu_id = $1 and purchase_option = 'on_demand' and segment is null order by price_date"
    )
    with reading(home) as connection:
        return {gpu_id: connection.execute(query, [gpu_id]).fetchall() for gpu_id in MACHINES}


SEEN: dict[str, list[list[tuple]]] = defaultdict(list)


@pytest.mark.parametrize("gpu_id", MACHINES)
def test_the_index_is_what_a_computation_by_hand_finds(stored, gpu_id):
    index = {
        row[0]: math.log(row[2] / 100) for row in stored[gpu_id] if row[1] == "published" and row[0] < END
    }
    hand = {day: log for day, log in index_by_hand(by_hand(gpu_id)).items() if day in index}
    assert len(hand) == len(index) > 300
    months = [max(days) for _, days in itertools.groupby(sorted(hand), key=lambda day: (day.year, day.month))]
    for before, after in itertools.pairwise(months):
        changes = [100 * math.expm1(one[after] - one[before]) for one in (index, hand)]
        assert changes[0] == pytest.approx(changes[1], abs=0.5), f"{gpu_id}, {before} to {after}"


@pytest.mark.parametrize(
    ("gpu_id", "before", "after"),
    [
        ("h100-sxm-80gb", 98.32, 55.04),
        ("a100-sxm-40gb", 32.7726, 21.957642),
        ("a100-sxm-80gb", 40.96575, 27.44705),
    ],
    ids=["p5 -44 %", "p4d -33 %", "p4de -33 %"],
)
def test_the_cut_of_june_2025_is_one_vote_of_three(stored, gpu_id, before, after):
    june = [row for row in stored[gpu_id] if date(2025, 5, 31) <= row[0] < END]
    assert {(row[1], row[3]) for row in june} == {("published", 3)}
    steps = [two[2] / one[2] for one, two in itertools.pairwise(june)]
    assert min(steps) == pytest.approx((after / before) ** (1 / 3), rel=1e-6)


@pytest.mark.parametrize("gpu_id", MACHINES)
def test_no_day_claims_more_providers_than_it_has(stored, gpu_id):
    has = defaultdict(set)
    for (provider, _, _), times in by_hand(gpu_id).items():
        for day in (row[0] for row in stored[gpu_id]):
            if any(at.date() <= day for at, usd in times if usd is not None):
                has[day].add(provider)
    assert all(row[3] <= len(has[row[0]]) <= 3 for row in stored[gpu_id])
    after = [row for row in stored[gpu_id] if row[0] > date(2025, 8, 1)]
    assert after and {row[1] for row in after} == {"withheld"} and max(row[3] for row in after) < 3


def test_the_order_of_the_lists_changes_no_day(stored):
    for gpu_id, rows in stored.items():
        SEEN[gpu_id].append(rows)
        assert rows == SEEN[gpu_id][0]
