"""What a Python user has: `gpuledger.Ledger`, and gpuhunt's keywords over it."""

import inspect
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

import gpuledger
from gpuledger import InvalidPlanError, Ledger, UnknownGPUError, UsageError, gpuhunt
from gpuledger.core.validity import state_rank
from tests.command_line import app
from tests.template import start_bundled, this_hour

AS_OF = "2026-03-15"
# keywords of gpuhunt's query(), and the fields of its rows
GPUHUNT = """
provider cpu_arch min_cpu max_cpu min_memory max_memory min_gpu_count max_gpu_count gpu_vendor gpu_name
min_gpu_memory max_gpu_memory min_total_gpu_memory max_total_gpu_memory min_disk_size max_disk_size min_price
max_price
min_compute_capability max_compute_capability spot allowed_flags
"""
ROW = """
provider instance_name location price cpu memory gpu_count gpu_name gpu_memory spot disk_size gpu_vendor flags
cpu_arch provider_data
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start_bundled(tmp_path_factory.mktemp("home"), now=this_hour())


def test_every_keyword_of_gpuhunt_is_taken():
    assert set(GPUHUNT.split()) <= set(inspect.signature(gpuhunt.offers).parameters)


def test_rows_have_the_names_of_gpuhunt(home):
    row = gpuhunt.offers(gpu_name="h100", as_of=AS_OF, home=home)[0]
    assert all(hasattr(row, name) for name in ROW.split())
    assert isinstance(row.price, float) and isinstance(row.offer.usd_per_hour, Decimal)


@pytest.mark.parametrize(
    ("keywords", "holds"),
    [
        ({"gpu_name": ["A100", "H100"]}, lambda row: row.offer.gpu_id.startswith(("a100", "h100"))),
        ({"provider": "RunPod"}, lambda row: row.provider == "runpod"),
        ({"spot": True}, lambda row: row.spot),
        ({"spot": False}, lambda row: row.offer.purchase_option != "spot"),
        ({"min_gpu_count": 8}, lambda row: row.gpu_count >= 8 or row.offer.max_gpus >= 8),
        ({"max_price": 1.0}, lambda row: row.price <= 1.0),
        ({"min_gpu_memory": 48, "max_gpu_memory": 80}, lambda row: 48 <= row.gpu_memory <= 80),
        ({"min_total_gpu_memory": 300}, lambda row: row.gpu_memory * row.gpu_count >= 300),
        ({"gpu_vendor": "nvidia"}, lambda row: row.gpu_vendor == "nvidia"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_keyword_keeps_what_it_says(home, keywords, holds):
    every = gpuhunt.offers(as_of=AS_OF, allow_stale=True, home=home)
    found = gpuhunt.offers(**keywords, as_of=AS_OF, allow_stale=True, home=home)
    assert 0 < len(found) < len(every)
    assert all(holds(row) for row in found)
    order = [(state_rank(row.price_state), row.price) for row in found]
    assert order == sorted(order)


def test_names_are_those_of_gpuhunt(home):
    found = {
        name: {row.offer.gpu_id for row in gpuhunt.offers(gpu_name=name, allow_stale=True, home=home)}
        for name in ("H100", "H100NVL", "RTX6000Ada")
    }
    assert not any("nvl" in gpu_id for gpu_id in found["H100"]) and "h100-sxm-80gb" in found["H100"]
    assert found["H100NVL"] == {"h100-nvl-94gb"}
    assert found["RTX6000Ada"] == {"rtx-6000-ada-48gb"}


def test_a_compute_capability_may_be_text_and_no_other_text(home):
    as_text = gpuhunt.offers(min_compute_capability="9.0", allow_stale=True, home=home)
    as_pair = gpuhunt.offers(min_compute_capability=(9, 0), allow_stale=True, home=home)
    assert [row.offer.offer_id for row in as_text] == [row.offer.offer_id for row in as_pair] != []
    with pytest.raises(UsageError, match="expected"):
        gpuhunt.offers(min_compute_capability="hopper", home=home)


@pytest.mark.parametrize(
    ("gpu_id", "capability"),
    [
        ("t4-16gb", (7, 5)),
        ("a100-sxm-80gb", (8, 0)),
        ("rtx-3090-24gb", (8, 6)),
        ("l40s-48gb", (8, 9)),
        ("h100-pcie-80gb", (9, 0)),
        ("b200-sxm-180gb", (10, 0)),
        ("rtx-5090-32gb", (12, 0)),
    ],
)
def test_compute_capability_keeps_the_chips_that_have_it(home, gpu_id, capability):
    found = gpuhunt.offers(
        min_compute_capability=capability, max_compute_capability=capability, allow_stale=True, home=home
    )
    assert gpu_id in {row.offer.gpu_id for row in found}
    assert len({row.offer.gpu_id for row in found}) < 12


def test_stale_prices_come_after_the_fresh_and_lapsed_ones_only_if_asked_for(home):
    listed = gpuhunt.offers(as_of=AS_OF, home=home)
    every = gpuhunt.offers(as_of=AS_OF, allow_stale=True, home=home)
    states = [row.price_state for row in listed]
    assert {"recorded", "stale"} <= set(states) and "lapsed" not in states
    assert states == sorted(states, key=state_rank)
    assert len(every) > len(listed) > 0


def test_the_quote_is_that_of_the_command_line(home):
    line = CliRunner().invoke(app, ["--home", str(home), "quote", "llama-2-7b-qlora", "--as-of", AS_OF])
    printed = json.loads(line.stdout)
    answer = Ledger(home).quote("llama-2-7b-qlora", as_of=AS_OF)
    assert answer.to_dict() == printed
    assert str(answer.mid) == printed["quotes"][0]["usd_total"]["mid"]
    assert answer.low <= answer.mid <= answer.high
    assert answer.receipt.offer.source_url and answer.lines and isinstance(answer.excluded, dict)


def test_own_terms_and_options_are_taken(home):
    plan = {"name": "p", "hardware": {"gpu": "H100-SXM", "gpu_hours": 10}}
    full = Ledger(home).quote(plan, as_of=AS_OF, providers=("runpod",))
    half = Ledger(home).quote(plan, as_of=AS_OF, providers="runpod", overrides="[[discount]]\npercent = 50\n")
    assert (full.mid, half.mid) == (Decimal("26.90"), Decimal("13.45"))


def test_options_may_be_one_object(home):
    options = gpuledger.QuoteOptions(providers=("runpod",), limit=1)
    answer = Ledger(home).quote("llama-2-7b-qlora", options, as_of=AS_OF)
    assert [quote.purchase.offer.provider for quote in answer.quotes] == ["runpod"]
    with pytest.raises(UsageError, match="not both"):
        Ledger(home).quote("llama-2-7b-qlora", options, limit=2)


def test_cheapest_and_history_agree_with_the_offers(home):
    rows = Ledger(home).cheapest("H100-SXM", as_of=AS_OF)
    prices = {row["provider"]: str(row["usd_per_gpu_hour"].normalize()) for row in rows}
    assert {name: prices[name] for name in ("runpod", "lambda", "coreweave")} == {
        "runpod": "2.69",
        "lambda": "3.78",
        "coreweave": "6.155",
    }
    prices = Ledger(home).history("H100-SXM", providers="runpod")
    assert Decimal("2.69") in {row["usd_per_gpu_hour"] for row in prices}


def test_the_rows_turn_into_a_table(home):
    table = gpuhunt.offers(gpu_name="H100", as_of=AS_OF, home=home).to_arrow()
    assert table.num_rows > 0 and set(ROW.split()) <= set(table.column_names)
    assert Ledger(home).offers("H100", as_of=AS_OF).to_arrow().num_rows >= table.num_rows


def test_questions_of_one_block_are_asked_of_one_snapshot(home):
    with Ledger(home).pinned() as ledger:
        assert ledger.edition.number == 1
        assert ledger.offers("H100", as_of=AS_OF).total == len(ledger.offers("H100", as_of=AS_OF))


def test_the_other_calls_answer_while_a_connection_is_open(home):
    ledger = Ledger(home)
    with ledger.connect():
        assert ledger.offers(as_of=AS_OF)
        assert ledger.quote("llama-2-7b-qlora", as_of=AS_OF).quotes


def test_a_connection_reads_and_does_not_write(home):
    import duckdb

    with Ledger(home).connect() as connection:
        assert connection.execute("select count(*) from offer_latest").fetchall()[0][0] > 0
        with pytest.raises(duckdb.InvalidInputException):
            connection.execute("delete from offer")
    with pytest.raises(UsageError, match="read_only=False"):
        Ledger(home).connect(read_only=False)


@pytest.mark.deep
def test_the_first_question_starts_a_ledger_from_the_bundled_list(tmp_path):
    remarks: list[str] = []
    rows = Ledger(tmp_path / "home", say=remarks.append).cheapest("H100")
    assert rows and rows[0]["usd_per_gpu_hour"] > 0
    assert ["bundled price list" in text for text in remarks] == [True]


def test_errors_are_ours(home):
    with pytest.raises(UnknownGPUError):
        gpuhunt.offers(gpu_name="H1000", home=home)
    with pytest.raises(InvalidPlanError):
        Ledger(home).quote("no-such-plan")
    with pytest.raises(UsageError, match="deadline: no such option"):
        Ledger(home).quote("llama-2-7b", deadline=3)
    with pytest.raises(UsageError, match="'yesterday'"):
        Ledger(home).offers(as_of="yesterday")
    with pytest.raises(UsageError, match="max_gpus: 0 is not from 1"):
        Ledger(home).quote("llama-2-7b", max_gpus=0)
    with pytest.raises(UsageError, match="regoins: no such filter; did you mean regions"):
        Ledger(home).offers(regoins="eu")


@pytest.mark.parametrize("name", ["Ledger", "TrainingPlan", "QuoteOptions", "UsageError", "__version__"])
def test_the_package_gives_its_names(name):
    assert getattr(gpuledger, name)
    assert name in dir(gpuledger)


def test_importing_the_package_loads_nothing_of_weight():
    code = "import sys, gpuledger; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"duckdb", "numpy", "pydantic", "typer", "pyarrow"} & set(done.stdout.split())
