"""Names that tell hand-ins apart on every file system."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_MOST = 60
#: What Windows takes for a device, whatever suffix follows.
DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


class IdMaker:
    """Makes ids that differ, also where letters' case does not count.

    An id says all of what a hand-in is called, or ends with a digest of it. So it never comes to
    mean another hand-in, whoever comes or goes. Where names are one but for the case of letters,
    each gets a digest.

    Args:
        words: what all ids are going to be made of.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        counted = Counter(_plain(one).casefold() for one in words)
        self._shared = {plain for plain, count in counted.items() if count > 1}
        self._taken: set[str] = set()

    def make(self, words: str, key: str | None = None, *, is_numbered: bool = False) -> str:
        """Returns an id: letters, digits, `-`, `_` and `.`, not at its start, at most 72.

        Args:
            words: what it should say. key: of this hand-in alone; the words if None.
            is_numbered: whether a number in the words tells it apart, whatever else is lost.
        """
        plain = _plain(words)
        is_whole = _is_ascii(words) and len(words) <= _MOST if is_numbered else plain == words
        if not is_whole or not plain or {plain.casefold()} & (self._shared | self._taken):
            plain = f"{plain}-{_digest(words if key is None else key)}".lstrip("-")
        self._taken.add(plain.casefold())
        return plain


def _plain(text: str) -> str:
    """Returns text in ASCII letters, digits and `-_.` alone, as far as it has any."""
    letters = _bare(text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", letters).strip("-._")[:_MOST].rstrip("-._")
    return f"x-{plain}" if DEVICE.match(plain) else plain


def _is_ascii(text: str) -> bool:
    """Whether no letter is lost without accents."""
    return _bare(text).isascii()


def _bare(text: str) -> str:
    """Returns text without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
