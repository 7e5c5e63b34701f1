"""What a release consists of: names of files, versions, and the records that bind them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from gpuledger.core.count import counted
from gpuledger.core.errors import CorruptError

FORMAT = 1
"""Version of the layout; a reader refuses a newer one."""

MANIFEST = "manifest.json"
CHAIN = "chain.jsonl"
SIGNATURE = "manifest.json.sig"
LATEST = "latest.json"
OFFERS = "offers.parquet"
PRICES = "prices"
INDEX = "index"
_INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
NOT_LISTED = frozenset({MANIFEST, SIGNATURE})
"""Files that the manifest does not list: itself, and what signs it."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a release."""

    path: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]
    rows: Annotated[int, Field(ge=0)] | None = None


@dataclass(frozen=True, kw_only=True)
class ReleaseManifest:
    """What a release holds; the file `manifest.json`."""

    number: Annotated[int, Field(ge=1)]
    """Of the link in the chain that this release is."""
    snapshot: int
    published_at: Annotated[str, Field(pattern=_INSTANT)]
    """When the ledger's snapshot was made, ISO 8601, UTC."""
    program: str
    """Version of gpuledger that wrote it."""
    index_method: int
    files: tuple[File, ...]
    format: Annotated[int, Field(ge=1)] = FORMAT

    def file(self, path: str) -> File | None:
        """The entry of a file."""
        return next((file for file in self.files if file.path == path), None)

    def to_json(self) -> bytes:
        """The file's bytes; the same for the same release."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()


@dataclass(frozen=True, kw_only=True)
class Link:
    """One release in the chain: a line of `chain.jsonl`."""

    number: int
    snapshot: int
    published_at: Annotated[str, Field(pattern=_INSTANT)]
    files_sha256: str
    """Over paths and digests of all files of that release but the chain."""
    closed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Months that this release closed, by path: from now on their bytes stand."""
    before: str | None = None
    """SHA-256 of the line before."""

    def to_line(self) -> str:
        """The line, without its end."""
        return json.dumps(asdict(self), sort_keys=True)


def digest(body: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()


def digest_of(path: Path) -> str:
    """The same of a file, however large."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_files(files: Sequence[File]) -> str:
    """One digest over all files but the chain."""
    listed = sorted((file.path, file.sha256) for file in files if file.path != CHAIN)
    return digest("".join(f"{path} {sha}\n" for path, sha in listed).encode())


def read_manifest(body: bytes, where: str) -> ReleaseManifest:
    """The manifest in these bytes; what a later program adds to it is not looked at.

    Raises:
        CorruptError: they are none, or of a newer layout.
    """
    try:
        form = TypeAdapter(_Form).validate_json(body).format
        if form > FORMAT:
            raise CorruptError(
                f"{where}/{MANIFEST} has format {form}, this program reads up to {FORMAT}: upgrade it"
            )
        manifest = TypeAdapter(ReleaseManifest).validate_json(body, strict=True)
    except ValidationError as error:
        raise CorruptError(f"{where}/{MANIFEST} is no manifest of a release: {_first(error)}") from error
    paths = Counter(file.path for file in manifest.files)
    for path, count in paths.items():
        if count > 1:
            raise CorruptError(f"{where}/{MANIFEST} lists {path} {counted(count, 'time')}")
    return manifest


@dataclass(frozen=True, kw_only=True)
class _Form:
    format: int


def _first(error: ValidationError) -> str:
    """The first fault, and where it is."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]


def read_chain(body: bytes, where: str) -> list[Link]:
    """The links of a chain, each bound to the one before.

    Raises:
        CorruptError: a line is none, or does not follow from the one before; names it.
    """
    links: list[Link] = []
    before: str | None = None
    for number, line in enumerate(body.splitlines(), start=1):
        try:
            link = TypeAdapter(Link).validate_json(line, strict=True)
        except ValidationError as error:
            raise CorruptError(f"{where}/{CHAIN}: line {number} is no release: {_first(error)}") from error
        if link.to_line().encode() != line:
            raise CorruptError(f"{where}/{CHAIN}: line {number} is not as this program writes it: upgrade it")
        if link.before != before or link.number != number:
            raise CorruptError(
                f"{where}/{CHAIN}: line {number} does not follow from the one before: the past was rewritten"
            )
        links.append(link)
        before = digest(line)
    return links


def chain_faults(manifest: ReleaseManifest, links: Sequence[Link]) -> Iterator[str]:
    """What a manifest has other than the chain that binds it."""
    if not links or links[-1].number != manifest.number:
        yield f"{MANIFEST} is release {manifest.number}, {CHAIN} ends with {len(links)}"
    elif (links[-1].published_at, links[-1].snapshot) != (manifest.published_at, manifest.snapshot):
        yield (
            f"{MANIFEST} says snapshot {manifest.snapshot} of {manifest.published_at}, the last line of {CHAIN}"
            f" {links[-1].snapshot} of {links[-1].published_at}"
        )
    elif links[-1].files_sha256 != digest_of_files(manifest.files):
        yield f"{MANIFEST} lists other files than the last line of {CHAIN} binds"
    for path, (sha256, closed_by) in closed_months(links).items():
        file = manifest.file(path)
        if file is None:
            yield f"{path} is missing: release {closed_by} closed it"
        elif file.sha256 != sha256:
            yield f"{path} was rewritten after release {closed_by} had closed it"


def closed_months(links: Sequence[Link]) -> dict[str, tuple[str, int]]:
    """By path of a closed month its digest, and the number of the release that closed it."""
    return {path: (sha256, link.number) for link in links for path, sha256 in link.closed.items()}
