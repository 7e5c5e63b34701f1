"""Answers that plain HTTP cannot get, because the provider wants its own signature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec

from core.document import Document
from core.errors import SourceError
from core.region import region_codes
from scrapers.aws_spot_history import SOURCE_NAME, accelerator_types, session, spot_price_history

Signed = Mapping[str, Callable[[], Iterable[Document | SourceError]]]


def signed_sources(environ: Mapping[str, str], clock: Callable[[], datetime]) -> Signed:
    """What this environment can ask for, by source: needs the extra `aws` and `AWS_ACCESS_KEY_ID`."""
    if environ.get("AWS_ACCESS_KEY_ID") and find_spec("boto3"):
        return {SOURCE_NAME: lambda: _aws_zones(clock)}
    return {}


def _aws_zones(clock: Callable[[], datetime]) -> Iterator[Document | SourceError]:
    """Spot prices per zone, region by region. A region that an account has not enabled is only a note."""
    shared = session()
    for region in region_codes("aws"):
        try:
            yield from spot_price_history(region, accelerator_types(), now=clock(), within=shared)
        except SourceError as error:
            yield error
