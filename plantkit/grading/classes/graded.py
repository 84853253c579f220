"""One grading of one hand-in, as it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from plantkit.grading.grade import Grade
from plantkit.grading.handins import HandIn

#: How a hand-in can stand. ERROR: it could not be graded, which is not its fault.
GRADED, MISSING, ERROR = "graded", "missing", "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a grade depends on besides the hand-in, by digests.

    rubric: of the rubric's text, the versions and the secret of fresh instances. challenges: of
    the bundles that it names, and how they are run on.
    """

    rubric: str
    challenges: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """One grading, a line of the class's records; see `GradedHandIn`.

    graded: when, ISO 8601. digest: of the hand-in's files. why: it was graded now. grade: its
    JSON, None where there is none. message: why there is none.
    """

    id: str
    name: str
    status: str
    graded: str
    digest: str
    basis: Basis
    why: str
    grade: Mapping[str, Any] | None = None
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Grading:
        return cls(**{**value, "basis": Basis(**value["basis"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedHandIn:
    """A hand-in and its last grade.

    status: `GRADED`, `MISSING`, `ERROR`, or "" where it was not its turn yet. Where it is `ERROR`,
    an earlier grade stays. graded: when that grade was made, ISO 8601. digest: of the files that
    it is of. is_current: whether these are the files as they are now. message: why it could not be
    graded.
    """

    handin: HandIn
    grade: Grade | None = None
    status: str = ""
    graded: str = ""
    digest: str = ""
    is_current: bool = False
    message: str = ""
