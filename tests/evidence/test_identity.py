"""One offer under two spellings is one offer, and a ledger of an earlier release keeps its history under new ids."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gpuledger.core import offer as offer_module
from gpuledger.core.offer import Offer, normalised
from gpuledger.core.store import sql
from tests.evidence.poisonings import at
from tests.evidence.stage import START, named, stage_in
from tests.evidence.truth import dearest, true_offers

SAME = [
    ("NVIDIA H100", "nvidia h100"),
    ("NVIDIA H100", "NVIDIA\u200b H100"),
    ("NVIDIA H100", "NVIDIA\u00a0H100"),
    ("NVIDIA H100", " NVIDIA  H100 "),
    ("NVIDIA H100", "ＮＶＩＤＩＡ Ｈ１００"),
    ("NVIDIA H100", "NVIDIA H100\ufe0f"),
    ("NVIDIA H100", "NVI\u00adDIA H\u2060100"),
    ("NVIDIA H100", "\ufeffNVIDIA H100\u3164"),
    ("Straße", "STRASSE"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_that_nobody_can_tell_apart_are_one_identifier(one: str, other: str):
    assert normalised(one) == normalised(other)
    offers = [
        dearest(true_offers("runpod")).model_copy(update={"gpu_label": label}) for label in (one, other)
    ]
    assert offers[0].offer_id == offers[1].offer_id


@pytest.mark.parametrize("other", ["NVIDIA H200", "NVIDIA H100 NVL", "NVIDIAH100", "NVIDIA-H100"])
def test_other_names_stay_other_identifiers(other: str):
    assert normalised("NVIDIA H100") != normalised(other)


def test_terms_that_the_store_rounds_give_the_id_that_its_rows_give():
    week = dearest(true_offers("runpod")).model_copy(
        update={"term_months": Decimal(7 * 24) / 730, "gpu_count": Decimal(1) / 7}
    )
    rounded = week.model_copy(update={"term_months": Decimal("0.230137"), "gpu_count": Decimal("0.1429")})
    assert week.offer_id == rounded.offer_id


def as_released_first(*terms: str | Decimal | None) -> str:
    """The id of release 0.1.0: letter for letter."""
    texts = [format(term.normalize(), "f") if isinstance(term, Decimal) else term for term in terms]
    text = "".join("-" if term is None else f"{len(term)}:{term}" for term in texts)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


TARGET = dearest(true_offers("runpod"))
BOTH = named(
    "identity: in two spellings",
    lambda offers: [*offers, TARGET.model_copy(update={"gpu_label": TARGET.gpu_label.upper() + "\u200b"})],
)
CHEAPER = named("identity: a tenth cheaper", at(lambda o: o.offer_id == TARGET.offer_id, "0.95"))


HISTORY = (
    "select provider, lower(sku), region, valid_from, valid_to, amount from price_history"
    " where gpu_label not like '%' || chr(8203) order by all"
)


@dataclass
class OldHome:
    path: Path
    history: list[tuple]
    offers: int


@pytest.fixture
def old_home(tmp_path, monkeypatch) -> OldHome:
    """A home as release 0.1.0 wrote it: its ids, and no word of which rule made them."""
    with monkeypatch.context() as patched:
        patched.setattr(offer_module, "identity", as_released_first)
        with stage_in(tmp_path / "home") as stage:
            patched.setattr("gpuledger.core.store.identity.identity", as_released_first)
            stage.answers("runpod", at=START - timedelta(hours=3))
            stage.answers("runpod", BOTH, at=START - timedelta(hours=2))
            stage.answers("runpod", CHEAPER, at=START - timedelta(hours=1))
            stage.rows("delete from ledger_setting where name = 'identity'")
            ids = dict(stage.rows("select offer_id, offer_no from offer"))
            assert as_released_first(*(getattr(TARGET, name) for name in offer_module.TERMS)) in ids
            return OldHome(tmp_path / "home", stage.rows(HISTORY), len(ids))


def test_the_history_of_an_old_home_goes_on_under_new_ids(old_home):
    with stage_in(old_home.path) as stage:
        assert stage.rows(HISTORY) == old_home.history
        new_ids = dict(stage.rows("select offer_no, offer_id from offer"))
        assert set(new_ids.values()) == {o.offer_id for o in true_offers("runpod")}
        assert len(new_ids) == old_home.offers - 1, "two spellings of one offer are one now"
        for check in sql.files("checks"):
            assert stage.rows(sql.text(check)) == []
        report = stage.answers("runpod", CHEAPER, at=START)
        assert (report.changes, report.new_offers, report.withdrawn, report.disputed) == (0, 0, 0, 0)
        changed_at = stage.rows(
            "select epoch_us(changed_at) from offer_current where offer_id = $1", [TARGET.offer_id]
        )[0][0]
        old_id = as_released_first(*(getattr(TARGET, name) for name in offer_module.TERMS))
        receipt = {"source": "runpod", "offer_id": old_id, "changed_at_us": changed_at}
        assert len(stage.rows(sql.text("queries/explain_price"), receipt)) == 1


def test_two_spellings_in_one_answer_are_one_offer_and_two_prices_are_doubted(tmp_path):
    cheap: Offer = TARGET.model_copy(
        update={
            "gpu_label": TARGET.gpu_label + "\u200b",
            "price": TARGET.price.model_copy(update={"amount": TARGET.price.amount / 2}),
        }
    )
    twice = named("identity: twice in one answer", lambda offers: [*offers, cheap])
    with stage_in(tmp_path / "home") as stage:
        stage.answers("runpod", at=START - timedelta(hours=1))
        report = stage.answers("runpod", twice, at=START)
        assert report.new_offers == 0
        assert stage.believed("runpod")[TARGET.offer_id][0] == TARGET.price.amount
