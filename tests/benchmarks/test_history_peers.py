# ruff: noqa: E501, T201 - tables of bars, shown
"""The lookups and insertions of gpuhunt, SkyPilot and sc-crawler on the same rows, each by its own code.

`GPULEDGER_PEERS` names a folder with one virtual environment each: `gpuhunt`, `skypilot`, `sc_crawler`. They are not
in our lock, since their dependencies contradict ours. Without it these benchmarks skip.
"""

import csv
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyarrow.csv import ConvertOptions, read_csv, write_csv

from gpuledger.core.alias import Aliases, seed_rows
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Offer
from gpuledger.core.store import sql
from gpuledger.core.store.database import transaction, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.offer_columns import RefusedRow, validated
from gpuledger.core.store.publish import publish, reading
from gpuledger.core.store.record import append_live
from gpuledger.core.store.staging import Located, fact_columns, located, resolved_table, seen_table
from tests.benchmarks import synthetic_year as year
from tests.benchmarks.page import machine, rounds, table, verdict, write_section
from tests.benchmarks.speed import best_times

pytestmark = pytest.mark.benchmark_suite

PEERS = os.environ.get("GPULEDGER_PEERS")
ROWS = 90_000
SIXTY = 60_000
PROVIDERS = ("aws", "azure", "gcp", "lambdalabs", "nebius", "oci", "runpod", "verda", "cloudrift")
GPUS = (
    ("H100", 80), ("H200", 141), ("A100", 80), ("A100", 40), ("L4", 24), ("L40S", 48), ("T4", 16), ("A10G", 24),
    ("V100", 16), ("RTX4090", 24), ("A6000", 48), ("B200", 180), ("MI300X", 192), ("A10", 24), ("L40", 48),
)  # fmt: skip
HEAD = ("instance_name", "location", "price", "cpu", "memory", "gpu_count", "gpu_name", "gpu_memory", "spot",
        "disk_size", "gpu_vendor", "flags", "cpu_arch", "provider_data")  # fmt: skip


def rows() -> list[dict[str, object]]:
    """90,000 offers: 9 providers, 15 GPUs, 1 to 8 of them, on demand and spot, 84 places."""
    made: list[dict[str, object]] = []
    for number in range(ROWS):
        gpu, memory = GPUS[number // 9 % len(GPUS)]
        count = (1, 2, 4, 8)[number // 135 % 4]
        is_spot = number // 540 % 2 == 1
        price = round(count * memory / 40 * (0.4 if is_spot else 1) * (1 + number % 997 / 1000), 4)
        made.append(
            {
                "provider": PROVIDERS[number % 9], "instance_name": f"{gpu.lower()}-{memory}-{count}x",
                "location": f"region-{number // 1080}", "price": price, "cpu": 12 * count, "memory": 100.0 * count,
                "gpu_count": count, "gpu_name": gpu, "gpu_memory": memory, "spot": str(is_spot), "disk_size": "",
                "gpu_vendor": "amd" if gpu.startswith("MI") else "nvidia", "flags": "", "cpu_arch": "x86", "provider_data": "",
            }
        )  # fmt: skip
    return made


def peer(name: str, folder: Path) -> dict:
    if PEERS is None:
        pytest.skip("GPULEDGER_PEERS is not set: no environments of the peers")
    python = Path(PEERS) / name / "bin" / "python"
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run([python, script, name, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def offer(row: dict[str, object]) -> Offer:
    return Offer(
        provider=str(row["provider"]),
        sku=str(row["instance_name"]),
        region=str(row["location"]),
        gpu_label=f"{row['gpu_name']} {row['gpu_memory']}GB",
        gpu_count=Decimal(str(row["gpu_count"])),
        gpu_memory_gib=Decimal(str(row["gpu_memory"])),
        vcpus=Decimal(str(row["cpu"])),
        memory_gib=Decimal(str(row["memory"])),
        purchase_option="spot" if row["spot"] == "True" else "on_demand",
        price=Price(amount=Decimal(str(row["price"])), unit=Unit.HOUR),
    )


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> list[dict[str, object]]:
    return rows()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory, market) -> Iterator[duckdb.DuckDBPyConnection]:
    home = Home(tmp_path_factory.mktemp("peers") / "home")
    home.create()
    with writing(home) as connection:
        aliases = seed_rows()
        migrate(connection, sources=[year.source_row()], aliases=aliases)
        located = [Located(fact=offer(row), document_no=1) for row in market]
        with transaction(connection):
            append_live(
                connection,
                seen_table(located, Aliases(aliases)),
                {"run_no": 1, "source": year.SOURCE, "observed_at": year.START, "is_complete": True},
            )
        connection.execute(year.MODEL)
        year.add_run(connection, 0, 1)
    publish(home, now=datetime(2025, 1, 1, 1, tzinfo=UTC))
    with reading(home) as connection:
        yield connection


COLUMNS = "provider, instance_type, region, usd_per_hour"
OURS = {
    "eight H100 on demand": f"select {COLUMNS} from offer_latest where gpu_label = 'H100 80GB' and gpu_count = 8 and purchase_option = 'on_demand' order by usd_per_hour",
    "24 GB or more, at most 10 $/h": f"select {COLUMNS} from offer_latest where gpu_memory_gib >= 24 and usd_per_hour <= 10 order by usd_per_hour",
    "320 GB in all, three providers": f"select {COLUMNS} from offer_latest where gpu_memory_gib * gpu_count >= 320 and provider in ('aws', 'azure', 'cloudrift') order by usd_per_hour",
    "everything": f"select {COLUMNS} from offer_latest order by usd_per_hour",
}


def test_lookups_against_gpuhunt(market, ledger, tmp_path):
    for provider in PROVIDERS:
        with (tmp_path / f"{provider}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, HEAD, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(row for row in market if row["provider"] == provider)
    theirs = peer("gpuhunt", tmp_path)
    lines, ratios = [], {}
    for name, query in OURS.items():
        best, _ = rounds(lambda query=query: ledger.execute(query).fetchall())
        arrow, _ = rounds(lambda query=query: sql.arrow(ledger, query))
        found = ledger.execute(query).fetchall()
        assert len(found) == theirs[name]["rows"], name
        ours = sorted((row[0], row[1], row[2], round(float(row[3]), 6)) for row in found)
        assert [list(row) for row in ours[:50]] == theirs[name]["digest"], name
        ratios[name] = theirs[name]["ms"] / best
        lines.append(
            (name, f"{len(found):,}", f"{theirs[name]['ms']:.1f}", f"{best:.1f}", f"{arrow:.1f}",
             f"{ratios[name]:.0f} x", verdict(ratios[name], 15, at_least=True))
        )  # fmt: skip
    body = table(
        ("lookup", "rows", "gpuhunt 0.1.34, ms", "ours, ms", "ours as Arrow, ms", "ratio", "15 x"), lines
    )
    print(body)
    write_section(
        "Lookups against gpuhunt",
        f"`Catalog.query` over {ROWS:,} rows in its own format, loaded in memory, against the same rows in a snapshot; the "
        f"answers agree in number and in their first fifty rows. Best of 7. {machine()}. Where all rows or tens of thousands leave the database, "
        f"both sides mostly build Python objects.\n\n{body}",
    )
    assert ratios["eight H100 on demand"] > 8


def test_lookup_against_skypilot(market, ledger, tmp_path):
    with (tmp_path / "vms.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("InstanceType", "AcceleratorName", "AcceleratorCount", "vCPUs", "MemoryGiB", "GpuInfo", "Price", "SpotPrice", "Region", "AvailabilityZone", "Arch"))  # fmt: skip
        for row in market:
            price = (row["price"], "") if row["spot"] == "False" else ("", row["price"])
            writer.writerow((row["instance_name"], row["gpu_name"], row["gpu_count"], row["cpu"], row["memory"], "{'Gpus': [{'MemoryInfo': {'SizeInMiB': 81920}, 'Name': 'x'}], 'TotalGpuMemoryInMiB': 81920}", *price, row["location"], f"{row['location']}-a", "x86_64"))  # fmt: skip
    theirs = peer("skypilot", tmp_path)
    query = (
        "select instance_type, gpu_count, region, min(usd_per_hour) filter (purchase_option = 'on_demand') as usd_per_hour,"
        " min(usd_per_hour) filter (purchase_option = 'spot') as spot_usd_per_hour"
        " from offer_latest where gpu_label = 'H100 80GB' group by all order by usd_per_hour"
    )
    best, _ = rounds(lambda: ledger.execute(query).fetchall())
    ratio = theirs["ms"] / best
    found = ledger.execute(query).fetchall()
    body = table(
        ("lookup", "SkyPilot 0.14.1, ms", "ours, ms", "rows (theirs, ours)", "ratio", "30 x"),
        [("all H100 in all regions", f"{theirs['ms']:.1f}", f"{best:.1f}", f"{theirs['rows']:,}, {len(found):,}", f"{ratio:.0f} x", verdict(ratio, 30, at_least=True))],
    )  # fmt: skip
    print(body)
    write_section(
        "Lookup against SkyPilot",
        f"`list_accelerators` for H100 over the same {ROWS:,} rows as its AWS catalogue in memory. It gives one row per "
        f"machine and region, and so does our query; number of rows and cheapest price agree. Best of 7. {machine()}.\n\n{body}",
    )
    assert float(found[0][3]) == pytest.approx(theirs["cheapest"])


def test_insertion_against_sc_crawler(market, tmp_path):
    some = market[:SIXTY]
    with (tmp_path / "prices.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("provider", "region", "sku", "price", "spot"))
        writer.writerows((row["provider"], row["location"], f"{row['instance_name']}-{number}", row["price"], row["spot"]) for number, row in enumerate(some))  # fmt: skip
    theirs = peer("sc_crawler", tmp_path)
    home = Home(tmp_path / "home")
    home.create()
    aliases = Aliases(seed_rows())
    objects = [offer(row) for row in some]
    terms = [one.model_dump() for one in objects]
    columns = fact_columns(objects).drop_columns(["offer_id"])
    text = pa.BufferOutputStream()
    write_csv(columns.drop_columns(["effective_at", "observed_at"]), text)
    body = text.getvalue()
    as_text = ConvertOptions(
        column_types=dict.fromkeys(columns.column_names, pa.string()), strings_can_be_null=True
    )
    parameters = {"run_no": 1, "source": year.SOURCE, "observed_at": year.START, "is_complete": True}

    def from_columns() -> pa.Table:
        return taken(validated(columns))

    def from_text() -> pa.Table:
        return taken(validated(read_csv(body, convert_options=as_text)))

    def from_objects() -> pa.Table:
        return seen_table([Located(fact=Offer(**each), document_no=1) for each in terms], aliases)

    def taken(rows: tuple[pa.Table, list[RefusedRow]]) -> pa.Table:
        assert rows[1] == []
        return resolved_table(located([rows[0]]), aliases, first_document=1)

    assert (
        from_columns()
        .select(sorted(columns.column_names))
        .equals(from_objects().select(sorted(columns.column_names)))
    )
    with writing(home) as connection:
        migrate(connection, sources=[year.source_row()], aliases=())

        def insert(rows: pa.Table) -> None:
            with transaction(connection):
                append_live(connection, rows, parameters)

        table_only = from_objects()
        first, first_cpu = best_times(1, lambda: insert(table_only))
        lines = [
            (what, *best_times(5, run))
            for what, run in (
                ("60,000 rows of columns validated, staged and compared", lambda: insert(from_columns())),
                ("the same from the text of a CSV file", lambda: insert(from_text())),
                ("the same as one object each", lambda: insert(from_objects())),
                ("a refresh of rows that are validated already", lambda: insert(table_only)),
            )
        ]
    lines.insert(3, ("60,000 new rows inserted", first, first_cpu))
    body = table(
        ("what", "sc-crawler 0.10.2, ms", "ours, ms", "its processor time, ms", "ratio", "20 x"),
        [(what, f"{theirs['ms']:,.0f}", f"{ms:,.0f}", f"{cpu:,.0f}", f"{theirs['ms'] / ms:.0f} x", verdict(theirs["ms"] / ms, 20, at_least=True)) for what, ms, cpu in lines],
    )  # fmt: skip
    print(body)
    write_section(
        "Insertion against sc-crawler",
        f"`insert_items` of {SIXTY:,} server prices into SQLite (it validates, drops doubles and upserts in chunks of 100) "
        f"against our recorder. Best of its 3 runs and of 5 of ours; rows are compared with a ledger that holds them. {machine()}.\n\n{body}",
    )
    assert theirs["ms"] / lines[0][1] > 20


def test_our_queries_bind(ledger):
    assert all(ledger.execute(query).fetchone() for query in OURS.values())
