"""Reads a roster: a CSV with a row per student, such as the gradebook that a host exports."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from plantkit.errors import UsageError

#: Headers that a field has at one host or another, without spaces and in lower case.
_HEADERS: Mapping[str, Sequence[str]] = {
    "name": ("name", "student", "fullname", "names", "studentname"),
    "first_name": ("firstname", "givenname"),
    "last_name": ("lastname", "surname", "familyname"),
    "number": ("sid", "sisuserid", "idnumber", "studentid", "studentnumber", "rosteridentifier"),
    "user_id": ("canvasuserid",),
    "participant": ("participant",),
    "login": ("sisloginid", "loginid", "login", "username", "githubusername"),
    "email": ("email", "emailaddress"),
    "section": ("section", "sections", "sectionname"),
    "group": ("group", "groupname"),  # also Moodle's, of assignments for groups
    "file": ("file", "path", "filename", "folder"),
    "repository": ("studentrepositoryname",),
    "submitted": ("submitted", "submissiontimestamp", "lastmodified(submission)", "submissiontime"),
    "late": ("late", "lateness(h:m:s)"),
    "status": ("status",),
    "graded_at": ("lastmodified(grade)",),
    "max_points": ("maximumgrade",),
}
_FIELD_OF = {header: field for field, headers in _HEADERS.items() for header in headers}
#: One of these must be there, for a row to be somebody's.
_WHO = ("name", "last_name", "number", "user_id", "participant", "login", "email")
_MOST_BYTES = 32 * 1024 * 1024


def read_roster(path: Path) -> list[dict[str, str]]:
    """Returns the students of a roster by the names in `found.FIELDS`; what is empty is left out.

    Raises:
        UsageError: it cannot be read, or has no column that says who somebody is.
    """
    try:
        content = path.read_bytes()
        if len(content) > _MOST_BYTES:
            raise UsageError(f"roster {path} is larger than {_MOST_BYTES // 2**20} MiB")
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"roster {path} cannot be read: {reason}; expected a CSV file in UTF-8"
        ) from error
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise UsageError(f"roster {path} is not a CSV file: {error}") from error
    if not table:
        raise UsageError(f"roster {path} is empty; expected a line of headers and one per student")
    columns = _columns(table[0])
    if not set(_WHO) & set(columns.values()):
        raise UsageError(
            f"roster {path} has the columns {', '.join(table[0])[:200]}; expected one of "
            "name, id, email or login among them"
        )
    rows = []
    for cells in table[1:]:
        row = {columns[at]: cell.strip() for at, cell in enumerate(cells) if at in columns}
        row = {field: cell for field, cell in row.items() if cell and cell != "-"}
        if row.get("name", "") == "Points Possible" or not set(_WHO) & set(row):
            continue  # lines of Canvas that are nobody's
        rows.append(_completed(row))
    return rows


def _columns(header: Sequence[str]) -> dict[int, str]:
    """Returns the field of each column that has one; the first counts."""
    names = ["".join(name.split()).replace("_", "").lower() for name in header]
    columns: dict[int, str] = {}
    for at, name in enumerate(names):
        field = _FIELD_OF.get(name)
        if name == "id":  # a host's own number in Canvas' gradebook, else the student's
            field = "user_id" if "student" in names or "sisloginid" in names else "number"
        elif name == "identifier":  # Moodle's participant, or what GitHub Classroom's roster says
            field = "participant" if "fullname" in names or "grade" in names else "number"
        if field and field not in columns.values():
            columns[at] = field
    return columns


def _completed(row: dict[str, str]) -> dict[str, str]:
    """Returns a row with a name, and without what only one host's words say."""
    participant = re.fullmatch(r"\D*?\s*(\d+)", row.get("participant", ""))
    if participant and participant[1] != row["participant"]:
        row["identifier"], row["participant"] = row["participant"], participant[1]
    if "name" not in row:
        parts = [row.get("first_name", ""), row.get("last_name", "")]
        whose = [
            row.get(field, "") for field in ("number", "login", "email", "user_id", "participant")
        ]
        row["name"] = " ".join(filter(None, parts)) or next(filter(None, whose))
    status = row.pop("status", "")
    if "late" in row or re.search(r"\blate\b", status):
        late = row.get("late", "yes").lower()
        row["late"] = "" if late in {"0", "no", "false", "00:00:00"} else "yes"
    return row
