"""A ledger that another release wrote: its snapshot lacks what this release's queries read from."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gpuledger.core.errors import OutdatedError
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import current, reading
from gpuledger.core.store.snapshot_pool import SnapshotPool


@pytest.fixture
def of_another_release(bundled_home: Path, tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    shutil.copytree(bundled_home, home.path)
    for path in (home.database, current(home)):
        with duckdb.connect(str(path)) as connection:
            connection.execute("drop view price_history")
            connection.execute(
                "update ledger_setting set value = 'older' where name in ('reference', 'relations')"
            )
    return home


def test_readers_are_told_what_mends_it(of_another_release: Home):
    with pytest.raises(OutdatedError, match="gpuledger publish"), reading(of_another_release):
        pass
    with pytest.raises(OutdatedError), SnapshotPool(of_another_release).reading():
        pass


@pytest.mark.parametrize(
    "command",
    [
        ["offers", "--gpu", "H100"],
        pytest.param(["sql", "select * from price_history order by all"], marks=pytest.mark.deep),
    ],
)
def test_the_first_command_brings_it_to_this_release(process, of_another_release: Home, command: list[str]):
    before = current(of_another_release)
    ran = process(of_another_release.path, *command)
    assert ran.code == 0, ran.err
    assert "brought it to this one" in ran.err
    assert ageless(ran.out)
    assert current(of_another_release) != before
    again = process(of_another_release.path, *command)
    assert (again.code, ageless(again.out)) == (0, ageless(ran.out))
    # what is said of the prices, and no more of the upgrade
    assert set(again.err.splitlines()) < set(ran.err.splitlines())
    assert "brought it to this one" not in again.err


def ageless(lines: str) -> list[dict[str, Any]]:
    """The rows without their ages, which grow from one command to the next."""
    rows = [json.loads(line) for line in lines.splitlines()]
    return [{key: value for key, value in row.items() if "age" not in key.split("_")} for row in rows]
