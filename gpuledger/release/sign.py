"""Ed25519 signatures of a manifest (RFC 8032), by a key in a PEM file."""

from __future__ import annotations

import base64
from pathlib import Path

from gpuledger.core.errors import ConfigError, CorruptError


def sign(body: bytes, key: Path) -> str:
    """The signature in base64, with an end of line. The same for the same bytes and key.

    Raises:
        ConfigError: no such key, or the package that signs is not installed.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"--key: cannot read {key}: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError(f"--key: {key} is no Ed25519 key; `openssl genpkey -algorithm ed25519` makes one")
    return base64.b64encode(private.sign(body)).decode() + "\n"


def check_signature(body: bytes, signature: bytes, key: Path) -> None:
    """Hold a manifest against its signature.

    Raises:
        ConfigError: no such public key.
        CorruptError: the signature is of other bytes, or by another key.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public = load_pem_public_key(key.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--public-key: cannot read {key}: {error}") from error
    if not isinstance(public, Ed25519PublicKey):
        raise ConfigError(f"--public-key: {key} is no Ed25519 key")
    try:
        public.verify(base64.b64decode(signature.strip(), validate=True), body)
    except (InvalidSignature, ValueError) as error:
        raise CorruptError(f"the manifest is not signed by the key in {key}") from error
