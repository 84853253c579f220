"""Files written all or nothing; directories that keep records, one process at a time."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from plantkit.errors import ResultsError, UsageError
from plantkit.files import (
    Journal,
    about,
    check_directory,
    check_file,
    read_records,
    write_whole,
)


class Word(str):
    """A record: one word."""

    def to_json(self) -> dict[str, str]:
        return {"word": str(self)}

    @classmethod
    def from_json(cls, value: dict[str, str]) -> Word:
        return cls(value["word"])


def opened(path: Path, *, resume: bool = True, **identity: object) -> Journal[Word]:
    return Journal(path, identity, kind="run", parse=Word.from_json, resume=resume)


@pytest.mark.parametrize("content", ["n\u00e4me\n", "n\u00e4me\n".encode()])
def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path, content: str | bytes) -> None:
    (tmp_path / "file").write_text("old")
    write_whole(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == "n\u00e4me\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.posix
def test_what_a_link_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.posix
def test_a_device_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    write_whole(tmp_path / "link", "new")
    assert Path("/dev/null").is_char_device()


def test_nothing_is_left_of_an_attempt_that_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "file", "\ud800")
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "file" / "below", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_records_of_two_sessions_stay_in_order(tmp_path: Path) -> None:
    with opened(tmp_path / "new", resume=False) as journal:
        journal.append([Word("one"), Word("two")])
    with opened(tmp_path / "new") as journal:
        assert journal.records == ["one", "two"]
        journal.append([Word("three")])
    assert read_records(tmp_path / "new", Word.from_json) == ["one", "two", "three"]


def test_empty_lines_are_skipped_and_others_are_named(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text('{"word": "one"}\n\n{"other": 1}\n{"word"')
    with pytest.raises(ResultsError, match=r"records.jsonl, line 3: cannot be read"):
        read_records(tmp_path, Word.from_json)


@pytest.mark.parametrize("content", ["{", "[1]", "3"])
def test_an_identity_that_cannot_be_read_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ResultsError, match=r"run.json cannot be read"):
        opened(tmp_path)


def test_keys_that_only_the_older_identity_has_do_not_matter(tmp_path: Path) -> None:
    opened(tmp_path, resume=False, seeds=1, pruners=("a",), older=True).close()
    opened(tmp_path, seeds=1, pruners=["a"]).close()
    with pytest.raises(
        UsageError,
        match="holds a run whose seeds differ from what is asked for now: 1, now 2; give",
    ):
        opened(tmp_path, seeds=2)


def test_another_process_cannot_use_the_directory_meanwhile(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from plantkit.files import Journal\n"
        f"Journal(Path({str(tmp_path)!r}), {{}}, kind='run', parse=str, resume=True)\n"
    )
    command = [sys.executable, "-c", program]
    with opened(tmp_path, resume=False):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "in use by another run" in refused.stderr
    subprocess.run(command, check=True)


def test_what_differs_is_named(tmp_path):
    before = {"snip": ["a", {}], "grasp": ["b", {}]}
    opened(tmp_path, resume=False, pruners=before).close()
    with pytest.raises(UsageError, match=r"whose pruners differ from .* now: grasp, synflow;"):
        opened(tmp_path, pruners={"snip": ["a", {}], "grasp": ["c", {}], "synflow": ["d", {}]})


@pytest.mark.posix
def test_a_mode_holds_whatever_the_umask_is(tmp_path):
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "read.json", "{}", mode=0o644)
        write_whole(tmp_path / "own.json", "{}")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("read.json", "own.json")]
    assert modes == [0o644, 0o600]


@pytest.mark.posix
def test_a_secret_can_be_read_by_nobody_else_while_it_is_written(tmp_path, monkeypatch):
    write, seen = Path.write_bytes, []

    def noting(path, data):
        seen.append(stat.S_IMODE(path.stat().st_mode))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", noting)
    write_whole(tmp_path / "key.txt", "secret", mode=0o600)
    assert seen == [0o600]


def test_an_error_names_what_it_is_about(tmp_path):
    def fill() -> None:
        with about(tmp_path / "results"):
            Path("/dev/full").write_bytes(b"x")

    with pytest.raises(OSError, match=r"No space left on device: '.*results'") as caught:
        fill()
    assert caught.value.filename == str(tmp_path / "results")
    with pytest.raises(OSError, match="No such file") as caught:
        write_whole(tmp_path / "none" / "x", "text")
    assert caught.value.filename == str(tmp_path / "none" / "x")  # not that of the temporary file


@pytest.mark.linux
def test_records_on_a_full_disk(tmp_path):
    with opened(tmp_path / "run") as kept:
        (tmp_path / "run" / "records.jsonl").symlink_to("/dev/full")
        with pytest.raises(OSError, match=r"No space left on device: '.*records.jsonl'"):
            kept.append([Word("one")])


def test_what_can_be_written_is_left_as_it_was(tmp_path):
    (tmp_path / "old").write_text("kept")
    check_file(tmp_path / "old")
    check_file(tmp_path / "new")
    check_file(Path("/dev/null"))
    check_directory(tmp_path / "a" / "b")
    check_directory(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"old"}
    assert (tmp_path / "old").read_text() == "kept"


@pytest.mark.parametrize(
    ("check", "path", "number"),
    [
        (check_file, ".", errno.EISDIR),
        (check_file, "none/x", errno.ENOENT),
        (check_file, "file/x", errno.ENOTDIR),
        (check_directory, "file", errno.ENOTDIR),
        (check_directory, "file/x", errno.ENOTDIR),
        pytest.param(check_directory, "/proc/none", errno.ENOENT, marks=pytest.mark.linux),
    ],
)
def test_what_cannot_be_written_is_found_out(tmp_path, check, path, number):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=re.escape(str(tmp_path / path))) as caught:
        check(tmp_path / path)
    assert caught.value.errno == number
