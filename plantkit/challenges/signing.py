"""Signatures of bundles, with Ed25519 (RFC 8032): whoever holds the public key can check whose a
bundle is, and that nothing in it was changed.

A signature is of the id of a challenge and of the digest of its whole bundle, which is the same
sealed or not. It is a file in the bundle, `challenge.sig`, with one line:

    plantkit-signature-1:<64 hexadecimal digits of the public key>:<128 of the signature>

Keys are one line of text each, too:

    plantkit-signing-key-1:<64 hexadecimal digits>
    plantkit-signer-1:<64 hexadecimal digits>
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from plantkit.challenges.files import read_bounded
from plantkit.challenges.frozen import unix_lines
from plantkit.challenges.keys import KEY_BYTES, parse_key, read_key_text
from plantkit.challenges.manifests import Stated
from plantkit.errors import BundleError, MissingExtraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE = "challenge.sig"
_DOMAIN = b"plantkit-bundle-1\n"
_SECRET, _PUBLIC = "plantkit-signing-key-1", "plantkit-signer-1"
_LINE = re.compile(rb"plantkit-signature-1:([0-9a-f]{64}):([0-9a-f]{128})\n")
_MOST_SIGNATURE_BYTES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The public key of whoever signs. `data`: 32 bytes."""

    data: bytes

    @property
    def id(self) -> str:
        """16 hexadecimal digits by which a key is told from another; not secret."""
        return hashlib.sha256(self.data).hexdigest()[:16]

    def to_text(self) -> str:
        return f"{_PUBLIC}:{self.data.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that signs. Its bytes never show in a repr."""

    data: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Returns a new key from the system's entropy."""
        _check_extra()  # without the package, the key would be of no use
        return cls(data=secrets.token_bytes(KEY_BYTES))

    @property
    def private(self) -> Ed25519PrivateKey:
        """The key as the package `cryptography` takes it."""
        _check_extra()
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.data)

    @property
    def public(self) -> Signer:
        return Signer(data=self.private.public_key().public_bytes_raw())

    def to_text(self) -> str:
        return f"{_SECRET}:{self.data.hex()}"


def read_signing_key(path: Path) -> SigningKey:
    """Returns the key in a file that signs.

    Raises:
        UsageError: the file cannot be read, or holds none.
        MissingExtraError: the package `cryptography` is not installed.
    """
    _check_extra()
    _, data = parse_key(read_key_text(path), where=str(path), kinds=[_SECRET])
    return SigningKey(data=data)


def read_signer(path: Path) -> Signer:
    """Returns the key in a file by which signatures are checked; a signing key has it, too.

    Raises:
        UsageError: the file cannot be read, or holds none.
        MissingExtraError: the package `cryptography` is not installed.
    """
    kind, data = parse_key(read_key_text(path), where=str(path), kinds=[_PUBLIC, _SECRET])
    return SigningKey(data=data).public if kind == _SECRET else Signer(data=data)


def sign(challenge_id: str, whole: str, key: SigningKey) -> bytes:
    """Returns the content of `challenge.sig` of a bundle; `whole` is the digest of all of it.

    Raises:
        MissingExtraError: the package `cryptography` is not installed.
    """
    signature = key.private.sign(_message(challenge_id, whole))
    return f"plantkit-signature-1:{key.public.data.hex()}:{signature.hex()}\n".encode()


def check_signature(directory: Path, stated: Stated, signer: Signer | None = None) -> Signer:
    """Returns who signed the bundle in `directory`.

    Args:
        stated: by its manifest.
        signer: who should have; whoever did if None.

    Raises:
        BundleError: it is not signed, or not by `signer`, or was changed since.
        MissingExtraError: the package `cryptography` is not installed.
    """
    _check_extra()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    path = directory / SIGNATURE
    by = "" if signer is None else f" by the key {signer.id}"
    content = read_bounded(
        path, _MOST_SIGNATURE_BYTES, missing=f"is missing; expected a signature{by}"
    )
    line = _LINE.fullmatch(unix_lines(content))
    if line is None:
        raise BundleError(path, "is not a signature; expected one line: get it again")
    found = Signer(data=bytes.fromhex(line[1].decode()))
    if signer is not None and found != signer:
        raise BundleError(path, f"is a signature by the key {found.id}; expected one{by}")
    message = _message(stated.manifest["id"], stated.whole or "")
    try:
        Ed25519PublicKey.from_public_bytes(found.data).verify(
            bytes.fromhex(line[2].decode()), message
        )
    except (InvalidSignature, ValueError) as error:
        raise BundleError(
            path,
            "does not fit the bundle, which was changed since the key "
            f"{found.id} signed it, or the signature was: get both again",
        ) from error
    return found


def _message(challenge_id: str, whole: str) -> bytes:
    return _DOMAIN + f"{challenge_id}\n{whole}\n".encode()


def _check_extra() -> None:
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(extra="seal", needed_for="a signature") from error
