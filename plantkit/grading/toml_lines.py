"""Finds the lines of the keys in a TOML file, which `tomllib` does not give."""

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
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        first = first if statement else number
        statement += f"{line}\n"
        value = _parsed(statement)
        if value is None:
            continue  # it goes on in the next line
        paths = _paths(value)
        header = statement.lstrip()
        if header.startswith("["):
            table = _into_arrays(paths[-1], arrays, is_array=header.startswith("[["))
            paths = [()]
        for path in paths:
            found.setdefault(table + path, first)
        statement = ""
    return found


def line_of(lines: Mapping[KeyPath, int], path: Sequence[str | int]) -> int | None:
    """Returns the line of `path`, or of the nearest place around it that has one."""
    for length in range(len(path), 0, -1):
        if tuple(path[:length]) in lines:
            return lines[tuple(path[:length])]
    return None


def _into_arrays(header: KeyPath, arrays: dict[KeyPath, int], *, is_array: bool) -> KeyPath:
    """Returns the path of a header, with the position in each array of tables on the way."""
    path: KeyPath = ()
    for depth, part in enumerate(header, start=1):
        path = (*path, part)
        if is_array and depth == len(header):
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _paths(value: Mapping[str, Any]) -> list[KeyPath]:
    """Returns the paths of the keys in one statement; a dotted key gives one for each part."""
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
