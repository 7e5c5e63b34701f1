"""Answers that plain HTTP cannot get, because the provider wants its own signature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from importlib.util import find_spec

from gpuledger.core.document import Document
from gpuledger.core.errors import SourceError
from gpuledger.core.region import region_codes
from gpuledger.scrapers.http.aws_api import (
    Query,
    accelerator_types,
    answers,
    capacity_blocks,
    session,
    spot_prices,
)

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
