"""Keys are never written: they are struck out of every byte and every message before anything keeps them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote

STRUCK_OUT = "[redacted]"


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret struck out."""
    for spelled in _spellings(secrets):
        text = text.replace(spelled, STRUCK_OUT)
    return text


def without_bytes(body: bytes, secrets: Iterable[str]) -> bytes:
    """The bytes with every secret struck out; an answer may repeat the key that it was asked with."""
    for spelled in _spellings(secrets):
        body = body.replace(spelled.encode(), STRUCK_OUT.encode())
    return body


def _spellings(secrets: Iterable[str]) -> Iterable[str]:
    """How a key may be written: plain, in JSON, in an address, as base64."""
    for secret in secrets:
        yield secret
        yield json.dumps(secret)[1:-1]
        yield quote(secret, safe="")
        yield base64.b64encode(secret.encode()).decode()
