"""Where the rows of a shared log lie: by month and offer, and found again by the change feed."""

from datetime import timedelta

import pytest

from gpuledger.core.store.database import transaction, turn, writing
from gpuledger.core.store.shared.change_feed import ChangeFeed, change_feed
from gpuledger.core.store.shared.compaction import maintain
from gpuledger.core.store.shared.lake import GROWING, has_layout, open_lake
from gpuledger.core.store.shared.move import contents_of_lake
from tests.machines import assert_a_new_machine_sees_the_same

pytestmark = pytest.mark.shared_store


@pytest.fixture
def home(lake_home):
    """Only the shared store."""
    return lake_home


def files_of(lake, table: str) -> list[str]:
    return [
        file
        for (file,) in lake.execute(
            "select data_file from ducklake_list_files('lake', $1)", [table]
        ).fetchall()
    ]


def compact(books) -> None:
    with turn(books.home), writing(books.home) as connection:
        before = contents_of_lake(books.home.lake, connection)
        maintain(books.home.lake, connection)
        assert contents_of_lake(books.home.lake, connection) == before


def record_months(books, an_offer, months: int) -> None:
    """Two runs a month, each with a file of its own, and one with rows in the catalogue."""
    for month in range(months):
        for amount in (2.5, 2.6):
            at = books.at + timedelta(days=31)
            books.run(*(an_offer(f"sku-{number:03d}", amount + month) for number in range(150)), at=at)
        books.run(
            an_offer("sku-000", 2.7 + month),
            *(an_offer(f"sku-{number:03d}", 2.6 + month) for number in range(1, 150)),
            at=books.at + timedelta(minutes=5),
        )


def test_files_hold_one_month_each_in_the_order_of_offers(books, an_offer):
    record_months(books, an_offer, months=2)
    compact(books)
    with books.writing() as connection, open_lake(books.home.lake, connection) as lake:
        files = files_of(lake, "price_change")
        months = lake.execute(
            "select count(distinct date_trunc('month', observed_at)) from lake.price_change"
        ).fetchone()
        assert months is not None and len(files) == months[0] > 1
        for file in files:
            rows = lake.execute(
                f"select source, offer_id, observed_at from read_parquet('{file}', hive_partitioning = false)"
            ).fetchall()
            assert rows == sorted(rows)
            assert len({(row[2].year, row[2].month) for row in rows}) == 1


def test_a_lake_of_an_earlier_release_takes_the_layout_and_keeps_every_row(
    books, an_offer, machine, tmp_path
):
    """New files take it, and what is gathered of the old ones lies in the order of offers; a machine that was away goes
    on where it was."""
    with books.writing() as connection, open_lake(books.home.lake, connection) as lake:
        for table in GROWING:
            lake.execute(f"alter table lake.{table} reset partitioned by")
            lake.execute(f"alter table lake.{table} reset sorted by")
        lake.execute("delete from lake.ledger_setting where name = 'layout'")
    away = machine("away")
    record_months(books, an_offer, months=1)
    away.ask("select 1")
    record_months(books, an_offer, months=1)
    compact(books)
    record_months(books, an_offer, months=1)
    with books.writing() as connection, open_lake(books.home.lake, connection) as lake:
        assert has_layout(lake)
        assert any("month=" in file for file in files_of(lake, "price_change"))
    compact(books)
    for query in ("from price_history order by all", "from offer_current order by all"):
        assert away.ask(query) == books.ask(query)
    assert_a_new_machine_sees_the_same(books.home, tmp_path / "third", books.bring)


def test_the_feed_gives_what_the_tables_hold(books, an_offer):
    """Beside rows in the catalogue, after merging, and where commits were forgotten."""
    record_months(books, an_offer, months=1)
    compare_feed_with_tables(books)
    compact(books)
    record_months(books, an_offer, months=1)
    compare_feed_with_tables(books)
    with books.writing() as connection, open_lake(books.home.lake, connection) as lake:
        past = lake.execute("select max(snapshot_id) - 4 from ducklake_snapshots('lake')").fetchone()
        numbers = lake.execute(
            "select snapshot_id from ducklake_snapshots('lake') where snapshot_id <= $1", past
        )
        versions = ", ".join(str(number) for (number,) in numbers.fetchall())
        lake.execute(f"call ducklake_expire_snapshots('lake', versions => [{versions}])")
    compare_feed_with_tables(books)


def compare_feed_with_tables(books) -> None:
    address = books.home.lake
    with (
        books.writing() as connection,
        open_lake(address, connection) as lake,
        transaction(lake),
    ):
        newest = change_feed(address, lake, 0).newest
        by_feed = 0
        for since in (newest // 2, newest - 2):
            news = change_feed(address, lake, since)
            by_feed += {since + 1, newest} <= news.commits
            tables = ChangeFeed(connection=lake, since=since, newest=newest, commits=frozenset())
            runs = news.runs().sort_by("place")
            assert runs.equals(tables.runs().sort_by("place"))
            assert news.run_sizes().sort_by("run_id").equals(tables.run_sizes().sort_by("run_id"))
            if not runs.num_rows:
                continue
            numbered = runs.append_column("run_no", runs["place"].cast("int32"))
            for table in (*GROWING, "document", "offer"):
                with news.rows_of_runs(table, numbered) as rows:
                    by_news = rows.read_all()
                with tables.rows_of_runs(table, numbered) as rows:
                    assert by_news.sort_by("place").equals(rows.read_all().sort_by("place")), (table, since)
        assert by_feed, "the feed was not tried"
