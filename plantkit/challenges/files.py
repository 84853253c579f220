"""Reading files that may have been altered or made to harm: bounded, strict, never followed.

Whatever is wrong with a file is a `BundleError` that names it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from plantkit.errors import BundleError
from plantkit.schemas import violations

if TYPE_CHECKING:
    from torch import Tensor

#: Most bytes of the header of a safetensors file; a network of 200 layers needs 60 KiB.
MOST_HEADER_BYTES = 1 << 20
#: Integers beyond it are no longer exact as floats, and nothing in a bundle is that large.
_MOST_INTEGER = 1 << 53
_MOST_DIGITS = 20


def read_bounded(path: Path, most_bytes: int, *, missing: str = "is missing") -> bytes:
    """Returns the content of the regular file `path`, which is not a symbolic link.

    Raises:
        BundleError: it is missing (`missing` says so), not a regular file, not readable, or
            larger than `most_bytes`.
    """
    with _open_regular(path, missing) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise BundleError(path, f"is larger than {most_bytes} bytes")
    return content


def read_digested(path: Path, *, sha256: str, size: int, most_bytes: int) -> bytes:
    """Returns the content of a file whose size and SHA-256 are as stated.

    Raises:
        BundleError: they are not, or `size` is more than `most_bytes`, or the file is missing,
            not a regular file or not readable.
    """
    if size > most_bytes:
        raise BundleError(
            path, f"is stated to have {size} bytes; what it holds needs at most {most_bytes}"
        )
    with _open_regular(path, "is missing; get the bundle again") as file:
        found_size = os.fstat(file.fileno()).st_size
        if found_size != size:
            raise BundleError(path, f"has {found_size} bytes; expected {size}")
        content = file.read(size + 1)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise BundleError(
            path, f"has been altered: its SHA-256 is {found}; expected {sha256}: get it again"
        )
    return content


def parse_json(path: Path, content: bytes) -> Any:
    """Returns the value of JSON text: UTF-8, no key twice, only finite numbers.

    Raises:
        BundleError: it is not.
    """
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_float=finite,
            parse_int=_exact,
        )
    except (ValueError, RecursionError) as error:
        raise BundleError(path, f"is not valid JSON: {error}") from error


def check_schema(path: Path, value: Any, schema: str) -> None:
    """Raises `BundleError` unless `value`, read from `path`, keeps the schema of this name."""
    try:
        broken = violations(value, schema)
    except (RecursionError, ValueError) as error:  # a huge integer cannot even be quoted
        raise BundleError(path, f"cannot be checked: {error}") from error
    if broken:
        raise BundleError(path, f"breaks its schema at {'; '.join(broken[:3])}")


def parse_tensors(path: Path, content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Returns the tensors of a safetensors file, by name, and its metadata.

    Raises:
        BundleError: it is not a safetensors file, or a key in its header comes twice.
    """
    from safetensors.torch import load as load_tensors

    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(MOST_HEADER_BYTES, len(content) - 8):
        raise BundleError(
            path, f"is not a valid safetensors file: a header of {length} bytes cannot be"
        )
    header = parse_json(path, content[8 : 8 + length])
    if not isinstance(header, dict):
        raise BundleError(path, "is not a valid safetensors file: its header is not an object")
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict):
        raise BundleError(path, "is not a valid safetensors file: its metadata is not an object")
    try:
        tensors = load_tensors(content)
    except Exception as error:  # a file that was made to harm gets any of them out of the library
        raise BundleError(path, f"is not a valid safetensors file: {error}") from error
    return tensors, {str(key): str(value) for key, value in metadata.items()}


def finite(text: str) -> float:
    """Returns the number that `text` spells; raises ValueError if it is not finite."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is not a finite number")
    return value


def _open_regular(path: Path, missing: str) -> BinaryIO:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise BundleError(path, missing) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BundleError(path, "is a symbolic link; expected a regular file") from error
        if error.errno == errno.EACCES and path.is_dir():  # Windows opens none
            raise BundleError(path, "is not a regular file") from error
        raise BundleError(path, f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BundleError(path, "is not a regular file")
    return os.fdopen(descriptor, "rb")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for name, item in pairs:
        if name in value:
            raise ValueError(f"key {name[:80]!r} appears twice")
        value[name] = item
    return value


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number in JSON")


def _exact(text: str) -> int:
    value = int(text) if len(text) <= _MOST_DIGITS else math.inf
    if abs(value) > _MOST_INTEGER:
        raise ValueError(f"{text[:40]} is too large an integer")
    return int(value)
