"""The days that are shipped beside the lists are those that would be derived from them."""

import shutil
from datetime import UTC, datetime

import pytest

from gpuledger.core.store import bundled_days
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import publish, reading
from gpuledger.flows.imports import load_bundled
from gpuledger.flows.ledger import LedgerWriter as Writer
from gpuledger.scrapers.archives.registry import EVERY_SOURCE

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.packaging
def test_they_are_of_these_lists_and_rules(history_home):
    """Otherwise a first command derives them, which takes a quarter of a minute: run `make generated`."""
    with reading(history_home) as connection:
        assert bundled_days.KEY.read_text().split()[0] == bundled_days.fingerprint(connection)


@pytest.mark.deep
def test_a_ledger_that_derived_days_before_has_the_shipped_ones_in_their_place(history_home, tmp_path):
    """An upgrade doubled every day of the index."""
    home = Home(tmp_path / "home", has_history=True)
    shutil.copytree(history_home.path, home.path)
    with turn(home), writing(home) as connection:
        connection.execute("delete from derived")
    with turn(home):
        publish(home, now=NOW)
    for table in bundled_days.TABLES:
        text = f"select count(*) from {table}"
        with reading(history_home) as shipped, reading(home) as upgraded:
            assert shipped.execute(text).fetchall() == upgraded.execute(text).fetchall(), table


@pytest.mark.packaging
def test_derived_days_are_the_same_days(history_home, tmp_path, monkeypatch):
    monkeypatch.setattr(bundled_days, "KEY", tmp_path / "no key")
    home = Home(tmp_path / "home", has_history=True)
    load_bundled(Writer(home=home, sources=EVERY_SOURCE, clock=lambda: NOW))
    for table in bundled_days.TABLES:
        text = f"select * from {table} order by all"
        with reading(history_home) as shipped, reading(home) as derived:
            assert shipped.execute(text).fetchall() == derived.execute(text).fetchall(), table
