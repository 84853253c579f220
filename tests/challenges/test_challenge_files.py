"""Files that may be made to harm: what is read, and the words for everything that is not."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from plantkit.challenges.files import (
    MOST_HEADER_BYTES,
    finite,
    parse_json,
    parse_tensors,
    read_bounded,
    read_digested,
)
from plantkit.errors import BundleError

PATH = Path("some/file.json")
DESCRIPTORS = Path("/proc/self/fd")


def refused(call: Callable[[], Any], path: Path = PATH) -> str:
    """Returns why `call` refuses a file, without the path that comes first."""
    with pytest.raises(BundleError) as caught:
        call()
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


# --- reading


def test_a_file_of_exactly_the_most_bytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bounded(path, 5) == b"12345"
    assert refused(lambda: read_bounded(path, 4), path) == "is larger than 4 bytes"


def test_bytes_come_back_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = bytes(range(256)) + b"\r\n\x1a\n"
    path.write_bytes(content)
    assert read_bounded(path, 1000) == content
    digest = hashlib.sha256(content).hexdigest()
    assert read_digested(path, sha256=digest, size=260, most_bytes=260) == content


def test_a_missing_file_is_said_to_be_missing_in_the_callers_words(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert refused(lambda: read_bounded(path, 5), path) == "is missing"
    found = refused(lambda: read_bounded(path, 5, missing="is nowhere"), path)
    assert found == "is nowhere"
    found = refused(lambda: read_digested(path, sha256="", size=1, most_bytes=1), path)
    assert found == "is missing; get the bundle again"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to(__file__), "is a symbolic link; expected a regular file"),
        (lambda path: path.symlink_to("/no"), "is a symbolic link; expected a regular file"),
        (
            lambda path: path.symlink_to(path),
            "is a symbolic link; expected a regular file",
        ),
    ],
    ids=["directory", "pipe", "link", "dangling link", "circle"],
)
def test_only_regular_files_are_read(
    tmp_path: Path, make: Callable[[Path], Any], words: str
) -> None:
    path = tmp_path / "file"
    make(path)
    assert refused(lambda: read_bounded(path, 1 << 30), path) == words
    found = refused(lambda: read_digested(path, sha256="", size=1, most_bytes=1), path)
    assert found == words


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="the system does not list open files")
def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    before = len(list(DESCRIPTORS.iterdir()))
    for _ in range(3):
        read_bounded(tmp_path / "file", 5)
        refused(lambda: read_bounded(tmp_path, 5), tmp_path)
    assert len(list(DESCRIPTORS.iterdir())) == before


def test_a_file_that_the_system_does_not_open_is_said_why(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)
    found = refused(lambda: read_bounded(path, 5), path)
    assert found == f"cannot be read: {os.strerror(errno.ENAMETOOLONG)}"


@pytest.mark.parametrize(
    ("sha256", "size", "most_bytes", "words"),
    [
        (None, 5, 4, "is stated to have 5 bytes; what it holds needs at most 4"),
        (None, 4, 9, "has 5 bytes; expected 4"),
        (None, 6, 9, "has 5 bytes; expected 6"),
        (
            "0" * 64,
            5,
            5,
            f"has been altered: its SHA-256 is {hashlib.sha256(b'12345').hexdigest()}; "
            f"expected {'0' * 64}: get it again",
        ),
    ],
)
def test_a_file_that_is_not_as_stated(
    tmp_path: Path, sha256: str | None, size: int, most_bytes: int, words: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    stated = sha256 or hashlib.sha256(b"12345").hexdigest()
    found = refused(
        lambda: read_digested(path, sha256=stated, size=size, most_bytes=most_bytes), path
    )
    assert found == words


# --- JSON


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "b": {"a": 2}}', {"a": 1, "b": {"a": 2}}),  # the same key in another object
        ("[1.5, -2e3, true, null]", [1.5, -2000.0, True, None]),
        ('"é"', "é"),
        (str(2**53), 2**53),
        (str(-(2**53)), -(2**53)),
    ],
)
def test_strict_json_is_read(text: str, value: Any) -> None:
    found = parse_json(PATH, text.encode())
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1, "a": 1}', "is not valid JSON: key 'a' appears twice"),
        (
            b'{"%b": 1, "%b": 2}' % (b"k" * 81, b"k" * 81),
            f"is not valid JSON: key '{'k' * 80}' appears twice",
        ),
        (b"NaN", "is not valid JSON: NaN is not a number in JSON"),
        (b"[-Infinity]", "is not valid JSON: -Infinity is not a number in JSON"),
        (b"1e999", "is not valid JSON: 1e999 is not a finite number"),
        (b"-1e999", "is not valid JSON: -1e999 is not a finite number"),
        (b"1e" + b"9" * 50, f"is not valid JSON: 1e{'9' * 38} is not a finite number"),
        (b"9007199254740993", "is not valid JSON: 9007199254740993 is too large an integer"),
        (b"-9007199254740993", "is not valid JSON: -9007199254740993 is too large an integer"),
        (b"1" * 20, f"is not valid JSON: {'1' * 20} is too large an integer"),
        # Longer than Python itself converts; only its start is shown.
        (b"1" * 5000, f"is not valid JSON: {'1' * 40} is too large an integer"),
        (b"0" * 2, "is not valid JSON: Extra data: line 1 column 2 (char 1)"),
        (b"{", "is not valid JSON: Expecting property name enclosed in double quotes"),
        (b"\xff", "is not valid JSON: 'utf-8' codec can't decode byte 0xff"),
        (b"[" * 200_000, "is not valid JSON: "),
    ],
    ids=range(15),
)
def test_other_json_is_refused(content: bytes, words: str) -> None:
    assert refused(lambda: parse_json(PATH, content)).startswith(words)


def test_finite_numbers() -> None:
    assert finite("-1.5e3") == -1500.0
    for text in ("inf", "nan", "1e400"):
        with pytest.raises(ValueError, match=f"{text} is not a finite number"):
            finite(text)
    assert not math.isnan(finite("0"))


# --- tensors

#: The header of a tensor whose four bytes are missing.
CUT_OFF = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
TENSORS = {"b": torch.arange(6, dtype=torch.float32).reshape(2, 3), "a": torch.tensor([True])}


def file_of(header: bytes, data: bytes = b"", *, length: int | None = None) -> bytes:
    stated = len(header) if length is None else length
    return stated.to_bytes(8, "little") + header + data


def test_tensors_and_metadata_come_back() -> None:
    tensors, metadata = parse_tensors(PATH, save(TENSORS, {"seed": "ab", "other": "x"}))
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert all(tensors[name].dtype == TENSORS[name].dtype for name in TENSORS)
    assert metadata == {"seed": "ab", "other": "x"}


def test_a_file_without_metadata_has_none() -> None:
    assert parse_tensors(PATH, save(TENSORS))[1] == {}
    assert parse_tensors(PATH, file_of(b"{}")) == ({}, {})


def test_the_longest_header_that_is_taken() -> None:
    padded = b"{}" + b" " * (MOST_HEADER_BYTES - 2)
    assert parse_tensors(PATH, file_of(padded)) == ({}, {})
    longer = padded + b" "
    assert refused(lambda: parse_tensors(PATH, file_of(longer))) == (
        "is not a valid safetensors file: a header of 1048577 bytes cannot be"
    )


INVALID = "is not a valid safetensors file: "


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", f"{INVALID}a header of 0 bytes cannot be"),
        (b"\0" * 7, f"{INVALID}a header of 0 bytes cannot be"),
        (b"\0" * 8, "is not valid JSON: "),  # a header of no bytes
        (file_of(b"{}", length=3), f"{INVALID}a header of 3 bytes cannot be"),
        (b"\0\1" + b"\0" * 6 + b"{}", f"{INVALID}a header of 256 bytes cannot be"),
        (file_of(b"[]"), f"{INVALID}its header is not an object"),
        (file_of(b"null"), f"{INVALID}its header is not an object"),
        (file_of(b'"x"'), f"{INVALID}its header is not an object"),
        (file_of(b'{"__metadata__": []}'), f"{INVALID}its metadata is not an object"),
        (file_of(b'{"__metadata__": null}'), f"{INVALID}its metadata is not an object"),
        (file_of(b'{"a": 1, "a": 1}'), "is not valid JSON: key 'a' appears twice"),
        (file_of(b'{"a": 1}'), f"{INVALID}Error while deserializing"),
        (
            file_of(json.dumps(CUT_OFF).encode()),
            f"{INVALID}Error while deserializing",
        ),
    ],
    ids=range(13),
)
def test_what_is_no_safetensors_file(content: bytes, words: str) -> None:
    assert refused(lambda: parse_tensors(PATH, content)).startswith(words)
