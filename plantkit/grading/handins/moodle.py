"""Moodle's zip: `Full Name_123_assignsubmission_file/`, or files of such names."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from plantkit.grading.handins.found import Findings, Found, Place, entries, gather
from plantkit.grading.handins.ids import IdMaker

TITLE = "Moodle's zip of submissions (Full Name_123_assignsubmission_file...)"
#: A default group has no number. Older versions end a folder's name with a `_`.
_NAME = re.compile(
    r"(?P<who>.*?)(?:_(?P<id>\d+))?_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>.*))?", re.DOTALL
)


def recognises(place: Place) -> bool:
    return any(_NAME.fullmatch(entry.name) for entry in entries(place.folder))


def read(place: Place) -> Findings:
    """Returns a hand-in per student or group.

    Moodle exports the last attempt alone. Files that lie flat are gathered in a folder each.
    """
    whole: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
    flat: dict[tuple[str, str], dict[str, list[tuple[str, Path]]]] = {}
    notes = []
    for entry in entries(place.folder):
        match = _NAME.fullmatch(entry.name)
        if match is None or entry.is_symlink():
            notes.append(f"{entry.name} is not named as Moodle names hand-ins, and so nobody's")
            continue
        who, kind = (match["who"], match["id"] or ""), match["kind"]
        if entry.is_dir():
            whole[who][kind] = Path(entry.path)
        else:
            name = match["file"] or entry.name
            flat.setdefault(who, {}).setdefault(kind, []).append((name, Path(entry.path)))
    ids = IdMaker()
    for who, kinds in flat.items():
        for kind, files in kinds.items():
            if kind not in whole[who]:
                whole[who][kind] = gather(files, ids, "_".join((*who, kind)), place.work)
    return Findings(found=[_found(who, kinds) for who, kinds in whole.items()], notes=tuple(notes))


def _found(who: tuple[str, str], kinds: dict[str, Path]) -> Found:
    name, number = who
    notes = []
    if "file" not in kinds:
        notes.append("handed in text on the page, not a file")
    elif len(kinds) > 1:
        notes.append("also wrote text on the page, which is not graded")
    key = f"{name}_{number}" if number else name
    return Found(
        key=key,
        stem=key,
        name=name or number,
        path=kinds.get("file") or next(iter(kinds.values())),
        notes=tuple(notes),
        fields={"user_id": number} if number else {},
    )
