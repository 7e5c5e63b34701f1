"""What a new machine without a network knows of the past, held against the archives it was distilled from."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

import gpuledger
from gpuledger.core.alias import Aliases, seed_rows
from gpuledger.core.document import Document, Request
from gpuledger.core.store.home import Home
from gpuledger.core.store.staging import Located, located, resolved_table, seen_table
from gpuledger.core.validity import EARLIEST_YEAR
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.replay import replay
from gpuledger.scrapers import bundled
from gpuledger.scrapers.archives.registry import EVERY_SOURCE
from gpuledger.scrapers.history import GROUPS, SOURCES, archives, left_out_rows, parse, parse_table

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def documents(files: list[Path]) -> list[Document]:
    return [
        Document(
            source=f"history_{path.stem}",
            request=Request(url=f"gpuledger:history/{path.name}", context={"archive": told["name"]}),
            body=path.read_bytes(),
            fetched_at=NOW,
        )
        for path in files
        for told in archives(path.read_bytes())
    ]


def price(snapshot: duckdb.DuckDBPyConnection, sku: str, region: str, as_of: str, option: str = "on_demand"):
    """The only price of an instance at a time, and its state."""
    found = snapshot.execute(
        "select usd_per_hour, is_recorded, source from offers_as_of($1::timestamptz)"
        " where sku = $2 and region = $3 and purchase_option = $4 and source like 'history%'",
        [as_of, sku, region, option],
    ).fetchall()
    return [(format(usd.normalize(), "f"), recorded) for usd, recorded, _ in found]


@pytest.mark.parametrize(
    ("sku", "region", "as_of", "usd"),
    [
        ("p5.48xlarge", "us-east-1", "2025-06-01", "98.32"),
        ("p4d.24xlarge", "us-east-1", "2025-06-01", "32.7726"),
        ("p4d.24xlarge", "eu-west-1", "2021-06-01", "35.39655"),
        ("p3.2xlarge", "us-east-1", "2018-06-01", "3.06"),
        ("g2.2xlarge", "us-east-1", "2015-01-01", "0.65"),
        ("cg1.4xlarge", "us-east-1", "2014-01-01", "2.1"),
        ("a2-ultragpu-8g", "us-central1", "2024-01-01", "40.221616"),
        ("a2-ultragpu-8g", "us-central1", "2025-01-01", "40.550383"),
        ("a2-ultragpu-8g", "europe-west4", "2025-01-01", "44.647348"),
        ("Standard_NC24ads_A100_v4", "eastus", "2024-06-01", "3.673"),
        ("Standard_NC24ads_A100_v4", "westeurope", "2024-06-01", "4.775"),
    ],
)
def test_a_price_of_the_past_is_what_its_archive_says_and_recorded(snapshot, sku, region, as_of, usd):
    assert price(snapshot, sku, region, as_of) == [(usd, True)]


@pytest.mark.parametrize(
    ("sku", "before", "after"), [("p5.48xlarge", "98.32", "55.04"), ("p4d.24xlarge", "32.7726", "21.957642")]
)
def test_the_cuts_of_june_2025_are_seen_on_their_day(snapshot, sku, before, after):
    steps = snapshot.execute(
        "select usd_per_hour, valid_from, valid_to from price_history where source = 'history_aws' and sku = $1"
        " and region = 'us-east-1' order by valid_from",
        [sku],
    ).fetchall()
    day = datetime(2025, 6, 23, 13, 18, 30, tzinfo=UTC)
    (old, _, until), (new, since, _) = steps[-2:]
    assert (format(old.normalize(), "f"), until) == (before, day)
    assert (format(new.normalize(), "f"), since) == (after, day)


def test_lambda_took_1_10_for_an_a100_in_2022_and_1_99_in_2026(snapshot):
    rows = snapshot.execute(
        "select valid_from::date::varchar, usd_per_gpu_hour::double from price_history"
        " where provider = 'lambda' and gpu_id in ('a100-40gb', 'a100-pcie-40gb') and source like 'history%'"
        " and gpu_count = 1 order by valid_from"
    ).fetchall()
    assert rows[0] == ("2022-08-05", 1.10)
    assert rows[-1][1] == 1.99


def test_after_its_list_a_price_is_stale_and_then_lapsed(snapshot):
    def state(as_of: str) -> str:
        return snapshot.execute(
            "select price_state($1::timestamptz, is_recorded, fresh_until, lapses_at, is_unlisted, availability)"
            " from offers_as_of($1::timestamptz) where sku = 'Standard_NC24ads_A100_v4' and region = 'westeurope'"
            " and source = 'history_azure'",
            [as_of],
        ).fetchall()[0][0]

    # the list ends on 2025-06-03
    assert [state(day) for day in ("2025-06-01", "2025-07-15", "2025-12-15")] == [
        "recorded",
        "stale",
        "lapsed",
    ]


def test_nothing_of_the_history_is_fresh_now(snapshot):
    fresh = snapshot.execute(
        "select count(*) from offers_as_of($1::timestamptz) where source like 'history%' and fresh_until >= $1",
        [NOW],
    ).fetchall()
    assert fresh == [(0,)]


def test_the_questions_about_the_past_answer_from_it(ledger: gpuledger.Ledger):
    months = ledger.history("A100:80GB", every="1mo")
    assert len({row["step_at"] for row in months}) > 48
    days = ledger.index("A100-SXM-80GB")
    assert sum(row["state"] == "published" for row in days) > 100
    quoted = ledger.quote("llama-3-8b-lora", as_of="2024-06-01")
    best = quoted.to_dict()["quotes"][0]
    assert best["receipt"]["source_url"].startswith("gpuledger:history/")
    assert best["price_state"] == "recorded"


def test_of_two_lists_that_one_speaks_whose_price_is_recorded(ledger: gpuledger.Ledger):
    """The bundled list saw the price of June 2025 again in 2026; the archive, which looked later in June, did not."""
    rows = {row["provider"]: row for row in ledger.cheapest("H100-SXM", as_of="2026-03-15")}
    aws = rows["aws"]
    assert (aws["source"], str(aws["usd_per_gpu_hour"]), aws["price_state"]) == (
        "bundled",
        "6.880000",
        "recorded",
    )


def test_a_receipt_names_the_archive_and_its_version(snapshot):
    urls = {
        row[0]
        for row in snapshot.execute("select url from document where url like '%aws.parquet%'").fetchall()
    }
    assert urls == {
        "gpuledger:history/aws.parquet?archive=aws_karpenter&version=1b59328e5545",
        "gpuledger:history/aws.parquet?archive=aws_ec2details&version=5a50b6fb185b",
        "gpuledger:history/aws.parquet?archive=aws_ec2instances_info&version=3f430174ab51",
        "gpuledger:history/aws.parquet?archive=libcloud&version=a5ee9ef02aa6",
    }


def test_the_columns_are_the_facts(files):
    """What is loaded as columns is what the facts, one by one, would be, with the same ids."""
    aliases = Aliases(seed_rows())
    columns = [
        *(
            "offer_id",
            "gpu_id",
            "observed_at",
            "amount",
            "unit",
            "gpu_count",
            "gpu_memory_gib",
            "instance_type",
        ),
        *("region", "min_gpus", "term_months", "document_no"),
    ]
    for number, document in enumerate(documents(files)):
        if document.source == "history_gcp":
            continue  # 22,000 facts; the other four files hold every column
        one_by_one = seen_table([Located(fact=fact, document_no=1) for fact in parse(document)], aliases)
        at_once = resolved_table(located([parse_table(document)]), aliases, first_document=1)
        assert at_once.select(columns).to_pylist() == one_by_one.select(columns).to_pylist(), number


def test_no_row_is_what_the_program_would_refuse(files):
    for document in documents(files):
        table = parse_table(document)
        assert min(table["observed_at"].to_pylist()).year >= max(EARLIEST_YEAR, 2011)
        prices = [amount for amount in table["amount"].to_pylist() if amount is not None]
        assert min(prices) > 0
        assert set(table["currency"].drop_null().to_pylist()) == {"USD"}
        keys = list(zip(table["offer_id"].to_pylist(), table["observed_at"].to_pylist(), strict=True))
        assert len(keys) == len(set(keys))


def test_a_machine_is_never_sold_without_its_accelerator(snapshot):
    """Google's cheapest region of a machine is never under half of the median over regions."""
    found = snapshot.execute(
        "select sku, seen from (select sku, min(usd_per_hour) / median(usd_per_hour) as seen"
        " from offers_as_of('2024-06-01'::timestamptz) where source = 'history_gcp' and purchase_option = 'on_demand'"
        " group by sku) where seen < 0.5"
    ).fetchall()
    assert found == []


def test_every_archive_says_its_licence_its_span_and_what_was_refused(files):
    assert tuple(path.stem for path in files) == GROUPS
    assert {source.name for source in SOURCES} == {f"history_{group}" for group in GROUPS}
    for path in files:
        for told in archives(path.read_bytes()):
            assert told["licence"]
            assert told["covers_from"] < told["covers_until"]
            assert sum(told["refused"].values()) > 0
        assert all(entry["reason"] for entry in left_out_rows(path.read_bytes()))


def test_the_files_are_small(files):
    days = [path for path in files[0].parent.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in days) < 6_000_000


def test_by_a_clock_of_2023_nothing_later_is_known(tmp_path):
    from gpuledger.core.store.home import Home
    from gpuledger.core.store.publish import reading
    from gpuledger.flows.imports import load_bundled
    from gpuledger.flows.ledger import LedgerWriter as Writer

    then = datetime(2023, 1, 1, tzinfo=UTC)
    home = Home(tmp_path, has_history=True)
    load_bundled(
        Writer(home=home, sources=(bundled.SOURCE, SOURCES[GROUPS.index("curated")]), clock=lambda: then)
    )
    with reading(home) as connection:
        newest, skipped = connection.execute(
            "select (select max(observed_at) from price_change),"
            " (select sum(row_count) from skipped_row where reason = 'seen more than a day after now')"
        ).fetchall()[0]
    assert newest <= datetime(2023, 1, 2, tzinfo=UTC)
    assert skipped > 0


@pytest.mark.deep
def test_a_replay_compares_histories_that_both_know_one_thing_by_several_names(history_home, tmp_path):
    """A comparison told a hundred changes where the rebuilt ledger had not matched its names yet."""
    home = Home(tmp_path / "home", has_history=True)
    shutil.copytree(history_home.path, home.path)
    report = replay(LedgerWriter(home=home, sources=EVERY_SOURCE, clock=lambda: NOW), keep=False)
    assert report.intervals > 10_000
    assert (report.added, report.removed) == (0, 0)
