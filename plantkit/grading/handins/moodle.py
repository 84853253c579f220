"""Moodle's zip: `Full Name_123_assignsubmission_file/`, or files of such names."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from plantkit.grading.handins.found import Findings, Found, Place, entries, gather, share
from plantkit.grading.handins.ids import IdMaker

TITLE = "Moodle's zip of submissions (Full Name_123_assignsubmission_file...)"
#: A default group has no number. Older versions end a folder's name with a `_`.
_NAME = re.compile(
    r"(?P<who>.*?)(?:_(?P<id>\d+))?_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>.*))?", re.DOTALL
)


def likeness(place: Place) -> float:
    return share(_NAME.fullmatch(entry.name) is not None for entry in entries(place.folder))


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
    found = [_found(who, kinds, place.rows) for who, kinds in whole.items()]
    return Findings(found=found, notes=tuple(notes))


def _found(
    who: tuple[str, str], kinds: dict[str, Path], rows: Sequence[Mapping[str, str]]
) -> Found:
    name, number = who
    notes = []
    members = [dict(row) for row in rows if _letters(row.get("group", "")) == _letters(name)]
    others = [row["name"] for row in rows if row.get("participant") == number]
    if members or (others and not _is_called(others[0], name, number)):
        number = ""  # a group's, which is not the participant of this number
    if not number and not members and others:
        notes.append(
            f"{who[1]} is {others[0]} in the roster; if {name} is a group, give the worksheet with "
            "its column Group"
        )
    if "file" not in kinds:
        notes.append("handed in text on the page, not a file")
    elif len(kinds) > 1:
        notes.append("also wrote text on the page, which is not graded")
    key = "_".join(filter(None, who))
    return Found(
        key=key,
        stem=key,
        is_numbered=bool(who[1]),
        name=name or number,
        path=kinds.get("file") or next(iter(kinds.values())),
        notes=tuple(notes),
        fields={"participant": number} if number else {},
        members=tuple(members),
    )


def _is_called(name: str, folder: str, number: str) -> bool:
    """Whether a student's name is in a folder's; where marking is blind, nobody has one."""
    return name == number or _letters(name) in _letters(folder)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFC", text))).casefold()
