"""The days of a long history are derived in steps, each committed: whoever is killed goes on, others have the turn
between two, and the days are those of one step."""

import os
import shutil
import signal
from datetime import UTC, datetime, timedelta

import pytest

from gpuledger.core.errors import EmptyLedgerError
from gpuledger.core.store import publish as publishing
from gpuledger.core.store import rollups
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import complete, complete_step, current, hand_out, publish_rest

BEGAN = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 40
NOW = BEGAN + timedelta(days=DAYS, hours=3)
TABLES = ("gpu_price_day", "gpu_vote_day", "price_end_day", "gpu_index_day", "derived", "price_checkpoint")


@pytest.fixture
def home(tmp_path):
    """The days follow from the log, wherever that lies."""
    return Home(tmp_path / "home")


@pytest.fixture
def recorded(books, an_offer):
    """Six weeks of two sources. The second ends early: its series of the index have no vote in the last step."""
    for day in range(DAYS):
        at = BEGAN + timedelta(days=day)
        books.run(an_offer("a", f"{2.5 + day % 7 / 100}"), an_offer("b", "3.1"), at=at)
        if day < 15:
            offer = an_offer("c", f"{1.9 + day % 3 / 50}", gpu_label="NVIDIA A100", provider="other")
            books.run(offer, source="other", at=at + timedelta(hours=1))
    return books


@pytest.fixture
def few_days(monkeypatch):
    """A step of a week, as of a ledger of very many offers."""
    monkeypatch.setattr(rollups, "_days_at_once", lambda connection: 7)


def derived(home: Home) -> dict[str, list[tuple]]:
    with writing(home) as connection:
        return {table: connection.execute(f"from {table} order by all").fetchall() for table in TABLES}


def whole(home: Home, tmp_path) -> dict[str, list[tuple]]:
    """The tables of a copy, derived in one step."""
    copy = Home(tmp_path / "whole")
    copy.create()
    shutil.copy(home.database, copy.database)
    with pytest.MonkeyPatch.context() as patch, turn(copy):
        patch.setattr(rollups, "_days_at_once", lambda connection: 36_500)
        with writing(copy) as connection:
            assert complete_step(copy, connection, now=NOW) is not None
        tables = derived(copy)
    assert all(tables[table] for table in TABLES[:4])
    return tables


@pytest.mark.deep
def test_steps_leave_what_one_leaves(recorded, few_days, tmp_path):
    expected = whole(recorded.home, tmp_path)
    steps = 1
    with turn(recorded.home):
        with writing(recorded.home) as connection:
            while complete_step(recorded.home, connection, now=NOW) is None:
                steps += 1
        assert derived(recorded.home) == expected
    assert steps == 6


def killed_after(steps: int, home: Home) -> None:
    """A process that derives, and dies right after that many steps."""
    pid = os.fork()
    if pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        return
    try:
        with turn(home), writing(home) as connection:
            for _ in range(steps):
                complete_step(home, connection, now=NOW)
            os.kill(os.getpid(), signal.SIGKILL)
    finally:
        os._exit(1)


@pytest.mark.recovery
@pytest.mark.parametrize("steps", [1, 3])
def test_whoever_is_killed_goes_on_after_the_last_step(recorded, few_days, tmp_path, steps):
    expected = whole(recorded.home, tmp_path)
    killed_after(steps, recorded.home)
    with pytest.raises(EmptyLedgerError):
        current(recorded.home)
    with turn(recorded.home), writing(recorded.home) as connection:
        (until,) = connection.execute("select until_date from derived").fetchone()
        assert until == (BEGAN + timedelta(days=7 * steps)).date()
        number = complete(recorded.home, connection, now=NOW)
    hand_out(recorded.home, number)
    assert derived(recorded.home) == expected


@pytest.mark.deep
def test_others_have_the_turn_between_two_steps(recorded, few_days, an_offer, tmp_path, monkeypatch):
    """What they record meanwhile, also of a day that is derived already, is in the days."""
    in_a_list = an_offer("a", "1.7", observed_at=BEGAN + timedelta(days=2))
    left = [("runpod", an_offer("a", "2.7")), ("list", in_a_list)]

    def meanwhile(seconds: float) -> None:
        assert seconds > 0
        with turn(recorded.home, wait_seconds=0):
            pass
        if left:
            source, offer = left.pop(0)
            recorded.run(offer, source=source)

    with turn(recorded.home), writing(recorded.home) as connection:
        assert complete_step(recorded.home, connection, now=NOW) is None
    monkeypatch.setattr(publishing.time, "sleep", meanwhile)
    assert publish_rest(recorded.home, lambda: NOW) == 1
    assert not left
    assert derived(recorded.home) == whole(recorded.home, tmp_path)
