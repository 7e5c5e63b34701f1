"""Certificates, and answers that stall where no timeout of one read would meet them."""

import socket
import subprocess
from dataclasses import replace

import httpx
import pytest

from gpuledger.core.errors import RefusedFetchError
from gpuledger.scrapers.http.limits import Watch
from tests.faults.hostile import HostileProvider, plain
from tests.faults.market import listing
from tests.faults.soundness import committed


@pytest.fixture
def self_signed(tmp_path):
    """A certificate that nobody vouches for."""
    path = tmp_path / "self_signed.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", path, "-out", tmp_path / "only.crt"),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("needs openssl")
    path.write_bytes(path.read_bytes() + (tmp_path / "only.crt").read_bytes())
    return path


def refused(trial, url: str) -> str:
    trial.good()
    before = committed(trial.ledger)
    good = trial.fetcher
    trial.fetcher = replace(good, urls={"runpod": url})
    (run,) = trial.refresh().runs
    assert run.outcome == "failed"
    trial.fetcher = good
    trial.assert_survived(before)
    return run.error


@pytest.mark.recovery
def test_a_certificate_that_nobody_vouches_for_is_refused(trial, self_signed):
    server = HostileProvider(self_signed)
    server.always(plain(listing(1)))
    error = refused(trial, server.url)
    server.close()
    assert "CERTIFICATE_VERIFY_FAILED" in error
    assert not server.paths, "the request was sent before the certificate was checked"


@pytest.mark.recovery
def test_plain_words_where_tls_was_asked_for_are_refused(trial):
    server = HostileProvider()
    server.always(plain(listing(1)))
    error = refused(trial, server.url.replace("http:", "https:"))
    server.close()
    assert error


def test_a_port_where_nobody_listens_is_refused(trial):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "ConnectError" in refused(trial, f"http://127.0.0.1:{port}")


def test_a_host_that_an_answer_leads_to_must_not_be_private(trial):
    trial.provider.always(plain(b"secrets of the house"))
    with Watch("runpod", "https://prices.example/list", 5) as watch, httpx.Client() as client:
        watch.must_be_public = "127.0.0.1"
        with pytest.raises(RefusedFetchError, match=r"a redirect to 127\.0\.0\.1, which is 127\.0\.0\.1"):
            client.get(trial.provider.url, extensions={"trace": watch.trace})
    assert not trial.provider.paths, "the request was sent before the address was looked at"
