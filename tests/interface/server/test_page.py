"""The page without a browser: what the server renders, how heavy it is, and where its parts are from."""

import re
import tomllib
from pathlib import Path

import pytest

from gpuledger.web.page.listings import saved
from gpuledger.web.page.rendering import STATIC, asset
from gpuledger.web.page.svg import memory_bar, scatter, spark_path, whiskers
from tests.interface.server.large_ledger import NOW

VIEWS = [
    *("/", "/prices", "/history", "/history?show=index", "/quote", "/quote?model=llama-2-7b&method=qlora"),
    *("/sources", "/sql", "/sql?saved=cheapest_now_per_gpu&run=1"),
]


@pytest.mark.parametrize("address", VIEWS)
def test_a_view_weighs_less_than_250_kb_with_all_its_assets(client, address):
    text = client.get(address).text
    assets = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', text))
    assert assets
    weight = len(text.encode()) + sum(len(client.get(one).content) for one in assets)
    weight -= len(client.get(asset("card.png")).content) if asset("card.png") in assets else 0
    assert weight < 250_000


@pytest.mark.parametrize("address", VIEWS)
def test_a_view_takes_nothing_from_elsewhere_and_has_no_inline_code(client, address):
    text = client.get(address).text
    assert re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!/static/|#)', text) == []
    assert re.findall(r"<style|@import", text) == []
    assert re.findall(r'<script(?![^>]*src=)(?! type="application/json")', text) == []
    assert re.findall(r"\son[a-z]+=", text) == []
    assert re.findall(r"\sstyle=", text) == []


@pytest.mark.parametrize("address", VIEWS)
def test_a_view_has_one_heading_a_language_and_a_way_past_the_menu(client, address):
    text = client.get(address).text
    assert len(re.findall("<h1[ >]", text)) == 1
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


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, deflate, br", "gzip"), ("br;q=1.0, gzip;q=0.2", "gzip"), ("gzip;q=0", None), ("identity", None)],
)
def test_an_asset_is_sent_dense_to_whom_takes_that_and_holds_the_same_bytes(client, accepted, coding):
    for name in ("uplot.js", "page.css", "icon.svg"):
        answer = client.get(asset(name), headers={"accept-encoding": accepted})
        assert answer.headers.get("content-encoding") == coding
        assert answer.headers["vary"] == "accept-encoding"
        assert answer.content == (STATIC / name).read_bytes()


def test_a_filter_in_the_address_filters_the_table(client):
    text = client.get("/prices?gpu=H100-SXM&provider=aws&show=all").text
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    assert table.count("<tr>") > 1
    assert table.count("H100 SXM 80GB</a>") == table.count("<tr>")
    assert set(re.findall(r'<td class="b"><a[^>]+>([a-z]+)</a>', table)) == {"aws"}


def test_a_fragment_is_the_table_alone(client):
    text = client.get("/prices?gpu=H100-SXM&fragment=1").text
    assert "<html" not in text
    assert "<table" in text


def test_a_part_that_a_script_asks_for_says_its_status_in_a_header(client):
    answer = client.get("/prices?gpu=H1000&fragment=1")
    assert answer.status_code == 200
    assert answer.headers["x-answer-status"] == "422"
    assert "unknown GPU" in answer.text


def answer_alone(text: str) -> str:
    """A page without its links, which repeat its address."""
    return re.sub(r'(href|data-late)="[^"]*"', "", text)


@pytest.mark.parametrize("view", ["/prices", "/history", "/quote", "/sql"])
def test_a_form_that_sends_its_empty_fields_asks_what_it_asks_without_them(client, view):
    """As a browser without scripts does."""
    text = client.get(view).text
    names = set(re.findall(r'<(?:input|select|textarea)[^>]* name="(?!p_)([a-z_]+)"', text))
    assert names
    empty = client.get(view, params=dict.fromkeys(sorted(names), ""))
    assert empty.status_code == 200
    assert answer_alone(empty.text) == answer_alone(text)


def test_an_emptied_parameter_of_a_query_is_null_and_stays_so_in_the_links_of_the_page(client):
    text = client.get("/sql?q=select+$gpu_id+is+null+as+is_empty,+1+as+one&run=1&p_gpu_id=").text
    assert ">True</td>" in text
    assert 'name="p_gpu_id" value=""' in text
    assert "p_gpu_id=&amp;sort=0" in text or "p_gpu_id=&sort=0" in text


def test_pages_of_offers_follow_each_other(client):
    first = client.get("/prices?show=all").text
    following = re.search(r'href="([^"]+)" rel="next"', first)[1].replace("&amp;", "&")
    second = client.get(following).text
    assert "1 to 50" in first
    assert "51 to 100" in second


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/prices?gpu=H1000", "unknown GPU"),
        ("/prices?max_usd_per_gpu_hour=cheap", "is no amount"),
        ("/prices?order_by=secret", "order_by"),
        ("/prices?cursor=zzz", "none of ours"),
        ("/history?option=barter", "option"),
        ("/history?from=2027-01-01", "is not before"),
        ("/history?gpu=h100-sxm-80gb&stat=mean", "stat"),
        ("/prices?currency=XXX", "has no rate here"),
        ("/prices?as_of=2030-01-01", "as_of"),
        ("/quote?model=llama-9&method=lora&data=20M", "did you mean"),
        ("/quote?model=llama-2-7b&data=many", "no number"),
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
    live = client.get("/prices").text
    assert '<option value="fresh" selected>' in live
    assert "stale" not in live.partition("<tbody>")[2].partition("</tbody>")[0]
    assert '<option value="any" selected>' in client.get("/prices?price_state=any").text
    with bundled.client() as other:
        assert '<option value="any" selected>' in other.get("/prices?as_of=2026-01-01").text


def test_what_is_said_of_older_prices_stands_above_the_table_and_once(bundled):
    with bundled.client() as own:
        text = own.get("/prices?gpu=H100&price_state=any").text
    above, _, below = text.partition('<table class="offers')
    assert above.count("no live price yet") >= 1
    assert "no live price yet" not in below


def test_a_wrong_plan_is_told_under_the_form_that_keeps_what_was_filled_in(client):
    answer = client.get("/quote?model=llama-9&method=lora&data=20M&deadline_hours=72")
    assert answer.status_code == 422
    assert "did you mean" in answer.text
    assert re.search(r'name="deadline_hours" value="72"', answer.text)


def test_a_query_runs_and_its_rows_are_shown_and_downloaded(client):
    given = {"q": "select provider, count(*) as offers from offer_latest group by provider order by provider"}
    shown = client.get("/sql", params={**given, "run": "1"}).text
    assert "<b>20</b> rows" in shown
    assert '<td>aws</td><td class="number">60</td>' in shown
    assert shown.split("<main")[1] == client.post("/sql", data={**given, "run": "1"}).text.split("<main")[1]
    loaded = client.get("/sql.csv", params=given)
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
    assert said in client.get("/sql", params={"q": query, "run": "1"}).text


def test_decimal_points_of_a_column_of_the_query_stand_below_each_other(client):
    query = (
        "select unnest([1.5, 10.97875, 4.0, null]::decimal(9, 5)[]) as usd, unnest([1, 22, 3, 4]) as offers"
    )
    body = client.get("/sql", params={"q": query, "run": "1"}).text.partition("<tbody>")[2]
    cells = re.findall(r'<td class="number">(.*?)</td>', body)
    unseen = '<i aria-hidden="true">{}</i>'
    assert cells[::2] == [f"1.5{unseen.format('0000')}", "10.97875", f"4{unseen.format('.00000')}", ""]
    assert cells[1::2] == ["1", "22", "3", "4"]


@pytest.mark.parametrize("typed", ["yesterday", "2999-01-01", "2026-13-45"])
def test_a_past_day_that_is_none_keeps_the_rest_of_the_question(client, typed):
    answer = client.get("/prices", params={"gpu": "H100-SXM", "count": "8", "as_of": typed})
    assert answer.status_code == 422
    form = re.search(r'<form method="get" class="row">.*?</form>', answer.text, re.S)[0]
    assert 'name="gpu" value="H100-SXM"' in form and 'name="count" value="8"' in form
    # a field for days that is given anything else is an error of the page
    assert re.search(r'type="date" name="as_of" value="([^"]*)"', form)[1] in ("", "2999-01-01")


@pytest.mark.deep
def test_every_saved_question_runs(client):
    assert len(saved()) >= 19
    for question in saved():
        text = client.get("/sql", params={"saved": question.name, "run": "1"}).text
        assert 'role="alert"' not in text, question.name
        assert re.search("</b> rows?\\b", text), question.name


def test_the_sources_page_shows_state_age_and_coverage(client):
    text = client.get("/sources").text
    assert '<span class="state fresh">fresh</span>' in text
    assert "19 min" in text
    assert '<a href="/prices?provider=aws">aws</a>' in text


def test_a_quote_is_whole_in_its_address(client):
    address = (
        "/quote?model=llama-2-7b&method=lora&tokens=1e7&epochs=2&deadline_hours=48&budget_usd=100&gpu=H100"
    )
    first, again = client.get(address).text, client.get(address).text
    ids = re.findall(r"id=([0-9a-f]{16})", first)
    assert ids
    assert ids == re.findall(r"id=([0-9a-f]{16})", again)
    assert "deadline kept" in first
    assert "budget kept" in first
    plan = tomllib.loads(client.get(address.replace("/quote?", "/quote.toml?")).text)
    assert (plan["dataset_tokens"], plan["epochs"]) == (10_000_000, 2)


def test_a_spark_is_stepped_and_starts_at_its_first_price():
    assert spark_path([(0.0, 2.0), (50.0, 1.0)], 0.0, 100.0) == "M0.0 2.0H42.0V18.0H84"
    assert spark_path([(0.0, 2.0)], 0.0, 100.0) == "M0.0 10.0H84"
    assert spark_path([], 0.0, 100.0) == ""


def test_the_memory_bar_is_as_long_as_its_gib_and_shows_where_the_card_ends():
    parts, end = memory_bar({"weights": 20.0, "activations": 20.0}, 80.0)
    assert [(part.x, part.width) for part in parts] == [(0, 160), (160, 160)]
    assert end == 640
    assert memory_bar({"weights": 160.0}, 80.0)[1] == 320


def test_ranges_of_totals_share_a_scale_that_begins_at_zero():
    quotes = [
        {"usd_total": {"low": "50", "mid": "75", "high": "100"}},
        {"usd_total": {"low": "5", "mid": "10", "high": "20"}},
    ]
    assert [(one.low, one.mid, one.high) for one in whiskers(quotes)] == [(100, 150, 200), (10, 20, 40)]


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
