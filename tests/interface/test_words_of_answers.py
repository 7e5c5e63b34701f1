"""What answers say in words: lapsed prices, credits, limits within a range, plans as paths, counts of one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpuledger import Ledger
from gpuledger.core.cost.decisions.decision import commitments
from gpuledger.core.count import counted
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import GPULedgerError, InvalidPlanError, NoOfferError, ParseError, UsageError
from gpuledger.core.store.home import Home
from gpuledger.web.responses import headers_of
from tests.template import start_bundled

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SPOT = {"gpu": "RTX4090", "purchase_options": ("spot",)}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    home = Home(start_bundled(tmp_path_factory.mktemp("words"), now=NOW))
    return Ledger(home, clock=lambda: NOW, environ={})


def test_a_quote_that_lapsed_prices_alone_would_answer_says_how(ledger):
    with pytest.raises(NoOfferError, match="; --allow-stale ranks the lapsed prices"):
        ledger.quote("llama-3-8b-lora", **SPOT)
    assert ledger.quote("llama-3-8b-lora", allow_stale=True, **SPOT).quotes[0].price_state == "lapsed"


def test_each_step_after_a_lapse_says_what_lapsed_and_when(ledger):
    rows = ledger.quote_over("llama-3-8b-lora", span="2026-02-01..2026-06-01", every="1mo", **SPOT)
    causes = [row["cause"] for row in rows]
    spot = "rtx-4090-24gb NVIDIA GeForce RTX 4090, spot, at runpod"
    assert causes[0].startswith(f"lapsed since 2025-07-19: {spot}")
    assert causes[2].startswith(f"an offer lapsed: {spot}")
    assert {cause.split(":")[0] for cause in causes[3:]} == {"lapsed since 2026-03-31"}
    assert all("at runpod global, last seen 2026-03-01" in cause for cause in causes[3:])


def test_a_credit_of_a_provider_that_nobody_knows_is_refused_with_the_nearest(ledger):
    with pytest.raises(UsageError, match=r"credit: no provider 'runpodd' here; did you mean runpod\?"):
        ledger.quote("llama-3-8b-lora", credits=("runpodd=100",))


@pytest.mark.parametrize(
    ("hours", "passes", "is_certain"), [(2.0, False, False), (4.4, True, False), (99.0, True, True)]
)
def test_a_limit_says_whether_the_whole_range_keeps_it(ledger, hours, passes, is_certain):
    verdict = ledger.quote("llama-3-8b-lora", gpu="RTX4090", deadline_hours=hours).deadline
    assert verdict is not None
    assert (verdict.passes, verdict.is_certain) == (passes, is_certain)
    told = verdict.to_dict()
    assert (float(told["high_hours"]) <= hours, told["is_certain"]) == (is_certain, is_certain)
    found = ledger.check("llama-3-8b-lora", gpu="RTX4090", deadline_hours=hours)["findings"]
    levels = [finding["level"] for finding in found if finding["rule"] == "deadline"]
    assert levels == ([] if is_certain else ["note"] if passes else ["error"])


def test_a_plan_may_be_a_path_and_the_name_of_a_file_is_told_from_a_preset(ledger, tmp_path):
    path = tmp_path / "q.toml"
    path.write_text('model = "llama-3-8b"\nmethod = "lora"\ndataset_tokens = 1e7\n')
    assert ledger.quote(path).quotes
    for wrong, message in (
        (Path(tmp_path / "none.toml"), "cannot read"),
        ("q.toml", "'q.toml' is the name of a file"),
        (5, "not int"),
    ):
        with pytest.raises((InvalidPlanError, UsageError), match=message) as error:
            ledger.quote(wrong)  # pyright: ignore[reportArgumentType]
        assert isinstance(error.value, GPULedgerError)


def test_one_thing_is_not_several():
    assert [counted(count, "offer") for count in (0, 1, 2, 2000)] == [
        "0 offers",
        "1 offer",
        "2 offers",
        "2,000 offers",
    ]


@pytest.mark.parametrize(
    ("body", "told"), [(b" \n", "the body is empty"), (b"<p>", "the body begins b'<p>'")]
)
def test_an_answer_that_cannot_be_read_says_what_it_begins_with(body, told):
    document = Document(source="x", request=Request(url="https://x.example/"), body=body, fetched_at=NOW)
    with pytest.raises(ParseError, match=told):
        document.json()


def test_the_warning_counts_what_the_answer_lists(ledger):
    with ledger.pinned() as same:
        edition = same.edition
    told = [
        headers_of(edition, NOW, count, noun)["warning"] for count, noun in ((1, "price"), (26, "source"))
    ]
    assert told == [
        '110 gpuledger "1 price here past the freshness target"',
        '110 gpuledger "26 sources here past the freshness target"',
    ]


def test_a_reservation_is_held_against_the_same_machine():
    row = {"provider": "aws", "gpu_id": "h100", "region": "us", "tier": None, "price_state": "fresh"}
    small, large = (
        {"instance_type": "p5.4xlarge", "gpu_count": 1},
        {"instance_type": "p5.48xlarge", "gpu_count": 8},
    )
    hourly = {"purchase_option": "on_demand", "term_months": None}
    yearly = {"purchase_option": "reserved", "term_months": 12}
    offers = [
        row | small | hourly | {"usd_per_gpu_hour": 3},
        row | large | hourly | {"usd_per_gpu_hour": 4},
        row | large | yearly | {"usd_per_gpu_hour": 2},
    ]
    (found,) = commitments(offers)
    assert (found["instance_type"], found["usd_per_gpu_hour_on_demand"], found["share_off"]) == (
        "p5.48xlarge",
        4,
        0.5,
    )
