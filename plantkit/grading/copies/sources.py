"""The code of a hand-in as text, whether or not it can be graded."""

from __future__ import annotations

from pathlib import Path

from plantkit.errors import PluginError
from plantkit.grading.copies.words import MOST_NOTEBOOK
from plantkit.submissions.archives import add_archive
from plantkit.submissions.submission import Files
from plantkit.submissions.trees import CODE, add_folder, add_helpers, find_main, read_file


def code_of(path: Path) -> dict[str, str]:
    """Returns the Python files and notebooks of a hand-in, name to text.

    The one that defines the pruner comes first, then the shortest: too much is cut at the end.
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
    code = {name: one for name, one in files.found.items() if name.lower().endswith(CODE)}
    try:
        main = find_main(code, str(path))
    except PluginError:
        main = ""
    order = sorted(code, key=lambda name: (name != main, len(code[name]), name))
    return {name: code[name][: MOST_NOTEBOOK + 1].decode(errors="replace") for name in order}
