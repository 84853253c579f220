"""Who takes part: a pruner, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plantkit.pruners.sources import PrunerSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A pruner that takes part.

    label: its unique name in the tables. sha256: of a submission's file, else None.
    module: of an installed plugin, where its entry point leads; its answers may be cached.
    is_submission: given by path rather than by a registered name.
    is_seeded: whether its masks may depend on the seed; if not, one run serves all seeds.
    """

    label: str
    source: PrunerSource
    reference: str = ""
    sha256: str | None = None
    plugin: str = ""
    version: str = ""
    module: str = ""
    is_submission: bool = False
    is_seeded: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.label,
            "path": self.source.path,
            "sha256": self.sha256,
            "plugin": self.plugin or None,
            "version": self.version or None,
            "options": dict(self.source.options),
            "reference": self.reference,
        }
