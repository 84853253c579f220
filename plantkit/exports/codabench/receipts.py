"""Tells scoring that results are those that ingestion wrote.

Codabench's worker also runs the command in a submission's own `metadata.yaml`, at the same time and
without plantkit's limits, in a container that writes where ingestion does. Both programs have a key
that this container does not see; ingestion signs with it what it has written.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from plantkit.errors import UsageError
from plantkit.files import write_whole
from plantkit.isolation.scratch import read_regular

#: In the directory of each program.
KEY_FILE = "receipt.key"
#: In ingestion's output.
RECEIPT_FILE = "receipt.txt"
_MOST_RECEIPT = 1000
_MOST_BYTES = 1024 * 1024 * 1024


def write_key(programs: Iterable[Path]) -> None:
    """Writes a new key into the directories of both programs."""
    key = secrets.token_hex(32)
    for program in programs:
        write_whole(program / KEY_FILE, f"{key}\n", mode=0o600)


def read_key(program: Path | None) -> bytes | None:
    """Returns the key in a program's directory, or None: bundles of before have none.

    Raises:
        UsageError: it is empty.
    """
    path = None if program is None else program / KEY_FILE
    if path is None or not path.exists():
        return None
    key = path.read_bytes().strip()
    if not key:
        raise UsageError(f"{path} is empty; export the bundle again")
    return key


def receipt(key: bytes, contents: Mapping[str, bytes | None]) -> str:
    """Returns what proves the contents of files, by name; None stands for no file."""
    proof = hmac.new(key, digestmod="sha256")
    for name, content in sorted(contents.items()):
        digest = "none" if content is None else hashlib.sha256(content).hexdigest()
        proof.update(f"{name} {digest}\n".encode())
    return proof.hexdigest()


def is_genuine(key: bytes, results: Path, names: Iterable[str]) -> bool:
    """Whether files in ingestion's output are those of its receipt."""
    contents: dict[str, bytes | None] = {}
    try:
        found = read_regular(results / RECEIPT_FILE, _MOST_RECEIPT)
        for name in names:
            there = os.path.lexists(results / name)
            contents[name] = read_regular(results / name, _MOST_BYTES) if there else None
    except OSError:
        return False
    return hmac.compare_digest(found.strip(), receipt(key, contents).encode())
