"""The same fetch on an event loop, for a process that reads many sources all the time: one loop, no thread each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import stamina

from gpuledger.core.document import Document, Request
from gpuledger.scrapers.http import sweep
from gpuledger.scrapers.http.attempt import Attempt, FetchPolicy, FormerAnswer
from gpuledger.scrapers.http.limits import check_public, host_text
from gpuledger.scrapers.http.sweep import Exchange, Steps, T, Work
from gpuledger.scrapers.source import Source


@dataclass(kw_only=True)
class AsyncFetcher(FetchPolicy):
    """Fetches many sources at once from one event loop."""

    client: httpx.AsyncClient

    async def take_all(self, steps: Steps[T]) -> T:
        """Take all steps of a fetch, one after the other; work that waits for a disk has a thread of its own."""
        try:
            step = next(steps)
            while True:
                try:
                    result = await self._take(step)
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    async def _take(self, step: Exchange | Work) -> Any:
        return await (asyncio.to_thread(step.call) if isinstance(step, Work) else self._answer(step))

    async def _answer(self, step: Exchange) -> Document | None:
        async for attempt in stamina.retry_context(**sweep.retries(self)):
            with attempt:
                return await self._once(step.source, step.request, step.former)
        raise AssertionError("unreachable: the retry loop returns or raises")

    async def _once(self, source: Source, request: Request, former: FormerAnswer | None) -> Document | None:
        host = urlsplit(request.url).netloc
        await asyncio.sleep(self.politeness.reserve(host, source.seconds_between_requests))
        attempt = Attempt(self, source, request, former)
        try:
            async with asyncio.timeout(self.settings.total_seconds):
                return await self._exchanged(source, request, attempt)
        except TimeoutError:
            raise attempt.over() from None
        except httpx.HTTPError as error:
            raise attempt.failed(error) from None
        except (httpx.InvalidURL, ValueError) as error:
            raise attempt.not_understood(error) from None

    async def _exchanged(self, source: Source, request: Request, attempt: Attempt) -> Document | None:
        while True:
            guard = _Guard(source.name, request.url, attempt)
            sent = attempt.parameters()
            async with self.client.stream(**sent, extensions={"trace": guard.trace}) as response:
                if attempt.is_redirected(response):
                    continue
                if attempt.is_missing(response):
                    return None
                body = attempt.body(response)
                if body is not None:
                    async for chunk in response.aiter_raw():
                        body.take(chunk)
                # the former answer's body is on disk
                return await asyncio.to_thread(attempt.document, response, body)


class _Guard:
    """Refuses a private address for a host that must be public. Requests ask for `Connection: close`, so that each has
    a connection of its own to look at."""

    def __init__(self, source: str, url: str, attempt: Attempt) -> None:
        self._source, self._url, self._attempt, self._host = source, url, attempt, ""

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """For the request's extension `trace`.

        Raises:
            RefusedFetchError: the host that must be public has a private address.
        """
        if name == "connection.connect_tcp.started":
            self._host = host_text(info["host"])
        elif name == "connection.connect_tcp.complete" and self._host == self._attempt.must_be_public:
            stream = info["return_value"]
            try:
                check_public(
                    self._source, self._url, self._host, str(stream.get_extra_info("server_addr")[0])
                )
            except BaseException:
                await stream.aclose()
                raise
