"""Fetch a published release whole, so that the next one goes on with its chain:
`python -m gpuledger.release.fetch URL DIR`. Where nothing is published yet, the next release is the first.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gpuledger.core.errors import CorruptError, GPULedgerError
from gpuledger.release.layout import MANIFEST, read_manifest
from gpuledger.release.reading import MOST_MANIFEST_BYTES, fault_of, opened


def fetch(place: str, folder: Path) -> int:
    """Write every file of the release at an address into a folder; returns how many.

    Raises:
        CorruptError: a file is not what the manifest says; nothing was written.
    """
    get = opened(place)
    try:
        body = get(MANIFEST, MOST_MANIFEST_BYTES)
    except FileNotFoundError:
        return 0
    bodies: dict[str, bytes] = {MANIFEST: body}
    for file in read_manifest(body, place).files:
        file_body, fault = fault_of(get, file)
        if file_body is None:
            raise CorruptError(f"{place}: {fault}")
        bodies[file.path] = file_body
    for path, content in bodies.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return len(bodies)


if __name__ == "__main__":
    try:
        sys.stderr.write(f"{fetch(sys.argv[1], Path(sys.argv[2]))} files\n")
    except GPULedgerError as error:
        raise SystemExit(f"error: {error}") from error
