"""Every source against every capture. A new source gets all of this by its line in the registry."""

import os
from collections import Counter
from pathlib import Path

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.offer import Offer, Skipped
from gpuledger.scrapers.registry import SOURCES, get
from tools.captures import captures, golden_lines, read_capture

TESTS = Path(__file__).resolve().parents[1]
CAPTURES = [(source.name, path) for source in SOURCES for path in captures(TESTS / "captures" / source.name)]


def golden_path(source: str, capture: Path) -> Path:
    return TESTS / "golden" / source / f"{capture.name}.jsonl"


def by_name(value: object) -> str:
    return value.name if isinstance(value, Path) else str(value)


def test_every_source_has_a_capture():
    assert SOURCES
    # files of a release and of the bundled history are made by this program; tests/history reads them
    made_here = {
        source.name for source in SOURCES if source.name == "release" or source.name.startswith("history_")
    }
    assert {source for source, _ in CAPTURES} == {source.name for source in SOURCES} - made_here


@pytest.mark.parametrize(("name", "capture"), CAPTURES, ids=by_name)
def test_a_capture_yields_its_golden_file(name: str, capture: Path):
    lines = golden_lines(get(name), read_capture(name, capture), seed_aliases())
    golden = golden_path(name, capture)
    if os.environ.get("GPULEDGER_WRITE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text("\n".join(lines) + "\n")
    assert lines == golden.read_text().splitlines()


@pytest.mark.parametrize(("name", "capture"), CAPTURES, ids=by_name)
def test_offers_of_one_document_have_their_own_identity(name: str, capture: Path):
    offers = [fact for fact in get(name).parse(read_capture(name, capture)) if isinstance(fact, Offer)]
    doubled = [key for key, count in Counter(offer.offer_id for offer in offers).items() if count > 1]
    assert not doubled


@pytest.mark.parametrize(("name", "capture"), CAPTURES, ids=by_name)
def test_every_skip_has_a_stable_reason_and_the_row(name: str, capture: Path):
    for fact in get(name).parse(read_capture(name, capture)):
        if isinstance(fact, Skipped):
            assert fact.reason
            assert fact.row not in (None, "", {})


@pytest.mark.parametrize(("name", "capture"), CAPTURES, ids=by_name)
def test_parsing_twice_gives_the_same(name: str, capture: Path):
    document = read_capture(name, capture)
    assert list(get(name).parse(document)) == list(get(name).parse(document))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_says_what_it_covers_and_under_which_terms(source):
    assert source.covers
    assert source.licence
    assert source.homepage.startswith("https://") or source.is_dated_list
    assert all(request.url.startswith("https://") for request in (*source.requests, *source.fallback))
