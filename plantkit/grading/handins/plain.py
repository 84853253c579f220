"""A folder with a file, notebook, zip or folder of each student, named as the student is."""

from __future__ import annotations

from pathlib import Path

from plantkit.grading.handins.found import Findings, Found, Place, entries
from plantkit.submissions.trees import CODE

TITLE = "a folder with a file (.py, .ipynb, .zip) or folder of each student"
_FILES = {*CODE, ".zip"}


def likeness(place: Place) -> float:
    """Several, or files: a folder alone may wrap what matters."""
    there = list(entries(place.folder))
    files = any(Path(entry.name).suffix.lower() in _FILES for entry in there if entry.is_file())
    return float(files or (len(there) > 1 and any(entry.is_dir() for entry in there)))


def read(place: Place) -> Findings:
    """Returns a hand-in per file or folder, but for files that are none."""
    found, notes = [], []
    for entry in entries(place.folder):
        path = Path(entry.path)
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.is_symlink() or (not is_folder and path.suffix.lower() not in _FILES):
            notes.append(f"{entry.name} is not a hand-in; expected {', '.join(sorted(_FILES))}")
            continue
        stem = entry.name if is_folder else path.stem
        found.append(Found(key=entry.name, stem=stem, name=stem, path=path))
    return Findings(found=found, notes=tuple(notes))
