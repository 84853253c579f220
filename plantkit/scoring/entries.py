"""A pruner that takes part in an evaluation, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plantkit.pruners.sources import PrunerSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A pruner that takes part.

    label: its unique name in the tables. sha256: of all files of a submission, else None.
    module: of an installed plugin, the target of its entry point; its masks may be cached.
    is_seeded: whether its masks may depend on the seed. If not, one run counts for all seeds.
    rewind: the step of dense training that its masks are trained from, 0 for the initialisation.
    """

    label: str
    source: PrunerSource
    reference: str = ""
    sha256: str | None = None
    plugin: str = ""
    version: str = ""
    module: str = ""
    is_seeded: bool = True
    rewind: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.label,
            "path": self.source.path,
            "sha256": self.sha256,
            "plugin": self.plugin or None,
            "version": self.version or None,
            "options": dict(self.source.options),
            "reference": self.reference,
            "rewind": self.rewind,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Entry:
        """Returns the entry that `to_json` made `value` of, without what only running it needs."""
        return cls(
            label=value["name"],
            source=PrunerSource(
                path=value["path"], entry_point=value["plugin"], options=value["options"]
            ),
            reference=value["reference"],
            sha256=value["sha256"],
            plugin=value["plugin"] or "",
            version=value["version"] or "",
            rewind=value["rewind"],
        )
