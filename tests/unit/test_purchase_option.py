"""A way to buy in words, and that nothing but one function makes them."""

import re
from pathlib import Path

import pytest

from gpuledger.core.purchase_option import option_text, option_word

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("on_demand",), "on demand"),
        (("community", "on_demand"), "community, on demand"),
        (("secure", "capacity_block"), "capacity block"),
        ((None, "spot"), "spot"),
    ],
)
def test_a_tier_and_a_way_to_buy_are_words_in_a_sentence(words, text):
    assert option_text(*words) == text


@pytest.mark.parametrize("text", ["On-Demand", "on demand", "on_demand", "ON  demand"])
def test_words_are_read_as_the_ledger_writes_them(text):
    assert option_word(text) == "on_demand"


def test_nothing_else_makes_words_of_a_way_to_buy():
    texts = [
        *ROOT.glob("core/**/*.py"),
        *ROOT.glob("gpuledger/*/**/*.py"),
        *ROOT.glob("gpuledger/web/**/*.html"),
    ]
    made = re.compile(r"option\w*['\"\])]*(?: or \"\"\))?(?:\.| \| )replace\(['\"]_")
    assert [str(path) for path in texts if made.search(path.read_text())] == []


def test_a_sentence_holds_no_way_to_buy_as_the_ledger_writes_it():
    """An f-string that names one between words: `{offer.gpu_id} {offer.purchase_option} at ...`."""
    raw = re.compile(r"[} ,]\{[^{}]*purchase_option['\"\]]*\}(?: at| is|,| prices|\")")
    texts = [*ROOT.glob("core/**/*.py"), *ROOT.glob("gpuledger/*/**/*.py"), *ROOT.glob("flows/**/*.py")]
    assert [str(path) for path in texts if raw.search(path.read_text())] == []
