"""Facts of the machine."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from plantkit import machine


@pytest.mark.linux
@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 8), ("50000 100000", 1), ("150000 100000", 2), ("9900000 100000", 8), ("", 8)],
)
def test_a_quota_limits_the_cores(monkeypatch, quota, expected):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: quota)
    assert machine.available_cores() == expected


def test_environment_and_commit(tmp_path, monkeypatch):
    assert set(machine.environment()) == {"python", "torch", "numpy", "platform"}
    monkeypatch.chdir(tmp_path)
    assert machine.git_hash() is None


def test_names_and_versions_are_those_of_the_standard_library():
    packages = list(importlib.metadata.distributions())
    assert list(map(machine.name_and_version, packages)) == [
        (package.name, package.version) for package in packages
    ]


def test_a_description_is_not_taken_for_the_name(tmp_path):
    folder = tmp_path / "a-1.dist-info"
    folder.mkdir()
    text = "Metadata-Version: 2.1\nName: a\nVersion: 1\n\nName: b\nVersion: 2\n"
    (folder / "METADATA").write_text(text)
    [package] = importlib.metadata.distributions(path=[str(tmp_path)])
    assert machine.name_and_version(package) == ("a", "1")


@pytest.mark.parametrize(
    "odd", ["License: a\n  b\x0cName: evil", "Summary: a\u2028Version: 9", "Version: 9", "Name: b"]
)
def test_odd_metadata_are_read_as_the_standard_library_reads_them(tmp_path, odd):
    folder = tmp_path / "a-1.dist-info"
    folder.mkdir()
    text = f"Metadata-Version: 2.1\nName:  a\nVersion: 1\n{odd}\n"
    (folder / "METADATA").write_text(text, encoding="utf-8")
    [package] = importlib.metadata.distributions(path=[str(tmp_path)])
    assert machine.name_and_version(package) == (package.name, package.version) == ("a", "1")


def test_the_metadata_of_an_old_package(tmp_path):
    folder = tmp_path / "a.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 1.1\nName: a\nVersion: 1\n")
    [package] = importlib.metadata.distributions(path=[str(tmp_path)])
    assert machine.name_and_version(package) == ("a", "1")
