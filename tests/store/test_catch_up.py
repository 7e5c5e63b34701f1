"""What a machine that was away takes of a shared log."""

import pytest

from gpuledger.core.alias import Aliases
from gpuledger.core.errors import StoreError
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.shared import follow
from gpuledger.core.store.shared.follow import catch_up
from tests.template import start_migrated

pytestmark = pytest.mark.shared_store


@pytest.fixture
def home(lake_home):
    """Only the shared store."""
    return lake_home


def test_a_machine_that_was_away_for_long_has_every_run(books, an_offer, machine):
    away = machine("away")
    away.ask("select 1")
    for hour in range(6):
        books.run(an_offer("a", 2 + hour / 10), source="runpod" if hour % 2 else "other")
    assert len(away.ask("from scrape_run")) == 6
    away.publish()
    assert away.read("select source, amount::double from offer_latest") == [("runpod", 2.5)]


def test_a_long_absence_is_caught_up_in_parts_and_a_kill_between_two_loses_none(
    books, an_offer, machine, monkeypatch
):
    for hour in range(6):
        books.run(
            an_offer("a", 2 + hour / 10), an_offer(f"b{hour}"), source="other" if hour == 4 else "runpod"
        )
    whole, away = machine("whole"), machine("away")
    commits: list[int] = []

    def until_the_fourth(there, connection, part_no):
        if len(commits) == 3:
            raise StoreError("killed")
        commits.append(part_no)
        stage(there, connection, part_no)

    stage = follow._stage
    start_migrated(away.home, away.sources, away.aliases)
    with turn(away.home), writing(away.home) as connection:
        migrate(connection, sources=away.sources, aliases=away.aliases)
        with monkeypatch.context() as patch:
            patch.setattr(follow, "_stage", until_the_fourth)
            with pytest.raises(StoreError, match="killed"):
                catch_up(away.home, connection, Aliases(away.aliases), rows_at_once=1)
        assert connection.execute("select count(*) from scrape_run").fetchone() == (3,)
        assert catch_up(away.home, connection, Aliases(away.aliases), rows_at_once=1) == 3
        assert catch_up(away.home, connection, Aliases(away.aliases), rows_at_once=1) == 0
    for query in (
        "from price_history order by all",
        "from scrape_run order by all",
        "from offer_current order by all",
    ):
        assert away.ask(query) == whole.ask(query)


def test_each_part_reads_its_own_runs_alone_and_leaves_nothing_staged(books, an_offer, machine, monkeypatch):
    """So memory does not grow with what was missed."""
    for hour in range(7):
        books.run(an_offer("a", 2 + hour / 10), an_offer("b", 3 + hour / 10), source="runpod")
    away = machine("away")
    start_migrated(away.home, away.sources, away.aliases)
    parts: list[tuple[int, int]] = []
    stage = follow._stage

    def counted(there, connection, part_no):
        left = "select count(*) from duckdb_tables() where table_name like 'shared_%' or table_name = 'new_price'"
        assert connection.execute(left).fetchone() == (0,)
        stage(there, connection, part_no)
        row = connection.execute(
            "select (select count(*) from shared_scrape_run), (select count(*) from shared_price_change)"
        ).fetchone()
        parts.append(row)

    monkeypatch.setattr(follow, "_stage", counted)
    with turn(away.home), writing(away.home) as connection:
        migrate(connection, sources=away.sources, aliases=away.aliases)
        # the first run has two offers and their stock beside the two prices of each
        assert catch_up(away.home, connection, Aliases(away.aliases), rows_at_once=4) == 7
        assert connection.execute("select count(*) from price_change").fetchone() == (14,)
        left = "select table_name from duckdb_tables() where table_name like 'shared_%'"
        assert connection.execute(left).fetchall() == []
    assert parts == [(1, 2), (1, 2), (2, 4), (2, 4), (1, 2)]


def test_catching_up_twice_takes_nothing_twice(books, an_offer, machine):
    books.run(an_offer("a"))
    other = machine("other")
    with turn(other.home), writing(other.home) as connection:
        other.bring(connection, other.home)
        assert catch_up(other.home, connection, Aliases(())) == 0
        assert connection.execute("select count(*) from price_change").fetchone() == (1,)
