"""What the REST interface answers about prices: filters, pages, formats and what is said of the snapshot."""

import csv
import io
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pyarrow.parquet as pq
import pytest

from gpuledger.core.store.offers import OfferQuery, offers
from gpuledger.core.store.publish import reading
from tests.interface.server.large_ledger import NOW


def all_offers(home):
    with reading(home) as connection:
        return offers(connection, OfferQuery())


def rows(client: httpx.Client, address: str) -> list[dict]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.json()["offers"]


def test_offers_come_cheapest_per_gpu_hour_first(client, market):
    found = client.get("/v1/offers", params={"limit": 1000}).json()
    prices = [float(row["usd_per_gpu_hour"]) for row in found["offers"]]
    assert prices == sorted(prices)
    assert found["total"] == len(all_offers(market.home)) == 1200


FILTERS = [
    ("gpu=H100-SXM", lambda o: o.gpu_id == "h100-sxm-80gb"),
    ("gpu=H100:8", lambda o: o.gpu_id.startswith("h100") and o.gpu_count == 8),
    ("gpu=nvidia:24GB..48GB:2..4", None),
    # gpuhunt calls the NVL board H100NVL
    ("gpu_name=h100", lambda o: o.gpu_id.split("-")[0] == "h100" and "-nvl" not in o.gpu_id),
    ("gpu_name=H100+SXM+80GB", lambda o: o.gpu_name == "H100 SXM 80GB"),
    ("gpu_vendor=amd", lambda o: o.gpu_id.startswith(("mi", "radeon"))),
    ("provider=aws", lambda o: o.provider == "aws"),
    ("provider=aws,GCP", lambda o: o.provider in ("aws", "gcp")),
    ("provider=aws&provider=gcp", lambda o: o.provider in ("aws", "gcp")),
    ("region=REGION-7", lambda o: o.region == "region-7"),
    ("tier=secure", lambda o: o.tier == "secure"),
    ("purchase_option=spot,reserved", lambda o: o.purchase_option in ("spot", "reserved")),
    ("spot=true", lambda o: o.purchase_option == "spot"),
    ("spot=false", lambda o: o.purchase_option != "spot"),
    ("availability=sold_out", lambda o: o.availability == "sold_out"),
    ("price_state=sold_out", lambda o: o.availability == "sold_out"),
    ("min_cpu=64", lambda o: o.vcpus >= 64),
    ("max_cpu=16", lambda o: o.vcpus <= 16),
    ("min_memory=480&max_memory=480", lambda o: o.memory_gib == 480),
    ("min_gpu_count=4", lambda o: o.gpu_count >= 4),
    ("max_gpu_count=1", lambda o: o.gpu_count == 1),
    ("min_gpu_memory=80", lambda o: o.gpu_memory_gib >= 80),
    ("min_gpu_memory=80GB", lambda o: o.gpu_memory_gib >= 80),
    ("max_gpu_memory=24", lambda o: o.gpu_memory_gib <= 24),
    ("min_total_gpu_memory=640", lambda o: o.gpu_memory_gib * o.gpu_count >= 640),
    ("max_total_gpu_memory=48", lambda o: o.gpu_memory_gib * o.gpu_count <= 48),
    ("min_disk_size=4000", lambda o: o.gpu_count == 8),
    ("max_price=1.5", lambda o: o.usd_per_hour <= 1.5),
    ("min_price=20", lambda o: o.usd_per_hour >= 20),
    ("max_usd_per_gpu_hour=0.4", lambda o: float(o.usd_per_gpu_hour) <= 0.4),
    ("instance_type=TYPE-3.8X", lambda o: o.instance_type == "type-3.8x"),
    ("cpu_arch=arm", lambda o: o.gpu_id.startswith(("gh200", "gb", "t4g"))),
    ("min_compute_capability=9", lambda o: o.gpu_id.startswith(("h", "gh", "b", "gb", "rtx-pro", "rtx-50"))),
    ("allowed_flags=oci-spot", lambda o: True),
]


@pytest.mark.parametrize(("address", "keeps"), FILTERS, ids=[text for text, _ in FILTERS])
def test_a_filter_keeps_exactly_the_offers_it_names(client, market, address, keeps):
    found = rows(client, f"/v1/offers?limit=1000&{address}")
    if keeps is None:
        assert found
        assert all(24 <= row["gpu_memory_gib"] <= 48 and 2 <= row["gpu_count"] <= 4 for row in found)
        return
    expected = {offer.offer_id for offer in all_offers(market.home) if keeps(offer)}
    assert expected
    if len(expected) <= 1000:
        assert {row["offer_id"] for row in found} == expected
    else:
        assert len(found) == 1000
        assert {row["offer_id"] for row in found} <= expected


@pytest.mark.parametrize(
    "column", ["usd_per_hour", "gpu_count", "gpu_memory_gib", "provider", "region", "gpu_id"]
)
def test_an_order_goes_both_ways(client, column):
    up = [row[column] for row in rows(client, f"/v1/offers?limit=1000&order_by={column}")]
    down = [row[column] for row in rows(client, f"/v1/offers?limit=1000&order_by={column}&order_dir=desc")]
    key = (lambda value: float(value)) if column.startswith("usd") else (lambda value: value)
    assert up == sorted(up, key=key)
    assert down == sorted(down, key=key, reverse=True)
    assert up[0] != down[0]


def test_pages_of_a_cursor_hold_every_offer_once(client):
    seen, address = [], "/v1/offers?gpu=nvidia&limit=170"
    while address:
        answer = client.get(address)
        seen += [row["offer_id"] for row in answer.json()["offers"]]
        address = answer.links.get("next", {}).get("url")
    assert len(seen) == len(set(seen)) == int(answer.headers["x-total-count"])


def test_a_cursor_of_another_question_is_refused(client):
    cursor = client.get("/v1/offers?limit=5").json()["next_cursor"]
    answer = client.get("/v1/offers", params={"limit": 5, "provider": "aws", "cursor": cursor})
    assert answer.status_code == 422
    assert "another question" in answer.json()["detail"]


def test_money_is_decimal_text_and_sizes_are_numbers(client):
    row = rows(client, "/v1/offers?gpu=H100-SXM:8&limit=1")[0]
    assert isinstance(row["usd_per_gpu_hour"], str)
    assert isinstance(row["amount"], str)
    assert row["gpu_count"] == 8
    assert row["gpu_memory_gib"] == 80


def test_an_answer_names_its_snapshot_and_newest_observation(client):
    answer = client.get("/v1/offers?limit=1")
    assert answer.headers["etag"].startswith('W/"000001.')
    assert answer.headers["x-gpuledger-snapshot"] == "1"
    assert parsedate_to_datetime(answer.headers["last-modified"]) == NOW - timedelta(minutes=20)


def test_the_same_snapshot_answers_304(client):
    etag = client.get("/v1/offers?limit=1").headers["etag"]
    again = client.get("/v1/offers?limit=1", headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")


def test_head_says_the_same_without_a_body(client):
    answer = client.head("/v1/offers?limit=1")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["x-total-count"] == "1200"


def test_csv_holds_the_rows_of_the_json(client):
    as_json = rows(client, "/v1/offers?gpu=H100&limit=20")
    answer = client.get("/v1/offers?gpu=H100&limit=20", headers={"accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    as_csv = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["price_id"] for row in as_csv] == [row["price_id"] for row in as_json]
    assert [row["usd_per_hour"] for row in as_csv] == [row["usd_per_hour"] for row in as_json]


def test_parquet_holds_the_rows_of_the_json(client):
    as_json = rows(client, "/v1/offers?gpu=H100&limit=20")
    answer = client.get("/v1/offers?gpu=H100&limit=20", headers={"accept": "application/vnd.apache.parquet"})
    table = pq.read_table(io.BytesIO(answer.content))
    assert table["price_id"].to_pylist() == [row["price_id"] for row in as_json]
    assert table["usd_per_hour"].type.scale == 6


def test_a_type_that_nobody_offers_is_406(client):
    answer = client.get("/v1/offers", headers={"accept": "image/png"})
    assert answer.status_code == 406
    assert answer.headers["content-type"] == "application/problem+json"


def test_cheapest_has_one_offer_per_provider_in_order_of_price(client):
    found = client.get("/v1/offers/cheapest?gpu=H100-SXM").json()["offers"]
    assert [row["rank"] for row in found] == list(range(1, len(found) + 1))
    assert len({row["provider"] for row in found}) == len(found)
    assert all(row["purchase_option"] == "on_demand" for row in found)


def test_as_of_shows_the_prices_of_then(client):
    now = rows(client, "/v1/offers?gpu=H100-SXM&limit=1000")
    then = rows(client, "/v1/offers?gpu=H100-SXM&limit=1000&as_of=2026-09-15")
    prices = {row["offer_id"]: row["usd_per_hour"] for row in then}
    assert len(then) == len(now)
    assert any(prices[row["offer_id"]] != row["usd_per_hour"] for row in now)
    assert all(row["valid_from"] <= "2026-09-15T00:00:00Z" for row in then)


def test_history_with_steps_has_a_row_per_step(client):
    found = client.get("/v1/history?gpu=H100-SXM&from=2026-10-01&to=2026-10-08&every=1d").json()["history"]
    by_option = {row["purchase_option"] for row in found}
    assert {"on_demand", "spot"} <= by_option
    for option in by_option:
        days = [row["step_at"][:10] for row in found if row["purchase_option"] == option]
        assert days == [f"2026-10-0{day}" for day in range(1, 9)], option
    assert all(row["offers"] > 0 for row in found)


def test_history_without_steps_has_intervals(client):
    found = client.get("/v1/history?gpu=H100-SXM&limit=5000").json()
    one = [row for row in found["history"] if row["offer_id"] == found["history"][0]["offer_id"]]
    assert [row["valid_to"] for row in one[:-1]] == [row["valid_from"] for row in one[1:]]
    assert one[-1]["valid_to"] is None


def test_a_cut_history_says_so(client):
    found = client.get("/v1/history?gpu=H100-SXM&limit=3").json()
    assert (len(found["history"]), found["is_cut"]) == (3, True)


@pytest.mark.parametrize(
    ("path", "name", "key"),
    [
        ("/v1/gpus", "gpus", "gpu_id"),
        ("/v1/providers", "providers", "provider"),
        ("/v1/regions", "regions", "region"),
        ("/v1/status", "sources", "source"),
    ],
)
def test_a_list_has_its_rows(client, path, name, key):
    answer = client.get(path)
    found = answer.json()[name]
    assert found
    assert all(row[key] for row in found)
    assert int(answer.headers["x-total-count"]) == len(found)


WRONG = [
    ("/v1/offers?nonsense=1", "nonsense: unknown parameter, got '1'"),
    ("/v1/offers?gpu=H1000", "unknown GPU 'H1000'"),
    ("/v1/offers?limit=0", "limit: Input should be greater than or equal to 1, got '0'"),
    ("/v1/offers?limit=1001", "limit"),
    ("/v1/offers?max_price=1,5", "max_price: '1,5' is no amount"),
    ("/v1/offers?min_price=-1", "min_price: -1 must be 0 or more"),
    ("/v1/offers?as_of=yesterday", "as_of: 'yesterday' is no date"),
    ("/v1/offers?as_of=0001-01-01T00:00:00%2B14:00", "as_of"),
    ("/v1/offers?as_of=9999-12-31", "lies outside the years"),
    ("/v1/offers?order_by=price;drop", "order_by"),
    ("/v1/offers?cursor=zzz", "cursor: 'zzz' is none of ours"),
    ("/v1/offers?min_cpu=nan", "min_cpu"),
    ("/v1/history?gpu=H100&every=0d", "'0d' is no step"),
    ("/v1/offers/cheapest?gpu=:::", "empty SPEC"),
]


@pytest.mark.parametrize(("address", "said"), WRONG, ids=[text for text, _ in WRONG])
def test_a_wrong_question_gets_a_problem_that_names_it(client, address, said):
    answer = client.get(address)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert said in problem["detail"]
    assert problem["type"].startswith("urn:gpuledger:problem:")
    assert problem["status"] == 422


def test_a_stale_price_brings_a_warning(bundled):
    with bundled.client() as client:
        answer = client.get("/v1/offers?price_state=stale&limit=3")
    assert answer.json()["offers"], "the bundled list is expected to be stale by now"
    assert answer.headers["warning"].startswith('110 gpuledger "3 prices here')


def test_prices_are_known_from_the_first_second_until_now(client):
    assert client.get("/v1/offers?as_of=1970-01-01").json()["total"] == 0
    assert client.get("/v1/offers", params={"as_of": NOW.isoformat()}).status_code == 200
    later = client.get("/v1/offers", params={"as_of": (NOW + timedelta(seconds=1)).isoformat()})
    assert (later.status_code, "in the future" in later.json()["detail"]) == (422, True)
