"""Spans: one refresh is one tree, with run and source ids; while they are off nothing of them is loaded."""

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gpuledger.core.errors import ConfigError
from gpuledger.flows import telemetry
from tests.template import start_bundled, this_hour

PROGRAM = """
import sys
from gpuledger.cli.main import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended
print(sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""
CAPTURE = Path(__file__).resolve().parents[1] / "captures" / "runpod" / "prices.json"


@pytest.fixture
def exporter():
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    telemetry.use(provider)
    yield kept
    telemetry.use(None)


def tree(exporter: InMemorySpanExporter) -> list[str]:
    """Each span as the path of names that leads to it, in the order of their ends."""
    spans = {span.context.span_id: span for span in exporter.get_finished_spans()}

    def path(span) -> str:
        return span.name if span.parent is None else f"{path(spans[span.parent.span_id])}/{span.name}"

    return [path(span) for span in spans.values()]


def attributes(exporter: InMemorySpanExporter, name: str) -> dict:
    (found,) = [span for span in exporter.get_finished_spans() if span.name == name]
    return {key.removeprefix("gpuledger."): value for key, value in found.attributes.items()}


def test_one_refresh_is_one_tree_of_its_steps(world, listing, exporter):
    world.refresh(listing(a=2, b=3))
    assert tree(exporter) == [
        "refresh/fetch/archive",
        "refresh/fetch",
        "refresh/parse",
        "refresh/check",
        "refresh/record",
        "refresh/publish",
        "refresh",
    ]


def test_every_step_of_a_run_has_its_run_and_source(world, listing, exporter):
    (report,) = world.refresh(listing(a=2, b=3)).runs
    for step in ("fetch", "parse", "check", "record"):
        found = attributes(exporter, step)
        assert (found["source"], found["run_id"]) == ("runpod", report.run_id)
    assert attributes(exporter, "parse")["offers"] == 2
    assert attributes(exporter, "check")["outcome"] == "accepted"
    assert attributes(exporter, "record")["changes"] == 2
    assert attributes(exporter, "publish")["snapshot"] == 1


def test_the_step_that_failed_says_why(world, exporter):
    world.refresh(b"not json")
    (parse,) = [span for span in exporter.get_finished_spans() if span.name == "parse"]
    assert parse.status.status_code.name == "ERROR"
    assert "JSON" in parse.status.description
    assert attributes(exporter, "check")["outcome"] == "failed"


def test_what_is_not_our_own_error_is_told_by_its_name_alone(exporter):
    with pytest.raises(ValueError, match="key"), telemetry.span("fetch", source="runpod"):
        raise ValueError("the key is hunter2")
    (span,) = exporter.get_finished_spans()
    assert span.status.description == "ValueError"
    assert "hunter2" not in span.to_json()


def loaded(home: Path, url: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A refresh as its own process; the last line of standard output is what it loaded of OpenTelemetry."""
    start_bundled(home, now=this_hour())
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GPULEDGER_HOME": str(home),
        "GPULEDGER_BUNDLED_HISTORY": "off",
        "GPULEDGER_SOURCE_RUNPOD_URL": url,
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "refresh", "runpod"],
        env=environ | more,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_nothing_is_loaded_for_them_while_they_are_off(tmp_path, provider):
    provider.always(CAPTURE.read_bytes())
    done = loaded(tmp_path, provider.url)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.recovery
def test_a_collector_gets_the_spans_of_a_command(tmp_path, provider):
    """OTLP over HTTP, to an address that OpenTelemetry's own variable names."""
    came: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        provider.always(CAPTURE.read_bytes())
        address = f"http://127.0.0.1:{server.server_address[1]}"
        done = loaded(
            tmp_path,
            provider.url,
            GPULEDGER_TRACE="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=address,
            OTEL_EXPORTER_OTLP_COMPRESSION="none",
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert {path for path, _ in came} == {"/v1/traces"}
    sent = b"".join(body for _, body in came)
    for name in (b"refresh", b"fetch", b"archive", b"parse", b"check", b"record", b"publish", b"gpuledger"):
        assert name in sent


def test_another_value_of_the_variable_is_refused():
    with pytest.raises(ConfigError, match="'yes' is not otlp"):
        telemetry.start({"GPULEDGER_TRACE": "yes"})


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match=r"gpuledger\[otel\]"):
        telemetry.start({"GPULEDGER_TRACE": "otlp"})
