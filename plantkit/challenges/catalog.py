"""Finding challenges and suites on disk.

Places, in this order: directories given by name, `challenges/` in the working directory,
the challenges that ship with plantkit, and those of plugins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plantkit.challenges import manifests
from plantkit.challenges.suites import SUITES_FILE, Suite, check_is_pinned, read_suites
from plantkit.errors import BundleError, UnknownNameError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What was found: bundle directories by challenge id, and suites by name.

    shadowed: pairs of different bundles of one id, the one that is used first.
    """

    bundles: Mapping[str, Path] = field(default_factory=dict)
    suites: Mapping[str, Suite] = field(default_factory=dict)
    shadowed: Sequence[tuple[Path, Path]] = ()

    def bundle(self, name: str) -> Path:
        """Returns the bundle directory of a challenge id, or of a path.

        Raises:
            UnknownNameError: neither an id nor a bundle directory.
            UsageError: a path that is not a bundle directory.
            BundleError: the directory of that name holds another challenge.
        """
        if name in self.bundles:
            path = self.bundles[name]
            found = manifests.read_manifest(path)[0]["id"]
            if found != name:
                raise BundleError(
                    path / manifests.MANIFEST,
                    f"says that the challenge is {found!r}; expected the directory's name {name!r}",
                )
            return path
        path = Path(name)
        if (path / manifests.MANIFEST).is_file():
            return path
        if len(path.parts) > 1:
            raise UsageError(f"{name} is not a bundle; expected a directory with a challenge.json")
        raise UnknownNameError(
            "challenge", name, self.bundles, hint="see: plantkit list challenges"
        )

    def bundles_of(self, suite: Suite) -> list[Path]:
        """Returns the bundle directories of a suite's challenges, which are those that it pins.

        A copy in an earlier place may have other records: it is the same challenge.

        Raises:
            BundleError: one is another challenge.
            UnknownNameError: a challenge was not found.
        """
        paths = [self.bundle(name) for name in suite.challenges]
        root = suite.where.parent
        for name, path in zip(suite.challenges, paths, strict=True):
            # What lies next to the suites file was compared when it was read.
            if name not in suite.pins or path.parent == root:
                continue
            found, pinned = manifests.read_stated(path), root / name
            if (
                not (pinned / manifests.MANIFEST).is_file()
                or manifests.read_stated(pinned).digest != found.digest
            ):
                check_is_pinned(path, suite.pins[name], found.whole, suite.where)
        return paths

    def suite(self, name: str) -> Suite:
        """Returns the suite called `name`.

        Raises:
            UnknownNameError: no such suite.
        """
        if name not in self.suites:
            raise UnknownNameError("suite", name, self.suites, hint="see: plantkit list suites")
        return self.suites[name]


def shipped_directory() -> Path:
    """Returns the directory of the challenges that ship with plantkit."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "shipped_challenges"
    return installed if installed.is_dir() else package.parent / "challenges"


def find(given: Sequence[Path] = (), *, plugins: Sequence[Path] = ()) -> Catalog:
    """Returns the challenges and suites in `given` directories and the usual places.

    Of two bundles with one id, the one in the earlier place is taken; `Catalog.shadowed` names
    the other where it is a different one.

    Raises:
        UsageError: a given directory does not exist, or two given ones hold different bundles
            of one id.
        BundleError: a suites file is broken.
    """
    for directory in given:
        if not directory.is_dir():
            raise UsageError(f"{directory} is not a directory; expected one that holds bundles")
    roots = [*given, Path("challenges"), shipped_directory(), *plugins]
    asked = {path.resolve() for path in given}
    found: dict[str, Path] = {}
    shadowed: list[tuple[Path, Path]] = []
    suites: dict[str, Suite] = {}
    for root in dict.fromkeys(path.resolve() for path in roots if path.is_dir()):
        for directory in sorted(path.parent for path in root.glob(f"*/{manifests.MANIFEST}")):
            first = found.setdefault(directory.name, directory)
            if _same_manifest(first, directory):
                continue
            if {first.parent, directory.parent} <= asked:
                raise UsageError(
                    f"two different bundles are named {directory.name!r}: {first} and {directory}; "
                    "rename one"
                )
            shadowed.append((first, directory))
        if os.path.lexists(root / SUITES_FILE):
            for name, suite in read_suites(root / SUITES_FILE).items():
                suites.setdefault(name, suite)
    return Catalog(bundles=found, suites=suites, shadowed=shadowed)


def _same_manifest(one: Path, other: Path) -> bool:
    """Returns whether two bundles hold one challenge, even if one of them is sealed."""
    return one == other or manifests.read_manifest(one)[1] == manifests.read_manifest(other)[1]
