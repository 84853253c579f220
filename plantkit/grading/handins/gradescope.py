"""Gradescope's export: `submission_123/` for each hand-in, and `submission_metadata.yml`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plantkit.errors import MissingExtraError, UsageError
from plantkit.grading.handins.found import Findings, Found, Place, folders

TITLE = "Gradescope's export of submissions (submission_metadata.yml and submission_123/)"
_METADATA = "submission_metadata.yml"
_MOST_BYTES = 256 * 1024 * 1024


def likeness(place: Place) -> float:
    return float((place.folder / _METADATA).is_file())


def read(place: Place) -> Findings:
    """Returns a hand-in per submission; a group's has several members.

    Raises:
        UsageError: the metadata cannot be read. MissingExtraError: PyYAML is not installed.
    """
    path = place.folder / _METADATA
    metadata = _metadata(path)
    for key, entry in metadata.items():
        if not re.fullmatch(r"[\w-]+", key) or not isinstance(entry, dict):
            raise UsageError(f"{path}: {key[:80]!r} is not a submission; export it again")
    return Findings(
        found=[_found(key, entry, place.folder / key) for key, entry in metadata.items()],
        notes=tuple(
            f"{folder.name} is not in {_METADATA}, and so nobody's"
            for folder in folders(place.folder)
            if folder.name not in metadata
        ),
    )


def _found(key: str, entry: Mapping[str, Any], folder: Path) -> Found:
    submitters = [one for one in _list(entry.get(":submitters")) if isinstance(one, dict)]
    number = key.removeprefix("submission_")
    history = _list(entry.get(":history"))
    notes = []
    students = []
    for one in submitters:
        says = {"name": ":name", "number": ":sid", "email": ":email"}
        student = {field: _text(one.get(name)) for field, name in says.items()}
        student["name"] = student["name"] or student["email"] or student["number"] or key
        students.append({field: value for field, value in student.items() if value})
    if not students:
        notes.append("Gradescope names nobody who submitted it")
    there = folder.is_dir() and not folder.is_symlink()
    if not there:
        notes.append("its folder is missing from the export")
    submitted = _text(entry.get(":created_at"))
    if history:
        notes.append(f"{len(history) + 1} hand-ins; the one active in Gradescope counts")
        times = [_text(one.get(":created_at")) for one in history if isinstance(one, dict)]
        if any(time > submitted for time in times):  # of one form, so that text compares
            notes.append("a later hand-in is not the active one")
    more = {"submission_id": number, "submissions": str(len(history) + 1)}
    students = [student | more for student in students] or [{"name": key, **more}]
    return Found(
        key=key,
        stem=key,
        name=", ".join(student["name"] for student in students),
        path=folder if there else None,
        submitted=submitted,
        notes=tuple(notes),
        fields=students[0] if len(students) == 1 else more,
        members=tuple(students) if len(students) > 1 else (),
    )


def _metadata(path: Path) -> Mapping[str, Any]:
    # YAML by hand would go wrong on names: what students' tests print is in the same file.
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError as error:
        raise MissingExtraError(extra="gradescope", needed_for=f"reading {path.name}") from error
    # All scalars as text: a student's number keeps its leading zeros.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} is larger than {_MOST_BYTES // 2**20} MiB")
        value = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        message = " ".join(str(error).split())[:300]
        raise UsageError(f"{path} cannot be read: {message}; export it again") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} holds no submissions; export it again")
    return {str(key): entry for key, entry in value.items()}


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
