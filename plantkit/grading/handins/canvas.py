"""Canvas' zip: `lastnamefirst_LATE_123_456_my_pruner.py`, all files of all students together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from plantkit.grading.handins.found import Findings, Found, Place, entries, gather, share
from plantkit.grading.handins.ids import IdMaker

TITLE = "Canvas' zip of submissions (lastnamefirst_123_456_my_pruner.py)"
#: Name, user and file; an anonymous assignment has no names, and typed text no number of a file.
_NAME = re.compile(
    r"(?:(?P<who>\w*?)(?P<late>_LATE)?_(?P<user>\d+)|(?P<hidden>LATE_)?(?P<nobody>anon_\w+?))_"
    r"(?:(?P<number>\d+)_(?P<file>.+)|(?P<page>(?:text|link)\.html))",
    re.DOTALL,
)
#: What Canvas adds to the name of a file that a student uploads again, and students may, too.
_AGAIN = re.compile(r"-(\d{1,3})(?=(?:\.\w+)*$)")


def likeness(place: Place) -> float:
    return share(
        entry.is_file() and _NAME.fullmatch(entry.name) is not None
        for entry in entries(place.folder)
    )


def read(place: Place) -> Findings:
    """Returns a hand-in per student or group, its files gathered in a folder.

    Canvas exports the last attempt alone; the names that students gave come back without the
    number that Canvas adds.
    """
    files: dict[str, list[re.Match[str]]] = defaultdict(list)
    notes = []
    for entry in entries(place.folder):
        match = _NAME.fullmatch(entry.name)
        if match is None or not entry.is_file(follow_symlinks=False):
            notes.append(f"{entry.name} is not named as Canvas names hand-ins, and so nobody's")
            continue
        files[match["user"] or match["nobody"]].append(match)
    ids = IdMaker()
    found = [_found(user, some, place, ids) for user, some in files.items()]
    return Findings(found=found, notes=tuple(notes))


def _found(user: str, matches: list[re.Match[str]], place: Place, ids: IdMaker) -> Found:
    name = matches[0]["who"] or user
    notes = []
    if all(match["page"] for match in matches):
        notes.append("handed in text or a link, not a file")
    rows = [row for row in place.rows if row.get("user_id") == user]
    if rows and _squeezed(rows[0]["name"]) != _squeezed(name):
        notes.append(f"Canvas names it {name}: if that is a group, give its grade to all members")
    latest: dict[str, re.Match[str]] = {}
    own_names = _own_names([match["file"] or match["page"] for match in matches])
    for match in sorted(matches, key=lambda one: int(one["number"] or 0)):
        own = own_names[match["file"] or match["page"]]
        if own in latest:
            notes.append(f"handed in {own} twice; the later one counts")
        latest[own] = match
    again = [name for name, own in own_names.items() if name != own]
    if again:
        notes.append(f"Canvas names it {again[0]}, as it does when a file is handed in again")
    gathered = [(own, place.folder / match.string) for own, match in latest.items()]
    key = f"{name}_{user}" if name != user else user
    return Found(
        key=key,
        stem=key,
        is_numbered=True,
        name=name,
        path=gather(gathered, ids, key, place.work),
        late=any(match["late"] or match["hidden"] for match in matches),
        notes=tuple(dict.fromkeys(notes)),
        fields={} if user.startswith("anon_") else {"user_id": user},
    )


def _own_names(names: Sequence[str]) -> dict[str, str]:
    """Returns what a student called each file.

    Several that are one without their numbers are parts that the student numbered, unless that
    one is there, too.
    """
    bare = {name: _AGAIN.sub("", name) or "file" for name in names}
    many = Counter(bare.values())
    return {name: one if many[one] == 1 or one in bare else name for name, one in bare.items()}


def _squeezed(name: str) -> str:
    """Returns a name as Canvas has it in the names of files."""
    return re.sub(r"\W", "", name).lower()
