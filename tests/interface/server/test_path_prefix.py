"""The server below a path of a reverse proxy: real ones on loopback, which take the path off or pass it on."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from gpuledger.core.errors import UsageError
from gpuledger.core.store.home import Home
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from gpuledger.web.prefix import behind, checked_prefix, inner_path
from tests.interface.server.conftest import serving
from tests.interface.server.large_ledger import NOW

ADDRESS = re.compile(r'(?:href|action|src|data-late)="([^"#][^"]*)"')
FORMS = ("/login", "/logout", "/quote/compare")
"""Addresses that answer with fields alone."""
PAGES = (
    "/",
    "/prices?gpu=H100-SXM",
    "/history?gpu=H100-SXM",
    "/quote?model=llama-2-7b&method=lora&tokens=1e8",
    "/sources",
    "/sql",
    "/timing?gpu=H100-SXM",
    "/nowhere",
)


@dataclass(frozen=True)
class Proxy:
    """How a proxy serves the server below a path."""

    prefix: str
    strips: bool
    tells: bool
    """By X-Forwarded-Prefix; else the server has it as a setting."""

    def __call__(self, upstream: str) -> object:
        client = httpx.AsyncClient(base_url=upstream, verify=False, timeout=30)

        async def app(scope, receive, send) -> None:
            if scope["type"] == "lifespan":
                while True:
                    message = await receive()
                    await send({"type": f"{message['type']}.complete"})
                    if message["type"] == "lifespan.shutdown":
                        await client.aclose()
                        return
            request = Request(scope, receive)
            path = scope["raw_path"].decode()
            if not path.startswith(self.prefix):
                await Response("another program", 418)(scope, receive, send)
                return
            path = (path.removeprefix(self.prefix) or "/") if self.strips else path
            headers = [(name, value) for name, value in request.headers.raw if name != b"x-forwarded-prefix"]
            if self.tells:
                headers.append((b"x-forwarded-prefix", self.prefix.encode()))
            query = scope["query_string"].decode()
            answer = await client.request(
                scope["method"],
                f"{path}?{query}" if query else path,
                headers=headers,
                content=await request.body(),
            )
            passed = [
                (name, value) for name, value in answer.headers.raw if name.lower() != b"content-encoding"
            ]
            response = Response(answer.content, answer.status_code)
            response.raw_headers = [
                (name.lower(), value) for name, value in passed if name.lower() != b"content-length"
            ] + [(b"content-length", str(len(answer.content)).encode())]
            await response(scope, receive, send)

        return app


PROXIES = (
    Proxy("/gpu", strips=True, tells=False),
    Proxy("/gpu", strips=False, tells=False),
    Proxy("/prices", strips=True, tells=False),
    Proxy("/prices", strips=False, tells=False),
    Proxy("/team/gpu-prices", strips=True, tells=True),
    Proxy("/sql", strips=False, tells=True),
)


CASES = [
    proxy if place == 5 else pytest.param(proxy, marks=pytest.mark.deep)
    for place, proxy in enumerate(PROXIES)
]


def name_of(proxy: Proxy) -> str:
    return f"{proxy.prefix[1:]}-{'strips' if proxy.strips else 'passes'}-{'tells' if proxy.tells else 'set'}"


def proxied(home: Home, proxy: Proxy, *, token: str | None = None) -> Iterator[httpx.Client]:
    settings = GateSettings(requests_per_second=0, token=token)
    app = create_app(home, settings=settings, clock=lambda: NOW, environ={})
    trusted = ["127.0.0.1"] if proxy.tells else []
    server = behind(app, proxies=trusted, prefix="" if proxy.tells else checked_prefix(proxy.prefix))
    with (
        serving(server) as upstream,
        serving(proxy(upstream)) as url,
        httpx.Client(base_url=url, verify=False, timeout=30) as client,
    ):
        yield client


@pytest.fixture(scope="module", params=CASES, ids=name_of)
def below(request, market_home: Home) -> Iterator[tuple[Proxy, httpx.Client]]:
    for client in proxied(market_home, request.param):
        yield request.param, client


def addresses(page: str) -> set[str]:
    found = {html.unescape(one) for one in ADDRESS.findall(page)}
    return {one for one in found if not urlsplit(one).scheme}


def test_every_address_of_every_page_leads_through_the_proxy(below):
    proxy, client = below
    seen: dict[str, int] = {}
    for path in PAGES:
        here = proxy.prefix + path
        page = client.get(here, headers={"accept": "text/html"})
        assert page.status_code == (404 if path == "/nowhere" else 200), path
        found = {urljoin(here, one) for one in addresses(page.text)}
        assert len(found) > 5, path
        assert {one for one in found if not one.startswith(proxy.prefix + "/")} == set()
        # one of each kind is asked for
        seen |= {one.partition("?")[0]: 0 for one in found}
        for one in found:
            where = one.partition("?")[0]
            if not seen[where] and where.removeprefix(proxy.prefix) not in FORMS:
                seen[where] = client.get(one, headers={"accept": "text/html,*/*"}).status_code
    assert {one for one, status in seen.items() if status not in (0, 200)} == set()
    assert {f"{proxy.prefix}/{name}" for name in ("", "prices", "history", "quote", "sources", "sql")} <= set(
        seen
    )


def test_answers_name_the_next_page_and_the_document_its_server(below):
    proxy, client = below
    first = client.get(f"{proxy.prefix}/v1/offers", params={"limit": 2})
    following = re.fullmatch(r'<([^>]+)>; rel="next"', first.headers["link"])
    assert following is not None
    second = client.get(following[1])
    assert second.status_code == 200
    assert second.json()["offers"] != first.json()["offers"]
    document = client.get(f"{proxy.prefix}/openapi.json").json()
    assert document["servers"] == [{"url": proxy.prefix}]
    plan = {"name": "small", "hardware": {"gpu": "h100-sxm-80gb", "gpus": 8, "gpu_hours": 80}}
    quoted = client.post(f"{proxy.prefix}/v1/quotes", json=plan)
    assert quoted.status_code == 201, quoted.text
    assert quoted.headers["location"].startswith(f"{proxy.prefix}/v1/quotes/")


def test_an_old_address_of_prices_is_led_below_the_path(below):
    proxy, client = below
    answer = client.get(f"{proxy.prefix}/", params={"gpu": "H100-SXM"})
    assert (answer.status_code, answer.headers["location"]) == (308, f"{proxy.prefix}/prices?gpu=H100-SXM")


@pytest.mark.parametrize("proxy", CASES, ids=name_of)
def test_logging_in_stays_below_the_path(market_home, proxy):
    for client in proxied(market_home, proxy, token="secret"):
        page = {"accept": "text/html"}
        asked = client.get(f"{proxy.prefix}/sources?as_of=2026-09-01", headers=page)
        assert asked.status_code == 303
        assert asked.headers["location"] == f"{proxy.prefix}/login?next=%2Fsources%3Fas_of%3D2026-09-01"
        form = client.get(asked.headers["location"], headers=page)
        assert f'action="{proxy.prefix}/login"' in form.text
        entered = client.post(
            f"{proxy.prefix}/login", data={"token": "secret", "next": "/sources?as_of=2026-09-01"}
        )
        assert entered.headers["location"] == f"{proxy.prefix}/sources?as_of=2026-09-01"
        assert f"Path={proxy.prefix};" in entered.headers["set-cookie"]
        assert client.get(entered.headers["location"], headers=page).status_code == 200
        left = client.post(f"{proxy.prefix}/logout")
        assert left.headers["location"] == f"{proxy.prefix}/login"
        assert client.get(f"{proxy.prefix}/sources", headers=page).status_code == 303


def test_nobody_but_a_trusted_proxy_names_a_path(market_home):
    app = create_app(market_home, settings=GateSettings(requests_per_second=0), clock=lambda: NOW, environ={})
    told = {"x-forwarded-prefix": "/elsewhere", "accept": "text/html"}
    for trusted, expected in (
        ([], "/prices"),
        (["10.0.0.0/8"], "/prices"),
        (["127.0.0.0/8"], "/elsewhere/prices"),
    ):
        with serving(behind(app, proxies=trusted)) as url, httpx.Client(base_url=url, verify=False) as client:
            assert f'href="{expected}"' in client.get("/", headers=told).text


@pytest.mark.parametrize(
    "told", ["//evil.example", "/a b", "/a//b", "/..", '/"><script>', "gpu", "/%2e", "/" + "a" * 300]
)
def test_what_is_no_path_is_ignored_from_a_proxy_and_refused_as_a_setting(market_home, told):
    with pytest.raises(UsageError, match="--path-prefix"):
        checked_prefix(told)
    app = create_app(market_home, settings=GateSettings(requests_per_second=0), clock=lambda: NOW, environ={})
    with (
        serving(behind(app, proxies=["127.0.0.1"])) as url,
        httpx.Client(base_url=url, verify=False) as client,
    ):
        page = client.get("/", headers={"x-forwarded-prefix": told, "accept": "text/html"})
        assert 'href="/prices"' in page.text


@pytest.mark.parametrize("prefix", ["/v1", "/static", "/quote/", "/history"])
def test_a_path_that_the_servers_own_pages_lie_below_is_refused(prefix):
    with pytest.raises(UsageError, match="choose another"):
        checked_prefix(prefix)


@pytest.mark.parametrize(
    ("path", "prefix", "inner"),
    [
        ("/gpu/", "/gpu", "/"),
        ("/gpu", "/gpu", "/"),
        ("/gpu/prices", "/gpu", "/prices"),
        ("/gpus", "/gpu", "/gpus"),
        ("/prices", "/gpu", "/prices"),
        ("/", "/gpu", "/"),
        ("/prices", "/prices", "/prices"),
        ("/prices/prices", "/prices", "/prices"),
        ("/prices.csv", "/prices", "/prices.csv"),
        ("/prices", "", "/prices"),
    ],
)
def test_a_path_with_and_without_the_prefix_is_the_same_page(path, prefix, inner):
    assert inner_path(path, prefix) == inner
