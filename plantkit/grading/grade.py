"""A grade: what each criterion expected, got, and earned."""

from __future__ import annotations

import enum
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

#: Format of `--json`.
GRADE_VERSION = 1
HIDDEN_NAME = "Hidden criteria"
_MOST_TEXT = 2000


class MarkVerdict(enum.StrEnum):
    """How a criterion came out.

    INVALID: runs ended, but a mask broke the contract. ERROR: a run crashed, timed out or ran
    out of memory, or the submission could not be loaded.
    """

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    INVALID = "invalid mask"
    ERROR = "error"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The result of one criterion.

    points: earned, not rounded. got: in words. value: None if nothing was measured. message:
    what went wrong, else "". seconds: wall time of the runs that it looked at.
    """

    name: str
    description: str = ""
    points: float
    max_points: float
    verdict: MarkVerdict
    hidden: bool = False
    expected: str = ""
    got: str = ""
    value: float | None = None
    message: str = ""
    seconds: float = 0.0

    def feedback(self) -> str:
        """Returns lines of text: description, what was expected and got, and what went wrong."""
        expected = self.expected and f"expected {self.expected}"
        got = self.got and f"got {self.got}"
        return "\n".join(filter(None, [self.description, expected, got, self.message]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A submission's grade.

    submission: the pruner's name, or the file's if it could not be loaded. path: of the file,
    as given, or None. pass_share: of the points at stake, in [0, 1]. error, error_line: why it
    could not be loaded. format_errors: why it could not be loaded, or which masks are invalid.
    hidden_visibility: of hidden criteria, in Gradescope's words.
    """

    title: str
    submission: str
    path: str | None
    marks: Sequence[Mark]
    pass_share: float
    decimals: int = 2
    seconds: float = 0.0
    error: str = ""
    error_line: int | None = None
    format_errors: Sequence[str] = ()
    hidden_visibility: str = "hidden"

    @property
    def run_marks(self) -> list[Mark]:
        return [mark for mark in self.marks if mark.verdict is not MarkVerdict.NOT_RUN]

    @property
    def points(self) -> float:
        """The total, rounded here and nowhere else."""
        return round(math.fsum(mark.points for mark in self.run_marks), self.decimals)

    @property
    def max_points(self) -> float:
        """The points at stake: those of the criteria that were run."""
        return round(math.fsum(mark.max_points for mark in self.run_marks), self.decimals)

    @property
    def share(self) -> float:
        """Points earned as a share of those at stake, in [0, 1], not rounded."""
        at_stake = math.fsum(mark.max_points for mark in self.run_marks)
        return math.fsum(mark.points for mark in self.run_marks) / at_stake if at_stake else 0.0

    @property
    def passed(self) -> bool:
        # 0.1 + 0.2 of 0.3 points must count as all of them.
        return not self.error and self.share >= self.pass_share - 1e-9

    def error_mark(self) -> Mark:
        """Returns the mark for formats that need one although nothing was marked."""
        return Mark(
            name="grading",
            points=0.0,
            max_points=0.0,
            verdict=MarkVerdict.ERROR,
            message=self.error,
        )

    def for_students(self) -> Grade:
        """Returns the grade with one mark, without details, for all hidden criteria that were run.

        A hostile submission could put what it saw into a message, and points by criterion are
        a hint.
        """
        hidden = [mark for mark in self.run_marks if mark.hidden]
        if not hidden:
            return self
        points = math.fsum(mark.points for mark in hidden)
        at_stake = math.fsum(mark.max_points for mark in hidden)
        folded = Mark(
            name=HIDDEN_NAME,
            description=f"{len(hidden)} hidden criteria; course staff see their details."
            if len(hidden) > 1
            else "One hidden criterion; course staff see its details.",
            points=points,
            max_points=at_stake,
            verdict=verdict_of(
                points, at_stake, fault=worst_fault(mark.verdict for mark in hidden)
            ),
            hidden=True,
            seconds=math.fsum(mark.seconds for mark in hidden),
        )
        shown = [mark for mark in self.marks if mark not in hidden]
        return replace(self, marks=[*shown, folded])

    def shortened(self, most: int) -> Grade:
        """Returns the grade with texts of marks cut to `most` characters."""
        return replace(
            self,
            marks=[
                replace(
                    mark,
                    description=clean(mark.description, most) if most else "",
                    message=clean(mark.message, most) if most else "",
                )
                for mark in self.marks
            ],
            format_errors=[clean(error, max(most, 100)) for error in self.format_errors[:20]],
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the object for staff, hidden details included; its schema is `grade`."""
        return {
            "schema_version": GRADE_VERSION,
            "title": self.title,
            "submission": self.submission,
            "path": self.path,
            "points": self.points,
            "max_points": self.max_points,
            "share": self.share,
            "pass_share": self.pass_share,
            "passed": self.passed,
            "seconds": self.seconds,
            "error": self.error,
            "error_line": self.error_line,
            "format_errors": list(self.format_errors),
            "criteria": [asdict(mark) | {"verdict": mark.verdict.value} for mark in self.marks],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, decimals: int, hidden_visibility: str) -> Grade:
        """Returns the grade whose `to_json` gave `value`; the rubric knows the rest."""
        fields = ("title", "submission", "path", "pass_share", "seconds", "error", "error_line")
        return cls(
            marks=[
                Mark(**mark | {"verdict": MarkVerdict(mark["verdict"])})
                for mark in value["criteria"]
            ],
            decimals=decimals,
            format_errors=value["format_errors"],
            hidden_visibility=hidden_visibility,
            **{name: value[name] for name in fields},
        )


def worst_fault(verdicts: Iterable[MarkVerdict]) -> MarkVerdict | None:
    """Returns `ERROR` if it is among the verdicts, else `INVALID` if that is, else None."""
    found = set(verdicts)
    return next(
        (fault for fault in (MarkVerdict.ERROR, MarkVerdict.INVALID) if fault in found), None
    )


def verdict_of(points: float, max_points: float, *, fault: MarkVerdict | None) -> MarkVerdict:
    """Returns the verdict on earned points; a fault counts unless all points were earned.

    Args:
        fault: `INVALID` or `ERROR` where a run gave no mask, else None.
    """
    if points >= max_points:
        return MarkVerdict.PASSED
    if fault is not None:
        return fault
    return MarkVerdict.PARTIAL if points > 0 else MarkVerdict.FAILED


def unfinished(submission: str) -> Grade:
    """Returns the grade that a host reads if grading breaks off."""
    message = "The grader stopped before it was done; course staff find the reason in its log."
    return Grade(
        title="plantkit grade",
        submission=clean(Path(submission).name, 200),
        path=None,
        marks=[],
        pass_share=1.0,
        error=message,
        format_errors=[message],
    )


def clean(text: object, most: int = _MOST_TEXT) -> str:
    """Returns text that is safe to show, of at most `most` characters.

    Control characters (terminal escapes, NUL), surrogates and marks that reorder text go.
    """
    kept = "".join(
        character
        for character in str(text).replace("\r\n", "\n").replace("\t", "    ")
        if character == "\n" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Cn"}
    )
    return kept if len(kept) <= most else kept[: most - 1] + "…"
