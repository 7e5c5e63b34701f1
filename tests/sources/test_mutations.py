"""Answers that were damaged, rearranged or inflated: right prices, a typed error, or a broken contract.

Hypothesis mutates every capture and, with `GPULEDGER_RECORDED`, every recorded answer. Nothing else than a
`SourceError` may be raised, none may take long, and no kind of damage may change a price. Some kinds make a
price list that could exist (`STATES_ANOTHER_PRICE`); of those the contract must leave no change of a known
offer beyond its bounds. `make deep` tries 30 per document and the default suite 10, `GPULEDGER_MUTATIONS=N` tries N;
`-m faults` tries many and cuts at every byte; `--hypothesis-seed` takes others.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuledger.scrapers.registry import SOURCES, get
from tests.depth import examples
from tests.sources.mutate import MUTATIONS, STATES_ANOTHER_PRICE
from tests.sources.oracle import MOST_SECONDS, Subject, captured
from tests.sources.recorded import ANSWERS, RECORDED, Recorded
from tests.sources.sheet import Sheet, sheet

FILES = {f"{source.name}/{name}": subject for source in SOURCES for name, subject in captured(source).items()}

EXAMPLES = int(os.environ.get("GPULEDGER_MUTATIONS", examples(30)))
MANY = 40 * int(os.environ.get("GPULEDGER_MUTATIONS", "30"))

each_capture = pytest.mark.parametrize("name", FILES)
each_recorded = pytest.mark.parametrize("recorded", ANSWERS, ids=lambda recorded: recorded.path)


class Tally:
    """What became of the mutations of one document."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.most_seconds = 0.0
        self.largest_change = 1.0

    def count(self, subject: Subject, kind: str, body: bytes) -> None:
        verdict = subject.verdict(body)
        self.outcomes[kind, verdict.how] += 1
        self.most_seconds = max(self.most_seconds, verdict.seconds)
        self.largest_change = max(self.largest_change, verdict.factor)
        assert verdict.seconds < MOST_SECONDS
        assert verdict.how != "believed" or kind in STATES_ANOTHER_PRICE, f"{kind}: {verdict.wrong}"
        assert verdict.factor <= subject.largest_change, f"{kind}: {verdict.wrong}"

    def record(self, record_property) -> None:
        record_property("mutations", [(*key, count) for key, count in self.outcomes.items()])
        record_property("most seconds", self.most_seconds)
        record_property("largest change", self.largest_change)


def mutate(subject: Subject, taken_apart: Sheet, examples: int, request) -> Tally:
    """Try so many mutations; fails with the smallest that does harm."""
    tally = Tally()
    unchanged = taken_apart.text.encode()
    is_seeded = request.config.getoption("hypothesis_seed") is not None

    @settings(
        max_examples=examples,
        derandomize=not is_seeded,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def one(data: st.DataObject) -> None:
        def pick(below: int) -> int:
            return data.draw(st.integers(0, max(below - 1, 0)))

        kind = data.draw(st.sampled_from(list(MUTATIONS)))
        mutated = MUTATIONS[kind](taken_apart, pick)
        body = mutated.encode() if isinstance(mutated, str) else mutated
        if body is not None and body != unchanged:
            tally.count(subject, kind, body)

    one()
    return tally


def fewer_for(taken_apart: Sheet, examples: int) -> int:
    """Pages and long answers take longer to read."""
    share = 4 if taken_apart.form == "markup" or len(taken_apart.text) > 100_000 else 1
    return max(5, examples // share)


@pytest.mark.hypothesis
@each_capture
def test_a_mutated_capture_never_gives_a_wrong_price(name: str, request, record_property):
    subject = FILES[name]
    taken_apart = sheet(name, subject.document.body)
    tally = mutate(subject, taken_apart, fewer_for(taken_apart, EXAMPLES), request)
    assert tally.outcomes
    tally.record(record_property)


@pytest.mark.deep
@pytest.mark.hypothesis
@pytest.mark.skipif(RECORDED is None, reason="GPULEDGER_RECORDED is not set")
@each_recorded
def test_a_mutated_recorded_answer_never_gives_a_wrong_price(recorded: Recorded, request, record_property):
    subject = Subject(get(recorded.source), recorded.document)
    taken_apart = sheet(recorded.name, recorded.document.body)
    tally = mutate(subject, taken_apart, fewer_for(taken_apart, EXAMPLES // 2), request)
    assert tally.outcomes
    tally.record(record_property)


@pytest.mark.faults
@each_capture
def test_many_mutations_of_a_capture(name: str, request, record_property):
    subject = FILES[name]
    taken_apart = sheet(name, subject.document.body)
    tally = mutate(subject, taken_apart, fewer_for(taken_apart, MANY), request)
    tally.record(record_property)


@pytest.mark.faults
@pytest.mark.skipif(RECORDED is None, reason="GPULEDGER_RECORDED is not set")
@each_recorded
def test_many_mutations_of_a_recorded_answer(recorded: Recorded, request, record_property):
    subject = Subject(get(recorded.source), recorded.document)
    taken_apart = sheet(recorded.name, recorded.document.body)
    tally = mutate(subject, taken_apart, fewer_for(taken_apart, MANY // 4), request)
    tally.record(record_property)


@pytest.mark.faults
@each_capture
def test_a_capture_cut_at_any_byte_never_gives_a_wrong_price(name: str, record_property):
    subject, tally = FILES[name], Tally()
    for end in range(len(subject.document.body)):
        tally.count(subject, "truncated", subject.document.body[:end])
    tally.record(record_property)


@pytest.mark.faults
@each_capture
def test_any_leaf_of_a_capture_may_be_null(name: str, record_property):
    subject, tally = FILES[name], Tally()
    taken_apart = sheet(name, subject.document.body)
    null = "null" if taken_apart.form == "json" else ""
    for cell in taken_apart.cells:
        tally.count(subject, "leaf null", taken_apart.spliced((cell.start, cell.end, null)).encode())
    tally.record(record_property)


@pytest.mark.parametrize(
    ("megabytes", "most_extra"),
    # the bytes, their text and one more copy of it, with what the allocator keeps back
    [
        pytest.param(20, 200, marks=pytest.mark.deep),
        pytest.param(100, 600, marks=pytest.mark.faults),
    ],
    ids=["20 MB", "100 MB"],
)
def test_much_junk_is_refused_in_bounded_time_and_memory(megabytes: int, most_extra: int, record_property):
    program = Path(__file__).with_name("junk.py")
    command = [sys.executable, program, str(megabytes)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["source"] for row in rows} == {source.name for source in SOURCES}
    assert [row for row in rows if row["outcome"] != "ParseError"] == []
    assert max(row["seconds"] for row in rows) < MOST_SECONDS
    assert max(row["extra_mb"] for row in rows) < most_extra
    record_property("mutations", [(f"{megabytes} MB of junk", "refused", len(rows))])


@pytest.mark.parametrize(
    ("name", "found", "put"),
    [
        # An unmarked cell moves all others one to the left, so that spot stands under on-demand.
        (
            "coreweave/pricing_2026-09.html",
            '<div class="table-v2-cell instance-price"><span class="item-value">Contact us</span>',
            '<div class=""><span class="item-value">Contact us</span>',
        ),
        # Without its title the column of new prices is not seen, and the old ones count.
        ("nebius/prices.html", "GPU-hour (Effective October 1, 2026)", ""),
        # The end of a YAML list may be cut within a number.
        ("gcp_page/pricing.yml", "month: 0.01\n", "month: 0.0"),
    ],
)
def test_damage_that_once_gave_a_wrong_price_is_refused(name: str, found: str, put: str):
    subject = FILES[name]
    body = subject.document.body.decode()
    assert found in body
    assert subject.verdict(body.replace(found, put).encode()).how in ("refused", "quarantined")
