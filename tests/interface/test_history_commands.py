"""import, history, timing and export as a person types them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.command_line import app

ROWS = """observed_at,provider,instance_type,region,price_usd_hour
2025-01-05,aws,p5.48xlarge,us-east-1,98.32
2025-06-23,aws,p5.48xlarge,us-east-1,55.04
"""

PLAN = """
name = "small"
method = "pretrain"
model = "llama-2-7b"
training_tokens = 1e10
[hardware]
gpu = "h100-sxm-80gb"
gpu_hours = 1000
"""


def ask(home: Path, folder: Path, arguments: tuple[str, ...]) -> Result:
    """The command on that ledger; `@` stands for the test's folder."""
    settings = {"GPULEDGER_HOME": str(home)}
    return CliRunner(env=settings).invoke(app, [argument.replace("@", str(folder)) for argument in arguments])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path


@pytest.fixture
def run(files: Path) -> Callable[..., Result]:
    """On a ledger of this test's own."""
    return lambda *arguments: ask(files / "home", files, arguments)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that took the rows; only to be read."""
    folder = tmp_path_factory.mktemp("imported")
    (folder / "rows.csv").write_text(ROWS)
    assert ask(folder / "home", folder, ("import", "changes", "@/rows.csv")).exit_code == 0
    return folder / "home"


@pytest.fixture
def look(imported: Path, files: Path) -> Callable[..., Result]:
    """On the ledger that took the rows."""
    return lambda *arguments: ask(imported, files, arguments)


def test_an_import_says_what_it_took_and_a_second_one_changes_nothing(run):
    first = run("import", "changes", "@/rows.csv", "--archive-version", "abc123")
    assert json.loads(first.stdout)["changes"] == 2
    again = run("import", "changes", "@/rows.csv", "--archive-version", "abc123")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "1 file, 1 of them known before" in again.stderr


def test_offers_on_either_side_of_the_cut_have_the_price_of_their_time(look):
    for day, usd in (("2025-06-01", "98.32"), ("2025-07-01", "55.04")):
        (line,) = look(
            "offers", "--gpu", "H100-SXM:8", "-p", "aws", "--source", "changes", "--as-of", day
        ).stdout.splitlines()
        assert json.loads(line)["usd_per_hour"] == usd


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import", "gpuhnt", "@/rows.csv"), "did you mean gpuhunt"),
        (("import", "changes", "@/nothing.csv"), "no file"),
        (("import", "changes", "@/rows.csv", "--set", "provider"), "NAME=VALUE"),
        (("import", "changes", "@/rows.csv", "--observed-at", "soon"), "no date or time"),
    ],
)
def test_a_wrong_argument_of_import_is_named(run, arguments, said):
    found = run(*arguments)
    assert found.exit_code == 2
    assert said in found.stderr


def test_a_file_that_is_no_archive_exits_with_the_code_of_a_failed_source(run):
    assert run("import", "gpurentalprices", "@/rows.csv").exit_code == 4


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_history_is_drawn_into_a_file(look, tmp_path, suffix):
    found = look("history", "H100-SXM:8", "-p", "aws", "--every", "1mo", "--plot", f"@/out.{suffix}")
    assert found.exit_code == 0, found.stderr
    assert "<svg" in (text := (tmp_path / f"out.{suffix}").read_text()) or "vega" in text
    assert "http" not in text or suffix == "svg" or "<script src=" not in text


def test_a_series_of_more_steps_than_a_year_of_hours_is_refused(look):
    refused = look("history", "H100-SXM:8", "--every", "1h")
    assert refused.exit_code == 2
    assert re.search(
        r"this history has [\d,]+ such steps, and at most 10,000 are answered: name --from", refused.stderr
    )


def test_a_series_from_before_the_first_price_begins_with_it(look):
    since_ever = look(
        "history", "H100-SXM:8", "-p", "aws", "--every", "1mo", "--from", "1970-01-01", "-f", "csv"
    )
    since_2020 = look(
        "history", "H100-SXM:8", "-p", "aws", "--every", "1mo", "--from", "2020-01-01", "-f", "csv"
    )
    assert since_ever.exit_code == 0
    assert since_ever.stdout == since_2020.stdout


def test_a_picture_of_another_kind_is_refused(look):
    assert look("history", "H100-SXM:8", "-p", "aws", "--plot", "@/out.gif").exit_code == 2


def test_timing_of_one_provider_alone_is_refused_with_the_reason(look):
    found = look("timing", "--gpu", "H100-SXM", "--gpu-hours", "100", "--format", "json")
    assert found.exit_code == 1
    assert "0 published days of the index, 14 are needed" in found.stderr
    assert "1 provider, 3 needed" in found.stderr


def test_timing_by_a_past_date_is_refused(run):
    assert run("timing", "--gpu", "H100", "--gpu-hours", "1", "--by", "2020-01-01").exit_code == 2


def test_an_export_lists_its_files(look, tmp_path):
    listed = [json.loads(line)["file"] for line in look("export", "@/out").stdout.splitlines()]
    assert f"{tmp_path}/out/price_history/2025-06.parquet" in listed
    assert all(Path(path).is_file() for path in listed)


ONLY = ("--provider", "aws", "--region", "us-east-1", "--on-demand")


def test_a_quote_of_either_side_of_the_cut_uses_the_price_of_its_time(look, tmp_path):
    for day, usd in (("2025-06-01", "12.29"), ("2025-07-01", "6.88")):
        found = look("quote", "@/plan.toml", *ONLY, "--as-of", day, "--format", "json")
        assert json.loads(found.stdout)["quotes"][0]["usd_per_gpu_hour"] == usd, found.stderr


def test_a_plan_quoted_over_time_is_the_quote_of_each_step(look, tmp_path):
    found = look("quote", "@/plan.toml", *ONLY, "--over", "2024-12-01..2025-07-01", "--every", "1mo")
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["as_of"][:7] for row in rows] == [
        "2024-12", "2025-01", "2025-02", "2025-03", "2025-04", "2025-05", "2025-06", "2025-07",
    ]  # fmt: skip
    assert [row["usd_per_gpu_hour"] for row in rows[2:]] == ["12.29"] * 5 + ["6.88"]
    assert rows[0]["usd_total"] is None and rows[0]["reason"]


@pytest.mark.parametrize("span", ["2025", "2025-02-01..2025-01-01", "1990-01-01..2025-01-01"])
def test_a_span_that_is_none_is_refused(look, tmp_path, span):
    assert look("quote", "@/plan.toml", "--over", span, "--every", "1w").exit_code == 2
