"""Asking the loopback provider: one fetch, and what it is asked with."""

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
from gpuledger.scrapers.http.sweep import Fetched
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

    def __call__(self, asked: Source | None = None, *, url: str | None = None, **more: Any) -> Fetched:
        asked = asked or source()
        fetcher = Fetcher(
            client=self.client,
            settings=self.settings,
            environ=self.environ,
            urls={asked.name: url or self.provider.url},
            clock=lambda: AT,
            secrets=secret_variables([asked]),
        )
        return fetcher.fetch(asked, keep=self.kept.append, **more)

    def answers(self, *replies: Reply) -> None:
        """These, one after the other; the last one from then on."""
        left = list(replies)
        self.provider.answer = lambda seen: left.pop(0) if len(left) > 1 else left[0]

    def by_path(self, **replies: Reply) -> None:
        self.provider.answer = lambda seen: replies.get(urlsplit(seen.path).path.strip("/"), Reply(404))

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.provider.seen]
