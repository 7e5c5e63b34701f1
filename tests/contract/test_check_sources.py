"""The table that says which source would see a price anew, against what the sources declare and read."""

import json
from pathlib import Path

import pytest

from gpuledger.core.store.check_source import CHECK_SOURCES, KEYS, READERS
from gpuledger.scrapers.registry import SOURCES

GOLDEN = Path(__file__).parents[1] / "golden"
RESELLERS = {"prime_intellect", "shadeform", "gpurentalprices_daily"}


def read_by(source: str) -> set[tuple[str, str]]:
    """Providers and purchase options of the golden files of a source."""
    rows = [
        json.loads(line)
        for path in (GOLDEN / source).glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return {(row["provider"], row["purchase_option"]) for row in rows if "purchase_option" in row}


def test_each_source_reads_what_it_is_named_for():
    for source, provider, options in READERS:
        assert read_by(source) >= {(provider, option) for option in options}, source


@pytest.mark.parametrize(
    "source", [one for one in SOURCES if not one.is_dated_list], ids=lambda one: one.name
)
def test_whatever_a_source_reads_has_a_source_that_is_named(source):
    own = {(provider, option) for provider, option in read_by(source.name) if source.name not in RESELLERS}
    assert own <= set(CHECK_SOURCES)


def test_the_keys_are_those_without_which_a_source_cannot_be_read():
    needed = {
        source.name: source.credentials[0].variable
        for source in SOURCES
        if source.requests and all(request.credential for request in source.requests)
    }
    assert needed == KEYS


def test_a_source_without_a_key_goes_before_one_with_it():
    assert CHECK_SOURCES["gcp", "on_demand"] == "gcp_page"
    assert CHECK_SOURCES["tensordock", "on_demand"] == "gpurentalprices_daily"
    assert CHECK_SOURCES["aws", "on_demand"] == "aws_on_demand"
    assert ("lambda", "reserved") not in CHECK_SOURCES
