"""Keys are never written: they are struck out of every byte and every message before anything keeps them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from functools import lru_cache

STRUCK_OUT = "[redacted]"

LEAST_BASE64 = 8
"""Fewer characters of base64 than these may well be something else."""


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret struck out."""
    return without_bytes(text.encode("utf-8", "surrogatepass"), secrets).decode("utf-8", "surrogatepass")


def without_bytes(body: bytes, secrets: Iterable[str]) -> bytes:
    """The bytes with every secret struck out; an answer may repeat the key that it was asked with."""
    for secret in secrets:
        body = _pattern(secret).sub(STRUCK_OUT.encode(), body)
    return body


@lru_cache(maxsize=64)
def _pattern(secret: str) -> re.Pattern[bytes]:
    """How a key may be written: plain, in an address, in JSON or HTML, or within base64."""
    written = [_spelled(secret)]
    for before in range(3):
        # In base64 of a longer text, such as `Bearer KEY`, the key begins at one of three places of a group.
        encoded = base64.b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
        first, end = -(-before * 8 // 6), (before + len(secret.encode())) * 8 // 6
        if end - first >= LEAST_BASE64:
            written.append(_spelled(encoded[first:end].replace("+", "-")) + r"[A-Za-z0-9+/_=-]{0,3}")
            written.append(_spelled(encoded[first:end]) + r"[A-Za-z0-9+/_=-]{0,3}")
    return re.compile("|".join(dict.fromkeys(written)).encode())


def _spelled(text: str) -> str:
    """A pattern of the text in which signs may be escaped; letters and digits never are."""
    return "".join(letter if letter.isascii() and letter.isalnum() else _sign(letter) for letter in text)


def _sign(sign: str) -> str:
    percent = "".join(f"%(?:25)?(?i:{byte:02x})" for byte in sign.encode())
    code = f"(?i:{ord(sign):x})"
    escaped = [re.escape(sign), percent, rf"\\u0*{code}", rf"\\{re.escape(sign)}"]
    entities = [f"&#0*{ord(sign)};", f"&#(?i:x)0*{code};"]
    named = {"&": ["&amp;"], '"': ["&quot;"], "<": ["&lt;"], ">": ["&gt;"], " ": [r"\+"], "/": ["_"]}
    return f"(?:{'|'.join([*escaped, *entities, *named.get(sign, [])])})"
