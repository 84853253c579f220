"""How many there are of what plantkit comes with."""

from __future__ import annotations

from importlib.metadata import entry_points

from sources import source


@source
def count(what: str) -> str:
    """Returns how many `pruners` or `checks` plantkit comes with, or a bound of submissions."""
    if what in {"files", "megabytes"}:
        from plantkit.submissions.submission import MOST_BYTES, MOST_FILES

        return str(MOST_FILES if what == "files" else MOST_BYTES // 2**20)
    if what == "checks":
        from plantkit.testing import CHECKS

        return str(len(CHECKS))
    found = entry_points(group="plantkit")
    return str(sum(1 for entry in found if entry.value.startswith("plantkit_baselines.")))
