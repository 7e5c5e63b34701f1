"""What a release consists of: names of files, versions, and the records that bind them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

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
NOT_LISTED = frozenset({MANIFEST, SIGNATURE})
"""Files that the manifest does not list: itself, and what signs it."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a release."""

    path: str
    sha256: str
    bytes: int
    rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class ReleaseManifest:
    """What a release holds; the file `manifest.json`."""

    number: int
    """Of the link in the chain that this release is."""
    snapshot: int
    published_at: str
    """When the ledger's snapshot was made, ISO 8601, UTC."""
    program: str
    """Version of gpuledger that wrote it."""
    index_method: int
    files: tuple[File, ...]
    format: int = FORMAT

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
    published_at: str
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
    """The manifest in these bytes.

    Raises:
        CorruptError: they are none, or of a newer program.
    """
    try:
        content: dict[str, Any] = json.loads(body)
        if content["format"] > FORMAT:
            raise CorruptError(
                f"{where}/{MANIFEST} has format {content['format']}, this program reads up to {FORMAT}: upgrade it"
            )
        files = tuple(File(**file) for file in content.pop("files"))
        return ReleaseManifest(**content, files=files)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptError(f"{where}/{MANIFEST} is no manifest of a release: {error}") from error


def read_chain(body: bytes, where: str) -> list[Link]:
    """The links of a chain, each bound to the one before.

    Raises:
        CorruptError: a line is none, or does not follow from the one before; names it.
    """
    links: list[Link] = []
    before: str | None = None
    for number, line in enumerate(body.decode(errors="replace").splitlines(), start=1):
        try:
            link = Link(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise CorruptError(f"{where}/{CHAIN}: line {number} is no release: {error}") from error
        if link.before != before or link.number != number:
            raise CorruptError(
                f"{where}/{CHAIN}: line {number} does not follow from the one before: the past was rewritten"
            )
        links.append(link)
        before = digest(line.encode())
    return links


def closed_months(links: Sequence[Link]) -> dict[str, tuple[str, int]]:
    """By path of a closed month its digest, and the number of the release that closed it."""
    return {path: (sha256, link.number) for link in links for path, sha256 in link.closed.items()}
