"""A key appears in nothing that `gpuledger refresh` writes, whatever a server does with it.

Every credential that a source can use is set. A server on loopback stands in for every provider and repeats
what it was sent, in its body, its headers and the address of a redirect. Afterwards all bytes are searched:
the home (archive unpacked, every table of every database), standard output and standard error, and the
table that Prefect would show.
"""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb
import httpx
import pytest
import zstandard

from gpuledger.core.config import FetchSettings
from gpuledger.core.store.home import Home
from gpuledger.flows.pipeline import LedgerWriter, refresh_sources
from gpuledger.scrapers.http.attempt import secret_variables
from gpuledger.scrapers.http.fetch import Fetcher
from gpuledger.scrapers.registry import SOURCES
from tests.conftest import Answer

pytestmark = pytest.mark.slow

VARIABLES = sorted(secret_variables(SOURCES))
SECRETS = {name: f"Zx9-{number}/Qv+{name[:3].lower()}=7&Tk~end" for number, name in enumerate(VARIABLES)}
KEYED = [source for source in SOURCES if source.credentials]

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
WITHOUT_KEY = {
    "/graphql": "runpod/prices.json",
    "/api/v0/bundles/": "vast/bundles.json",
    "/pricing": "lambda_cloud/pricing.html",
    "/gpu-pricing": "hyperstack/gpu-pricing.html",
    "/pricing/gpu-droplets": "digitalocean/gpu-droplets.html",
    "/ec2/capacityblocks/pricing/": "aws_capacity_blocks/pricing.html",
    "/spot.json": "aws_spot/spot.json",
    "/spot-advisor-data.json": "aws_spot/spot-advisor-data.json",
}
"""What the public addresses of sources with a key answer, so that the key is used as well."""

ANSWERS = ("repeats with 200", "refuses with 401", "fails with 500", "redirects", "leads away")
SOON = ("repeats with 200",)
"""The default suite tries these, `make faults` all."""
WITH_AWS = ("repeats with 200", "refuses with 401")
"""EC2 is asked in every region by its own client, which does not redirect and takes a second each."""


def spellings(secret: str) -> set[bytes]:
    """The key as it is, percent-encoded, escaped for JSON, and in base64 at any place of a longer text."""
    texts = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), secret.replace("/", "\\/")}
    inside = [base64.b64encode(b"x" * shift + secret.encode())[4 * (shift > 0) : -4] for shift in range(3)]
    return {text.encode() for text in texts} | {base64.b64encode(secret.encode()), *inside}


def repeated(seen) -> bytes:
    """All that came, plain, percent-encoded and in base64; the headers as a list that JSON readers accept."""
    came = [seen.path, *seen.headers.values(), seen.body.decode(errors="replace")]
    encoded = [base64.b64encode(text.encode()).decode() for text in came]
    return json.dumps({"data": came, "items": [], "encoded": encoded, "quoted": [*map(quote, came)]}).encode()


def behave(provider, answer: str) -> None:
    """Make the server on loopback do this with all that it is sent."""

    def answered(seen):
        sent = "".join(seen.headers.get(name, "") for name in ("Authorization", "X-API-KEY", "authorization"))
        public = WITHOUT_KEY.get(seen.path)
        if public and not sent:
            return Answer(body=(CAPTURES / public).read_bytes())
        body = repeated(seen)
        headers = {"etag": f'"{sent}"', "last-modified": sent, "content-type": f"text/json; key={sent}"}
        if answer == "redirects" and "again" not in seen.path:
            return Answer(302, body, headers | {"location": f"/once/again?key={quote(sent)}"})
        if answer == "leads away":
            away = f"https://elsewhere.example/{quote(sent)}{seen.path}"
            return Answer(302, body, headers | {"location": away})
        status = {"refuses with 401": 401, "fails with 500": 500}.get(answer, 200)
        return Answer(status, body, headers)

    provider.answer = answered


def written(home: Path) -> dict[str, bytes]:
    """Everything under a home by file, unpacked where it is packed."""
    found: dict[str, bytes] = {}
    for path in home.rglob("*"):
        if not path.is_file():
            continue
        found[str(path)] = path.name.encode() + b"\n" + path.read_bytes()
        if path.suffix == ".zst":
            unpacked = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
            found[f"{path} unpacked"] = unpacked
        if path.suffix == ".duckdb":
            found[f"{path} tables"] = rows_of(path)
    return found


def rows_of(path: Path) -> bytes:
    with duckdb.connect(path, read_only=True) as connection:
        tables = connection.execute("select table_name from duckdb_tables()").fetchall()
        return "\n".join(str(connection.execute(f"from {name}").fetchall()) for (name,) in tables).encode()


def leaks(found: dict[str, bytes]) -> list[tuple[str, str, bytes]]:
    """Where, which key, and what stands around it."""
    return [
        (place, name, content[max(0, content.index(spelled) - 60) :][:160])
        for place, content in found.items()
        for name, secret in SECRETS.items()
        for spelled in spellings(secret)
        if spelled in content
    ]


def environment(url: str, home: Path, secrets: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GPULEDGER_"))}
    return {
        **kept,
        **secrets,
        **{f"GPULEDGER_SOURCE_{source.name.upper()}_URL": url for source in SOURCES},
        "GPULEDGER_HOME": str(home),
        "GPULEDGER_FETCH_ATTEMPTS": "1",
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(home.parent),
    }


def test_every_credential_of_every_source_is_known():
    assert len(VARIABLES) >= 6
    assert {c.variable for source in KEYED for c in source.credentials} <= set(VARIABLES)


@pytest.mark.parametrize(
    "answer", [pytest.param(a, marks=[pytest.mark.faults] * (a not in SOON)) for a in ANSWERS]
)
@pytest.mark.recovery
def test_no_byte_that_a_refresh_writes_holds_a_key(answer: str, provider, tmp_path: Path):
    behave(provider, answer)
    home = tmp_path / "home"
    secrets = {
        name: secret for name, secret in SECRETS.items() if answer in WITH_AWS or not name.startswith("AWS_")
    }
    program = Path(sys.executable).with_name("gpuledger")
    done = subprocess.run(
        [program, "refresh", *(source.name for source in KEYED), "--format", "json"],
        env=environment(provider.url, home, secrets),
        capture_output=True,
        timeout=120,
    )
    sent = b"\n".join(repeated(seen) for seen in provider.seen)
    travelled = {name for name, secret in SECRETS.items() if any(text in sent for text in spellings(secret))}
    # AWS's secret only signs.
    assert travelled == set(secrets) - {"AWS_SECRET_ACCESS_KEY"}
    found = {**written(home), "standard output": done.stdout, "standard error": done.stderr}
    assert any(place.endswith("tables") for place in found)
    assert len(json.loads(done.stdout)) == len(KEYED)
    assert leaks(found) == []


@pytest.mark.parametrize("answer", ["repeats with 200", "leads away"])
def test_no_report_and_no_prefect_artifact_holds_a_key(answer: str, provider, clock, tmp_path: Path):
    pytest.importorskip("prefect")
    from gpuledger.flows.scheduled.refresh import artifact_rows

    behave(provider, answer)
    keyed = tuple(source for source in KEYED if not source.name.startswith("aws_"))
    with httpx.Client(trust_env=False) as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(attempts=1),
            environ=SECRETS,
            urls={source.name: provider.url for source in keyed},
            clock=clock,
            secrets=secret_variables(SOURCES),
        )
        cycle = refresh_sources(LedgerWriter(home=Home(tmp_path), sources=keyed, clock=clock), keyed, fetcher)
    shown = [(repr(report), artifact_rows(report)) for report in cycle.runs]
    assert len(shown) == len(keyed)
    assert leaks({"reports": repr(shown).encode()}) == []
