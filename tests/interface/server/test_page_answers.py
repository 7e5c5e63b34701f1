"""The page's answers against those of the other doors, by HTTP on loopback, and what each of its fields means."""

import csv
import io
import re
from datetime import date, timedelta

import httpx
import pyarrow.parquet as pq
import pytest

from gpuledger import Ledger
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.publish import publish
from gpuledger.web.access import own_path
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from gpuledger.web.page.query_view import filled, parameters_of
from gpuledger.web.page.quote_form import plan_of_fields
from tests.interface.server.conftest import serving
from tests.interface.server.large_ledger import NOW

QUESTION = "/prices?gpu=H100-SXM&purchase_option=on_demand"
PRICES = re.compile(r'<td class="number price c"[^>]*><a [^>]*>\D*([\d,.]+)')
QUOTE = "model=llama-2-7b&method=qlora&data=5000%20x%20600"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def table(text: str) -> list[str]:
    body = text.partition("<tbody>")[2].partition("</tbody>")[0]
    return re.findall(r"<tr.*?</tr>", body, re.S)


def test_the_overview_has_the_prices_of_the_offers(client):
    rows = client.get("/v1/overview").json()["overview"]
    shown = client.get("/").text
    assert len(rows) == len(table(shown)) > 40
    for row in rows[:12]:
        offers = client.get(
            f"/v1/offers?gpu={row['gpu_id']}&price_state=fresh&order_by=usd_per_gpu_hour&limit=1000"
        ).json()["offers"]
        # a name without a form factor means the cards with one as well
        offers = [one for one in offers if one["gpu_id"] == row["gpu_id"]]
        cheapest = next(one for one in offers if one["purchase_option"] == "on_demand")
        assert row["usd_per_gpu_hour_on_demand"] == cheapest["usd_per_gpu_hour"]
        assert row["provider_on_demand"] == cheapest["provider"]
        assert row["providers"] == len({one["provider"] for one in offers})
        assert row["offers"] == len(offers)
        assert f"{float(cheapest['usd_per_gpu_hour']):,.2f}" in shown


def test_data_centre_cards_come_first_in_the_overview(client):
    rows = client.get("/v1/overview").json()["overview"]
    kinds = [row["is_for_data_centres"] for row in rows]
    assert kinds == sorted(kinds, reverse=True)
    named = {row["gpu_id"]: row["is_for_data_centres"] for row in rows}
    assert named["h100-sxm-80gb"] and not named["gtx-1050-2gb"]


def test_the_overview_of_a_past_day_has_prices_of_that_day_and_says_so(client):
    text = client.get("/?as_of=2026-09-15").text
    rows = client.get("/v1/overview?as_of=2026-09-15").json()["overview"]
    now = client.get("/v1/overview").json()["overview"]
    assert "As of 2026-09-15" in text
    assert {row["price_state"] for row in rows} == {"recorded"}
    then, today = (
        {row["gpu_id"]: row["usd_per_gpu_hour_on_demand"] for row in some}["h100-sxm-80gb"]
        for some in (rows, now)
    )
    assert then != today


def test_the_index_change_of_the_overview_is_that_of_the_index(client):
    rows = {row["gpu_id"]: row for row in client.get("/v1/overview").json()["overview"]}
    days = client.get("/v1/index?gpu=h100-sxm-80gb").json()["index"]
    published = {
        date.fromisoformat(row["price_date"]): row["price_index"] for row in days if row["price_index"]
    }
    last = max(published)
    expected = published[last] / published[last - timedelta(days=30)] - 1
    assert rows["h100-sxm-80gb"]["index_change_of_30_days"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "more",
    ["", "&show=all", "&count=8", "&provider=aws,gcp&show=all", "&as_of=2026-10-20", "&min_gpu_memory=80GB"],
)
def test_table_csv_json_parquet_rest_and_sql_of_the_prices_are_the_same_rows(client, more):
    address = QUESTION + more
    text = client.get(address).text
    total = int(re.search(r"<b>([\d,]+)</b>", text)[1].replace(",", ""))
    content = client.get(address.replace("/prices?", "/prices.json?")).json()
    as_csv = rows_of(client.get(address.replace("/prices?", "/prices.csv?")).text)
    parquet = pq.read_table(io.BytesIO(client.get(address.replace("/prices?", "/prices.parquet?")).content))
    rest = client.get(re.search(r'id="same-rest"><a href="([^"]+)"', text)[1].replace("&amp;", "&")).json()
    query = client.get(re.search(r'href="(/sql\?[^"]+)">Run</a>', text)[1].replace("&amp;", "&")).text
    ids = [row["price_id"] for row in content["offers"]]
    assert len(ids) == total == rest["total"] == parquet.num_rows
    assert ids == [row["price_id"] for row in as_csv] == [row["price_id"] for row in rest["offers"]]
    assert f"<b>{total:,}</b> rows" in query or total == 0
    assert all(one in query for one in ids[:20])
    assert len(table(text)) == min(total, 50)


def test_the_command_of_a_page_gives_its_rows(client, market_home, monkeypatch):
    import json
    import shlex

    from click.testing import CliRunner

    from gpuledger.cli import context
    from tests.command_line import app

    monkeypatch.setattr(context, "now", lambda: NOW)
    for address in (
        f"{QUESTION}&count=8&max_usd_per_gpu_hour=30",
        "/history?gpu=h100-sxm-80gb&span=30d",
        "/",
    ):
        text = client.get(address).text
        command = re.search(r'id="same-command">([^<]+)<', text)[1].replace("&#39;", "'")
        words = shlex.split(command)[1:]
        found = CliRunner().invoke(app, ["--home", str(market_home.path), *words])
        assert found.exit_code == 0, (command, found.output)
        if address.startswith(QUESTION):
            mine = client.get(address.replace("/prices?", "/prices.json?")).json()["offers"]
            lines = [json.loads(line) for line in found.stdout.splitlines()]
            assert [row["price_id"] for row in lines] == [row["price_id"] for row in mine]


def test_one_of_each_accelerator_provider_and_pricing_model_is_its_cheapest(client):
    best = client.get("/prices.json?gpu=H100-SXM,A100-SXM&price_state=fresh").json()["offers"]
    every = client.get("/prices.json?gpu=H100-SXM,A100-SXM&price_state=fresh&show=all").json()["offers"]
    least: dict[tuple[str, ...], float] = {}
    for row in every:
        key = (row["gpu_id"], row["provider"], row["purchase_option"])
        least[key] = min(least.get(key, 1e9), float(row["usd_per_gpu_hour"]))
    assert {
        (row["gpu_id"], row["provider"], row["purchase_option"]): float(row["usd_per_gpu_hour"])
        for row in best
    } == least


def test_a_facet_counts_what_its_choice_would_show(client):
    text = client.get("/prices?gpu=H100-SXM&show=all").text
    facets = re.findall(
        r'name="provider" value="([a-z]+)"[^>]*><span>[^<]+</span><span>([\d,]+)</span>', text
    )
    assert len(facets) > 5
    for provider, count in facets[:5]:
        shown = client.get(f"/prices.json?gpu=H100-SXM&show=all&provider={provider}").json()
        assert shown["total"] == int(count.replace(",", ""))
    for name, value in (("purchase_option", "spot"), ("count", "8")):
        count = re.search(
            rf'name="{name}" value="{value}"[^>]*><span>[^<]+</span><span>([\d,]+)</span>', text
        )[1]
        assert client.get(f"/prices.json?gpu=H100-SXM&show=all&{name}={value}").json()["total"] == int(count)


@pytest.mark.parametrize(
    ("asked", "form"),
    [
        ("H100-SXM", ("", ["h100-sxm-80gb"])),
        ("H100-SXM, l40s-48gb", ("", ["h100-sxm-80gb", "l40s-48gb"])),
        ("8xH100-SXM", ("8xH100-SXM", [])),
        ("nvidia:24GB..80GB", ("nvidia:24GB..80GB", [])),
        ("h100-sxm-80gb", ("", ["h100-sxm-80gb"])),
        ("H100-SXM:8", ("H100-SXM:8", [])),
    ],
)
def test_a_form_that_is_sent_again_asks_the_same(client, asked, form):
    for _ in range(3):
        page = client.get("/prices", params={"gpu": asked}).text
        text = re.search(r'<input name="gpu" list="gpus" value="([^"]*)"', page)[1]
        ticked = re.findall(r'type="checkbox" name="gpu" value="([^"]+)"[^>]*checked', page)
        assert (text, ticked) == form
        asked = ",".join(filter(None, [text, *ticked]))


def test_a_wrong_accelerator_keeps_the_form_and_offers_the_nearest_as_a_link(client):
    answer = client.get("/prices?gpu=H1000&max_usd_per_gpu_hour=3")
    assert answer.status_code == 422
    assert 'name="max_usd_per_gpu_hour" inputmode="decimal" size="6" value="3"' in answer.text
    href = re.search(r'Try <a href="([^"]+)"', answer.text)[1].replace("&amp;", "&")
    assert client.get(href).status_code == 200


def test_spot_saving_and_price_of_work_follow_from_prices_and_data_sheet(client, market_home):
    rows = client.get("/prices.json?gpu=h100-sxm-80gb&purchase_option=spot&show=all").json()["offers"]
    on_demand = client.get("/prices.json?gpu=h100-sxm-80gb&purchase_option=on_demand&show=all").json()[
        "offers"
    ]
    for row in rows[:10]:
        usd = float(row["usd_per_gpu_hour"])
        there = [float(one["usd_per_gpu_hour"]) for one in on_demand if one["provider"] == row["provider"]]
        expected = pytest.approx(1 - usd / min(there), abs=1e-4) if there else None
        assert row["spot_saving"] == expected
        assert float(row["usd_per_peak_petaflop_hour"]) == pytest.approx(usd / 0.9894, rel=1e-4)
        assert float(row["usd_per_gib_hour"]) == pytest.approx(usd / 80, abs=1e-5)


def test_every_change_of_a_price_has_a_receipt(client):
    rows = client.get("/v1/changes?gpu=h100-sxm-80gb&purchase_option=on_demand&limit=5").json()["changes"]
    text = client.get("/history/moves?gpu=h100-sxm-80gb").text
    assert len(rows) == 5
    for row in rows:
        before, after = float(row["usd_per_gpu_hour_before"]), float(row["usd_per_gpu_hour"])
        assert row["change"] == pytest.approx(after / before - 1, abs=1e-4)
        receipt = client.get(f"/v1/prices/{row['price_id']}").json()
        assert float(receipt["amount"]) == after
        assert row["price_id"].replace(":", "%3A") in text
        assert receipt["sha256"] in client.get("/price", params={"id": row["price_id"]}).text
    assert client.get("/v1/prices/runpod:none:1").status_code == 404


def test_the_answer_of_a_quote_is_that_of_rest_and_its_receipt_adds_up(client):
    text = client.get(f"/quote?{QUOTE}&budget_usd=500").text
    plan = {"model": "llama-2-7b", "method": "qlora", "samples": 5000, "tokens_per_sample": 600}
    plan["name"] = "llama-2-7b-qlora"
    best = client.post("/v1/quotes", json=plan, params={"budget_usd": 500, "limit": 1}).json()["quotes"][0]
    assert f'title="{best["usd_total"]["mid"]} USD"' in text
    assert f"id={best['quote_id']}" in text
    receipt = client.get(f"/quote/receipt?id={best['quote_id']}").text
    assert f"{best['paid_gpus']} x {best['gpu_id']} at {best['provider']}" in receipt
    assert best["receipt"]["document_sha256"] in receipt
    assert f'<td class="number">{best["usd_total"]["mid"]}</td>' in receipt
    for line in best["lines"]:
        assert line["usd"] is None or line["usd"] in receipt


def test_the_ranking_has_one_quote_of_each_provider_and_none_is_beaten_by_another_of_its_own(
    client, market_home
):
    ledger = Ledger(market_home, clock=lambda: NOW, environ={})
    plan = {"model": "llama-2-7b", "method": "qlora", "samples": 5000, "tokens_per_sample": 600, "name": "p"}
    ranking = ledger.quote_by_provider(plan, limit=40).quotes
    names = [quote.purchase.offer.provider for quote in ranking]
    assert len(names) == len(set(names)) > 10
    assert [quote.total.mid for quote in ranking] == sorted(quote.total.mid for quote in ranking)
    assert ranking[0].total.mid == ledger.quote(plan, limit=1).mid
    for quote in ranking[:3]:
        alone = ledger.quote(plan, limit=1, providers=[quote.purchase.offer.provider])
        assert quote.total.mid == alone.mid


def test_what_is_left_out_by_provider_adds_up_to_what_is_left_out_by_reason(client):
    answer = client.get(f"/quote.json?{QUOTE}&provider=aws").json()
    text = client.get(f"/quote/left-out?{QUOTE}&provider=aws").text
    told = sum(row["count"] for row in answer["excluded"])
    assert f"{told:,} offers in" in text
    assert "another provider than asked for" in text


def test_a_missed_budget_is_red_and_names_the_nearest_way_to_keep_it(client):
    text = client.get(f"/quote?{QUOTE}&budget_usd=0.01").text
    assert re.search(r'<p class="wrong">budget missed', text)
    assert "Nearest way to the budget" in text


def test_two_plans_and_two_days_are_compared_as_the_command_does(client):
    text = client.get(f"/quote/compare?{QUOTE}&other_method=lora").text
    plans = [{"model": "llama-2-7b", "method": name, "samples": 5000, "tokens_per_sample": 600, "name": name}
             for name in ("qlora", "lora")]  # fmt: skip
    rows = client.post("/v1/compare", json={"plans": plans}).json()["plans"]
    for row in rows:
        assert f"{float(row['usd_total']['mid']):,.2f}" in text
    assert "2026-10-20" in client.get(f"/quote/compare?{QUOTE}&other_as_of=2026-10-20").text
    assert client.get(f"/quote/compare?{QUOTE}").status_code == 422


@pytest.mark.parametrize(
    ("model", "parameters"),
    [("meta-llama/Llama-3.1-8B", 8.03e9), ("8b", 8e9), ("llama-3.1-8b", 8.03e9), ("7B", 7e9)],
)
def test_a_model_is_a_name_a_hub_id_or_a_size(model, parameters):
    plan = plan_of_fields({"model": model, "method": "lora", "data": "20M"})
    assert Ledger(environ={}).estimate(plan, gpu="H100-SXM", gpus=1)[0]["parameters"] == pytest.approx(
        parameters, rel=0.01
    )


def test_the_parameters_of_a_query_are_fields_and_never_its_text():
    text = "select $gpu_id, '$no', \"$nor\" -- $this\nfrom t where day > $day::date"
    assert parameters_of(text) == ["gpu_id", "day"]
    assert filled(text, {"gpu_id": "a'b", "day": ""}).startswith("select 'a''b', '$no', \"$nor\" -- $this")
    assert filled(text, {}).endswith("> null::date")


def test_columns_of_a_result_sort_both_ways(client):
    asked = {
        "q": "select provider, count(*) as offers, min(usd_per_gpu_hour) as usd from offer_latest group by provider"
    }
    up = [
        float(row)
        for row in re.findall(
            r'<td class="number">([\d.]+)(?:<i .*?</i>)?</td></tr>',
            client.get("/sql", params={**asked, "run": "1", "sort": "2"}).text,
        )
    ]
    down = [
        float(row)
        for row in re.findall(
            r'<td class="number">([\d.]+)(?:<i .*?</i>)?</td></tr>',
            client.get("/sql", params={**asked, "run": "1", "sort": "-2"}).text,
        )
    ]
    assert len(up) == 20
    assert up == sorted(up) == down[::-1]


@pytest.mark.parametrize("sort", ["9", "-1-", "\N{SUPERSCRIPT TWO}", "9" * 5000])
def test_an_order_by_no_column_leaves_the_rows_as_they_are(client, sort):
    asked = {"q": "select 2 as rank union all select 1 order by rank desc", "run": "1"}
    answer = client.get("/sql", params={**asked, "sort": sort})
    assert answer.status_code == 200
    assert re.findall(r'<td class="number">(\d)</td>', answer.text) == ["2", "1"]


def test_an_unknown_address_is_a_page_for_a_browser_and_a_document_for_a_program(client):
    page = client.get("/nowhere", headers={"accept": "text/html"})
    assert (page.status_code, "There is no page" in page.text) == (404, True)
    assert client.get("/nowhere").json()["status"] == 404


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/quote?model=llama-2-7b", "/quote?model=llama-2-7b"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\t/evil.example", "/"),
        ("/login?next=/", "/"),
        ("", "/"),
        (None, "/"),
    ],
)
def test_after_logging_in_one_goes_on_to_a_path_of_this_server_alone(text, path):
    assert own_path(text) == path


def test_a_question_survives_the_login_and_logging_out_ends_it(market_home):
    settings = GateSettings(token="secret", requests_per_second=0)
    browser = {"accept": "text/html"}
    with (
        serving(create_app(market_home, settings=settings, clock=lambda: NOW, environ={})) as url,
        httpx.Client(base_url=url) as client,
    ):
        first = client.get(f"/quote?{QUOTE}", headers=browser)
        assert first.status_code == 303
        form = client.get(first.headers["location"]).text
        after = re.search(r'name="next" value="([^"]+)"', form)[1].replace("&amp;", "&")
        done = client.post("/login", data={"token": "secret", "next": after})
        assert (done.status_code, done.headers["location"]) == (303, f"/quote?{QUOTE}")
        assert "samesite=lax" in done.headers["set-cookie"].lower()
        assert client.get(done.headers["location"], headers=browser).status_code == 200
        client.post("/logout")
        assert client.get("/", headers=browser).headers["location"] == "/login"
        assert client.post("/login", data={"token": "wrong", "next": after}).status_code == 401


def test_amounts_are_shown_in_a_currency_of_the_ledger_and_files_stay_in_dollars(served_home):
    with turn(served_home):
        with writing(served_home) as connection:
            connection.execute(
                "insert into exchange_rate by name"
                " select 'EUR' as currency, date '2026-10-30' as rate_date, 1.25 as usd_per_unit, 1 as run_no"
            )
        publish(served_home, now=NOW)
    app = create_app(served_home, settings=GateSettings(requests_per_second=0), clock=lambda: NOW, environ={})
    with serving(app) as url, httpx.Client(base_url=url) as client:
        assert "currency=EUR" in client.get("/").text
        assert client.get("/prices?currency=XXX").status_code == 422
        usd, eur = (
            [float(one.replace(",", "")) for one in PRICES.findall(client.get(address).text)]
            for address in ("/prices?show=all", "/prices?show=all&currency=EUR")
        )
        assert len(usd) == len(eur) == 50
        assert eur == pytest.approx([one / 1.25 for one in usd], abs=0.01)
        in_dollars, in_euros = (
            client.get(f"/prices.csv?show=all{more}").text for more in ("", "&currency=EUR")
        )
        assert in_dollars == in_euros


def test_the_first_ledger_shows_its_bundled_prices_as_what_they_are(bundled):
    with bundled.client() as client:
        rows = client.get("/v1/overview").json()["overview"]
        text = client.get("/sources").text
        assert rows
        assert "fresh" not in {row["price_state"] for row in rows}
        assert '<th scope="row">bundled</th>' in text
        for path in ("/", "/prices", "/history", f"/quote?{QUOTE}", "/sql"):
            assert client.get(path).status_code == 200
