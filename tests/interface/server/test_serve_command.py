"""`gpuledger serve` as a person starts it."""

import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

PROGRAM = "from gpuledger.cli.main import run; run()"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.deep), "2"])
def test_serve_answers_says_where_and_stops_when_told(list_home, workers):
    port = free_port()
    environ = {"PATH": os.environ["PATH"], "HOME": str(list_home.path), "GPULEDGER_HOME": str(list_home.path)}
    program = [sys.executable, "-c", PROGRAM, "serve", "--port", str(port), "--workers", workers]
    with subprocess.Popen(
        program, env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        answer = None
        deadline = time.monotonic() + 60
        while answer is None and time.monotonic() < deadline:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5)
            except httpx.HTTPError:
                time.sleep(0.1)
        os.killpg(server.pid, signal.SIGTERM)
        said = server.communicate(timeout=30)[1]
    assert answer is not None
    # the bundled list alone: no source has ever delivered
    assert answer.json()["status"] == "degraded"
    assert "server" not in answer.headers
    assert f"serving http://127.0.0.1:{port}/" in said
    assert "Traceback" not in said


def test_beyond_loopback_a_server_needs_a_token_or_its_name(process, tmp_path, list_home):
    done = process(list_home.path, "serve", "--host", "0.0.0.0")
    assert done.code == 2
    assert "set GPULEDGER_TOKEN" in done.err
    # the port is taken, so the command ends by itself
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = process(
            list_home.path, "serve", "--host", "0.0.0.0", "--port", port, "--name", "prices.example"
        )
    assert "set GPULEDGER_TOKEN" not in done.err


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("serve", "fastapi", "web"),
        ("serve", "jinja2", "web"),
        ("mcp", "mcp", "mcp"),
        ("mcp", "uvicorn", "mcp"),
        ("deploy", "prefect", "prefect"),
    ],
)
def test_a_missing_extra_is_named_in_one_line(list_home, command, module, extra):
    hide = (
        "import importlib.util as u; find = u.find_spec; "
        f"u.find_spec = lambda name, *more: None if name == {module!r} else find(name, *more); "
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(list_home.path), "GPULEDGER_HOME": str(list_home.path)}
    done = subprocess.run(
        [sys.executable, "-c", hide + PROGRAM, command],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == f"error: {module} is not installed; pip install 'gpuledger[{extra}]'\n"
