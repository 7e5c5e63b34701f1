"""One ledger that knows every source, made once, and a copy of it for each trial."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.evidence.stage import Stage, copy_of, open_season


@pytest.fixture(scope="session")
def _season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("season") / "home"
    open_season(folder)
    return folder


@pytest.fixture
def stage(_season: Path, tmp_path: Path) -> Iterator[Stage]:
    """That ledger, to be spoilt."""
    with copy_of(_season, tmp_path / "home") as copy:
        yield copy


@pytest.fixture
def another_stage(_season: Path, tmp_path: Path) -> Callable[[str], AbstractContextManager[Stage]]:
    return lambda name: copy_of(_season, tmp_path / name)
