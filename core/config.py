"""Settings, read once at the edge and passed down: flag, environment, file (`gpuledger.toml`), default.

A plain dataclass: `gpuledger offers` has no time to import a settings library (docs/decisions/0003).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from gpuledger.core.errors import ConfigError

FILE = "gpuledger.toml"
STORES = "duckdb, or ducklake:postgres://USER@HOST:PORT/DATABASE?data=/shared/folder"


@dataclass(frozen=True, kw_only=True)
class FetchSettings:
    """How patient the fetch is. Certificate checks have no setting: they are always on."""

    attempts: int = 4
    """Tries of one request on transient failures."""
    wait_seconds: float = 1.0
    """First wait between two tries; doubles, with jitter."""
    timeout_seconds: float = 30.0
    """For connecting, and for each read."""
    total_seconds: float = 300.0
    """For one whole answer, however steadily it drips."""


@dataclass(frozen=True, kw_only=True)
class MailSettings:
    """A mail server, and whom it tells of watched prices; the password is in `GPULEDGER_SMTP_PASSWORD`."""

    host: str
    port: int
    sender: str
    recipient: str
    user: str | None = None


@dataclass(frozen=True, kw_only=True)
class NotifySettings:
    """Whom to tell when runs fail and when watched prices fall."""

    webhook: str | None = None
    """Address that gets a POST of JSON; treated as a secret."""
    mail: MailSettings | None = None


@dataclass(frozen=True, kw_only=True)
class LakeAddress:
    """Where several machines share a ledger: a catalogue in PostgreSQL, Parquet and the archive in one place.

    There is no password here: PostgreSQL's client reads `PGPASSWORD` or `~/.pgpass`, so that the setting may be
    shown.
    """

    host: str
    port: int
    database: str
    user: str
    data: str
    """Folder that all machines see, or `s3://bucket/prefix`."""
    archive: Path
    schema: str = "gpuledger"
    """Of the catalogue's tables, so that several ledgers fit into one database."""
    endpoint: str | None = None
    """Address of an S3 server of one's own, asked by paths and not by host names."""

    @property
    def parquet(self) -> str:
        return f"{self.data}/parquet/"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one invocation."""

    home: Path
    """Where the ledger lives; database, archive and snapshots are derived from it."""
    store: str = "duckdb"
    """`duckdb`, or the address of a lake; see `lake_address`."""
    history: bool = True
    """Whether a new ledger takes the history that ships with the program."""
    source_urls: Mapping[str, str] = field(default_factory=dict[str, str])
    """Address overrides by source, for mirrors, proxies and tests."""
    source_intervals: Mapping[str, timedelta] = field(default_factory=dict[str, timedelta])
    """Intervals by source, where the operator set one; whether a source permits it is `timetable.as_set`'s to say."""
    fetch: FetchSettings = field(default_factory=FetchSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)


def load_settings(
    environ: Mapping[str, str], *, home: Path | None = None, config: Path | None = None
) -> Settings:
    """Read the settings.

    Args:
        environ: `GPULEDGER_HOME`, `GPULEDGER_CONFIG`, `GPULEDGER_STORE`, `GPULEDGER_BUNDLED_HISTORY`,
            `GPULEDGER_SOURCE_<NAME>_URL`, `GPULEDGER_SOURCE_<NAME>_EVERY`, `GPULEDGER_FETCH_<SETTING>`,
            `GPULEDGER_NOTIFY_WEBHOOK`.
        home, config: as given by flags.

    Raises:
        ConfigError: the file cannot be read, or a name or value in it is not understood.
    """
    place = home or (
        Path(environ["GPULEDGER_HOME"]) if environ.get("GPULEDGER_HOME") else _default_home(environ)
    )
    named = config or (Path(environ["GPULEDGER_CONFIG"]) if environ.get("GPULEDGER_CONFIG") else None)
    content = _read(named or place / FILE, required=named is not None)
    settings = _from_file(content, place if home or environ.get("GPULEDGER_HOME") else None, place)
    return _from_environment(settings, environ)


def _default_home(environ: Mapping[str, str]) -> Path:
    data = environ.get("XDG_DATA_HOME") or str(
        Path(environ.get("HOME", "~")).expanduser() / ".local" / "share"
    )
    return Path(data) / "gpuledger"


def _read(path: Path, *, required: bool) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            # Most homes have no settings file; a lookup need not load a parser for it.
            import tomllib

            return tomllib.load(file)
    except FileNotFoundError:
        if required:
            raise ConfigError(f"no settings file {path}") from None
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def _from_file(content: Mapping[str, Any], home: Path | None, default_home: Path) -> Settings:
    setting_names = {"home", "store", "bundled_history", "sources", "fetch", "notify"}
    for name in content:
        if name not in setting_names:
            raise ConfigError(f"unknown setting {name!r}; known: {', '.join(sorted(setting_names))}")
    urls: dict[str, str] = {}
    intervals: dict[str, timedelta] = {}
    for source in _table(content, "sources"):
        for name, value in _table(_table(content, "sources"), source).items():
            if name == "url":
                urls[source] = _url(f"sources.{source}.url", value)
            elif name == "every":
                intervals[source] = _interval(f"sources.{source}.every", value)
            else:
                raise ConfigError(f"unknown setting sources.{source}.{name}; known: url, every")
    named = content.get("home", str(default_home))
    if not isinstance(named, str) or not named:
        raise ConfigError(f"home must be a folder, not {named!r}")
    placed = home or Path(named).expanduser()
    return Settings(
        home=placed,
        store=_store("store", content.get("store", "duckdb")),
        history=_switch("bundled_history", content.get("bundled_history", True)),
        source_urls=urls,
        source_intervals=intervals,
        fetch=_fetch(FetchSettings(), "fetch.", _table(content, "fetch")),
        notify=_notify(_table(content, "notify")),
    )


def _from_environment(settings: Settings, environ: Mapping[str, str]) -> Settings:
    urls, intervals = dict(settings.source_urls), dict(settings.source_intervals)
    fetch: dict[str, str] = {}
    webhook = environ.get("GPULEDGER_NOTIFY_WEBHOOK")
    for name, value in environ.items():
        if name.startswith("GPULEDGER_SOURCE_") and name.endswith("_URL") and value:
            source = name.removeprefix("GPULEDGER_SOURCE_").removesuffix("_URL").lower()
            urls[source] = _url(name, value)
        if name.startswith("GPULEDGER_SOURCE_") and name.endswith("_EVERY") and value:
            source = name.removeprefix("GPULEDGER_SOURCE_").removesuffix("_EVERY").lower()
            intervals[source] = _interval(name, value)
        if name.startswith("GPULEDGER_FETCH_") and value:
            fetch[name.removeprefix("GPULEDGER_FETCH_").lower()] = value
    return replace(
        settings,
        store=_store("GPULEDGER_STORE", environ.get("GPULEDGER_STORE") or settings.store),
        history=_switch(
            "GPULEDGER_BUNDLED_HISTORY", environ.get("GPULEDGER_BUNDLED_HISTORY") or settings.history
        ),
        source_urls=urls,
        source_intervals=intervals,
        fetch=_fetch(settings.fetch, "GPULEDGER_FETCH_", fetch),
        notify=replace(settings.notify, webhook=_webhook("GPULEDGER_NOTIFY_WEBHOOK", webhook))
        if webhook
        else settings.notify,
    )


def _notify(table: Mapping[str, Any]) -> NotifySettings:
    setting_names = ("webhook", "smtp", "smtp_user", "mail_from", "mail_to")
    for name, value in table.items():
        if name not in setting_names:
            raise ConfigError(f"unknown setting notify.{name}; known: {', '.join(setting_names)}")
        if not isinstance(value, str):
            raise ConfigError(f"notify.{name}: a text is needed, got {value!r:.60}")
    mail = None
    if any(name in table for name in setting_names[1:]):
        missing = [name for name in ("smtp", "mail_from", "mail_to") if name not in table]
        if missing:
            raise ConfigError(f"notify.{missing[0]}: is needed for mail, as are smtp, mail_from and mail_to")
        host, _, port = str(table["smtp"]).partition(":")
        if not host or not (port or "25").isdigit():
            raise ConfigError(f"notify.smtp: {table['smtp']!r} is no HOST:PORT")
        mail = MailSettings(
            host=host,
            port=int(port or 25),
            sender=table["mail_from"],
            recipient=table["mail_to"],
            user=table.get("smtp_user"),
        )
    webhook = _webhook("notify.webhook", table["webhook"]) if "webhook" in table else None
    return NotifySettings(webhook=webhook, mail=mail)


def _webhook(name: str, value: Any) -> str:
    """Its value is not shown: for many services the address is the key."""
    try:
        return _url(name, value)
    except ConfigError:
        raise ConfigError(f"{name} must be an http or https address") from None


def _store(name: str, value: Any) -> str:
    if not isinstance(value, str) or (value != "duckdb" and not value.startswith(LAKE)):
        raise ConfigError(f"unknown {name} {value!r}; known: {STORES}")
    lake_address(value, name=name)
    return value


def _interval(name: str, value: Any) -> timedelta:
    text = str(value).strip().lower() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    number = text.rstrip("smh")
    if not number.isdecimal() or text[len(number) :] not in _SECONDS or not 1 <= int(number) <= 86_400:
        raise ConfigError(
            f"{name} must be a whole number of seconds, or such as 90s, 5m or 1h, not {value!r:.60}"
        )
    return timedelta(seconds=int(number) * _SECONDS[text[len(number) :]])


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}

_SWITCH = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}


def _switch(name: str, value: Any) -> bool:
    is_on = value if isinstance(value, bool) else _SWITCH.get(str(value).lower())
    if is_on is None:
        raise ConfigError(f"{name} must be on or off, not {value!r}")
    return is_on


LAKE = "ducklake:"


def lake_address(store: str, *, name: str = "store") -> LakeAddress | None:
    """The address in a `store` setting; `None` for the embedded store.

    Args:
        name: of the setting, for the message.

    Raises:
        ConfigError: a part is missing or not understood.
    """
    if not store.startswith(LAKE):
        return None
    from urllib.parse import parse_qsl, unquote, urlsplit

    parts = urlsplit(store.removeprefix(LAKE))
    if parts.password is not None:
        raise ConfigError(f"{name} must not hold a password; set PGPASSWORD or write ~/.pgpass")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    option_names = {"data", "archive", "schema", "endpoint"}
    data, schema = options.get("data", "").rstrip("/"), options.get("schema", "gpuledger")
    is_remote = data.startswith("s3://")
    archive = options.get("archive", "" if is_remote else f"{data}/archive")
    try:
        port = parts.port or 5432
    except ValueError:
        raise ConfigError(f"{name} names no port that exists: {store!r}; known: {STORES}") from None
    faults = {
        "the catalogue must be postgres://": parts.scheme not in {"postgres", "postgresql"},
        "host or database are missing": not parts.hostname or not parts.path.strip("/"),
        f"unknown option {sorted(set(options) - option_names)}": bool(set(options) - option_names),
        "data must be an absolute folder or s3://": not (data.startswith("/") or is_remote),
        "archive must be an absolute folder, since s3:// holds Parquet alone": not archive.startswith("/"),
        "schema must be a plain name": not (schema.isidentifier() and schema.isascii()),
    }
    for fault, is_there in faults.items():
        if is_there:
            raise ConfigError(f"{name}: {fault}, in {store!r}; known: {STORES}")
    return LakeAddress(
        host=parts.hostname or "",
        port=port,
        database=unquote(parts.path.strip("/")),
        user=unquote(parts.username or "gpuledger"),
        data=data,
        archive=Path(archive),
        schema=schema,
        endpoint=_url(f"{name}: endpoint", options["endpoint"]) if "endpoint" in options else None,
    )


def _table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name, {})
    if not isinstance(value, Mapping):
        raise ConfigError(f"setting {name!r} must be a table, not {value!r}")
    return value  # pyright: ignore[reportUnknownVariableType]


def _url(name: str, value: Any) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ConfigError(f"{name} must be an http or https address, not {value!r}")
    return str(value)


def _fetch(settings: FetchSettings, prefix: str, table: Mapping[str, Any]) -> FetchSettings:
    kinds = {entry.name: int if entry.name == "attempts" else float for entry in fields(FetchSettings)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        spelled = prefix + (name.upper() if prefix.isupper() else name)
        if name not in kinds:
            raise ConfigError(f"unknown setting {spelled}; known: {', '.join(kinds)}")
        try:
            number = kinds[name](str(value))
        except ValueError:
            raise ConfigError(f"{spelled} must be a number, not {value!r}") from None
        lowest = 1 if name == "attempts" else 0
        if not lowest <= number <= 86_400:
            raise ConfigError(f"{spelled} must lie between {lowest} and 86400, not {value!r}")
        values[name] = number
    return replace(settings, **values)
