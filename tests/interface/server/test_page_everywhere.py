"""What a page shows is what the other doors give: the page's own command, REST address and SQL, and its numbers."""

import csv
import html
import io
import re
import shlex
from datetime import timedelta

import pytest

from gpuledger import Ledger
from tests.interface.server.large_ledger import NOW

QUOTE = "model=llama-2-7b&method=qlora&data=5000%20x%20600"
PAGES = [
    "/",
    "/?as_of=2026-10-15",
    "/prices?gpu=H100-SXM",
    "/prices?gpu=H100-SXM&as_of=2026-10-15",
    "/history",
    "/history?gpu=h100-sxm-80gb,a100-sxm-80gb",
    "/history?show=index",
    "/timing",
    f"/quote?{QUOTE}",
    f"/quote?{QUOTE}&as_of=2026-10-15",
    f"/quote/compare?{QUOTE}&other_method=lora",
    "/sources",
    "/sql?saved=cheapest_now_per_gpu&run=1",
]


def same(text: str, kind: str) -> str:
    """What a page says of itself for one of the other doors."""
    found = re.search(rf'<pre id="same-{kind}">(.*?)</pre>', text, re.S)
    assert found, f"the page says no {kind}"
    return html.unescape(re.sub(r"<[^>]+>", "", found[1]))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_itself_as_command_rest_and_sql_and_each_is_answered(client, page):
    text = client.get(page).text
    assert shlex.split(same(text, "command"))[0] == "gpuledger"
    rest = same(text, "rest")
    if not rest.startswith("curl"):
        assert client.get(rest).status_code == 200
    ran = client.get("/sql", params={"q": same(text, "sql"), "run": "1"}).text
    assert 'role="alert"' not in ran
    assert int(re.search(r"<b>([\d,]+)</b> rows?\b", ran)[1].replace(",", "")) >= 1


def test_the_prices_that_a_quote_stands_on_are_the_rows_of_its_sql(client):
    text = client.get(f"/quote?{QUOTE}").text
    rows = list(csv.DictReader(io.StringIO(client.get("/sql.csv", params={"q": same(text, "sql")}).text)))
    answer = list(csv.DictReader(io.StringIO(client.get(f"/quote.csv?{QUOTE}").text)))
    assert rows[0]["provider"] == answer[0]["provider"]
    assert float(rows[0]["usd_per_gpu_hour"]) == pytest.approx(float(answer[0]["usd_per_gpu_hour"]))


def test_buy_now_or_wait_has_the_numbers_of_the_other_doors(client, market):
    text = client.get("/timing?gpu=H100-SXM&gpu_hours=500").text
    answer = client.get("/v1/timing?gpu=H100-SXM&gpu_hours=500").json()
    assert same(text, "command") == "gpuledger timing --gpu H100-SXM --gpu-hours 500"
    ours = Ledger(market.home.path, clock=lambda: NOW).timing("H100-SXM", gpu_hours=500)
    assert str(ours["usd_total"]) == answer["usd_total"]
    assert f"${float(answer['usd_total']):,.2f}" in text
    assert f"${float(answer['usd_per_gpu_hour']):,.2f}" in text
    waits = text.partition('id="waits"')[2].partition("</table>")[0]
    assert waits.count("<tr>") - 1 == len(answer["waits"]) >= 1
    for row in answer["waits"]:
        assert f"{100 * row['median']:+.1f} %" in waits


def test_a_wrong_question_of_buying_keeps_its_form(client):
    answer = client.get("/timing?gpu=H1000&gpu_hours=many")
    assert answer.status_code == 422
    assert 'value="many"' in answer.text and 'role="alert"' in answer.text


def test_picture_table_and_file_of_a_history_are_the_prices_of_rest(client):
    page = "gpu=h100-sxm-80gb&span=30d"
    drawn = client.get(f"/history/data?{page}").json()
    rows = list(csv.DictReader(io.StringIO(client.get(f"/history/data?{page}&as=csv").text)))
    text = client.get(f"/history?{page}").text
    table = text.partition('id="latest"')[2].partition("</table>")[0]
    offers = client.get(
        "/v1/offers?gpu=h100-sxm-80gb&purchase_option=on_demand&price_state=fresh&min_gpu_count=1&limit=1000"
    ).json()["offers"]
    assert len(drawn["lines"]) > 5
    for line in drawn["lines"]:
        last = [value for value in line["usd"] if value is not None][-1]
        assert float([row for row in rows if row["line"] == line["key"]][-1]["usd_per_gpu_hour"]) == last
        assert re.search(rf'{line["name"]}</th>.*?<td class="number price c">{last:,.2f}<', table, re.S)
        theirs = [float(one["usd_per_gpu_hour"]) for one in offers if one["provider"] == line["key"]]
        if theirs:
            assert last == pytest.approx(min(theirs))


def test_sources_are_those_of_the_status(client):
    text = client.get("/sources").text
    for row in client.get("/v1/status").json()["sources"]:
        assert row["source"] in text


def test_a_line_of_thirty_days_begins_with_the_price_that_was_in_force_then(market_home):
    ledger = Ledger(market_home, clock=lambda: NOW)
    since = NOW - timedelta(days=30)
    before = {row["offer_id"]: row for row in ledger.offers("H100-SXM", as_of=since)}
    rows = ledger.offers("H100-SXM")
    lines = ledger.sparklines(rows, since, NOW)
    assert len(lines) == len(rows) > 10
    for row in rows:
        (first_at, first), *later = lines[row["price_id"]]
        assert (first_at, first) == (before[row["offer_id"]]["valid_from"], before[row["offer_id"]]["amount"])
        assert first_at <= since
        assert all(at > since for at, _ in later)
        assert lines[row["price_id"]][-1] == (row["valid_from"], row["amount"])


@pytest.mark.parametrize(
    ("address", "said", "field"),
    [
        ("/history?gpu=H1000&region=eu", "did you mean", 'name="gpu" value="H1000"'),
        ("/history?provider=aws&from=2026-05-01&to=2026-01-01", "is not before", 'value="aws"'),
        ("/history?from=soon&region=eu", "no date", 'name="region" value="eu"'),
        ("/history?gpu=A100&span=9y", "none of 30d", 'name="gpu" value="A100"'),
        ("/history?gpu=A100&show=all", "none of price, index", 'name="gpu" value="A100"'),
    ],
)
def test_a_wrong_question_to_history_keeps_the_form_and_says_what_is_wrong_beneath(
    client, address, said, field
):
    answer = client.get(address)
    assert answer.status_code == 422
    form = re.search(r'<form id="filters".*?</form>', answer.text, re.S)[0]
    assert said in re.search(r'<p class="field-wrong" id="wrong" role="alert">(.*?)</p>', form, re.S)[1]
    assert field in form


def test_of_two_plans_one_that_has_no_answer_says_why_beside_the_numbers_of_the_other(client):
    answer = client.get(f"/quote/compare?{QUOTE}&other_as_of=2019-01-01")
    assert answer.status_code == 200
    assert "no offer of that time" in re.search(r'role="alert">(.*?)</p>', answer.text)[1]
    total = re.search(r"total, USD</th><td[^>]*>([\d,.]+)", answer.text)[1]
    assert float(total.replace(",", "")) > 0


@pytest.mark.parametrize("typed", ["80", "80GB", "80 GB", "80 gib", "80g"])
def test_memory_may_be_typed_with_its_unit(client, typed):
    shown = client.get("/prices", params={"min_gpu_memory": typed})
    assert shown.status_code == 200
    assert (
        re.search(r"<b>[\d,]+</b>", shown.text)[0]
        == re.search(r"<b>[\d,]+</b>", client.get("/prices?min_gpu_memory=80").text)[0]
    )


@pytest.mark.parametrize(("name", "typed"), [("min_gpu_memory", "much"), ("count", "eight")])
def test_what_is_no_number_is_said_in_the_words_of_the_form(client, name, typed):
    said = re.search(r'id="wrong" role="alert">(.*?)</p>', client.get("/prices", params={name: typed}).text)[
        1
    ]
    assert html.unescape(said) == f"{name}: '{typed}' is no number, as in 8 or 80"


def test_a_day_that_cannot_be_shown_offers_the_same_question_of_today(client):
    answer = client.get("/prices?gpu=H100-SXM&as_of=2030-01-01")
    assert answer.status_code == 422
    link = html.unescape(re.search(r'<a href="([^"]+)">The same of today</a>', answer.text)[1])
    assert link == "/prices?gpu=H100-SXM"
    assert client.get(link).status_code == 200


@pytest.mark.parametrize("named", ["id=deadbeef00000000", "price_id=runpod:deadbeef00000000:1", ""])
def test_a_receipt_that_is_none_says_so_and_leads_to_the_same_plan_of_now(client, named):
    question = "model=llama-2-7b&method=qlora&deadline_hours=72"
    answer = client.get(f"/quote/receipt?{question}&{named}")
    assert answer.status_code in (404, 422)
    said = re.search(r'role="alert">(.*?)</p>', answer.text, re.S)[1]
    assert "prices have moved since" in said if named else "its ranking links to it" in said
    way = re.search(r'<a href="([^"]+)">What the same plan costs now', answer.text)[1].replace("&amp;", "&")
    assert way == f"/quote?{question}"
    assert client.get(way).status_code == 200


def test_what_is_chosen_stays_in_the_form_where_no_offer_is_left(client):
    """Else the next choice would drop it."""
    asked = {
        "gpu": "H100-SXM",
        "provider": "nobody-sells-it",
        "count": "7",
        "region": "is,eu",
        "price_state": "any",
    }
    page = client.get("/prices", params=asked).text
    ticked = re.findall(r'name="(\w+)" value="([^"]+)"[^>]*checked', page)
    assert {("gpu", "h100-sxm-80gb"), ("count", "7"), ("region", "is"), ("region", "eu")} <= set(ticked)


def test_an_address_of_before_the_overview_leads_to_the_prices(client):
    answer = client.get("/?gpu=H100-SXM&provider=aws", follow_redirects=True)
    assert answer.url.path == "/prices"
    assert "gpu=H100-SXM" in str(answer.url)
