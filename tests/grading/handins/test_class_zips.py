"""The zip of a class: nothing in it is trusted, and one member costs no other anything."""

from __future__ import annotations

import errno
import stat
import zipfile
from pathlib import Path

import pytest

from plantkit.errors import UsageError
from plantkit.grading.handins import read_handins, zips

CODE = "def prune(problem, density, seed): ...\n"


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_members_that_are_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Ann_1_assignsubmission_file/my_pruner.py", CODE)
        archive.writestr("../../Bo_2_assignsubmission_file/x.py", CODE)
        archive.writestr("/Cy_3_assignsubmission_file/x.py", CODE)
        archive.writestr("Dee_4_assignsubmission_file/x.py", "0" * 3_000_000)
        archive.writestr(link("Eve_5_assignsubmission_file/x.py"), "/etc/passwd")
        archive.writestr("Flo_6_assignsubmission_file/AUX.py. ", CODE)
        archive.writestr("Flo_6_assignsubmission_file/a:b\\c.py", CODE)
        archive.writestr("Gus_7_assignsubmission_file/x.py", CODE)
        archive.writestr("Gus_7_assignsubmission_file/X.PY", "other")
        archive.writestr("Gus_7_assignsubmission_file/x.py/y.py", "inside of a file")
        archive.writestr("__MACOSX/Ann_1_assignsubmission_file/._my_pruner.py", "x")
        archive.writestr("Hal_8_assignsubmission_file/broken.py", CODE * 50)
    spoil(path, b"broken.py")
    found = read_handins(path, work=tmp_path / "work")
    assert found.host == "moodle"
    one = {handin.id: handin for handin in found.handins}
    assert list(one) == ["Ann_1", "Bo_2", "Cy_3", "Dee_4", "Eve_5", "Flo_6", "Gus_7", "Hal_8"]
    root = (tmp_path / "work").resolve()
    for handin in found.handins:
        assert handin.path is not None
        assert handin.path.resolve().is_relative_to(root)
        assert not any(inner.is_symlink() for inner in handin.path.rglob("*"))
    assert not (tmp_path / "Bo_2_assignsubmission_file").exists()
    for name in ("Dee_4", "Eve_5", "Hal_8"):
        assert any("left out of the zip" in note for note in one[name].notes), name
    assert one["Ann_1"].notes == one["Bo_2"].notes == ()
    reasons = " | ".join(found.notes)
    for reason in ("grows more than 200 times", "a link", "has this name", "cannot be read"):
        assert reason in reasons, reason
    gus = one["Gus_7"].path
    assert gus is not None
    assert (gus / "x.py").read_text() == CODE


def spoil(path: Path, name: bytes) -> None:
    """Breaks the content of a member, so that its checksum is wrong."""
    data = bytearray(path.read_bytes())
    at = data.index(name) + len(name)
    data[at + 2] ^= 0xFF
    data[at + 3] ^= 0xFF
    path.write_bytes(bytes(data))


def test_encrypted_members(tmp_path: Path) -> None:
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a_1_2_x.py", CODE)
        archive.writestr("b_3_4_x.py", CODE)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1  # the flag in the directory's entry of the first
    path.write_bytes(bytes(data))
    found = read_handins(path, work=tmp_path / "work")
    assert [(one.id, bool(one.notes)) for one in found.handins] == [("a_1", True), ("b_3", False)]
    assert "it is encrypted" in found.notes[0]


def test_a_zip_that_is_too_large_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.py", CODE)
    monkeypatch.setattr(zips, "_MOST_MEMBERS", 2)
    with pytest.raises(UsageError, match="unpack it yourself"):
        read_handins(path, work=tmp_path / "work")


def test_a_full_disk_is_not_a_students_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.py", CODE)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zips.shutil, "copyfileobj", fail)
    with pytest.raises(OSError, match="No space left"):
        read_handins(path, work=tmp_path / "work")
