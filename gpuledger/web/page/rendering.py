"""Templates and assets. Every string is escaped, and no control character reaches a page."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from gpuledger import formats
from gpuledger.core.count import counted
from gpuledger.core.purchase_option import option_text
from gpuledger.web.page.state import DOLLARS
from gpuledger.web.prefix import prefixed

FOLDER = Path(__file__).resolve().parent
STATIC = FOLDER / "static"
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain",
}
LONGEST = 300
"""Characters of one string of a stranger's that a page shows."""


def _finalize(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    if value.isprintable():
        return value
    # Line breaks stay: pasted plans and queries have them.
    lines = value.split("\n")
    return "\n".join(formats.clean(line, limit=None) for line in lines)


def _short(value: object, limit: int = 60) -> str:
    return formats.clean(str(value), limit=min(limit, LONGEST))


def _age_of_hours(hours: float | Decimal | None) -> str:
    return "" if hours is None else formats.age(timedelta(hours=float(hours)))


def _when(value: datetime | None) -> str:
    return "" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _date_field(text: str) -> str:
    """The day of a time as an address has it, for a field that takes days alone; empty where it is none."""
    try:
        return date.fromisoformat(text.strip()[:10]).isoformat()
    except ValueError:
        return ""


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates, escaped by default; an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=formats.number,
        counted=cast("Any", counted),
        age=_age_of_hours,
        short=_short,
        when=_when,
        day=_day,
        date_field=_date_field,
        hours=formats.hours,
        plain=formats.plain,
        bought=option_text,
    )
    cast("dict[str, Any]", made.globals).update(asset=asset, money_usd=DOLLARS.price, total_usd=DOLLARS.total)
    return made


def asset(name: str) -> str:
    """Address of an asset; its content is in it, so that browsers may keep it for good."""
    return prefixed(f"/static/{name}?v={_digest(name)}")


@lru_cache(maxsize=32)
def _digest(name: str) -> str:
    return hashlib.blake2b((STATIC / name).read_bytes(), digest_size=6).hexdigest()


@lru_cache(maxsize=32)
def asset_bytes(name: str) -> tuple[bytes, str] | None:
    """Content and type of an asset; `None` for any other name."""
    path = STATIC / name
    if path.parent != STATIC or path.suffix not in TYPES or not path.is_file():
        return None
    return path.read_bytes(), TYPES[path.suffix]


@lru_cache(maxsize=32)
def asset_gzip(name: str) -> bytes | None:
    """The same in less than half the bytes, made once; `None` for pictures, which are dense already."""
    contents = asset_bytes(name)
    if contents is None or name.endswith(".png"):
        return None
    return gzip.compress(contents[0], 9, mtime=0)


def html_answer(
    name: str, content: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A rendered template."""
    return HTMLResponse(
        environment().get_template(name).render(**content), status, headers=dict(headers or {})
    )
