"""A snapshot and a list hold the same market: the rules in SQL and in Python are the same rules."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from gpuledger.core.cost.batch import WORTH_PREPARING
from gpuledger.core.cost.market.offers import ListMarket
from gpuledger.core.cost.market.own_terms import read_overrides
from gpuledger.core.cost.market.snapshot import STALLS_KEPT, LedgerMarket
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.quote import quote
from gpuledger.core.cost.search import Selection
from gpuledger.core.errors import GPULedgerError
from gpuledger.core.plan import plan_from_mapping, preset_plan
from gpuledger.core.store import sql
from gpuledger.core.store.home import Home
from gpuledger.core.store.offer_table import offer_table
from gpuledger.core.store.offers import OfferQuery, offers
from gpuledger.core.store.publish import reading
from gpuledger.ledger import Ledger
from tests.template import start_bundled, this_hour

NOW = datetime(2026, 3, 15, tzinfo=UTC)
QUOTED = plan_from_mapping({"name": "q", "hardware": {"gpu": "A100", "gpus": 16, "wall_hours": 500}})
OWN = read_overrides('[[discount]]\nprovider = "coreweave"\npercent = 70\n', "test")
CONTRACT = read_overrides('[[contract]]\nprovider = "aws"\nusd_per_gpu_hour = 0.5\n', "test")
QUESTIONS: list[tuple[Any, dict[str, Any]]] = [
    (QUOTED, {}),
    (preset_plan("llama-2-7b"), {}),
    (preset_plan("llama-2-7b"), {"deadline_hours": 500.0}),
    (preset_plan("llama-2-7b-qlora"), {"allow_stale": True}),
    (preset_plan("llama-2-7b-qlora"), {"providers": ("runpod", "lambda"), "tiers": ("community",)}),
    (preset_plan("llama-2-7b-qlora"), {"regions": ("US",), "purchase_options": ("spot", "reserved")}),
    (preset_plan("llama-2-7b-qlora"), {"gpu": "A100:1..8", "overrides": OWN}),
    (preset_plan("llama-2-7b"), {"overrides": CONTRACT, "max_gpus": 64}),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(start_bundled(tmp_path_factory.mktemp("home"), now=this_hour()))


@pytest.fixture(scope="module")
def connection(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with reading(home) as opened:
        yield opened


@pytest.mark.parametrize("as_of", [None, NOW], ids=["now", "as of March"])
@pytest.mark.parametrize("question", range(len(QUESTIONS)))
def test_both_markets_give_the_same_answer(connection, question, as_of):
    plan, flags = QUESTIONS[question]
    question = Question.of(
        plan, QuoteOptions(limit=8, **flags), as_of=as_of, now=datetime(2026, 11, 21, tzinfo=UTC)
    )
    rules = {"at": question.moment, "allow_stale": question.options.allow_stale}
    everything = offers(connection, OfferQuery(), as_of=as_of)
    assert len(everything) > 10
    listed = ListMarket(everything, question.offers, **rules, snapshot=1)
    stored = LedgerMarket(connection, question.offers, as_of=as_of, **rules)
    assert stored.excluded() == listed.excluded()
    assert {s: k.offers for s, k in stored.shelf.stocks.items()} == {
        s: k.offers for s, k in listed.shelf.stocks.items()
    }
    from_list = quote(question, listed).to_dict()
    from_ledger = quote(question, stored).to_dict()
    assert from_ledger == from_list | {"snapshot": from_ledger["snapshot"]}
    table = offer_table(connection, OfferQuery(), as_of=as_of)
    assert [table[number] for number in range(len(table))] == everything
    columns = ListMarket(table, question.offers, **rules, snapshot=1)
    assert columns.excluded() == listed.excluded()
    assert columns.shelf.stocks == listed.shelf.stocks
    assert quote(question, columns).to_dict() == from_list


@pytest.mark.parametrize("question", range(len(QUESTIONS)))
def test_bounds_in_sql_and_in_arrays_are_the_same(connection, question):
    plan, flags = QUESTIONS[question]
    question = Question.of(plan, QuoteOptions(**flags), now=datetime(2026, 11, 21, tzinfo=UTC))
    market = LedgerMarket(connection, question.offers, at=question.moment)
    bounds = Selection(question, market).bounds
    connection.execute(sql.text("queries/quote_floor"))
    in_sql = connection.execute(
        "select misses = 1, state_class, floor_usd, price_id from quote_floor($bounds, '0,1,2,3') order by all",
        {"bounds": market._bounds_text(bounds)},
    ).fetchall()
    in_arrays = [(*candidate[:3], candidate.offer.price_id) for candidate in market.candidates(bounds)]
    assert in_arrays == in_sql
    assert in_sql


def test_few_plans_and_many_give_the_same_answers(connection, home):
    ledger = Ledger(home, clock=lambda: datetime(2026, 11, 21, tzinfo=UTC))
    plans = [
        "llama-2-7b-qlora",
        "llama-2-7b",
        {"method": "pretrain", "model": "gpt2", "training_tokens": 1e9},
        {"method": "lora", "model": "llama-3-8b", "constraints": {"providers": ["lambda"]}},
        {"method": "lora", "model": "llama-3-8b", "constraints": {"providers": ["aws"], "deadline_hours": 9}},
    ]
    few = list(ledger.quotes(plans))
    many = list(ledger.quotes(plans * WORTH_PREPARING))
    assert many == few * WORTH_PREPARING
    assert few[0]["quotes"]


def test_what_an_earlier_question_read_is_used_until_a_price_changes_its_state(connection):
    question = Question.of(preset_plan("llama-2-7b-qlora"), QuoteOptions(limit=3), now=NOW)
    ends = connection.execute(
        "select distinct ends from (select unnest([fresh_until, lapses_at]) as ends from offer_latest)"
        " where ends is not null order by ends"
    ).fetchall()
    times = [ends[0][0] - timedelta(hours=2), ends[0][0] - timedelta(hours=1)]
    times += [at + timedelta(microseconds=step) for (at,) in (ends[0], ends[1], ends[-1]) for step in (0, 1)]
    cache = dict[str, Any]()
    stalls = list[int]()
    for at in [*times, times[0]]:
        asked = replace(question, now=at)
        market = LedgerMarket(connection, asked.offers, at=at, cache=cache)
        assert answer_or_error(asked, market) == answer_or_error(
            asked, LedgerMarket(connection, asked.offers, at=at)
        )
        stalls.append(id(market._stalls))
    assert stalls[0] == stalls[1] and len(set(stalls)) > 4


def test_only_some_filters_are_kept(connection):
    cache = dict[str, Any]()
    for provider in ("aws", "lambda", "runpod", "vast", "azure", "gcp", "oci", "nebius", "crusoe", "verda"):
        options = QuoteOptions(providers=(provider,))
        asked = Question.of(preset_plan("llama-2-7b-qlora"), options, now=NOW)
        LedgerMarket(connection, asked.offers, at=NOW, cache=cache)
    assert len(cache) == STALLS_KEPT


def answer_or_error(question: Question, market: LedgerMarket) -> Any:
    try:
        return quote(question, market).to_dict()
    except GPULedgerError as error:
        return str(error)
