"""The page without a browser: what the server renders, how heavy it is, and where its parts are from."""

import re
from pathlib import Path

import pytest

from gpuledger.web.page.listings import saved
from gpuledger.web.page.rendering import STATIC, asset
from gpuledger.web.page.svg import scatter, spark_path, stacked
from tests.interface.server.large_ledger import NOW

VIEWS = [
    *("/", "/history", "/quote", "/quote?model=llama-2-7b&method=qlora", "/sources", "/sql"),
    "/quote/drivers?model=llama-2-7b&method=qlora",
]


@pytest.mark.parametrize("address", VIEWS)
def test_a_view_weighs_less_than_500_kb_with_all_its_assets(client, address):
    text = client.get(address).text
    assets = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', text))
    assert assets
    weight = len(text.encode()) + sum(len(client.get(one).content) for one in assets)
    if address == "/history":
        weight += len(client.get("/history/data").content)
    assert weight < 500_000


@pytest.mark.parametrize("address", VIEWS)
def test_a_view_takes_nothing_from_elsewhere_and_has_no_inline_code(client, address):
    text = client.get(address).text
    assert re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!/static/)', text) == []
    assert re.findall(r'<script(?![^>]*src=)(?! type="application/json")', text) == []
    assert re.findall(r"\son[a-z]+=", text) == []
    assert re.findall(r"\sstyle=", text) == []


@pytest.mark.parametrize("address", VIEWS)
def test_a_view_has_one_heading_a_language_and_a_way_past_the_menu(client, address):
    text = client.get(address).text
    assert text.count("<h1>") == 1
    assert '<html lang="en">' in text
    assert '<a class="skip" href="#main">' in text
    assert 'aria-current="page"' in text


def test_an_asset_may_be_kept_for_good_because_its_address_holds_its_content(client):
    found = sorted(path.name for path in STATIC.iterdir())
    assert "page.css" in found
    for name in found:
        answer = client.get(asset(name))
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/../views.py").status_code == 404
    assert client.get("/static/frame.html").status_code == 404


def test_a_filter_in_the_address_filters_the_table(client):
    text = client.get("/?gpu=H100-SXM&provider=aws").text
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    assert table.count("<tr>") >= 1
    assert table.count("h100-sxm-80gb</a>") == table.count("<tr>")
    assert set(re.findall(r"<td>(aws|azure|gcp|runpod)", table)) == {"aws"}


def test_a_fragment_is_the_table_alone(client):
    text = client.get("/?gpu=H100-SXM&fragment=1").text
    assert "<html" not in text
    assert "<table" in text


def test_pages_of_offers_follow_each_other(client):
    first = client.get("/").text
    following = re.search(r'href="([^"]+)" rel="next"', first)[1].replace("&amp;", "&")
    second = client.get(following).text
    assert "1 to 50" in first
    assert "51 to 100" in second


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/?gpu=H1000", "unknown GPU"),
        ("/?max_usd_per_gpu_hour=cheap", "is no amount"),
        ("/?order_by=secret", "order_by"),
        ("/?cursor=zzz", "none of ours"),
        ("/history?option=barter", "option"),
        ("/history?from=2027-01-01", "is not before"),
        ("/quote?model=llama-2-8b", "did you mean"),
        ("/quote?model=llama-2-7b&tokens=many", "no number"),
        ("/quote?plan=name%20%3D", "not toml"),
    ],
)
def test_a_wrong_question_says_what_is_wrong_in_the_same_frame(client, address, said):
    answer = client.get(address)
    assert answer.status_code == 422
    assert said in answer.text
    assert 'role="alert"' in answer.text
    assert '<nav aria-label="Views">' in answer.text


def test_the_prices_begin_with_fresh_ones_and_show_all_where_none_is_fresh(client, bundled):
    live = client.get("/").text
    assert '<option value="fresh" selected>' in live
    assert "stale" not in live.partition("<tbody>")[2]
    assert '<option value="any" selected>' in client.get("/?price_state=any").text
    with bundled.client() as other:
        assert '<option value="any" selected>' in other.get("/?as_of=2026-01-01").text


def test_a_wrong_plan_is_told_under_the_form_that_keeps_what_was_filled_in(client):
    answer = client.get("/quote?model=llama-9&deadline_hours=72")
    assert answer.status_code == 422
    assert "did you mean" in answer.text
    assert re.search(r'name="deadline_hours" size="\d+" value="72"', answer.text)


def test_a_chart_has_a_value_per_step_and_a_series_per_provider(client):
    content = client.get("/history/data?gpu=H100-SXM&span=30d").json()
    assert content["step_seconds"] == 21_600
    assert content["steps"] == len(content["overall"]["usd_median"])
    assert len(content["providers"]) > 3
    for index in range(content["steps"]):
        values = [
            one["usd"][index] for one in content["providers"] if index < len(one["usd"]) and one["usd"][index]
        ]
        assert min(values) == content["overall"]["usd_min"][index]


@pytest.mark.parametrize("more", ["", "&provider=aws", "&option=spot", "&to=2026-10-20", "&span=all"])
def test_kept_days_and_days_read_from_the_log_draw_the_same_chart(client, more):
    """`:1..` asks for every offer once more, in words that the kept days do not know."""
    kept = client.get(f"/history/data?gpu=H100-SXM&span=90d{more}").json()
    read = client.get(f"/history/data?gpu=H100-SXM:1..&span=90d{more}").json()
    assert kept["steps"] > 5
    assert kept["overall"]["offers"][-1] > 1
    assert kept | {"gpu": None} == read | {"gpu": None}


def test_the_last_value_of_the_chart_is_the_price_of_now(client):
    drawn = client.get("/history/data?gpu=H100-SXM").json()
    table = client.get("/v1/offers?gpu=H100-SXM&purchase_option=on_demand&limit=1000").json()["offers"]
    for series in drawn["providers"]:
        prices = [float(row["usd_per_gpu_hour"]) for row in table if row["provider"] == series["provider"]]
        assert series["usd"][-1] == pytest.approx(min(prices), abs=1e-6)


def test_a_query_runs_and_its_rows_are_shown_and_downloaded(client):
    given = {"q": "select provider, count(*) as offers from offer_latest group by provider order by provider"}
    shown = client.post("/sql", data={**given, "run": "1"}).text
    assert "<b>20</b> rows" in shown
    assert "<td>aws</td><td>60</td>" in shown
    loaded = client.post("/sql", data={**given, "csv": "1"})
    assert loaded.text.splitlines()[:2] == ["provider,offers", "aws,60"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from read_csv('/etc/passwd')", "disabled"),
        ("attach '/tmp/x.duckdb'", "only queries"),
        ("copy offer to '/tmp/x.csv'", "only queries"),
        ("drop table offer", "only queries"),
        ("select 1; select 2", "one statement expected"),
        ("select", "Parser Error"),
        ("select * from range(10001)", "more than 10000 rows"),
        ("", "one statement expected"),
    ],
)
def test_a_query_that_is_not_allowed_says_why(client, query, said):
    assert said in client.post("/sql", data={"q": query, "run": "1"}).text


def test_every_saved_question_runs(client):
    assert len(saved()) >= 19
    for question in saved():
        text = client.post("/sql", data={"q": question.text, "run": "1"}).text
        assert 'role="alert"' not in text, question.name
        assert "</b> rows" in text


def test_the_sources_page_shows_state_age_and_coverage(client):
    text = client.get("/sources").text
    assert '<span class="state fresh">fresh</span>' in text
    assert "19 min" in text
    assert '<a href="/?provider=aws">aws</a>' in text


def test_a_quote_is_whole_in_its_address(client):
    address = (
        "/quote?model=llama-2-7b&method=lora&tokens=1e7&epochs=2&deadline_hours=48&budget_usd=100&gpu=H100"
    )
    first, again = client.get(address).text, client.get(address).text
    ids = re.findall(r'id="receipt-([0-9a-f]{16})"', first)
    assert len(ids) >= 3
    assert ids == re.findall(r'id="receipt-([0-9a-f]{16})"', again)
    assert "deadline kept" in first
    assert "budget kept" in first
    assert '"dataset_tokens": 10000000.0' in first.replace("&#34;", '"')


def test_a_spark_is_stepped_and_starts_at_its_first_price():
    assert spark_path([(0.0, 2.0), (50.0, 1.0)], 0.0, 100.0) == "M0.0 2.0H42.0V18.0H84"
    assert spark_path([(0.0, 2.0)], 0.0, 100.0) == "M0.0 10.0H84"
    assert spark_path([], 0.0, 100.0) == ""


def test_bars_are_as_long_as_their_dollars():
    lines = [
        {"name": "gpu_time", "usd": "30.00"},
        {"name": "people", "usd": "10.00"},
        {"name": "credit", "usd": "-5.00"},
    ]
    names, bars = stacked([{"lines": lines}, {"lines": lines[:1]}])
    assert names == ["gpu_time", "people"]
    assert [(bar.x, bar.width) for bar in bars[0]] == [(0, 337.5), (337.5, 112.5)]
    assert bars[1][0].width == 337.5


def test_a_scatter_puts_cheap_low_and_fast_left():
    def point(usd, hours):
        return {
            "usd_total": {"mid": usd},
            "wall_hours": hours,
            "purchase_option": "spot",
            "gpus": 8,
            "gpu_id": "h100-sxm-80gb",
            "provider": "aws",
            "region": "x",
        }

    found = scatter([point("100", 10.0), point("400", 2.0)])
    cheap, fast = found.dots
    assert cheap.x > fast.x
    assert cheap.y > fast.y
    assert scatter([]) is None


def test_templates_escape_by_default():
    folder = Path(__file__).resolve().parents[3] / "gpuledger" / "web" / "page" / "templates"
    found = sorted(folder.glob("*.html"))
    assert len(found) >= 8
    for path in found:
        assert "|safe" not in path.read_text().replace(" ", "")


def test_the_clock_of_the_page_is_the_servers(client):
    assert NOW.strftime("%Y-%m-%d") in client.get("/quote?model=llama-2-7b&method=qlora").text


def test_what_drives_a_quote_has_inputs_levers_and_chances(client):
    form = "model=llama-2-7b&method=qlora&budget_usd=30"
    assert f"/quote/drivers?{form}".replace("&", "&amp;") in client.get(f"/quote?{form}").text
    shown = client.get(f"/quote/drivers?{form}").text
    assert "hours of the run, within the interval of its rate" in shown and "The budget is kept in" in shown
    assert shown.count("<tr>") >= 12
    assert client.get("/quote/drivers?model=llama-2-8b").status_code == 422
