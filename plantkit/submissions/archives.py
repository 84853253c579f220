"""Zip files, read in memory and within bounds: nothing of them is trusted."""

from __future__ import annotations

import io
import re
import stat
import unicodedata
import zipfile
import zlib

from plantkit.errors import PluginError
from plantkit.submissions.submission import MOST_FILES, Files
from plantkit.submissions.trees import is_left_out, parents

#: Most members, folders and what is left out included.
_MOST_MEMBERS = 4 * MOST_FILES
#: Most times that a member of more than a MiB may grow.
_MOST_GROWTH = 200
#: Most bytes of the name of a file or folder, on any system.
_MOST_PART = 255
#: What begins the entry of each member in a zip's directory.
_MEMBER = b"PK\x01\x02"


def add_archive(files: Files, content: bytes) -> None:
    """Adds the files in a zip.

    Raises:
        PluginError: it is not a zip, or holds what a submission must not hold.
    """
    try:
        # A zip's directory is read whole, so that its length is looked at first.
        if content.count(_MEMBER) > _MOST_MEMBERS:
            raise _refused(files, f"holds more than {_MOST_MEMBERS} members")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _add_members(files, archive)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise _refused(files, f"is not a zip file that can be read: {error}") from error


def _add_members(files: Files, archive: zipfile.ZipFile) -> None:
    names: set[str] = set()
    folders: set[str] = set()
    for member in archive.infolist():
        if is_left_out(member.filename.replace("\\", "/")):
            continue
        name = _checked_name(files, member)
        key = unicodedata.normalize("NFC", name).casefold()
        if not name or member.is_dir():
            continue
        if key in names:
            raise _refused(files, f"holds {name!r} twice")
        names.add(key)
        folders.update(parents(key))
        _check_kind(files, member, name)
        with archive.open(member) as file:
            files.add(name, file.read(files.room))
    if clash := sorted(names & folders):
        raise _refused(files, f"holds {clash[0]!r} as a file and as a folder")


def _checked_name(files: Files, member: zipfile.ZipInfo) -> str:
    """Returns a member's name with slashes, relative and without detours."""
    name = member.filename.replace("\\", "/").removesuffix("/")
    name = re.sub(r"^(?:\./+)+", "", name)  # as tar writes them
    if member.filename and name in {"", "."} and member.is_dir():
        return ""
    parts = name.split("/")
    is_odd = not name.isprintable() or ":" in name or not {"", ".", ".."}.isdisjoint(parts)
    is_odd = is_odd or max(len(part.encode()) for part in parts) > _MOST_PART
    if is_odd or re.search(r"[. ](/|$)", name):  # the last is not possible on Windows
        raise _refused(files, f"holds a member named {name[:80]!r}")
    return "/".join(parts)


def _check_kind(files: Files, member: zipfile.ZipInfo, name: str) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        what = "a symbolic link" if kind == stat.S_IFLNK else "a special file"
        raise _refused(files, f"holds {what}, {name}")
    if member.flag_bits & 0x1:
        raise _refused(files, f"holds {name}, which is encrypted")
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise _refused(files, f"holds {name}, which is compressed by another method than deflate")
    growth = member.file_size / max(1, member.compress_size)
    if member.file_size > 1024 * 1024 and growth > _MOST_GROWTH:
        raise _refused(files, f"holds {name}, which is {growth:.0f} times as large when unpacked")


def _refused(files: Files, why: str) -> PluginError:
    return PluginError(files.path, f"{why}; expected a plain zip of a Python file or a folder")
