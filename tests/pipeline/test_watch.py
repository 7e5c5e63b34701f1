"""Watched prices over real refreshes of a ledger: told once per crossing, by a real webhook and a real mail server."""

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from click.testing import CliRunner

from gpuledger.cli import context
from gpuledger.core.config import MailSettings
from gpuledger.flows.watch import send_mail
from tests.command_line import app

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HEAD = "observed_at,provider,instance_type,region,price,gpu_label,gpu_count\n"


class Mailbox:
    """What a mail server was given."""

    def __init__(self) -> None:
        self.letters: list[str] = []
        self.port = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.letters.append(envelope.content.decode())
        return "250 taken"


class Posted(BaseHTTPRequestHandler):
    """Keeps the bodies of its server."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(content))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def webhook():
    server = HTTPServer(("127.0.0.1", 0), Posted)
    server.bodies = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def mailbox():
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        box.port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=box.port)
    server.start()
    yield box
    server.stop()


class Market:
    """A ledger in which one provider's price of the H100 changes by the hour."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.hour, self._patch = home, 0, monkeypatch

    def run(self, *words: str) -> Any:
        self._patch.setattr(context, "now", lambda: NOW + timedelta(hours=self.hour))
        answer = CliRunner().invoke(app, ["--home", str(self.home), *words])
        assert answer.exit_code == 0, answer.output
        return answer

    def costs(self, usd: str) -> None:
        """The next hour's price, and a look at the watches."""
        self.hour += 1
        listed = self.home / "list.csv"
        at = NOW + timedelta(hours=self.hour)
        listed.write_text(f"{HEAD}{at:%Y-%m-%dT%H:%M:%SZ},acme,h100,us-1,{usd},H100 SXM5,1\n")
        self.run("import", "changes", str(listed))
        self.run("watch", "--look")


@pytest.fixture
def market(tmp_path, monkeypatch, webhook, mailbox) -> Market:
    (tmp_path / "gpuledger.toml").write_text(
        f'[notify]\nwebhook="http://127.0.0.1:{webhook.server_address[1]}/"\nsmtp="127.0.0.1:{mailbox.port}"\n'
        'mail_from="ledger@example.org"\nmail_to="me@example.org"\n'
    )
    return Market(tmp_path, monkeypatch)


def test_each_crossing_is_told_once_by_webhook_and_by_mail(market, webhook, mailbox):
    market.costs("3.00")
    market.run("watch", "H100-SXM:1", "--below", "2.00", "--provider", "acme")
    told = []
    for usd in ("2.50", "1.80", "1.70", "1.80", "2.10", "1.90", "1.90"):
        market.costs(usd)
        told.append((len(webhook.bodies), len(mailbox.letters)))
    assert told == [(0, 0), (1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 2)]
    assert webhook.bodies[0]["event"] == "gpuledger.price_below"
    assert (webhook.bodies[0]["provider"], webhook.bodies[1]["watch"]["usd_per_gpu_hour"]) == ("acme", "1.9")
    assert "H100-SXM:1, on demand, is 1.8 USD per GPU-hour at acme" in mailbox.letters[0].replace("=\r\n", "")


def test_what_a_mail_server_did_not_take_goes_with_the_next_mail(market, mailbox, monkeypatch):
    market.costs("3.00")
    market.run("watch", "H100-SXM:1", "--below", "2.00", "--provider", "acme")
    settings = market.home / "gpuledger.toml"
    working = settings.read_text()
    settings.write_text(working.replace(f"127.0.0.1:{mailbox.port}", "127.0.0.1:9"))
    market.costs("1.80")
    assert (market.home / "unmailed.jsonl").exists() and not mailbox.letters
    settings.write_text(working)
    market.costs("1.80")
    assert len(mailbox.letters) == 1 and not (market.home / "unmailed.jsonl").exists()


def test_a_mail_has_a_line_for_each_price_and_a_refused_one_is_no_error(mailbox):
    settings = MailSettings(
        host="127.0.0.1", port=mailbox.port, sender="a@example.org", recipient="b@example.org"
    )
    assert send_mail(settings, [{"text": "H100 is 1.99"}, {"text": "A100 is 0.80"}])
    assert "To: b@example.org" in mailbox.letters[0] and "A100 is 0.80" in mailbox.letters[0]
    nowhere = MailSettings(host="127.0.0.1", port=9, sender="a@example.org", recipient="b@example.org")
    assert send_mail(nowhere, [{"text": "x"}]) is False
