"""Logs as JSON lines, and spans for OpenTelemetry: refresh, and below it per source
fetch, archive, parse, check and record; then publish.

Spans are off unless `GPULEDGER_TRACE=otlp`; then the extra `otel` sends them to where OpenTelemetry's own variables say
(`OTEL_EXPORTER_OTLP_ENDPOINT` and the like). While it is off nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from gpuledger.core.errors import ConfigError, GPULedgerError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider


# Logs for machines: one JSON object a line on standard error, with the ids of source and run.

FIELDS = (
    "source",
    "run_id",
    "outcome",
    "offers",
    "changes",
    "withdrawn",
    "skipped",
    "error",
    "url",
    "seconds",
)
"""What a line may carry beside time, level and message; a line carries those that its event has."""


class JsonLines(logging.Formatter):
    """One object a line; a traceback is one of its strings."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: value for name in FIELDS if (value := record.__dict__.get(name)) is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_as_json(environ: Mapping[str, str], stream: TextIO | None = None) -> None:
    """With `GPULEDGER_LOG=json`, write what the pipeline says; otherwise only warnings are shown, as text."""
    # Each second try would be a bare event in a person's terminal; how a run ended is in its report.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    if environ.get("GPULEDGER_LOG") != "json":
        return
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("gpuledger")
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


VARIABLE = "GPULEDGER_TRACE"
SERVICE = "gpuledger"

Note = Callable[..., None]
"""Adds attributes to a span, by name; those without a value are left out."""

_tracers: list[Tracer] = []


def start(environ: Mapping[str, str]) -> None:
    """Send spans if the environment says so; once per process.

    Raises:
        ConfigError: the variable has another value than `otlp`, or the extra is not installed.
    """
    exporter = environ.get(VARIABLE, "")
    if not exporter or _tracers:
        return
    if exporter != "otlp":
        raise ConfigError(f"{VARIABLE}: {exporter!r} is not otlp")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider as Provider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(f"{VARIABLE}=otlp needs pip install 'gpuledger[otel]'") from error
    # What is left to send goes out at the end of the process. OTEL_SERVICE_NAME, where set, goes before ours.
    provider = Provider(resource=Resource({"service.name": SERVICE}).merge(Resource.create()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider)


def use(provider: TracerProvider | None) -> None:
    """Give spans to this provider, or to nobody: for programs that bring their own, and for tests."""
    _tracers[:] = [] if provider is None else [provider.get_tracer(SERVICE)]


@contextmanager
def span(name: str, **attributes: Any) -> Generator[Note]:
    """A step of the program; inside another one it is part of that. Does nothing while traces are off."""
    if not _tracers:
        yield _nothing
        return
    from opentelemetry.trace import Status, StatusCode

    with _tracers[0].start_as_current_span(
        name, record_exception=False, set_status_on_exception=False
    ) as made:

        def note(**more: Any) -> None:
            for key, value in more.items():
                if value is not None:
                    made.set_attribute(f"gpuledger.{key}", value)
            if more.get("error"):
                made.set_status(Status(StatusCode.ERROR, str(more["error"])))

        note(**attributes)
        try:
            yield note
        except BaseException as error:
            # Keys are struck out of our own errors; of others the name says enough.
            note(error=str(error) if isinstance(error, GPULedgerError) else type(error).__name__)
            raise


def _nothing(**attributes: Any) -> None:
    pass
