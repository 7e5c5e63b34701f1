"""The gate: who may ask, how much, how often; and that an answer is never of two snapshots."""

import gzip
import json
import threading
from datetime import timedelta

import httpx
import pytest
from starlette.testclient import TestClient

from gpuledger.core.store.home import Home
from gpuledger.core.store.snapshot_pool import SnapshotPool
from gpuledger.web.access import RateLimit, Token, is_known_host
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from tests.interface.server.conftest import serving
from tests.interface.server.large_ledger import NOW, next_price

OPEN = GateSettings(requests_per_second=0)


def get(app, address, **headers):
    with serving(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        return client.get(address, headers=headers)


def app_of(home, settings=OPEN, clock=lambda: NOW):
    return create_app(home, settings=settings, clock=clock, environ={})


def test_an_empty_home_is_503_and_says_what_to_do(tmp_path):
    with serving(app_of(Home(tmp_path))) as url, httpx.Client(base_url=url) as client:
        for address in ("/v1/offers", "/v1/offers/cheapest?gpu=H100", "/v1/status"):
            answer = client.get(address)
            assert answer.status_code == 503
            assert "gpuledger refresh" in answer.json()["detail"]
            assert answer.headers["retry-after"] == "60"
        assert client.get("/healthz").status_code == 503
        assert "gpuledger_up 0" in client.get("/metrics").text
        page = client.get("/")
        assert page.status_code == 503
        assert "gpuledger refresh" in page.text


def test_healthz_says_which_snapshot_and_how_many_offers(client):
    content = client.get("/healthz").json()
    assert (content["status"], content["snapshot"], content["offers"]) == ("ok", 1, 1200)


def test_metrics_count_requests_by_route_and_know_the_ledger(client):
    client.get("/v1/offers?limit=1")
    text = client.get("/metrics").text
    assert 'gpuledger_requests_total{method="GET",route="/v1/offers",status="200"' in text
    assert "gpuledger_offers 1200" in text
    assert 'gpuledger_source_age_seconds{source="runpod"} 1188' in text
    assert 'gpuledger_runs_total{source="runpod",outcome="accepted"}' in text
    assert 'gpuledger_last_run_seconds{source="runpod",outcome="accepted"}' in text
    for part in ('disk_bytes{part="ledger"}', 'disk_bytes{part="snapshots"}', "disk_free_bytes"):
        assert int(text.partition(f"\ngpuledger_{part} ")[2].split()[0]) > 0
    for line in text.splitlines():
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2


def test_without_the_token_nobody_gets_in(market_home):
    settings = GateSettings(token="let-me-in", requests_per_second=0)
    with serving(app_of(market_home, settings)) as url, httpx.Client(base_url=url) as client:
        refused = client.get("/v1/offers")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Bearer realm="gpuledger"'
        assert client.get("/v1/offers", headers={"authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/metrics").status_code == 401
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/offers", headers={"authorization": "Bearer let-me-in"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/actuals", "/v1/accuracy"])
def test_what_was_paid_is_answered_on_this_machine_and_to_nobody_after(market_home, path):
    app = app_of(market_home)

    def status(host, **headers):
        with TestClient(app, base_url="http://127.0.0.1", client=(host, 50_000)) as one:
            return one.get(path, headers=headers).status_code

    assert status("127.0.0.1") == 200
    assert status("10.0.0.9") == 403
    assert status("127.0.0.1", **{"x-forwarded-for": "10.0.0.9"}) == 403
    assert status("127.0.0.1") == 200


def test_a_browser_logs_in_with_the_token_and_keeps_no_token(market_home):
    settings = GateSettings(token="let-me-in", requests_per_second=0)
    with serving(app_of(market_home, settings)) as url, httpx.Client(base_url=url) as client:
        sent_on = client.get("/", headers={"accept": "text/html"})
        assert (sent_on.status_code, sent_on.headers["location"]) == (303, "/login")
        assert client.post("/login", data={"token": "wrong"}).status_code == 401
        inside = client.post("/login", data={"token": "let-me-in"})
        assert inside.status_code == 303
        cookie = inside.headers["set-cookie"]
        assert "let-me-in" not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert client.get("/", headers={"accept": "text/html"}).status_code == 200


def test_a_foreign_host_name_is_refused_on_loopback(market_home):
    answer = get(app_of(market_home), "/v1/offers", host="attacker.example")
    assert answer.status_code == 403
    assert "attacker.example" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("localhost:8765", True),
        ("127.0.0.1", True),
        ("[::1]:8765", True),
        ("prices.example", True),
        ("prices.example.attacker.example", False),
        ("localhost.attacker.example", False),
        ("", False),
        (None, False),
    ],
)
def test_only_its_own_names_are_known(host, is_known):
    assert is_known_host(host, ["prices.example"]) is is_known


def test_a_page_of_another_site_may_not_post(client):
    answer = client.post(
        "/v1/quotes", json={"preset": "llama-2-7b"}, headers={"sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 403


def test_too_many_requests_are_429_with_a_time_to_wait(market_home):
    settings = GateSettings(requests_per_second=0.01)
    with serving(app_of(market_home, settings)) as url, httpx.Client(base_url=url) as client:
        first, second = client.get("/v1/providers"), client.get("/v1/providers")
    assert first.status_code == 200
    assert second.status_code == 429
    assert int(second.headers["retry-after"]) >= 90


def test_a_rate_fills_up_again_with_time():
    rate = RateLimit(2.0)
    assert [rate.wait("a", 0.0) for _ in range(8)] == [0.0] * 8
    assert rate.wait("a", 0.0) == pytest.approx(0.5)
    assert rate.wait("b", 0.0) == 0.0
    assert rate.wait("a", 0.5) == 0.0


def test_a_token_is_compared_whole():
    token = Token("secret")
    assert token.admits("Bearer secret", None)
    assert not token.admits("Bearer secre", None)
    assert not token.admits("secret", None)
    assert not token.admits(None, "gpuledger=secret")
    assert token.admits(None, f"gpuledger={token.cookie_value}")
    assert Token(None).admits(None, None)


def test_a_body_beyond_a_megabyte_is_413(client):
    answer = client.post("/v1/quotes", content=b"x" * 1_000_001, headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_a_body_without_a_length_is_bounded_too(client):
    def endless():
        for _ in range(40):
            yield b"x" * 50_000

    answer = client.post("/v1/quotes", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_every_answer_forbids_scripts_frames_and_sniffing(client):
    for address in ("/", "/v1/offers?limit=1", "/v1/offers?nonsense=1", "/nowhere", "/healthz"):
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [("GET", "/nowhere", 404), ("DELETE", "/v1/offers", 405), ("GET", "/v1/quotes", 405), ("PUT", "/", 405)],
)
def test_what_there_is_not_is_a_problem_document(client, method, address, status):
    answer = client.request(method, address)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_the_openapi_document_describes_every_route_with_an_example(client):
    document = client.get("/openapi.json").json()
    paths = document["paths"]
    for path in (
        "/v1/offers",
        "/v1/offers/cheapest",
        "/v1/history",
        "/v1/quotes",
        "/v1/estimates",
        "/healthz",
    ):
        assert path in paths
    for path, methods in paths.items():
        for operation in methods.values():
            answer = next(
                operation["responses"][code] for code in ("200", "201") if code in operation["responses"]
            )
            shown = answer["content"].get("application/json")
            assert shown is None or "example" in shown, path
    assert "Problem" in document["components"]["schemas"]


def test_a_new_snapshot_answers_the_next_request(served_home):
    with serving(app_of(served_home)) as url, httpx.Client(base_url=url, timeout=30) as client:
        before = client.get("/v1/offers/cheapest?gpu=H100-SXM")
        number = next_price(served_home, now=NOW, usd="0.123456")
        after = client.get(
            "/v1/offers/cheapest?gpu=H100-SXM", headers={"if-none-match": before.headers["etag"]}
        )
    assert before.headers["x-gpuledger-snapshot"] == "1"
    assert after.status_code == 200
    assert (after.headers["x-gpuledger-snapshot"], after.json()["snapshot"]) == ("2", number)
    assert {row["usd_per_gpu_hour"] for row in after.json()["offers"]} == {"0.123456"}


def test_a_cursor_keeps_to_its_snapshot_and_a_lost_one_is_410(served_home):
    with serving(app_of(served_home)) as url, httpx.Client(base_url=url, timeout=30) as client:
        first = client.get("/v1/offers?gpu=H100-SXM&limit=1").json()
        next_price(served_home, now=NOW, usd="0.5")
        address = f"/v1/offers?gpu=H100-SXM&limit=1&cursor={first['next_cursor']}"
        second = client.get(address).json()
        assert second["snapshot"] == 1
        assert second["offers"][0]["usd_per_gpu_hour"] != "0.5"
        for _ in range(8):
            next_price(served_home, now=NOW, usd="0.4")
            client.get("/v1/offers?limit=1")
        lost = client.get(address)
    assert lost.status_code == 410
    assert lost.json()["type"] == "urn:gpuledger:problem:snapshot-gone"


@pytest.mark.recovery
def test_no_answer_mixes_two_snapshots_while_others_publish(served_home):
    """Every publish gives all H100s one new price, so a mixed answer would show two."""
    stop, wrong, seen = threading.Event(), [], set()

    def ask(url):
        with httpx.Client(base_url=url, timeout=30) as client:
            while not stop.is_set():
                answer = client.get("/v1/offers", params={"gpu": "H100-SXM", "limit": 100})
                content = answer.json()
                prices = {row["usd_per_gpu_hour"] for row in content["offers"]}
                seen.add(content["snapshot"])
                if content["snapshot"] == 1:
                    continue
                named = answer.headers["x-gpuledger-snapshot"]
                if prices != {f"0.{content['snapshot']:03d}".rstrip("0")} or named != str(
                    content["snapshot"]
                ):
                    wrong.append((content["snapshot"], named, prices))

    with serving(app_of(served_home)) as url:
        threads = [threading.Thread(target=ask, args=(url,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(2, 12):
            next_price(served_home, now=NOW, usd=f"0.{number:03d}")
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert len(seen) >= 4


def test_a_price_that_goes_stale_changes_the_etag(served_home):
    now = [NOW]
    with serving(app_of(served_home, clock=lambda: now[0])) as url, httpx.Client(base_url=url) as client:
        fresh = client.get("/v1/offers?limit=1")
        now[0] = NOW + timedelta(hours=4)
        stale = client.get("/v1/offers?limit=1", headers={"if-none-match": fresh.headers["etag"]})
    assert (fresh.json()["offers"][0]["price_state"], stale.json()["offers"][0]["price_state"]) == (
        "fresh",
        "stale",
    )
    assert fresh.headers["etag"] != stale.headers["etag"]


def test_a_snapshot_that_cannot_be_read_leaves_the_last_good_one(served_home):
    pool = SnapshotPool(served_home)
    assert pool.newest().number == 1
    (served_home.snapshots / "prices-000002.duckdb").write_bytes(gzip.compress(b"no database"))
    (served_home.snapshots / "CURRENT").write_text("prices-000002.duckdb\n")
    assert pool.newest().number == 1
    assert "prices-000002" in (pool.problem or "")
    pool.close()


def test_closing_a_pool_leaves_its_readers_their_connection(served_home):
    pool = SnapshotPool(served_home)
    with pool.reading() as served:
        pool.close()
        assert served.connection.execute("select count(*) from offer_latest").fetchone() == (120,)


def test_an_unexpected_error_shows_no_trace(market_home, monkeypatch):
    app = app_of(market_home)
    monkeypatch.setattr("gpuledger.web.prices.listing", lambda *a, **k: 1 / 0)
    answer = get(app, "/v1/gpus")
    assert answer.status_code == 500
    assert json.loads(answer.content)["type"] == "urn:gpuledger:problem:internal"
    assert "ZeroDivision" not in answer.text
