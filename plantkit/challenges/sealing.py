"""Sealed truths: encryption to a contest's public key, with HPKE (RFC 9180).

A contest has one key pair. The public key seals, on any machine; only the secret key opens,
so whoever plants need not be able to read what others planted. HPKE runs in its base mode
with X25519, HKDF-SHA256 and ChaCha20-Poly1305; its `info` binds a sealed truth to the id and
the commitment of its challenge. Keys are one line of text each:

    plantkit-secret-key-1:<64 hexadecimal digits>
    plantkit-public-key-1:<64 hexadecimal digits>

A sealed truth is `plantkit-sealed-1` and a line feed, the 8 bytes of the key's id (the first
of the SHA-256 of the public key), and what HPKE gives: the encapsulated key (32 bytes) and
the ciphertext, which is 16 bytes longer than the truth.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from plantkit.challenges.keys import KEY_BYTES, parse_key, read_key_text
from plantkit.errors import MissingExtraError, SealedTruthError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.hpke import Suite

#: The environment variable that may hold a key.
KEY_VARIABLE = "PLANTKIT_KEY"
#: What a sealed truth has in bytes beyond the truth itself: magic, key id, HPKE's share.
OVERHEAD_BYTES = 18 + 8 + 32 + 16

_MAGIC = b"plantkit-sealed-1\n"
_INFO_DOMAIN = b"plantkit-seal-1\n"
_KEY_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key that seals. `data`: 32 bytes."""

    data: bytes

    @property
    def id(self) -> str:
        """16 hexadecimal digits by which a key is told from another; not secret."""
        return hashlib.sha256(self.data).digest()[:_KEY_ID_BYTES].hex()

    def to_text(self) -> str:
        return f"plantkit-public-key-1:{self.data.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKey:
    """A key that opens, and with its public half seals. Its bytes never show in a repr."""

    data: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Returns a new key from the system's entropy."""
        _suite()  # without the package, the key would be of no use
        return cls(data=secrets.token_bytes(KEY_BYTES))

    @property
    def private(self) -> X25519PrivateKey:
        """The key as the package `cryptography` takes it."""
        _suite()
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        return X25519PrivateKey.from_private_bytes(self.data)

    @property
    def public(self) -> PublicKey:
        return PublicKey(data=self.private.public_key().public_bytes_raw())

    def to_text(self) -> str:
        return f"plantkit-secret-key-1:{self.data.hex()}"


Key = SecretKey | PublicKey
SomeKey = TypeVar("SomeKey", bound=Key)

_KINDS: Mapping[str, type[SecretKey] | type[PublicKey]] = {
    "plantkit-secret-key-1": SecretKey,
    "plantkit-public-key-1": PublicKey,
}


def seal(truth: bytes, key: Key, *, challenge_id: str, commitment: str) -> bytes:
    """Returns `truth` sealed for the holder of the secret key; no two calls give the same.

    Raises:
        MissingExtraError: the package `cryptography` is not installed.
        UsageError: X25519 does not take the key.
    """
    suite = _suite()
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    public = key.public if isinstance(key, SecretKey) else key
    try:
        ciphertext = suite.encrypt(
            truth,
            X25519PublicKey.from_public_bytes(public.data),
            info=_info(challenge_id, commitment),
        )
    except ValueError as error:
        raise UsageError(f"the public key {public.id} cannot be used: {error}") from error
    return _MAGIC + bytes.fromhex(public.id) + ciphertext


def open_sealed(
    content: bytes, key: SecretKey, *, path: Path, challenge_id: str, commitment: str
) -> bytes:
    """Returns the truth in the sealed `content` of the file `path`.

    Raises:
        SealedTruthError: sealed for another key.
        ValueError: it is not a sealed truth, was altered, or belongs to another challenge.
        MissingExtraError: the package `cryptography` is not installed.
    """
    suite = _suite()
    from cryptography.exceptions import InvalidTag

    if not content.startswith(_MAGIC) or len(content) < OVERHEAD_BYTES:
        raise ValueError("is not a sealed truth of a format that this plantkit reads")
    body = content.removeprefix(_MAGIC)
    key_id, ciphertext = body[:_KEY_ID_BYTES].hex(), body[_KEY_ID_BYTES:]
    if key_id != key.public.id:
        raise SealedTruthError(
            path, f"is sealed for the key {key_id}; the key given is {key.public.id}"
        )
    try:
        return suite.decrypt(ciphertext, key.private, info=_info(challenge_id, commitment))
    except (InvalidTag, ValueError) as error:
        raise ValueError(
            "cannot be opened with its key: it was altered, or belongs to another challenge"
        ) from error


def find_key(path: Path | None, environment: Mapping[str, str] = os.environ) -> Key | None:
    """Returns the key in the file `path`, or else in `PLANTKIT_KEY`, or None without either.

    Raises:
        UsageError: the file cannot be read, or it holds no key.
    """
    if path is None:
        text = environment.get(KEY_VARIABLE, "")
        return _parse_key(text, where=f"the variable {KEY_VARIABLE}") if text else None
    return _parse_key(read_key_text(path), where=str(path))


def find_secret_key(
    path: Path | None, environment: Mapping[str, str] = os.environ
) -> SecretKey | None:
    """Returns what `find_key` does, which must be a secret key.

    Raises:
        UsageError: it is a public key, or see `find_key`.
    """
    key = find_key(path, environment)
    if isinstance(key, PublicKey):
        raise UsageError(
            f"{path or KEY_VARIABLE} holds a public key, which seals only; "
            "expected the secret key that belongs to it"
        )
    return key


def given(key: SomeKey | None, *, needed_for: str) -> SomeKey:
    """Returns `key`; raises `UsageError` if it is None."""
    if key is None:
        raise UsageError(f"{needed_for} needs a key: --key FILE, or the variable {KEY_VARIABLE}")
    return key


def _parse_key(text: str, *, where: str) -> Key:
    kind, data = parse_key(text, where=where, kinds=_KINDS)
    return _KINDS[kind](data=data)


def _info(challenge_id: str, commitment: str) -> bytes:
    return _INFO_DOMAIN + f"{challenge_id}\n{commitment}\n".encode()


def _suite() -> Suite:
    try:
        from cryptography.hazmat.primitives import hpke
    except ImportError as error:
        raise MissingExtraError(extra="seal", needed_for="a sealed truth") from error
    return hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
