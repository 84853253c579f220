"""Suites: named lists of challenges that are scored together, in a `suites.toml`.

The file may also pin challenges: its table `digests` says of each id which bundle is meant, by the
digest of the whole bundle. Nothing here imports torch.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from plantkit.challenges.files import check_schema, finite, read_bounded
from plantkit.errors import BundleError
from plantkit.files import write_whole

SUITES_FILE = "suites.toml"
_PINS = "digests"
_MOST_SUITES_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named list of challenges that are scored together.

    densities: as `densities.parse_density` returns them. seeds: runs of each pruner at each
    density. weights: of the "strong", the "weak" and the "overlap" area in a challenge's score.
    family_weights: of a family's challenges together, by name; 1 where nothing is said.
    baselines: names of pruners that are ranked with the given ones; all installed if None.
    fresh: how many new instances of each kind of challenge an evaluation plants and scores
        instead, unless it says another number; None to score the challenges themselves.
    pins: digests of the whole bundles that are meant, by id. where: the file that says all this.
    """

    name: str
    title: str
    challenges: tuple[str, ...]
    densities: tuple[float | str, ...]
    seeds: int
    weights: Mapping[str, float] = field(default_factory=dict)
    family_weights: Mapping[str, float] = field(default_factory=dict)
    baselines: tuple[str, ...] | None = None
    fresh: int | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    where: Path = field(default=Path(SUITES_FILE), compare=False)


def read_suites(path: Path) -> dict[str, Suite]:
    """Returns the suites defined in a `suites.toml`.

    Raises:
        BundleError: the file is not TOML or breaks its schema.
    """
    value = _read(path)
    pins = value.get(_PINS, {})
    return {name: _suite(name, entry, pins, path) for name, entry in value.items() if name != _PINS}


def check_pin(directory: Path, name: str, whole: str | None) -> None:
    """Checks the bundle in `directory` against the `suites.toml` next to it, if there is one.

    Of a directory that is a link, the file next to what it leads to counts, too.

    Args:
        name: its id.
        whole: digest of the whole bundle; None if it is not frozen.

    Raises:
        BundleError: another bundle is pinned under its id or its directory's name, or the file
            is not TOML or breaks its schema.
    """
    for place in _places(directory):
        path = place.parent / SUITES_FILE
        if os.path.lexists(path):
            pins = _read(path).get(_PINS, {})
            # No id has capitals, and file systems may not tell them from small letters.
            for known in {name, place.name.lower()} & pins.keys():
                hint = f"plantkit freeze {directory}"
                if known != name:
                    hint = f"its id is {name!r}; give it the id {known!r}, or move its directory"
                check_is_pinned(directory, pins[known], whole, path, hint)


def check_is_pinned(
    directory: Path, pin: str, whole: str | None, suites: Path, hint: str = ""
) -> None:
    """Raises `BundleError` unless `whole`, of the bundle in `directory`, is what is pinned.

    Args:
        hint: what to do if the bundle was changed on purpose; freezing it, if empty.
    """
    if whole != pin:
        raise BundleError(
            directory / "challenge.json",
            f"is not of the bundle that {suites} pins: the whole bundle's digest is "
            f"{whole or 'unknown, since it is not frozen'}; expected {pin}: get it again. If you "
            f"meant to change it: {hint or f'plantkit freeze {directory}'}",
        )


def write_pins(directory: Path, name: str, whole: str) -> list[Path]:
    """Pins the bundle in `directory` in the `suites.toml` next to it, if that names it.

    The rest of the file stays as it is, comments included.

    Returns:
        The files that pin it now; two if the directory is a link.
    """
    paths = [place.parent / SUITES_FILE for place in _places(directory)]
    return [path for path in paths if os.path.lexists(path) and _write_pin(path, name, whole)]


def _places(directory: Path) -> list[Path]:
    """Returns where a directory is: as it is given, and where it is if that is a link."""
    given = directory.absolute()
    return list(dict.fromkeys((directory.resolve(), given.parent.resolve() / given.name)))


def _write_pin(path: Path, name: str, whole: str) -> bool:
    """Writes a pin into a suites file, if that names the bundle; returns whether it does."""
    value = _read(path)
    pins = value.pop(_PINS, None)
    if name not in (pins or {}) and not any(
        name in suite["challenges"] for suite in value.values()
    ):
        return False
    text = read_bounded(path, _MOST_SUITES_BYTES).decode("utf-8-sig")
    ends = "\r\n" if "\r\n" in text else "\n"
    line = f'{name} = "{whole}"'
    if pins is None:
        changed = f"{text.rstrip()}{ends * 2}[{_PINS}]{ends}{line}{ends}"
    elif name in pins:
        changed = text.replace(pins[name], whole)
    else:
        header = rf"(?m)^\[{_PINS}\][^\r\n]*$"
        changed = re.sub(header, lambda found: f"{found[0]}{ends}{line}", text, count=1)
    if tomllib.loads(changed).get(_PINS, {}).get(name) != whole:
        raise BundleError(path, f"cannot be changed by plantkit: write {line} below [{_PINS}]")
    write_whole(path, changed)
    return True


def _read(path: Path) -> dict[str, Any]:
    """Returns what a suites file says, read again where it has changed.

    Raises:
        BundleError: it is not TOML or breaks its schema.
    """
    try:
        status = path.stat()
    except OSError:  # reading it says why
        return dict(_parse(path, ()))
    return dict(_parse(path, (status.st_ino, status.st_mtime_ns, status.st_size)))


@lru_cache(maxsize=32)
def _parse(path: Path, _version: tuple[int, ...]) -> dict[str, Any]:
    content = read_bounded(path, _MOST_SUITES_BYTES)
    try:
        value = tomllib.loads(content.decode("utf-8-sig"), parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise BundleError(path, f"is not valid TOML: {error}") from error
    check_schema(path, value, "suites")
    return value


def _suite(name: str, entry: Mapping[str, Any], pins: Mapping[str, str], path: Path) -> Suite:
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    mine = {one: pins[one] for one in entry["challenges"] if one in pins}
    return Suite(name=name, pins=mine, where=path, **fields)
