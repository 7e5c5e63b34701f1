"""Answers that plain HTTP cannot get, because AWS wants its own signature: spot prices per zone, and Capacity Blocks
on offer.

Not an adapter. It returns documents for `aws_spot` and `aws_capacity_blocks`, whose `parse` reads them: the bytes
as EC2 sent them, to be archived like any other answer. Needs the extra `aws` (boto3), which looks for credentials
in the environment itself; a request is kept without its signature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from typing import Any, cast

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import (
    ConfigError,
    MissingCredentialError,
    RefusedFetchError,
    SourceError,
    TransientFetchError,
)
from gpuledger.core.provider import instance_shapes, region_codes

FILTER_VALUES = 100
"""Instance types of one call; EC2 takes up to 200 values per filter."""

BLOCK_FAMILIES = ("p4d.", "p4de.", "p5.", "p5e.", "p5en.", "p6-", "trn1.", "trn2.")
"""Families sold as Capacity Blocks (Amazon EC2 user guide, Capacity Blocks for ML, read 2026)."""

BLOCK_HOURS = 24
"""The shortest block, and so the one that most zones can offer."""

REFUSED = frozenset({"AuthFailure", "UnauthorizedOperation", "OptInRequired", "InvalidClientTokenId"})
"""Error codes that another attempt would meet again; `AuthFailure` is also a region that is not enabled."""

UNKNOWN_TYPE = frozenset(
    {"InvalidParameterValue", "InvalidInstanceType", "Unsupported", "UnsupportedOperation"}
)
"""Error codes for an instance type that a region does not have or sells in no block; others go on."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is asked of each region, and for which source."""

    source: str
    action: str
    operation: str
    """The action's name in boto3."""
    calls: Callable[[datetime], Iterable[Mapping[str, Any]]]
    """Parameters of each call at a time."""
    passed_over: frozenset[str] = frozenset()
    """Error codes of a call that has nothing to say here."""


def accelerator_types() -> list[str]:
    """The EC2 types that the seeds know to have accelerators."""
    return [
        name for (provider, name), shape in instance_shapes().items() if provider == "aws" and shape.gpu_count
    ]


def spot_prices(instance_types: Sequence[str]) -> Query:
    """Spot prices per zone that hold at the time of asking."""

    def calls(now: datetime) -> Iterator[Mapping[str, Any]]:
        for first in range(0, len(instance_types), FILTER_VALUES):
            # As a filter, not as a parameter: a type that EC2 has retired is no error there.
            type_filter = {
                "Name": "instance-type",
                "Values": list(instance_types[first : first + FILTER_VALUES]),
            }
            yield {"Filters": [type_filter], "ProductDescriptions": ["Linux/UNIX"], "StartTime": now}

    return Query(
        source="aws_spot",
        action="DescribeSpotPriceHistory",
        operation="describe_spot_price_history",
        calls=calls,
    )


def capacity_blocks(instance_types: Sequence[str]) -> Query:
    """Blocks of one instance for a day that can be had; EC2 is asked for one type at a time."""
    sold = [name for name in instance_types if name.startswith(BLOCK_FAMILIES)]
    queries = [
        {"InstanceType": name, "InstanceCount": 1, "CapacityDurationHours": BLOCK_HOURS} for name in sold
    ]
    return Query(
        source="aws_capacity_blocks",
        action="DescribeCapacityBlockOfferings",
        operation="describe_capacity_block_offerings",
        calls=lambda now: queries,
        passed_over=UNKNOWN_TYPE,
    )


def session() -> Any:
    """What knows the credentials and the shape of EC2's answers; to read that takes 0.2 s of a processor, so
    all regions of one refresh share it.

    Raises:
        ConfigError: boto3 is not installed.
        MissingCredentialError: boto3 finds no credentials.
    """
    try:
        import boto3
    except ImportError as error:
        raise ConfigError("asking EC2 needs the extra `aws` (boto3)") from error
    made: Any = cast(Any, boto3).Session()
    if made.get_credentials() is None:
        raise MissingCredentialError("aws_spot", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    return made


def answers(
    query: Query, region: str, *, now: datetime, within: Any, endpoint_url: str | None = None
) -> Iterator[Document]:
    """The answers of a region, one document per page.

    Args:
        now: the time of asking; also the documents' `fetched_at`.
        within: a `session`.
        endpoint_url: another server that speaks the EC2 query API.

    Raises:
        RefusedFetchError: the account may not ask, or has not enabled the region; carries EC2's error code.
        TransientFetchError: EC2 cannot be reached or answers with an error of its own.
    """
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    # A region in trouble times out (me-south-1, 2026); two short attempts let the others have their turn.
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2})
    client = within.client("ec2", region_name=region, endpoint_url=endpoint_url, config=config)
    url = f"{client.meta.endpoint_url}/?Action={query.action}"
    try:
        for call in query.calls(now):
            try:
                for body in _pages(client, query, call):
                    yield Document(
                        source=query.source,
                        request=Request(url=url, context={"region": region}),
                        body=body,
                        fetched_at=now.astimezone(UTC),
                        content_type="text/xml",
                    )
            except ClientError as error:
                code = str(cast(Any, error).response.get("Error", {}).get("Code"))
                if code not in query.passed_over:
                    kind = RefusedFetchError if code in REFUSED else TransientFetchError
                    raise kind(query.source, url, f"EC2 answers {code}") from None
    # These errors carry what was answered, which may repeat the request with its key.
    except (BotoCoreError, ResponseParserError) as error:
        raise TransientFetchError(query.source, url, type(error).__name__) from None
    finally:
        client.close()


def _pages(client: Any, query: Query, call: Mapping[str, Any]) -> Iterator[bytes]:
    bodies: list[bytes] = []

    def keep_body(http_response: Any, **_: Any) -> None:
        bodies.append(http_response.content)

    event = f"after-call.ec2.{query.action}"
    client.meta.events.register(event, keep_body)
    try:
        for _ in client.get_paginator(query.operation).paginate(**call):
            yield bodies.pop()
    finally:
        client.meta.events.unregister(event, keep_body)


# Answers that plain HTTP cannot get, because the provider wants its own signature.

Signed = Mapping[str, Callable[[], Iterable[Document | SourceError]]]


def signed_sources(environ: Mapping[str, str], clock: Callable[[], datetime]) -> Signed:
    """What this environment can ask for, by source: needs the extra `aws` and `AWS_ACCESS_KEY_ID`."""
    if environ.get("AWS_ACCESS_KEY_ID") and find_spec("boto3"):
        queries = (spot_prices(accelerator_types()), capacity_blocks(accelerator_types()))
        return {query.source: partial(_of_all_regions, query, clock) for query in queries}
    return {}


def _of_all_regions(query: Query, clock: Callable[[], datetime]) -> Iterator[Document | SourceError]:
    """Region by region. A region that an account has not enabled is only a note."""
    shared = session()
    for region in region_codes("aws"):
        try:
            yield from answers(query, region, now=clock(), within=shared)
        except SourceError as error:
            yield error
