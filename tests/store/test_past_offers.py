"""What was on sale at past times, kept beside a snapshot that several readers share."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gpuledger.core.store import past_offers
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.offers import OfferQuery, offer_page, overview
from gpuledger.core.store.publish import reading
from gpuledger.core.store.snapshot_pool import SnapshotPool
from tests.interface.server.large_ledger import NOW, fill

DAYS = [NOW - timedelta(days=count) for count in range(1, 10)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(Path(tmp_path_factory.mktemp("past")))
    fill(made, now=NOW, offers=120, days=12)
    return made


def alone(home: Home, at: datetime, query: OfferQuery) -> list[str]:
    """The answer of a reader who shares the snapshot with nobody."""
    with reading(home) as connection:
        return [offer.price_id for offer in offer_page(connection, query, at=at, as_of=at).offers]


def shared(pool: SnapshotPool, at: datetime, query: OfferQuery) -> list[str]:
    with pool.reading() as served:
        return [offer.price_id for offer in offer_page(served.connection, query, at=at, as_of=at).offers]


def test_a_served_question_has_one_thread_and_a_day_keeps_the_order_of_the_present(home):
    pool = SnapshotPool(home)
    try:
        with pool.reading() as served:
            past_offers.set_past(served.connection, as_of=DAYS[0], gpu_ids=None)
            assert served.connection.execute("select current_setting('threads')").fetchall() == [(1,)]
            ((table,),) = served.connection.execute("select getvariable('past_table')").fetchall()
            rows = served.connection.execute(
                "select place_no, row_number() over (order by gpu_id, purchase_option, usd_per_gpu_hour,"
                " usd_per_hour, last_seen_at desc, provider, region, offer_id) - 1"
                f" from {table}"
            ).fetchall()
        assert len(rows) > 100
        assert all(place_no == number for place_no, number in rows)
    finally:
        pool.close()


def test_one_reader_who_asks_again_about_a_day_gets_what_the_first_answer_was(home):
    some = OfferQuery(gpu_ids=("h100-sxm-80gb",))
    asked = [
        (DAYS[0], OfferQuery()),
        (DAYS[0], OfferQuery()),
        (DAYS[0], some),
        (DAYS[3], some),
        (DAYS[3], some),
    ]
    asked += [(DAYS[0], some), (DAYS[3], OfferQuery())]
    with reading(home) as connection:
        for at, query in asked:
            offers = offer_page(connection, query, at=at, as_of=at).offers
            assert offers and [offer.price_id for offer in offers] == alone(home, at, query)


def test_the_writer_sees_what_it_has_written_since(home):
    with turn(home), writing(home) as connection:
        connection.begin()
        for changed in (False, True):
            if changed:
                connection.execute("update price_change set amount = 7777")
                connection.execute("update price_checkpoint set amount = 7777")
            page = offer_page(connection, OfferQuery(), at=DAYS[0], as_of=DAYS[0])
            assert {offer.amount == 7777 for offer in page.offers} == {changed}
        connection.rollback()


def days_kept(pool: SnapshotPool) -> int:
    with pool.reading() as served:
        return served.connection.execute("select count(*) from past.main.day").fetchall()[0][0]


QUERIES = [
    OfferQuery(),
    OfferQuery(gpu_ids=("h100-sxm-80gb", "a100-sxm-80gb")),
    OfferQuery(best_per_provider=True, order_by="usd_per_hour"),
    OfferQuery(max_rows=10, skip_rows=5),
]


@pytest.mark.parametrize("query", QUERIES, ids=["all", "accelerators", "best", "a page"])
def test_readers_who_share_a_day_get_what_one_alone_gets_the_first_time_and_the_next(home, query):
    pool = SnapshotPool(home)
    for at in DAYS[:2]:
        assert alone(home, at, query)
        assert shared(pool, at, query) == shared(pool, at, query) == alone(home, at, query)
    pool.close()


def test_one_reader_may_ask_about_some_accelerators_then_about_all_then_about_another_day(home):
    pool = SnapshotPool(home)
    some, everything = OfferQuery(gpu_ids=("h100-sxm-80gb",)), OfferQuery()
    with pool.reading() as served:
        for at, query in ((DAYS[0], some), (DAYS[0], everything), (DAYS[0], some), (DAYS[1], everything)):
            page = offer_page(served.connection, query, at=at, as_of=at)
            assert [offer.price_id for offer in page.offers] == alone(home, at, query)
    pool.close()


def test_the_overview_of_a_past_day_is_the_same_whether_the_day_is_kept_or_not(home):
    pool = SnapshotPool(home)
    with pool.reading() as served:
        once = overview(served.connection, at=DAYS[2], as_of=DAYS[2])
    assert days_kept(pool) == 0, "one answer keeps no day"
    shared(pool, DAYS[2], OfferQuery())
    with pool.reading() as served:
        assert overview(served.connection, at=DAYS[2], as_of=DAYS[2]) == once
    assert len(once) > 20
    pool.close()


def test_the_oldest_days_go_once_nobody_reads_and_are_read_again_when_asked_about(home):
    pool = SnapshotPool(home)
    for at in DAYS:
        shared(pool, at, OfferQuery())
    assert days_kept(pool) == past_offers.MOST_AT_REST
    assert shared(pool, DAYS[0], OfferQuery()) == alone(home, DAYS[0], OfferQuery())
    pool.close()


def test_while_somebody_reads_no_more_days_are_kept_than_there_is_room_for(home):
    pool = SnapshotPool(home)
    with pool.reading():
        for at in DAYS:
            assert shared(pool, at, OfferQuery()) == alone(home, at, OfferQuery())
        assert days_kept(pool) == past_offers.MOST_AT_ONCE < len(DAYS)
    pool.close()


@pytest.mark.deep
def test_many_readers_of_the_same_days_at_once_each_get_their_answer(home):
    pool = SnapshotPool(home)
    expected = {at: alone(home, at, OfferQuery()) for at in DAYS[:3]}
    with ThreadPoolExecutor(6) as threads:
        asked = [DAYS[number % 3] for number in range(18)]
        answers = list(threads.map(lambda at: shared(pool, at, OfferQuery()), asked))
    assert answers == [expected[at] for at in asked]
    pool.close()
