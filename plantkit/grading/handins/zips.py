"""Unpacks the zip that a host made of a class's hand-ins; nothing of it is trusted.

What one student put into it costs nobody else: a member that is not taken is left out and told.
"""

from __future__ import annotations

import shutil
import stat
import unicodedata
import zipfile
import zlib
from pathlib import Path

from plantkit.errors import UsageError
from plantkit.grading.handins.ids import DEVICE
from plantkit.submissions.submission import MOST_BYTES
from plantkit.submissions.trees import is_left_out, parents

#: Ends the name of what stands for a member that was left out.
REFUSED = ".refused.txt"
_MOST_MEMBERS = 200_000
_MOST_TOTAL = 16 * 1024 * 1024 * 1024
#: Most times that a member of more than a MiB may grow.
_MOST_GROWTH = 200
#: Most bytes of the name of a file or folder, on any system.
_MOST_PART = 200
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError),
    *(NotImplementedError, OSError, RuntimeError, ValueError),
)


def unpack(path: Path, target: Path) -> tuple[str, ...]:
    """Unpacks a zip into a new folder, and returns which members were left out, and why.

    In place of such a member stands a text file of its name and `REFUSED`, so that its student
    does not look as if nothing had been handed in.

    Raises:
        UsageError: it is not a zip, or too large as a whole.
    """
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise UsageError(
            f"{path} is not a zip file that can be read: {error}; expected a folder, or the zip "
            "that the host made"
        ) from error
    target.mkdir(parents=True)
    notes, taken, folders = [], set[str](), set[str]()
    with archive:
        members = [one for one in archive.infolist() if not one.is_dir()]
        if len(members) > _MOST_MEMBERS or sum(one.file_size for one in members) > _MOST_TOTAL:
            raise UsageError(
                f"{path} holds more than {_MOST_MEMBERS} files or {_MOST_TOTAL // 2**30} GiB; "
                "unpack it yourself, and give the folder"
            )
        for member in members:
            name = _safe_name(member.filename)
            if not name or is_left_out(name):
                continue
            refusal = _refusal(member)
            if not _claim(name, taken, folders):
                refusal = refusal or "another member has this name"
            file = target / name
            if not refusal:
                file.parent.mkdir(parents=True, exist_ok=True)
                refusal = _write(archive, member, file)
            if refusal:
                notes.append(f"{name} was left out of {path.name}: {refusal}")
                if _claim(name + REFUSED, taken, folders):
                    file = target / (name + REFUSED)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(f"{refusal}\n", encoding="utf-8", newline="\n")
    return tuple(notes)


def _claim(name: str, taken: set[str], folders: set[str]) -> bool:
    """Takes a name, and returns whether it was free, as a file and for folders on its way."""
    key = unicodedata.normalize("NFC", name).casefold()
    if key in taken or key in folders or not taken.isdisjoint(parents(key)):
        return False
    taken.add(key)
    folders.update(parents(key))
    return True


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path) -> str:
    """Writes a member, and returns "" or why that failed."""
    try:
        with archive.open(member) as source, file.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno:  # of the disk, and so of all members
            raise
        file.unlink(missing_ok=True)
        return f"it cannot be read: {error}"
    return ""


def _refusal(member: zipfile.ZipInfo) -> str:
    """Returns why a member is not taken, or ""."""
    if stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG}:
        return "it is a link or a special file"
    if member.flag_bits & 0x1:
        return "it is encrypted"
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "it is compressed by another method than deflate"
    if member.file_size > MOST_BYTES:
        return f"it is larger than {MOST_BYTES // 2**20} MiB"
    if member.file_size > 2**20 and member.file_size > _MOST_GROWTH * max(1, member.compress_size):
        return f"it grows more than {_MOST_GROWTH} times when unpacked"
    return ""


def _safe_name(name: str) -> str:
    """Returns a name without detours that every system can have; what it cannot have is `_`."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    return "/".join(map(_safe_part, parts))


def _safe_part(part: str) -> str:
    plain = "".join(
        letter if letter.isprintable() and letter not in '<>:"|?*' else "_" for letter in part
    )
    plain = plain.rstrip(". ") or "_"
    plain = f"_{plain}" if DEVICE.match(plain) else plain
    while len(plain.encode("utf-8", "replace")) > _MOST_PART:
        stem, dot, suffix = plain.rpartition(".")
        plain = f"{stem[:-1]}{dot}{suffix}" if stem and len(suffix) < 12 else plain[:-1]
    return plain
