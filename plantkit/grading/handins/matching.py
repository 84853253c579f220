"""Brings hand-ins and a roster together: who handed in what, late, twice or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from plantkit.grading.grade import clean
from plantkit.grading.handins.found import Found
from plantkit.grading.handins.handin import HandIn
from plantkit.grading.handins.ids import IdMaker
from plantkit.grading.handins.times import is_late, read_time

#: What tells students apart, the surest first. A name alone may be two students'.
_SURE = ("repository", "file", "user_id", "participant", "number", "email", "login")
#: What a file may be called after where the host says nothing.
_CALLED = ("number", "login", "email", "name")
_MOST_NAME = 200


def settle(
    found: Sequence[Found], rows: Sequence[Mapping[str, str]], due: datetime | None
) -> tuple[tuple[HandIn, ...], tuple[str, ...]]:
    """Returns all hand-ins by id, and what staff should know of the class as a whole.

    Args:
        rows: of the roster; who is in none of the hand-ins gets one without a path.

    Raises:
        UsageError: `due` cannot be compared with the hosts' times.
    """
    index = _Index(rows)
    whose = [[index.row_of(student, one) for student in _students(one)] for one in found]
    claims: dict[object, list[int]] = defaultdict(list)
    for position, one in enumerate(found):
        for at, student in zip(whose[position], _students(one), strict=True):
            claims[at if at is not None else _sure_key(student) or one.key].append(position)
    twice: dict[int, list[str]] = defaultdict(list)
    for positions in claims.values():
        for position in set(positions) if len(set(positions)) > 1 else ():
            twice[position] += [found[other].key for other in positions if other != position]
    claimed = {at for some in whose for at in some}
    missing = [one for at, one in enumerate(rows) if at not in claimed]
    ids = IdMaker([*(one.key for one in found), *map(_words_of, missing)])
    handins = []
    for position, one in enumerate(found):
        notes = list(one.notes)
        others = sorted(set(twice[position]))
        if others:
            notes.append(f"also handed in: {', '.join(others)}; check which one counts")
        if rows and None in whose[position]:
            notes.append("not in the roster" if len(whose[position]) == 1 else _strangers(one))
        handins.append(_handin(one, [_row(rows, at) for at in whose[position]], notes, due, ids))
    handins += [_missing(one, ids) for one in missing]
    strangers = sum(set(some) == {None} for some in whose) if rows else 0
    notes_on_all = list(_notes(handins, due))
    if strangers > len(found) / 2:
        notes_on_all.insert(
            0,
            f"{strangers} of {len(found)} hand-ins are of nobody in the roster; is it that of "
            "another class?",
        )
    return tuple(sorted(handins, key=lambda one: one.id)), tuple(notes_on_all)


class _Index:
    """Finds rows of a roster by what a host knows of a student."""

    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        self._rows: dict[tuple[str, str], list[int]] = defaultdict(list)
        for at, row in enumerate(rows):
            for field, value in row.items():
                self._rows[field, _folded(value)].append(at)

    def row_of(self, student: Mapping[str, str], one: Found) -> int | None:
        """Returns the position of the only row that can be meant, or None."""
        for field in _SURE:
            if field in student:
                rows = self._rows.get((field, _folded(student[field])), [])
                if len(rows) == 1:
                    return rows[0]
        if not set(_SURE) & set(student):
            meant = {
                at for field in _CALLED for at in self._rows.get((field, _folded(one.stem)), [])
            }
            return meant.pop() if len(meant) == 1 else None
        if not {"user_id", "participant", "number", "email"} & set(student):
            return None
        rows = self._rows.get(("name", _folded(student.get("name", ""))), [])
        return rows[0] if len(rows) == 1 and not self._contradicts(rows[0], student) else None

    def _contradicts(self, at: int, student: Mapping[str, str]) -> bool:
        """Whether a row of the same name has another number, so that it is somebody else's."""
        return any(
            at in rows and value != _folded(student[field])
            for (field, value), rows in self._rows.items()
            if field in student and field in _SURE
        )


def _handin(
    one: Found,
    rows: Sequence[Mapping[str, str]],
    notes: list[str],
    due: datetime | None,
    ids: IdMaker,
) -> HandIn:
    students = [
        {**student, **row, "name": row.get("name") or student.get("name") or one.name}
        for row, student in zip(rows, _students(one), strict=True)
    ]
    said = next(filter(None, [one.submitted, *(row.get("submitted", "") for row in rows)]), "")
    time = read_time(said)
    if said and time is None:
        notes.append(f"its time cannot be read: {clean(said, 60)!r}")
    late = one.late or any(row.get("late") for row in rows)
    late = late or (due is not None and time is not None and is_late(time, due))
    name = students[0]["name"] if len(students) == 1 else one.name
    fields = students[0] if len(students) == 1 else dict(one.fields)
    return HandIn(
        id=ids.make(one.key, is_numbered=one.is_numbered),
        name=clean(name, _MOST_NAME),
        path=one.path,
        submitted=time.isoformat() if time else "",
        late=late,
        notes=tuple(clean(note, 500) for note in notes),
        fields={field: value for field, value in fields.items() if field != "name"},
        members=tuple(students) if len(students) > 1 else (),
    )


def _missing(row: Mapping[str, str], ids: IdMaker) -> HandIn:
    key = _sure_key(row) or row["name"]
    return HandIn(
        id=ids.make(_words_of(row), key),
        name=clean(row["name"], _MOST_NAME),
        path=None,
        notes=("handed in nothing",),
        fields={field: value for field, value in row.items() if field != "name"},
    )


def _words_of(row: Mapping[str, str]) -> str:
    return row.get("login") or row.get("number") or row["name"]


def _notes(handins: Iterable[HandIn], due: datetime | None) -> Iterable[str]:
    there = [one for one in handins if one.path is not None]
    untimed = [one for one in there if not one.submitted and not one.late]
    if due is not None and untimed:
        many = f"{len(untimed)} of {len(there)}"
        yield f"{many} hand-ins have no time here, so that --due says nothing about them"
    same: dict[str, dict[str, str]] = defaultdict(dict)  # of a name, by student
    for one in there:
        for student in one.students:
            same[_folded(student["name"])].setdefault(_sure_key(student) or one.id, one.id)
    for name, those in sorted(same.items()):
        if len(those) > 1:
            ids = ", ".join(sorted(those.values()))
            yield f"{len(those)} students have the name {name!r}: {ids}"


def _students(one: Found) -> Sequence[Mapping[str, str]]:
    return one.members or ({"name": one.name, **one.fields},)


def _row(rows: Sequence[Mapping[str, str]], at: int | None) -> Mapping[str, str]:
    return {} if at is None else {**rows[at], "row": str(at)}


def _sure_key(student: Mapping[str, str]) -> str:
    """Returns what tells a student apart, or "" where the host says nothing."""
    return next((f"{field} {student[field]}" for field in _SURE if student.get(field)), "")


def _strangers(one: Found) -> str:
    return f"some of its {len(one.members)} students are not in the roster"


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
