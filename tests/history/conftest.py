"""A ledger as the first command makes it: the bundled list and the bundled history, on a machine without a network."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

import gpuledger
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from tests.template import start_bundled

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def history_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Only to be read."""
    folder = tmp_path_factory.mktemp("history") / "home"
    return Home(start_bundled(folder, now=NOW, has_history=True), has_history=True)


@pytest.fixture(scope="session")
def list_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The bundled list alone. Only to be read."""
    return Home(start_bundled(tmp_path_factory.mktemp("list") / "home", now=NOW))


@pytest.fixture
def snapshot(history_home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with reading(history_home) as connection:
        yield connection


@pytest.fixture
def ledger(history_home: Home) -> gpuledger.Ledger:
    return gpuledger.Ledger(history_home.path, clock=lambda: NOW, environ={})


@pytest.fixture(scope="session")
def files() -> list[Path]:
    from gpuledger.core.store.sql import FOLDER

    return sorted((FOLDER / "history").glob("*.parquet"))
