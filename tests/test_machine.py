"""Facts of the machine."""

from __future__ import annotations

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
