"""The only HTTP of a thread: politeness, retries, limits, conditional requests, and following what answers lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import stamina

from gpuledger.core.document import Document, Request
from gpuledger.scrapers.http import sweep
from gpuledger.scrapers.http.attempt import Attempt, Body, FetchPolicy, FormerAnswer
from gpuledger.scrapers.http.limits import Watch
from gpuledger.scrapers.http.sweep import Exchange, Fetched, Work
from gpuledger.scrapers.source import Source


@dataclass(kw_only=True)
class Fetcher(FetchPolicy):
    """Fetches one source after the other, or several from several threads."""

    client: httpx.Client

    def take(self, step: Exchange | Work) -> Any:
        """One step of a fetch, see `gpuledger.scrapers.http.sweep`."""
        return step.call() if isinstance(step, Work) else self._answer(step)

    def fetch(self, source: Source, *, keep: sweep.Keep, former: sweep.Former = lambda _: None) -> Fetched:
        """All documents of a source. `keep` is called with each before anything reads it.

        Raises:
            MissingCredentialError: every request needs a key and the environment has none of them.
            SourceError: a request failed for good, and the fallback too.
        """
        return sweep.take_all(sweep.fetch_steps(self, source, keep, former), self.take)

    def _answer(self, step: Exchange) -> Document | None:
        for attempt in stamina.retry_context(**sweep.retries(self)):
            with attempt:
                return self._once(step.source, step.request, step.former)
        raise AssertionError("unreachable: the retry loop returns or raises")

    def _once(self, source: Source, request: Request, former: FormerAnswer | None) -> Document | None:
        self.politeness.wait(urlsplit(request.url).netloc, source.seconds_between_requests)
        attempt = Attempt(self, source, request, former)
        with Watch(source.name, request.url, self.settings.total_seconds) as watch:
            try:
                while True:
                    sent = attempt.parameters()
                    watch.must_be_public = attempt.must_be_public
                    with self.client.stream(**sent, extensions={"trace": watch.trace}) as response:
                        if attempt.is_redirected(response):
                            continue
                        if attempt.is_missing(response):
                            return None
                        body = attempt.body(response)
                        if body is not None:
                            self._read(response, body, attempt, watch)
                        return attempt.document(response, body)
            except httpx.HTTPError as error:
                raise (attempt.over() if watch.is_over else attempt.failed(error)) from None
            except (httpx.InvalidURL, ValueError) as error:
                raise attempt.not_understood(error) from None

    @staticmethod
    def _read(response: httpx.Response, body: Body, attempt: Attempt, watch: Watch) -> None:
        for chunk in response.iter_raw():
            if watch.is_over:
                raise attempt.over()
            body.take(chunk)
