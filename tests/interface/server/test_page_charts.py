"""Charts of the page without a browser: their lines, their titles, and what stands beside them."""

import csv
import io
from statistics import median
from typing import Any

import pytest

from gpuledger.web.page import svg
from gpuledger.web.page.chart import Drawing, Line, finding
from gpuledger.web.page.chart_form import read_chart_form
from tests.interface.server.large_ledger import NOW


def test_the_title_of_a_chart_says_how_prices_moved_in_a_year_and_not_which_providers_came():
    def titled(*lines: tuple[str, float | None, float]) -> str:
        year = [(name, *[before] * 30, *[now] * 336) for name, before, now in lines]
        drawn = Drawing(
            start=0,
            step_seconds=86_400,
            steps=366,
            lines=tuple(Line(name, name, tuple(usd)) for name, *usd in year),
            median=(3.0,) * 366,
        )
        return finding(read_chart_form({"gpu": "h100-sxm-80gb"}, NOW), drawn, "on demand")

    of_before = (("aws", 6.0, 6.0), ("oci", 10.0, 10.0), ("azure", 12.0, 9.0))
    cheap_ones = (("vultr", None, 2.0), ("runpod", None, 2.5))
    assert titled(*of_before, *cheap_ones).endswith("; in a year the middle one of 3 providers stood still")
    assert titled(*of_before[1:], *cheap_ones).endswith("; in a year 2 providers moved by a median of -12 %")
    assert titled(of_before[0], *cheap_ones).endswith("(vultr), median $3.00"), "one provider is no market"


def test_a_chart_has_a_value_per_step_and_a_line_per_provider(client):
    content = client.get("/history/data?gpu=H100-SXM&span=30d").json()
    assert content["step_seconds"] == 21_600
    assert len(content["lines"]) > 3
    for line in content["lines"]:
        assert len(line["usd"]) == content["steps"] == len(content["median"])


def test_the_median_of_the_chart_is_that_of_what_each_provider_had_to_sell(client):
    """And not of their many offers."""
    content = client.get("/history/data?gpu=H100-SXM&span=90d").json()
    left_out = 0
    for step, middle in enumerate(content["median"]):
        there = [line for line in content["lines"] if line["usd"][step] is not None]
        sold = [line for line in there if not is_out(line, step)]
        left_out += len(there) - len(sold)
        assert middle == pytest.approx(median(line["usd"][step] for line in sold or there), abs=1e-6)
    assert left_out


def is_out(line: dict[str, Any], step: int) -> bool:
    """Whether nothing was to be had of a line at a step."""
    return any(
        first <= step <= last for state in ("sold_out", "unlisted") for first, last in line.get(state, [])
    )


@pytest.mark.parametrize("more", ["", "&provider=aws", "&option=spot", "&to=2026-10-20", "&span=all"])
def test_kept_days_and_days_read_from_the_log_draw_the_same_chart(client, more):
    """`:1..99` asks for every offer once more, in words that the kept days do not know."""

    def drawn(gpu: str) -> dict:
        content = client.get(f"/history/data?gpu={gpu}&span=90d{more}").json()
        return content | {"lines": {line["key"]: line["usd"] for line in content["lines"]}}

    kept, read = drawn("h100-sxm-80gb"), drawn("h100-sxm-80gb:1..16")
    assert kept["steps"] > 5
    assert kept == read


def test_the_last_value_of_the_chart_is_the_price_of_now_in_table_files_and_rest(client):
    drawn = client.get("/history/data?gpu=H100-SXM").json()
    table = client.get("/v1/offers?gpu=H100-SXM&purchase_option=on_demand&limit=1000").json()["offers"]
    csv_rows = list(csv.DictReader(io.StringIO(client.get("/history/data?gpu=H100-SXM&as=csv").text)))
    shown = client.get("/history?gpu=H100-SXM").text
    for line in drawn["lines"]:
        prices = [float(row["usd_per_gpu_hour"]) for row in table if row["provider"] == line["key"]]
        assert line["usd"][-1] == pytest.approx(min(prices), abs=1e-6)
        last = [row for row in csv_rows if row["line"] == line["key"]][-1]
        assert float(last["usd_per_gpu_hour"]) == line["usd"][-1]
        assert f'<th scope="row" class="a">{line["key"]}</th>' in shown


def test_a_name_of_several_cards_is_a_line_for_each_and_four_at_most(client):
    content = client.get("/history/data?gpu=A100&span=90d").json()
    page = client.get("/history?gpu=A100&span=90d").text
    assert len(content["lines"]) == 4
    assert {line["key"].partition("-")[0] for line in content["lines"]} == {"a100"}
    assert "Also meant, not drawn" in page


def test_a_comparison_draws_each_accelerators_own_cheapest(client):
    both = client.get("/history/data?gpu=h100-sxm-80gb,a100-sxm-80gb&span=90d").json()
    for line in both["lines"]:
        own = client.get(f"/history/data?gpu={line['key']}&span=90d").json()
        least = [
            min(one["usd"][step] for one in own["lines"] if one["usd"][step] is not None)
            for step in range(own["steps"])
        ]
        assert line["usd"] == least


def test_the_index_on_the_page_is_that_of_rest(client):
    drawn = client.get("/history/data?gpu=h100-sxm-80gb&show=index&span=90d").json()
    rows = client.get("/v1/index?gpu=h100-sxm-80gb&from=2026-08-03").json()["index"]
    published = [row["price_index"] for row in rows if row["state"] != "withheld"]
    assert len(published) > 20
    assert [value for value in drawn["lines"][0]["usd"] if value is not None] == published


def test_a_line_that_ended_has_its_name_at_its_own_end():
    steps = 100
    ends = {"goes on": steps, "ended early": 30, "ended late": 97, "ended beside the other": 30}
    drawn = Drawing(
        1_700_000_000,
        86_400,
        steps,
        tuple(
            Line(name, name, tuple(usd if step < end else None for step in range(steps)))
            for usd, (name, end) in zip((2.0, 4.0, 6.0, 4.05), ends.items(), strict=True)
        ),
    )
    label = {stroke.name: stroke.label for stroke in svg.lines(drawn).strokes}
    left, _, right, _ = svg.FIELD
    assert label["goes on"][0] > right
    assert left + 0.3 * (right - left) < label["ended early"][0] < left + 0.35 * (right - left)
    assert label["ended late"][0] < left + 0.97 * (right - left)
    assert label["ended beside the other"] is None, "two names would cover each other"
