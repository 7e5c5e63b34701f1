"""Spot prices and Capacity Blocks, asked of a server that speaks EC2's query API on this machine."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from gpuledger.core.errors import MissingCredentialError, RefusedFetchError, TransientFetchError
from gpuledger.core.offer import Offer, PurchaseOption
from gpuledger.scrapers import aws_capacity_blocks
from gpuledger.scrapers.aws_spot import parse
from gpuledger.scrapers.http.aws_api import accelerator_types, answers, capacity_blocks, session, spot_prices

pytest.importorskip("boto3")

NOW = datetime(2026, 10, 7, 8, tzinfo=UTC)
SECRET = "wJalrXUtnFEMI-not-a-real-key"

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>6d0c0b1f</requestId>
  <spotPriceHistorySet><item>
    <instanceType>p5.48xlarge</instanceType><productDescription>Linux/UNIX</productDescription>
    <spotPrice>{price}</spotPrice><timestamp>2026-10-07T06:16:32.000Z</timestamp>
    <availabilityZone>{zone}</availabilityZone>
  </item></spotPriceHistorySet>
  <nextToken>{token}</nextToken>
</DescribeSpotPriceHistoryResponse>"""

REFUSAL = """<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>{code}</Code><Message>no</Message></Error></Errors><RequestID>1</RequestID></Response>"""


BLOCKS = """<?xml version="1.0" encoding="UTF-8"?>
<DescribeCapacityBlockOfferingsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>1f0c0b6d</requestId>
  <capacityBlockOfferingSet><item>
    <capacityBlockOfferingId>cb-0f1e2d3c</capacityBlockOfferingId><instanceType>{type}</instanceType>
    <availabilityZone>us-east-1a</availabilityZone><instanceCount>1</instanceCount>
    <startDate>2026-10-08T11:30:00Z</startDate><endDate>2026-10-09T11:30:00Z</endDate>
    <capacityBlockDurationHours>24</capacityBlockDurationHours><upfrontFee>755.136000</upfrontFee>
    <currencyCode>USD</currencyCode><tenancy>default</tenancy>
  </item></capacityBlockOfferingSet>
</DescribeCapacityBlockOfferingsResponse>"""


class EC2(BaseHTTPRequestHandler):
    """Answers `DescribeSpotPriceHistory`: two pages for us-east-1, refusals for two other regions; and
    `DescribeCapacityBlockOfferings`, for all types but P4."""

    seen: list[tuple[str, dict[str, list[str]]]]

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        authorization = self.headers.get("Authorization", "")
        self.seen.append((authorization, form))
        region = re.search(r"/([a-z0-9-]+)/ec2/aws4_request", authorization)
        if region and region[1] == "me-central-1":
            return self.answer(401, REFUSAL.format(code="AuthFailure"))
        if region and region[1] == "me-south-1":
            return self.answer(503, REFUSAL.format(code="Unavailable"))
        if form["Action"] == ["DescribeCapacityBlockOfferings"]:
            instance_type = form["InstanceType"][0]
            if instance_type.startswith("p4"):
                return self.answer(400, REFUSAL.format(code="InvalidParameterValue"))
            return self.answer(200, BLOCKS.format(type=instance_type))
        if form.get("NextToken") == ["second"]:
            return self.answer(200, PAGE.format(price="20.1017", zone="us-east-1b", token=""))
        return self.answer(200, PAGE.format(price="19.4933", zone="us-east-1a", token="second"))

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    EC2.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), EC2) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_every_page_is_a_document_with_the_bytes_as_sent(ec2: str):
    documents = list(
        answers(spot_prices(["p5.48xlarge"]), "us-east-1", now=NOW, within=session(), endpoint_url=ec2)
    )
    assert [document.body.decode() for document in documents] == [
        PAGE.format(price="19.4933", zone="us-east-1a", token="second"),
        PAGE.format(price="20.1017", zone="us-east-1b", token=""),
    ]
    assert {document.context["region"] for document in documents} == {"us-east-1"}


def test_a_zone_has_an_offer_of_its_own(ec2: str):
    documents = answers(
        spot_prices(["p5.48xlarge"]), "us-east-1", now=NOW, within=session(), endpoint_url=ec2
    )
    offers = [fact for document in documents for fact in parse(document) if isinstance(fact, Offer)]
    assert [(offer.zone, offer.price.amount) for offer in offers] == [
        ("us-east-1a", Decimal("19.4933")),
        ("us-east-1b", Decimal("20.1017")),
    ]
    assert {offer.purchase_option for offer in offers} == {PurchaseOption.SPOT}
    assert len({offer.offer_id for offer in offers}) == 2


def test_the_request_is_signed_and_asks_for_linux_prices_of_accelerator_types(ec2: str):
    list(answers(spot_prices(accelerator_types()), "us-east-1", now=NOW, within=session(), endpoint_url=ec2))
    authorization, form = EC2.seen[0]
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert form["ProductDescription.1"] == ["Linux/UNIX"]
    asked = {value for _, form in EC2.seen for key in form if ".Value." in key for value in form[key]}
    assert {"p5.48xlarge", "g6f.large", "trn1.32xlarge"} <= asked
    assert "vt1.3xlarge" not in asked


def test_no_document_holds_the_secret_or_the_signature(ec2: str):
    for document in answers(
        spot_prices(["p5.48xlarge"]), "us-east-1", now=NOW, within=session(), endpoint_url=ec2
    ):
        kept = repr(document.request) + document.body.decode()
        assert SECRET not in kept
        assert "Signature" not in kept
        assert "AKIDEXAMPLE" not in kept


def test_a_region_that_is_not_enabled_is_refused(ec2: str):
    with pytest.raises(RefusedFetchError, match="AuthFailure"):
        list(
            answers(spot_prices(["p5.48xlarge"]), "me-central-1", now=NOW, within=session(), endpoint_url=ec2)
        )


@pytest.mark.slow
def test_a_region_in_trouble_is_worth_another_attempt(ec2: str):
    with pytest.raises(TransientFetchError, match="Unavailable"):
        list(answers(spot_prices(["p5.48xlarge"]), "me-south-1", now=NOW, within=session(), endpoint_url=ec2))
    assert len(EC2.seen) == 2


def test_without_credentials_the_variables_are_named(ec2: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(MissingCredentialError, match="AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY"):
        session()
    assert EC2.seen == []


def test_blocks_are_asked_for_type_by_type_and_one_that_a_region_has_not_is_passed_over(ec2: str):
    asked = capacity_blocks(["g6.xlarge", "p4d.24xlarge", "p5.48xlarge", "trn2.48xlarge"])
    documents = list(answers(asked, "us-east-1", now=NOW, within=session(), endpoint_url=ec2))
    assert [form["InstanceType"] for _, form in EC2.seen] == [
        ["p4d.24xlarge"],
        ["p5.48xlarge"],
        ["trn2.48xlarge"],
    ]
    facts = [fact for document in documents for fact in aws_capacity_blocks.parse(document)]
    assert [(fact.sku, fact.zone, fact.price.amount) for fact in facts if isinstance(fact, Offer)] == [
        ("p5.48xlarge", "us-east-1a", Decimal("31.464")),
        ("trn2.48xlarge", "us-east-1a", Decimal("31.464")),
    ]
    assert {document.source for document in documents} == {"aws_capacity_blocks"}


def test_a_region_that_refuses_blocks_is_a_failure_all_the_same(ec2: str):
    asked = capacity_blocks(["p5.48xlarge"])
    with pytest.raises(RefusedFetchError, match="AuthFailure"):
        list(answers(asked, "me-central-1", now=NOW, within=session(), endpoint_url=ec2))
