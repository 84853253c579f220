"""Names that tell hand-ins apart on every file system."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_MOST = 60
#: What Windows takes for a device, whatever suffix follows.
DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


class IdMaker:
    """Makes ids that differ, also where letters' case does not count.

    An id depends on nothing but the hand-in itself, so that it stays when others come: two
    hand-ins of one stem are kept apart by what is left of their keys.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def make(self, stem: str, key: str) -> str:
        """Returns an id: letters, digits, `-`, `_` and `.`, not at its start, at most 72.

        Args:
            stem: what it should say. key: of this hand-in alone.
        """
        plain, is_whole = _plain(stem)
        if DEVICE.match(plain):
            plain = f"x-{plain}"
        if not is_whole:
            plain = f"{plain}-{_digest(key)}" if plain else _digest(key)
        if plain.casefold() in self._taken:
            plain = f"{plain}-{_digest(key)}"
        self._taken.add(plain.casefold())
        return plain


def _plain(text: str) -> tuple[str, bool]:
    """Returns text in ASCII letters, digits and `-_.` alone, and whether no letter is lost."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    letters = bare.encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", letters).strip("-._")
    return plain[:_MOST].rstrip("-._"), bool(plain) and bare.isascii() and len(plain) <= _MOST


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
