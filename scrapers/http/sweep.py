"""All that a source answers: its requests, what their answers lead to, keys that are missing or do not help, and the
last resort. Steps to take, without taking them: a thread (`fetch`) and an event loop (`fetch_async`) follow them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import (
    MissingCredentialError,
    RefusedFetchError,
    SourceError,
    TransientFetchError,
)
from gpuledger.scrapers.http.attempt import FetchPolicy, FormerAnswer, shown
from gpuledger.scrapers.source import Source

MAX_REQUESTS = 500
"""Of one source in one run; a paging loop that never ends stops here."""
LONGEST_WAIT_SECONDS = 30.0
LONGEST_RETRY_AFTER_SECONDS = 60.0

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a source answered. `notes` say which keyed requests were left out or refused, and why."""

    documents: tuple[Document, ...]
    is_complete: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exchange:
    """A step: the answer to a request, tried again while that may help; a document, or `None` for one that may be and
    is missing."""

    source: Source
    request: Request
    former: FormerAnswer | None


@dataclass(frozen=True)
class Work:
    """A step: work that waits for a disk or reads an answer."""

    call: Callable[[], Any]


Steps = Generator[Exchange | Work, Any, T]
"""Yields steps, is sent their results, and returns in the end. A step's error is thrown at it."""

Keep = Callable[[Document], None]
Former = Callable[[Request], FormerAnswer | None]


def take_all(steps: Steps[T], take: Callable[[Exchange | Work], Any]) -> T:
    """Take all steps, one after the other."""
    try:
        step = next(steps)
        while True:
            try:
                result = take(step)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value


def fetch_steps(policy: FetchPolicy, source: Source, keep: Keep, former: Former) -> Steps[Fetched]:
    """All documents of a source. `keep` is called with each before anything reads it.

    Raises:
        MissingCredentialError: every request needs a key and the environment has none of them.
        SourceError: a request failed for good, and the fallback too.
    """
    able = [
        request.named_keys(policy.environ)
        for request in source.requests
        if policy.has_key(request.credential)
    ]
    if not able:
        raise MissingCredentialError(
            source.name, sorted({c.variable for r in source.requests if (c := r.credential)})
        )
    notes = [
        f"{request.credential.variable} is not set: {shown(request.url)} left out"
        for request in source.requests
        if request.credential and not policy.has_key(request.credential)
    ]
    try:
        fetched = yield from _sweep(source, able, keep, former)
    except SourceError as error:
        if not source.fallback:
            raise
        fetched = yield from fallback_steps(source, error, keep)
    more, refused = yield from _signed(policy, source, keep)
    return Fetched(
        documents=(*fetched.documents, *more),
        is_complete=fetched.is_complete and not refused,
        notes=(*notes, *fetched.notes, *refused),
    )


def fallback_steps(source: Source, reason: SourceError, keep: Keep) -> Steps[Fetched]:
    """The documents of last resort, because the usual ones cannot be had or read. Never complete.

    Raises:
        SourceError: they cannot be had either.
    """
    fetched = yield from _sweep(source, list(source.fallback), keep, lambda _: None)
    return replace(fetched, is_complete=False, notes=(f"fallback after: {reason.message}", *fetched.notes))


def _signed(policy: FetchPolicy, source: Source, keep: Keep) -> Steps[tuple[list[Document], list[str]]]:
    documents: list[Document] = []
    refused: list[str] = []
    if source.name not in policy.signed:
        return documents, refused
    signed = policy.signed[source.name]
    answers: list[Document | SourceError] = yield Work(lambda: list(signed()))
    for answer in answers:
        if isinstance(answer, SourceError):
            refused.append(answer.message)
            continue
        clean = replace(answer, body=policy.clean(answer.body))
        yield Work(lambda clean=clean: keep(clean))
        documents.append(clean)
    return documents, refused


def _sweep(source: Source, requests: list[Request], keep: Keep, former: Former) -> Steps[Fetched]:
    """The requests and everything that their answers lead to. A keyed request that is refused does not
    spoil the keyless answers; absence from such a run is no evidence."""
    documents: list[Document] = []
    notes: list[str] = []
    queue = list(requests)
    requested: set[str] = set()

    def keep_and_follow(document: Document) -> list[Request]:
        keep(document)
        return list(source.follow(document))

    while queue:
        request = queue.pop(0)
        identity = repr((request.method, request.url, request.payload))
        if identity in requested:
            continue
        requested.add(identity)
        if len(requested) > MAX_REQUESTS:
            raise RefusedFetchError(source.name, request.url, f"more than {MAX_REQUESTS} requests in one run")
        try:
            before: FormerAnswer | None = yield Work(lambda request=request: former(request))
            document: Document | None = yield Exchange(source, request, before)
        except SourceError as error:
            if request.credential is None or not any(r.credential is None for r in requests):
                raise
            notes.append(f"{request.credential.variable} did not help: {error.message}")
            continue
        if document is None:
            continue
        more: list[Request] = yield Work(lambda document=document: keep_and_follow(document))
        documents.append(document)
        queue.extend(more)
    return Fetched(documents=tuple(documents), is_complete=not notes, notes=tuple(notes))


def retries(policy: FetchPolicy) -> dict[str, Any]:
    """How often and how long a request is tried again: the arguments of `stamina.retry_context`."""

    def backoff(error: Exception) -> bool | timedelta:
        if not isinstance(error, TransientFetchError):
            return False
        if error.retry_after_seconds is None:
            return True
        return timedelta(seconds=min(error.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))

    return {
        "on": backoff,
        "attempts": policy.settings.attempts,
        "timeout": None,
        "wait_initial": policy.settings.wait_seconds,
        "wait_max": LONGEST_WAIT_SECONDS,
        "wait_jitter": policy.settings.wait_seconds,
    }
