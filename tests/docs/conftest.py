"""A reader with a fresh home, and the market on loopback that every source is led to."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpuledger.scrapers.registry import SOURCES
from tests.conftest import Answer, Provider
from tests.docs.page_blocks import ROOT
from tests.docs.reader import Reader

CAPTURES = ROOT / "tests" / "captures"
ANSWERS = {
    "/runpod": "runpod/prices.json",
    "/coreweave": "coreweave/pricing.html",
    "/lambda_cloud": "lambda_cloud/pricing.html",
}
"""What the market answers, by the path of a source's first request; of all others it knows nothing."""


@pytest.fixture
def sources(provider: Provider) -> dict[str, str]:
    """Variables that lead every source to loopback, where the captures of a few are served."""
    bodies = {path: (CAPTURES / name).read_bytes() for path, name in ANSWERS.items()}
    provider.answer = lambda seen: Answer(body=bodies[seen.path]) if seen.path in bodies else Answer(404)
    return {
        f"GPULEDGER_SOURCE_{source.name.upper()}_URL": f"{provider.url}/{source.name}"
        for source in SOURCES
        if source.requests
    }


@pytest.fixture
def reader_in(sources: dict[str, str]) -> Iterator[Callable[[Path], Reader]]:
    """Makes readers, one folder each."""
    made: list[Reader] = []

    def make(place: Path) -> Reader:
        for name in ("folder", "home"):
            (place / name).mkdir(parents=True)
        made.append(Reader(folder=place / "folder", home=place / "home", sources=sources))
        return made[-1]

    yield make
    for reader in made:
        reader.leave()


@pytest.fixture
def reader(reader_in: Callable[[Path], Reader], tmp_path: Path) -> Reader:
    return reader_in(tmp_path)


@pytest.fixture(scope="session")
def bundled_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger as the first use makes it. Only to be copied."""
    from datetime import UTC, datetime

    from gpuledger.core.store.home import Home
    from gpuledger.flows.imports import load_bundled
    from gpuledger.flows.pipeline import LedgerWriter

    home = Home(tmp_path_factory.mktemp("bundled") / "ledger", has_history=True)
    load_bundled(LedgerWriter(home=home, sources=SOURCES, clock=lambda: datetime.now(UTC)))
    return home.path


def give_ledger(reader: Reader, ledger: Path) -> None:
    """Let a reader begin with a copy of a ledger."""
    shutil.copytree(ledger, reader.ledger)
