"""The secret of a class: fresh instances and pseudonyms come from it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from pathlib import Path

from plantkit.errors import ResultsError
from plantkit.files import write_whole

FILE = "secret"
#: Only the owner can read it.
_MODE = 0o600
_LEAST_CHARACTERS = 16
_DOMAIN = "plantkit-pseudonym-1\n"
_LEAST_DIGITS = 4


def class_secret(directory: Path) -> tuple[str, bool]:
    """Returns the secret that `directory` keeps, and whether it was made just now.

    Raises:
        ResultsError: the file does not hold a secret.
    """
    path = directory / FILE
    if not path.exists():
        write_whole(path, secrets.token_hex(32) + "\n", mode=_MODE)
        return path.read_text(encoding="utf-8").strip(), True
    secret = path.read_text(encoding="utf-8", errors="replace").strip()
    if len(secret) < _LEAST_CHARACTERS:
        raise ResultsError(
            f"{path} holds {len(secret)} characters; expected the secret of the class, "
            f"{_LEAST_CHARACTERS} or more: put it back, or start in another directory"
        )
    return secret, False


def pseudonyms(ids: Iterable[str], secret: str) -> dict[str, str]:
    """Returns a pseudonym for each id, which says nothing of it and stays the same.

    It takes more digits where two would be the same.
    """
    digests = {
        one: hmac.digest(secret.encode(), (_DOMAIN + one).encode(), hashlib.sha256).hex()
        for one in ids
    }
    digits = _LEAST_DIGITS
    while len({digest[:digits] for digest in digests.values()}) < len(digests):
        digits += 1
    return {one: f"student {digest[:digits]}" for one, digest in digests.items()}
