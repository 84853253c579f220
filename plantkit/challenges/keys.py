"""Key files: one line of text, which says what the key is for and has it in hexadecimal digits.

What keys do is in `plantkit.challenges.sealing` and `plantkit.challenges.signing`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from plantkit.errors import UsageError
from plantkit.files import about

KEY_BYTES = 32
_MOST_KEY_FILE_BYTES = 4096

#: What begins a key's text, and what such a key does.
KINDS: Mapping[str, str] = {
    "plantkit-secret-key-1": "opens sealed truths",
    "plantkit-public-key-1": "seals truths",
    "plantkit-signing-key-1": "signs bundles",
    "plantkit-signer-1": "checks signatures",
}
_SIGNING = frozenset({"plantkit-signing-key-1", "plantkit-signer-1"})


class HasText(Protocol):
    """A key that can be written to a file."""

    def to_text(self) -> str: ...


class KeyPair(HasText, Protocol):
    """A secret key that knows its public half."""

    @property
    def public(self) -> HasText: ...


def read_key_text(path: Path) -> str:
    """Returns the text of a key file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(_MOST_KEY_FILE_BYTES).decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def parse_key(text: str, *, where: str, kinds: Collection[str]) -> tuple[str, bytes]:
    """Returns the kind of a key, one of `kinds`, and its bytes; neither shows in a message.

    Raises:
        UsageError: `text` is not a key, or one of another kind.
    """
    kind, _, digits = text.strip().partition(":")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = b""
    makes = "plantkit keygen" + (" --signing" if _SIGNING.issuperset(kinds) else "")
    if kind not in KINDS or len(data) != KEY_BYTES:
        raise UsageError(
            f"{where} holds no key; expected one line that begins with "
            f"{' or '.join(f'{name}:' for name in kinds)}; {makes} makes one"
        )
    if kind not in kinds:
        raise UsageError(
            f"{where} holds a key that {KINDS[kind]}; expected one that "
            f"{' or '.join(KINDS[name] for name in kinds)}: {makes} makes one"
        )
    return kind, data


def write_keys(pair: KeyPair, path: Path) -> Path:
    """Writes the secret key to the new file `path`, readable by its owner only, and the public
    key next to it with the suffix `.pub`; returns the public key's path.

    Raises:
        UsageError: one of the files exists, or cannot be written.
    """
    target = path.with_name(path.name + ".pub")
    if target.exists():
        raise UsageError(f"{target} exists already; give another name, or move it away")
    made: list[Path] = []
    try:
        for file_path, key, mode in (
            (path, pair, stat.S_IRUSR | stat.S_IWUSR),
            (target, pair.public, 0o644),
        ):
            with about(file_path):
                descriptor = os.open(file_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
                made.append(file_path)
                with os.fdopen(descriptor, "w", encoding="ascii", newline="\n") as file:
                    file.write(key.to_text() + "\n")
    except OSError as error:
        for one in made:  # half a pair is of no use, and would be in the way of the next one
            one.unlink()
        if isinstance(error, FileExistsError):
            raise UsageError(
                f"{error.filename} exists already; a key is never overwritten: what was made "
                "with it would be lost"
            ) from error
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from error
    return target
