"""What we ask for and what came back: bytes with their provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from gpuledger.core.errors import ParseError


@dataclass(frozen=True, kw_only=True)
class Credential:
    """Where a key is read from (environment variable) and how it travels. The key itself is never kept."""

    variable: str
    travels_as: Literal["bearer", "header", "query"] = "bearer"
    name: str = ""
    """Header or query parameter; not used by `bearer`."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, without secrets; archived beside the answer."""

    url: str
    method: Literal["GET", "POST"] = "GET"
    payload: Mapping[str, Any] | None = None
    """JSON body of a POST."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    credential: Credential | None = None
    """A request whose credential is not set is left out, and its source says so."""
    may_be_missing: bool = False
    """Whether 404 or 403 is an answer here (nothing published under this address), not a failure."""
    context: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the answer does not say about itself, such as the region that was asked for."""
    key_of_provider: Mapping[str, Credential] = field(default_factory=dict[str, Credential])
    """Providers, and the key with which they are read themselves: the context names under `has_key` those whose key
    the environment has. Never the key."""

    def named_keys(self, environ: Mapping[str, str]) -> Request:
        """The request with `has_key` in its context, where `key_of_provider` has some of the environment."""
        names = [name for name, key in self.key_of_provider.items() if environ.get(key.variable)]
        return replace(self, context={**self.context, "has_key": " ".join(names)}) if names else self


MOST_OBJECTS = 1_000_000
"""In one JSON answer. A page of Google's catalog, the longest here, has some 100,000. Tens of millions of empty
ones fit into an answer, and would fill the memory once each is a row with a reason."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are its own: of two equal ones nobody knows which holds the price."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object names a key twice")
    return made


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True, kw_only=True)
class Document:
    """One answer: the bytes as received (content encoding removed) and where they are from."""

    source: str
    request: Request
    body: bytes = field(repr=False)
    fetched_at: datetime
    status: int = 200
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""

    @cached_property
    def sha256(self) -> str:
        """Content hash, lower-case hex; the name of the bytes in the archive."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def context(self) -> Mapping[str, str]:
        return self.request.context

    @property
    def opening(self) -> str:
        """What the body begins with, for an error on its form."""
        return f"the body begins {self.body[:60]!r}" if self.body.strip() else "the body is empty"

    def error(self, message: str) -> ParseError:
        """A `ParseError` about this document, for the adapter to raise."""
        return ParseError(self.source, self.request.url, message)

    def text(self) -> str:
        """The body as UTF-8 text.

        Raises:
            ParseError: the bytes are not UTF-8.
        """
        try:
            return self.body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.error(f"not UTF-8 at byte {error.start}") from error

    def json(self) -> Any:
        """The body as JSON; numbers with a fraction are `Decimal`, so that money never passes a float.

        Raises:
            ParseError: not JSON, nested too deeply or of too many objects; shows what the body begins with.
        """
        if self.body.count(b"{") > MOST_OBJECTS:
            raise self.error(f"JSON of more than {MOST_OBJECTS} objects")
        try:
            return json.loads(
                self.text(),
                parse_float=Decimal,
                parse_constant=_refuse_constant,
                object_pairs_hook=_object,
            )
        except RecursionError as error:
            raise self.error("JSON is nested too deeply") from error
        except ValueError as error:
            raise self.error(f"not JSON ({error}); {self.opening}") from error
