"""Lines of the keys of a TOML file, which `tomllib` does not tell."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

#: A place in a document: keys, and positions in arrays of tables.
KeyPath = tuple[str | int, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """Returns the line, from 1, of every key and table header in valid TOML.

    Keys inside of inline tables and arrays are left out; see `line_of`.
    """
    found: dict[KeyPath, int] = {}
    arrays: dict[KeyPath, int] = {}  # path of an array of tables to the number seen so far
    table: KeyPath = ()
    lines = text.split("\n")
    position = 0
    while position < len(lines):
        number = position + 1
        line = lines[position]
        position += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.lstrip().startswith("["):
            parts, is_array = _header(line)
            table = _into_arrays(parts, arrays, is_array=is_array)
            found[table] = number
            continue
        statement = line
        while (value := _parsed(statement)) is None and position < len(lines):
            statement += "\n" + lines[position]
            position += 1
        for path in _paths(value or {}):
            found.setdefault(table + path, number)
    return found


def line_of(lines: Mapping[KeyPath, int], path: Sequence[str | int]) -> int | None:
    """Returns the line of `path`, or of the nearest place around it that has one."""
    for length in range(len(path), 0, -1):
        if tuple(path[:length]) in lines:
            return lines[tuple(path[:length])]
    return None


def _into_arrays(parts: Sequence[str], arrays: dict[KeyPath, int], *, is_array: bool) -> KeyPath:
    """Returns the path of a header, with the position in each array of tables on the way."""
    path: KeyPath = ()
    for depth, part in enumerate(parts):
        path = (*path, part)
        if is_array and depth == len(parts) - 1:
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _header(line: str) -> tuple[list[str], bool]:
    """Returns the key of a table header, and whether it is one of an array of tables."""
    value: Any = _parsed(line)
    parts = []
    while isinstance(value, dict) and value:
        (part, value) = next(iter(value.items()))
        parts.append(part)
    return parts, isinstance(value, list)


def _paths(value: Mapping[str, Any]) -> list[KeyPath]:
    """Returns the paths of the keys in one statement; a dotted key gives one a part."""
    paths: list[KeyPath] = []
    for key, inner in value.items():
        paths.append((key,))
        if isinstance(inner, dict):
            paths += [(key, *path) for path in _paths(inner)]
    return paths


def _parsed(statement: str) -> dict[str, Any] | None:
    # The start of a statement that goes on in the next line is never valid by itself.
    try:
        return tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return None
