"""The only HTTP: politeness, retries, limits, conditional requests, and following what answers lead to."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import httpx
import stamina

from gpuledger.core.config import FetchSettings
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.errors import MissingCredentialError, RefusedFetchError, SourceError, TransientFetchError
from gpuledger.scrapers.http.limits import Politeness, Watch
from gpuledger.scrapers.http.redaction import without, without_bytes
from gpuledger.scrapers.line_filter import filtered_lines, inflated
from gpuledger.scrapers.source import Source

USER_AGENT = "gpuledger/0.1 (GPU price ledger)"
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
MAX_REDIRECTS = 5
MAX_REQUESTS = 500
"""Of one source in one run; a paging loop that never ends stops here."""


@dataclass(frozen=True, kw_only=True)
class FormerAnswer:
    """What an earlier run received for a request, for asking "has it changed?"."""

    body: Callable[[], bytes]
    etag: str
    last_modified: str


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a source answered. `notes` say which keyed requests were left out or refused, and why."""

    documents: tuple[Document, ...]
    is_complete: bool
    notes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Fetcher:
    """Fetches one source after the other, or several from several threads."""

    client: httpx.Client
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

    def fetch(
        self,
        source: Source,
        *,
        keep: Callable[[Document], None],
        former: Callable[[Request], FormerAnswer | None] = lambda _: None,
    ) -> Fetched:
        """All documents of a source. `keep` is called with each before anything reads it.

        Raises:
            MissingCredentialError: every request needs a key and the environment has none of them.
            SourceError: a request failed for good, and the fallback too.
        """
        able = [
            request.named_keys(self.environ)
            for request in source.requests
            if self._has_key(request.credential)
        ]
        if not able:
            raise MissingCredentialError(
                source.name, sorted({c.variable for r in source.requests if (c := r.credential)})
            )
        notes = [
            f"{request.credential.variable} is not set: {_shown(request.url)} left out"
            for request in source.requests
            if request.credential and not self._has_key(request.credential)
        ]
        try:
            fetched = self._sweep(source, able, keep, former)
        except SourceError as error:
            if not source.fallback:
                raise
            fetched = self.fetch_fallback(source, error, keep=keep)
        more, refused = self._signed(source, keep)
        return Fetched(
            documents=(*fetched.documents, *more),
            is_complete=fetched.is_complete and not refused,
            notes=(*notes, *fetched.notes, *refused),
        )

    def fetch_fallback(
        self, source: Source, reason: SourceError, *, keep: Callable[[Document], None]
    ) -> Fetched:
        """The documents of last resort, because the usual ones cannot be had or read. Never complete.

        Raises:
            SourceError: they cannot be had either.
        """
        fetched = self._sweep(source, list(source.fallback), keep, lambda _: None)
        return replace(
            fetched, is_complete=False, notes=(f"fallback after: {reason.message}", *fetched.notes)
        )

    def _signed(self, source: Source, keep: Callable[[Document], None]) -> tuple[list[Document], list[str]]:
        documents: list[Document] = []
        refused: list[str] = []
        for answer in self.signed[source.name]() if source.name in self.signed else ():
            if isinstance(answer, SourceError):
                refused.append(answer.message)
                continue
            clean = replace(answer, body=without_bytes(answer.body, self._secrets()))
            keep(clean)
            documents.append(clean)
        return documents, refused

    def _sweep(
        self,
        source: Source,
        requests: list[Request],
        keep: Callable[[Document], None],
        former: Callable[[Request], FormerAnswer | None],
    ) -> Fetched:
        """The requests and everything that their answers lead to. A keyed request that is refused does not
        spoil the keyless answers; absence from such a run is no evidence."""
        documents: list[Document] = []
        notes: list[str] = []
        queue = list(requests)
        requested: set[str] = set()
        while queue:
            request = queue.pop(0)
            identity = repr((request.method, request.url, request.payload))
            if identity in requested:
                continue
            requested.add(identity)
            if len(requested) > MAX_REQUESTS:
                raise RefusedFetchError(
                    source.name, request.url, f"more than {MAX_REQUESTS} requests in one run"
                )
            try:
                document = self._answer(source, request, former(request))
            except SourceError as error:
                if request.credential is None or not any(r.credential is None for r in requests):
                    raise
                notes.append(f"{request.credential.variable} did not help: {error.message}")
                continue
            if document is None:
                continue
            keep(document)
            documents.append(document)
            queue.extend(source.follow(document))
        return Fetched(documents=tuple(documents), is_complete=not notes, notes=tuple(notes))

    def _answer(self, source: Source, request: Request, former: FormerAnswer | None) -> Document | None:
        """The answer, tried again while that may help; `None` for one that may be and is missing."""

        def backoff(error: Exception) -> bool | timedelta:
            if not isinstance(error, TransientFetchError):
                return False
            if error.retry_after_seconds is None:
                return True
            return timedelta(seconds=min(error.retry_after_seconds, 60.0))

        for attempt in stamina.retry_context(
            on=backoff,
            attempts=self.settings.attempts,
            timeout=None,
            wait_initial=self.settings.wait_seconds,
            wait_max=30.0,
            wait_jitter=self.settings.wait_seconds,
        ):
            with attempt:
                return self._once(source, request, former)
        raise AssertionError("unreachable: the retry loop returns or raises")

    def _once(self, source: Source, request: Request, former: FormerAnswer | None) -> Document | None:
        self.politeness.wait(urlsplit(request.url).netloc, source.seconds_between_requests)
        url = self._address(source, request)
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip", **request.headers}
        headers["Connection"] = "close"
        if former and request.method == "GET":
            headers |= _conditional(former)
        with Watch(source.name, request.url, self.settings.total_seconds) as watch:
            return self._at(source, request, former, url, headers, watch)

    def _at(
        self,
        source: Source,
        request: Request,
        former: FormerAnswer | None,
        url: str,
        headers: dict[str, str],
        watch: Watch,
    ) -> Document | None:
        """The answer at an address, or where that sends us."""
        auth_headers, query = self._key(request.credential)
        origin = urlsplit(url)
        for _ in range(MAX_REDIRECTS + 1):
            # A key is for the host that was asked, not for where it sends us.
            is_asked = urlsplit(url)[:2] == origin[:2]
            try:
                with self.client.stream(
                    request.method,
                    httpx.URL(url).copy_merge_params(query) if query and is_asked else url,
                    json=request.payload,
                    headers=headers | (auth_headers if is_asked else {}),
                    timeout=self.settings.timeout_seconds,
                    follow_redirects=False,
                    extensions={"trace": watch.trace},
                ) as response:
                    if response.has_redirect_location:
                        url = self._redirect(source, request, origin, url, response)
                        host = urlsplit(url).hostname
                        watch.must_be_public = host if host != origin.hostname else None
                        continue
                    if request.may_be_missing and response.status_code in {403, 404}:
                        return None
                    return self._document(source, request, former, response, watch)
            except httpx.HTTPError as error:
                message = self._without_secrets(f"{type(error).__name__}: {error}")
                message = f"not complete after {watch.seconds:g} s" if watch.is_over else message
                raise TransientFetchError(source.name, request.url, message) from None
            except (httpx.InvalidURL, ValueError) as error:
                raise RefusedFetchError(
                    source.name, request.url, f"address not understood: {error}"
                ) from None
        raise RefusedFetchError(source.name, request.url, f"more than {MAX_REDIRECTS} redirects")

    def _document(
        self,
        source: Source,
        request: Request,
        former: FormerAnswer | None,
        response: httpx.Response,
        watch: Watch,
    ) -> Document:
        status = response.status_code
        if status == 304 and former:
            body = former.body()
        elif status in TRANSIENT_STATUS:
            wait = _retry_after(response.headers.get("retry-after", ""), self.clock())
            raise TransientFetchError(source.name, request.url, f"HTTP {status}", wait)
        elif status != 200:
            raise RefusedFetchError(source.name, request.url, f"HTTP {status}")
        else:
            body = self._body(source, request, response, watch)
        return Document(
            source=source.name,
            request=request,
            body=body,
            fetched_at=self.clock(),
            status=status,
            content_type=self._header(response, "content-type"),
            etag=self._header(response, "etag") or (former.etag if status == 304 and former else ""),
            last_modified=self._header(response, "last-modified"),
        )

    def _header(self, response: httpx.Response, name: str) -> str:
        return self._without_secrets(response.headers.get(name, ""))[:200]

    def _body(self, source: Source, request: Request, response: httpx.Response, watch: Watch) -> bytes:
        chunks = inflated(self._chunks(source, request, response, watch))
        line_filter = source.line_filter(request)
        limit = source.max_body_mib << 20
        body = bytearray()
        try:
            for chunk in filtered_lines(chunks, line_filter) if line_filter else chunks:
                body += chunk
                if len(body) > limit:
                    raise RefusedFetchError(
                        source.name, request.url, f"an answer of more than {source.max_body_mib} MiB"
                    )
        except ValueError as error:
            raise RefusedFetchError(source.name, request.url, str(error)) from None
        if not body:
            raise TransientFetchError(source.name, request.url, "an empty answer")
        return without_bytes(bytes(body), self._secrets())

    def _chunks(
        self, source: Source, request: Request, response: httpx.Response, watch: Watch
    ) -> Iterator[bytes]:
        """The bytes as sent, in blocks of about a MiB; whoever unpacks them bounds what they unpack to."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise RefusedFetchError(
                source.name, request.url, f"content encoding {self._header(response, 'content-encoding')!r}"
            )
        block = bytearray()
        for chunk in response.iter_raw():
            if watch.is_over:
                raise TransientFetchError(source.name, request.url, f"not complete after {watch.seconds:g} s")
            block += chunk
            if len(block) >= 1 << 20:
                yield bytes(block)
                block.clear()
        if block:
            yield bytes(block)

    def _redirect(
        self, source: Source, request: Request, origin: SplitResult, url: str, response: httpx.Response
    ) -> str:
        """Where to go next: over https to the same site only, or anywhere on an overridden origin."""
        target = urlsplit(urljoin(url, response.headers["location"]))
        same_origin = (target.scheme, target.netloc) == (origin.scheme, origin.netloc)
        if not same_origin and (target.scheme != "https" or not _same_site(target.hostname, origin.hostname)):
            seen = self._without_secrets(_shown(target.geturl()))
            raise RefusedFetchError(source.name, request.url, f"a redirect to {seen}")
        return urlunsplit(target)

    def _address(self, source: Source, request: Request) -> str:
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

    def _has_key(self, credential: Credential | None) -> bool:
        return credential is None or bool(self.environ.get(credential.variable))

    def _key(self, credential: Credential | None) -> tuple[dict[str, str], dict[str, str]]:
        if credential is None:
            return {}, {}
        secret = self.environ[credential.variable]
        if credential.travels_as == "bearer":
            return {"Authorization": f"Bearer {secret}"}, {}
        if credential.travels_as == "header":
            return {credential.name: secret}, {}
        return {}, {credential.name: secret}

    def _secrets(self) -> list[str]:
        return [value for value in (self.environ.get(name) for name in self.secrets) if value]

    def _without_secrets(self, text: str) -> str:
        return without(text, self._secrets())


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


def _retry_after(text: str, now: datetime) -> float | None:
    if text.isdecimal():
        return float(text)
    try:
        at = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, (at - now).total_seconds())


def _same_site(target: str | None, origin: str | None) -> bool:
    """Whether two hosts share their last two labels; never for bare addresses."""
    if not target or not origin:
        return False
    try:
        ipaddress.ip_address(target)
    except ValueError:
        return target.split(".")[-2:] == origin.split(".")[-2:] and "." in target
    return False


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
