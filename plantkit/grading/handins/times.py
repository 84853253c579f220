"""Times as hosts write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from plantkit.errors import UsageError

#: As Moodle writes them for people, by language settings of English.
_WORDS = ("%A, %d %B %Y, %I:%M %p", "%A, %B %d, %Y, %I:%M %p", "%A, %d %B %Y, %H:%M")
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ]+(\d\d?:\d\d(?::\d\d)?)(?:[.,](\d{1,6})\d*)?\s*(.*)", re.DOTALL
)
_OFFSET = re.compile(r"([+-]\d\d):?(\d\d)?")


def read_time(text: str) -> datetime | None:
    """Returns the time that a host wrote, with its zone where it is known; None for no time."""
    text = " ".join(text.split())
    found = _ISO.fullmatch(text)
    if found is None:
        return next(filter(None, (_in_words(text, form) for form in _WORDS)), None)
    day, clock, fraction, zone = found.groups()
    try:
        time = datetime.fromisoformat(f"{day}T{clock.zfill(5)}")
        time = time.replace(microsecond=int((fraction or "0").ljust(6, "0")))
        offset = _OFFSET.fullmatch(zone)
        if offset is not None:
            return datetime.fromisoformat(f"{time.isoformat()}{offset[1]}:{offset[2] or '00'}")
    except ValueError:
        return None
    if zone in {"", "Z", "UTC", "GMT"}:
        return time.replace(tzinfo=UTC) if zone else time
    try:
        return time.replace(tzinfo=ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def read_due(text: str) -> datetime:
    """Returns the time until which hand-ins are in time; of a day alone, its end.

    Raises:
        UsageError: it is neither.
    """
    due = read_time(f"{text}T23:59:59" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text)
    if due is None:
        raise UsageError(
            f"--due {text!r} is not a time; expected one such as 2026-11-27T23:59+01:00"
        )
    return due


def is_late(time: datetime, due: datetime) -> bool:
    """Whether `time` is after `due`.

    A time without a zone is taken to be in the other's. Raises `UsageError` where only hosts know
    the zone: the due time would be hours off.
    """
    if time.tzinfo is not None and due.tzinfo is None:
        raise UsageError(
            f"--due {due.isoformat()} has no time zone, and the times of hand-ins have one; "
            f"add it, such as {due.isoformat()}+01:00"
        )
    if due.tzinfo is not None and time.tzinfo is None:
        time = time.replace(tzinfo=due.tzinfo)
    return time > due


def _in_words(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)
    except ValueError:
        return None
