"""Reading a submission, whatever its form; none of its code runs."""

from __future__ import annotations

import sys
from pathlib import Path

from plantkit.errors import PluginError
from plantkit.submissions.archives import add_archive
from plantkit.submissions.submission import ACCEPTED, Files, Submission
from plantkit.submissions.trees import CODE, add_folder, add_helpers, find_main, read_file

#: What stands for standard input.
STANDARD_INPUT = "-"
_STDIN_NAME = "stdin"


def read_submission(path: Path) -> Submission:
    """Returns what a file, notebook, folder or zip holds.

    Raises:
        PluginError: it is something else, cannot be read, or is too large.
    """
    files = Files(str(path))
    try:
        if path.is_dir():
            add_folder(files, path, f"{path.name}/")
            return _several(files, str(path.parent), f"{path.name}/")
        suffix = path.suffix.lower()
        if not path.is_file() or suffix not in {*CODE, ".zip"}:
            raise PluginError(str(path), f"is not a submission; expected {ACCEPTED}")
        content = read_file(path, files.room)
        if suffix == ".zip":
            add_archive(files, content)
            return _several(files, str(path))
        files.add(path.name, content)
        add_helpers(files, path.parent, path.name)
        return Submission(path=str(path), base=str(path.parent), main=path.name, files=files.found)
    except OSError as error:
        raise PluginError(str(path), f"cannot be read: {error.strerror or error}") from error


def read_standard_input() -> Submission:
    """Returns the submission on standard input: Python code, a notebook or a zip.

    Raises:
        PluginError: there is none, or it is too large.
    """
    files = Files(_STDIN_NAME)
    content = b"" if sys.stdin is None else sys.stdin.buffer.read(files.room)
    if not content.strip():
        raise PluginError(
            "standard input", "is empty; expected Python code, a notebook or a zip, once"
        )
    if content.startswith(b"PK\x03\x04"):
        files.path = f"{_STDIN_NAME}.zip"
        add_archive(files, content)
        return _several(files, files.path)
    suffix = ".ipynb" if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else ".py"
    files.path = _STDIN_NAME + suffix
    files.add(files.path, content)
    return Submission(path=files.path, base="", main=files.path, files=files.found)


def _several(files: Files, base: str, prefix: str = "") -> Submission:
    main = find_main(files.found, files.path, prefix)
    return Submission(path=files.path, base=base, main=main, files=files.found)
