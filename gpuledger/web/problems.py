"""Errors as problem documents (RFC 9457), one kind per class of `gpuledger.core.errors`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from gpuledger.core import errors

MEDIA_TYPE = "application/problem+json"

# first match decides, so the special ones come first
STATUS: tuple[tuple[type[errors.GPULedgerError], int, str], ...] = (
    (errors.UnknownGPUError, 422, "unknown-gpu"),
    (errors.InvalidPlanError, 422, "invalid-plan"),
    (errors.DoesNotFitError, 422, "does-not-fit"),
    (errors.NoOfferError, 422, "no-offer"),
    (errors.UsageError, 422, "invalid-request"),
    (errors.EmptyLedgerError, 503, "empty-ledger"),
    (errors.StoreBusyError, 503, "busy-ledger"),
    (errors.StoreError, 503, "unreadable-ledger"),
    (errors.ConfigError, 500, "wrong-setting"),
)
TITLES = {
    400: "Malformed request",
    401: "No valid token",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    410: "Gone",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be answered as asked",
    429: "Too many requests",
    500: "Internal error",
    503: "Not now",
}


class Problem(BaseModel):
    """What a request gets that cannot be answered."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    """The plan's key or the parameter that is wrong."""
    nearest: list[str] | None = None
    """Accelerators of a similar name."""


class ProblemError(Exception):
    """Ends a request with a problem document."""

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.kind = kind
        self.headers = dict(headers or {})
        super().__init__(detail)


def document(status: int, kind: str, detail: str, **more: Any) -> bytes:
    """The document's bytes."""
    content = {
        "type": f"urn:gpuledger:problem:{kind}",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        **{name: value for name, value in more.items() if value},
    }
    return json.dumps(content).encode()


def respond(
    status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The document as an answer."""
    return Response(
        document(status, kind, detail, **more), status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def of_error(error: errors.GPULedgerError) -> Response:
    """The problem that one of our errors stands for."""
    status, kind = kind_of(error)
    headers = {"retry-after": "60"} if status == 503 else None
    return respond(
        status,
        kind,
        str(error),
        headers,
        field=getattr(error, "field", None),
        nearest=list(getattr(error, "nearest", ())),
    )


def kind_of(error: errors.GPULedgerError) -> tuple[int, str]:
    """HTTP status and kind of an error."""
    return next(
        ((status, kind) for existing, status, kind in STATUS if isinstance(error, existing)),
        (500, "internal"),
    )


def of_validation(result: Sequence[Mapping[str, Any]]) -> Response:
    """The problem of parameters or a body that do not validate; names the first and the value seen."""
    first = result[0]
    place = [str(part) for part in first["loc"] if part not in ("query", "path", "body", "header")]
    field = ".".join(place)
    seen = first.get("input")
    shown = "" if seen is None or isinstance(seen, (dict, list)) else f", got {str(seen)[:80]!r}"
    if first["type"] == "extra_forbidden":
        return respond(422, "invalid-request", f"{field}: unknown parameter{shown}", field=field)
    return respond(422, "invalid-request", f"{field or 'request'}: {first['msg']}{shown}", field=field)
