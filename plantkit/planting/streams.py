"""Independent random streams, one per purpose, from one secret seed."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np

SEED_BYTES = 32


def fresh_seed() -> bytes:
    """Returns 32 bytes of the system's entropy."""
    return secrets.token_bytes(SEED_BYTES)


def generator(seed: bytes, purpose: str) -> np.random.Generator:
    """Returns the PCG64 stream of one purpose, keyed by SHA-256(seed || purpose).

    The streams of one seed share no state: whoever recovers the state of one, say from a
    network's untouched weights, learns nothing of the others.

    Args:
        seed: any bytes; secret ones come from `fresh_seed`.
        purpose: a short name such as `"initialization"`.
    """
    digest = hashlib.sha256(seed + purpose.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
