"""The versions that the tests are run with: each pin is one that pip understands."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_every_pin_has_one_version() -> None:
    names = [canonicalize_name(pin.name) for pin in pins()]
    assert all(str(pin.specifier).startswith("==") for pin in pins())
    assert len(set(names)) == len(names)


def test_what_is_required_is_pinned_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {canonicalize_name(pin.name): pin for pin in pins()}
    for one in map(Requirement, needed):
        if one.name != project["name"]:
            version = str(pinned[canonicalize_name(one.name)].specifier).removeprefix("==")
            assert version in one.specifier, one
