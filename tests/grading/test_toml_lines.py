"""Lines of TOML keys, against lines counted by hand and a key on every line."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plantkit.grading.toml_lines import key_lines, line_of

TEXT = '''# a comment with [brackets] and key = 1
title = "x"
long = """
[not.a.table]
not_a_key = 1
"""
[run] # [[criteria]]
densities = [
    "planted", # ]
    0.5,
]
a.b.c = 1
"quoted key" = 2

[[criteria]]
name = "first"
steps = [{ at_least = 1, points = 2 }]

[[criteria]]
name = "second"
[criteria.inner]
deep = true
[[criteria.parts]]
x = 1
[[criteria.parts]]
x = 2
'''


def test_every_key_has_its_line() -> None:
    tomllib.loads(TEXT)
    lines = key_lines(TEXT)
    assert lines["title",] == 2
    assert lines["long",] == 3
    assert lines["run",] == 7
    assert lines["run", "densities"] == 8
    assert lines["run", "a", "b", "c"] == 12
    assert lines["run", "quoted key"] == 13
    assert lines["criteria", 0] == 15
    assert lines["criteria", 0, "name"] == 16
    assert lines["criteria", 1, "name"] == 20
    assert lines["criteria", 1, "inner", "deep"] == 22
    assert lines["criteria", 1, "parts", 0, "x"] == 24
    assert lines["criteria", 1, "parts", 1, "x"] == 26
    assert ("not_a_key",) not in lines


def test_a_place_inside_of_a_value_has_the_line_around_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("criteria", 0, "steps", 0, "points")) == 17
    assert line_of(lines, ("criteria", 0, "missing")) == 15
    assert line_of(lines, ("nowhere",)) is None


def test_indented_headers_and_keys_have_their_lines() -> None:
    text = "\n  [run]\n\ta = 1\n  [[criteria]]\n    b = 1\n \t[[criteria]]\n b = 2"
    assert key_lines(text) == {
        ("run",): 2,
        ("run", "a"): 3,
        ("criteria", 0): 4,
        ("criteria", 0, "b"): 5,
        ("criteria", 1): 6,
        ("criteria", 1, "b"): 7,
    }


_keys = st.text("abcdef_-\"' .]#=", min_size=1, max_size=6)


def _written(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@given(st.lists(st.tuples(_keys, st.lists(_keys, unique=True, max_size=4)), max_size=5))
def test_arrays_of_tables_with_any_keys(tables: list[tuple[str, list[str]]]) -> None:
    """The n-th table of a name is found at the line where it was written."""
    text: list[str] = []
    expected: dict[tuple[Any, ...], int] = {}
    counts: dict[str, int] = {}
    for name, keys in tables:
        text.append(f"[[{_written(name)}]]")
        number = counts[name] = counts.get(name, -1) + 1
        expected[name, number] = len(text)
        for key in keys:
            text.append(f"{_written(key)} = [{_written(key)},")
            expected[name, number, key] = len(text)
            text.append("  1]")
    assert key_lines("\n".join(text)) == expected
