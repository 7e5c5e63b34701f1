"""Asking the loopback provider: one fetch, and what it is asked with."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from gpuledger.core.config import FetchSettings
from gpuledger.core.contract import Contract
from gpuledger.core.document import Credential, Document, Request
from gpuledger.scrapers.http.attempt import secret_variables
from gpuledger.scrapers.http.fetch import Fetcher
from gpuledger.scrapers.http.fetch_async import AsyncFetcher
from gpuledger.scrapers.http.sweep import Fetched, Former, fetch_steps
from gpuledger.scrapers.source import Source

HOST = "https://prices.example"
AT = datetime(2026, 10, 7, 12, 0, tzinfo=UTC)
SECRET = "sk-live/7390415826+abc"


@dataclass
class Reply:
    status: int = 200
    body: bytes = b"[]"
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None


def source(*requests: Request, **more: Any) -> Source:
    known: dict[str, Any] = {
        "name": "runpod",
        "provider": "runpod",
        "homepage": HOST,
        "every": timedelta(hours=1),
        "fresh_for": timedelta(hours=3),
        "requests": requests or (Request(url=f"{HOST}/list"),),
        "parse": lambda document: iter(()),
        "contract": Contract(min_offers=1),
        "seconds_between_requests": 0,
    }
    return Source(**known | more)


def keyed(**more: Any) -> Request:
    return Request(url=f"{HOST}/keyed", credential=Credential(variable="RUNPOD_API_KEY", **more))


@dataclass
class Asker:
    """One fetch of a source whose every host is the loopback provider."""

    client: httpx.Client
    provider: Any
    environ: dict[str, str] = field(default_factory=dict)
    settings: FetchSettings = field(
        default_factory=lambda: FetchSettings(attempts=3, wait_seconds=0, timeout_seconds=5)
    )
    kept: list[Document] = field(default_factory=list)
    is_on_a_loop: bool = False
    """By the fetcher of an event loop, which has to say the same."""

    def __call__(self, asked: Source | None = None, *, url: str | None = None, **more: Any) -> Fetched:
        asked = asked or source()
        policy: dict[str, Any] = {
            "settings": self.settings,
            "environ": self.environ,
            "urls": {asked.name: url or self.provider.url},
            "clock": lambda: AT,
            "secrets": secret_variables([asked]),
        }
        if self.is_on_a_loop:
            return asyncio.run(self._on_a_loop(asked, policy, **more))
        return Fetcher(client=self.client, **policy).fetch(asked, keep=self.kept.append, **more)

    async def _on_a_loop(
        self, asked: Source, policy: dict[str, Any], former: Former = lambda request: None
    ) -> Fetched:
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            fetcher = AsyncFetcher(client=client, **policy)
            return await fetcher.take_all(fetch_steps(fetcher, asked, self.kept.append, former))

    def answers(self, *replies: Reply) -> None:
        """These, one after the other; the last one from then on."""
        left = list(replies)
        self.provider.answer = lambda seen: left.pop(0) if len(left) > 1 else left[0]

    def by_path(self, **replies: Reply) -> None:
        self.provider.answer = lambda seen: replies.get(urlsplit(seen.path).path.strip("/"), Reply(404))

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.provider.seen]
