"""A part of a card is another product: it answers only where it is asked for, and sets no price of the card."""

from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from gpuledger import Ledger, UsageError
from tests.command_line import app

SERVER = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
LIST = f"""observed_at,provider,instance_type,region,price,gpu_label,gpu_count,gpu_memory_gib
2026-11-28,acme,half,us-1,0.10,A10,0.5,24
2026-11-28,acme,whole,us-1,0.90,A10,1,24
2026-11-28,RunPod,pod,us,1.00,A10,1,24
2026-11-28,acme,mig,us-1,0.40,{SERVER} MIG 1g.24gb,1,24
2026-11-28,acme,full,us-1,1.60,{SERVER},1,96
2026-11-28,acme,turing,us-1,0.25,Quadro RTX 6000,1,24
2026-11-28,acme,ada,us-1,0.77,RTX 6000 Ada Generation,1,48
2026-11-28,acme,a800,us-1,0.60,A800 SXM4,1,40
"""
AS_OF = "2026-11-29"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    home = tmp_path_factory.mktemp("home")
    path = Path(home / "seen.csv")
    path.write_text(LIST)
    ran = CliRunner().invoke(app, ["--home", str(home), "import", "changes", str(path)])
    assert ran.exit_code == 0, ran.output
    return Ledger(home)


def prices(ledger: Ledger, spec: str, **filters: object) -> list[Decimal]:
    return [row["usd_per_gpu_hour"] for row in ledger.offers(spec, as_of=AS_OF, **filters)]


def test_a_card_is_priced_by_whole_cards_alone(ledger: Ledger):
    assert prices(ledger, "A10") == [Decimal("0.9"), Decimal("1")]
    assert prices(ledger, "RTX PRO 6000") == [Decimal("1.6")]
    assert [row["usd_per_gpu_hour"] for row in ledger.cheapest("A10", as_of=AS_OF)] == [
        Decimal("0.9"),
        Decimal("1"),
    ]


def test_a_part_answers_where_it_is_asked_for(ledger: Ledger):
    assert prices(ledger, "A10:1/2") == [Decimal("0.2")]
    assert prices(ledger, "RTX PRO 6000 MIG 1g") == [Decimal("0.4")]


def test_a_part_sets_no_price_of_the_card_in_history_and_derived_days(ledger: Ledger):
    assert {row["instance_type"] for row in ledger.history("A10")} == {"whole", "pod"}
    (row,) = ledger.query(
        "select distinct min_usd_per_gpu_hour, offers from gpu_price_day where gpu_id = 'a10-24gb' and provider is null"
    )
    assert (Decimal(row["min_usd_per_gpu_hour"]), row["offers"]) == (Decimal("0.9"), 2)


def test_a_name_of_different_cards_is_refused_with_their_ids(ledger: Ledger):
    with pytest.raises(UsageError, match=r"rtx-6000-24gb.*rtx-6000-ada-48gb"):
        ledger.cheapest("RTX 6000", as_of=AS_OF)


@pytest.mark.parametrize("name", ["RunPod", "runpod", "RUNPOD", "Run Pod"])
def test_a_provider_is_found_however_it_is_written(ledger: Ledger, name: str):
    assert prices(ledger, "A10", providers=name) == [Decimal("1")]


def test_a_memory_that_no_such_card_has_is_unmapped_with_the_reason(ledger: Ledger):
    (row,) = ledger.unmapped()
    assert row["gpu_label"] == "A800 SXM4"
    assert row["reason"].startswith("40 GiB are stated, and A800 SXM 80GB has 80")
