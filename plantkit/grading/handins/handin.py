"""What one student or group handed in, and what a class did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class HandIn:
    """What one student or group handed in.

    id: unique in the class, whatever the case of letters, and safe as the name of a file; the key
    of everything. name: as shown to staff. path: what is graded, a file or folder; None where
    nothing was handed in. submitted: ISO 8601, or "" where the host does not say. notes: what
    staff should know, a sentence each. fields: what gradebooks need back, by the names in
    `found.FIELDS`. members: the same of each of several students, with their names.
    """

    id: str
    name: str
    path: Path | None
    submitted: str = ""
    late: bool = False
    notes: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    members: tuple[Mapping[str, str], ...] = ()

    @property
    def students(self) -> tuple[Mapping[str, str], ...]:
        """The fields of every student whose work it is, names among them: one at least."""
        return self.members or ({"name": self.name, **self.fields},)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandIns:
    """What a class handed in.

    host: the name of the module that read it. handins: sorted by id. notes: what staff should
    know of the folder as a whole, such as files that belong to nobody.
    """

    host: str
    handins: tuple[HandIn, ...]
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[HandIn, ...]:
        """Those who handed in nothing."""
        return tuple(one for one in self.handins if one.path is None)
