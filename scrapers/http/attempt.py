"""One attempt at a request: where it goes, redirect by redirect, what it may carry, and what its answer is.

Nothing here waits for a network, so that a thread and an event loop follow the same rules.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import httpx

from gpuledger.core.config import FetchSettings
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.errors import RefusedFetchError, SourceError, TransientFetchError
from gpuledger.scrapers.http.limits import Politeness
from gpuledger.scrapers.http.redaction import without, without_bytes
from gpuledger.scrapers.line_filter import Inflating, Sieve
from gpuledger.scrapers.source import Source

USER_AGENT = "gpuledger/0.1 (GPU price ledger)"
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
MAX_REDIRECTS = 5
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class FormerAnswer:
    """What an earlier run received for a request, for asking "has it changed?"."""

    body: Callable[[], bytes]
    etag: str
    last_modified: str


@dataclass(kw_only=True)
class FetchPolicy:
    """What holds for every request of a process, whoever sends it."""

    settings: FetchSettings
    environ: Mapping[str, str]
    urls: Mapping[str, str] = field(default_factory=dict[str, str])
    """Address overrides by source."""
    clock: Callable[[], datetime]
    secrets: frozenset[str] = frozenset()
    """Names of the variables whose values must never be written, see `secret_variables`."""
    politeness: Politeness = field(default_factory=Politeness)
    signed: Mapping[str, Callable[[], Iterable[Document | SourceError]]] = field(
        default_factory=dict[str, Callable[[], Iterable[Document | SourceError]]]
    )
    """Documents that need a provider's own signing library, by source; see `gpuledger.scrapers.http.aws_api`."""

    def has_key(self, credential: Credential | None) -> bool:
        """Whether the environment has the key, where one is needed."""
        return credential is None or bool(self.environ.get(credential.variable))

    def without_secrets(self, text: str) -> str:
        """The text, with every key blacked out."""
        return without(text, self._secret_values())

    def clean(self, body: bytes) -> bytes:
        """The bytes, with every key blacked out."""
        return without_bytes(body, self._secret_values())

    def _secret_values(self) -> list[str]:
        return [value for value in (self.environ.get(name) for name in self.secrets) if value]

    def address(self, source: Source, request: Request) -> str:
        """Where a request really goes. An override without a path replaces the origin of every request; one
        with a path is the address of the source's first request, and its origin holds for the others."""
        override = self.urls.get(source.name)
        if not override:
            return request.url
        target, declared = urlsplit(override), urlsplit(request.url)
        is_first = bool(source.requests) and request.url == source.requests[0].url
        path = target.path if is_first and target.path not in {"", "/"} else declared.path
        query = target.query or declared.query if is_first else declared.query
        return urlunsplit((target.scheme, target.netloc, path, query, ""))

    def key(self, credential: Credential | None) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and query parameters that carry the key."""
        if credential is None:
            return {}, {}
        secret = self.environ[credential.variable]
        if credential.travels_as == "bearer":
            return {"Authorization": f"Bearer {secret}"}, {}
        if credential.travels_as == "header":
            return {credential.name: secret}, {}
        return {}, {credential.name: secret}


class Attempt:
    """One attempt at a request, over all redirects."""

    def __init__(
        self, policy: FetchPolicy, source: Source, request: Request, former: FormerAnswer | None
    ) -> None:
        self._policy, self._source, self._request, self._former = policy, source, request, former
        self._url = policy.address(source, request)
        self._origin = urlsplit(self._url)
        self._sent = 0
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip", **request.headers}
        headers["Connection"] = "close"
        if former and request.method == "GET":
            headers |= _conditional(former)
        self._headers = headers
        self._key_headers, self._key_query = policy.key(request.credential)
        self.must_be_public: str | None = None
        """Host whose address must not be a private one: where an answer sent us, not what was asked."""

    def parameters(self) -> dict[str, Any]:
        """What to send now: the arguments of `httpx.Client.stream`.

        Raises:
            RefusedFetchError: there were too many redirects.
        """
        if self._sent > MAX_REDIRECTS:
            raise self._refused(f"more than {MAX_REDIRECTS} redirects")
        self._sent += 1
        # A key is for the host that was asked, not for where it sends us.
        is_asked = urlsplit(self._url)[:2] == self._origin[:2]
        url: httpx.URL | str = self._url
        if self._key_query and is_asked:
            url = httpx.URL(self._url).copy_merge_params(self._key_query)
        return {
            "method": self._request.method,
            "url": url,
            "json": self._request.payload,
            "headers": self._headers | (self._key_headers if is_asked else {}),
            "timeout": self._policy.settings.timeout_seconds,
            "follow_redirects": False,
        }

    def is_redirected(self, response: httpx.Response) -> bool:
        """Whether the answer leads elsewhere; `parameters` then goes there.

        Raises:
            RefusedFetchError: it leads where we do not go.
        """
        if not response.has_redirect_location:
            return False
        self._url = self._redirect(response)
        host = urlsplit(self._url).hostname
        self.must_be_public = host if host != self._origin.hostname else None
        return True

    def _redirect(self, response: httpx.Response) -> str:
        """Where to go next: over https to the same site only, or anywhere on an overridden origin."""
        target = urlsplit(urljoin(self._url, response.headers["location"]))
        same_origin = (target.scheme, target.netloc) == (self._origin.scheme, self._origin.netloc)
        if not same_origin and (
            target.scheme != "https" or not same_site(target.hostname, self._origin.hostname)
        ):
            raise self._refused(f"a redirect to {self._policy.without_secrets(shown(target.geturl()))}")
        return urlunsplit(target)

    def is_missing(self, response: httpx.Response) -> bool:
        """Whether the answer says that there is nothing, where there may be nothing."""
        return self._request.may_be_missing and response.status_code in {403, 404}

    def body(self, response: httpx.Response) -> Body | None:
        """What reads the body; `None` where it is the former answer's.

        Raises:
            SourceError: the answer is none that can be read.
        """
        status = response.status_code
        if status == 304 and self._former:
            return None
        if status in TRANSIENT_STATUS:
            wait = retry_after(response.headers.get("retry-after", ""), self._policy.clock())
            raise TransientFetchError(self._source.name, self._request.url, f"HTTP {status}", wait)
        if status != 200:
            raise self._refused(f"HTTP {status}")
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise self._refused(f"content encoding {self._header(response, 'content-encoding')!r}")
        return Body(self._source, self._request)

    def document(self, response: httpx.Response, body: Body | None) -> Document:
        """The answer, whose body was taken in whole.

        Raises:
            SourceError: the body is empty or broken.
        """
        former = self._former if body is None else None
        return Document(
            source=self._source.name,
            request=self._request,
            body=former.body() if former else self._policy.clean(body.whole() if body else b""),
            fetched_at=self._policy.clock(),
            status=response.status_code,
            content_type=self._header(response, "content-type"),
            etag=self._header(response, "etag") or (former.etag if former else ""),
            last_modified=self._header(response, "last-modified"),
        )

    def failed(self, error: httpx.HTTPError) -> TransientFetchError:
        """What to say of a connection that broke."""
        message = self._policy.without_secrets(f"{type(error).__name__}: {error}")
        return TransientFetchError(self._source.name, self._request.url, message)

    def over(self) -> TransientFetchError:
        """What to say of an answer that took too long."""
        seconds = self._policy.settings.total_seconds
        return TransientFetchError(self._source.name, self._request.url, f"not complete after {seconds:g} s")

    def not_understood(self, error: Exception) -> RefusedFetchError:
        """What to say of an address that is none."""
        return self._refused(f"address not understood: {error}")

    def _refused(self, message: str) -> RefusedFetchError:
        return RefusedFetchError(self._source.name, self._request.url, message)

    def _header(self, response: httpx.Response, name: str) -> str:
        return self._policy.without_secrets(response.headers.get(name, ""))[:200]


class Body:
    """The bytes of an answer as they come, in blocks of about a MiB; unpacked, filtered and bounded."""

    def __init__(self, source: Source, request: Request) -> None:
        self._source, self._request = source, request
        self._block, self._body = bytearray(), bytearray()
        self._inflating = Inflating()
        line_filter = source.line_filter(request)
        self._sieve = Sieve(line_filter) if line_filter else None

    def take(self, chunk: bytes) -> None:
        """Bytes as sent.

        Raises:
            RefusedFetchError: more than the source may send, or not what it begins like.
        """
        self._block += chunk
        if len(self._block) >= BLOCK_BYTES:
            self._work_off()

    def whole(self) -> bytes:
        """All that is kept.

        Raises:
            RefusedFetchError: the same.
            TransientFetchError: nothing came.
        """
        if self._block:
            self._work_off()
        try:
            self._inflating.end()
        except ValueError as error:
            raise self._refused(str(error)) from None
        if self._sieve is not None:
            self._keep(self._sieve.end())
        if not self._body:
            raise TransientFetchError(self._source.name, self._request.url, "an empty answer")
        return bytes(self._body)

    def _work_off(self) -> None:
        block = bytes(self._block)
        self._block.clear()
        try:
            for part in self._inflating.take(block):
                self._keep((part,) if self._sieve is None else self._sieve.take(part))
        except ValueError as error:
            raise self._refused(str(error)) from None

    def _keep(self, parts: Iterable[bytes]) -> None:
        for part in parts:
            self._body += part
            if len(self._body) > self._source.max_body_mib << 20:
                raise self._refused(f"an answer of more than {self._source.max_body_mib} MiB")

    def _refused(self, message: str) -> RefusedFetchError:
        return RefusedFetchError(self._source.name, self._request.url, message)


def secret_variables(sources: Iterable[Source]) -> frozenset[str]:
    """Names of all variables that hold keys; their values must never be written."""
    return frozenset(
        credential.variable
        for source in sources
        for credential in (*source.credentials, *(request.credential for request in source.requests))
        if credential
    )


def _conditional(former: FormerAnswer) -> dict[str, str]:
    """Only what a header can carry: an ETag outside ASCII is not asked for again."""
    headers = {"If-None-Match": former.etag, "If-Modified-Since": former.last_modified}
    return {name: value for name, value in headers.items() if value and value.isascii()}


def retry_after(text: str, now: datetime) -> float | None:
    """Seconds to wait by that header; `None` where it says nothing that is understood."""
    if text.isdecimal():
        return float(text)
    try:
        at = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, (at - now).total_seconds())


def same_site(target: str | None, origin: str | None) -> bool:
    """Whether two hosts share their last two labels; never for bare addresses."""
    if not target or not origin:
        return False
    try:
        ipaddress.ip_address(target)
    except ValueError:
        return target.split(".")[-2:] == origin.split(".")[-2:] and "." in target
    return False


def shown(url: str) -> str:
    """The address without query and fragment, which may hold a key."""
    parts: SplitResult = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
