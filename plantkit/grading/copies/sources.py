"""The code of a hand-in as text, whether or not it can be graded."""

from __future__ import annotations

from pathlib import Path

from plantkit.errors import PluginError
from plantkit.grading.copies.words import MOST_NOTEBOOK
from plantkit.submissions.archives import add_archive
from plantkit.submissions.submission import Files
from plantkit.submissions.trees import CODE, add_folder, add_helpers, read_file


def code_of(path: Path) -> dict[str, str]:
    """Returns the Python files and notebooks of a hand-in, name to text.

    None of it runs. What is beyond the bounds of a submission, or cannot be read, is left out.
    """
    files = Files(str(path))
    try:
        if path.is_dir():
            add_folder(files, path, "")
        elif path.suffix.lower() == ".zip":
            add_archive(files, read_file(path, files.room))
        else:
            files.add(path.name, read_file(path, files.room))
            add_helpers(files, path.parent, path.name)
    except (PluginError, OSError):
        pass  # that it cannot be graded is said where it is graded
    return {
        name: content[: MOST_NOTEBOOK + 1].decode("utf-8", errors="replace")
        for name, content in files.found.items()
        if name.lower().endswith(CODE)
    }
