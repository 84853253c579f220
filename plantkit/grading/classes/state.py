"""What is known of each hand-in of a class, and what a grade would depend on now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from plantkit.errors import PluginError, UsageError
from plantkit.grading.classes.directory import ClassDirectory
from plantkit.grading.classes.graded import ERROR, GRADED, Basis, GradedHandIn, Grading
from plantkit.grading.classes.job import ClassJob, digest_of
from plantkit.grading.grade import Grade, clean
from plantkit.grading.handins import HandIn, HandIns
from plantkit.submissions.reading import read_submission

#: Begins the digest of files that are no submission.
_UNREADABLE = "unreadable-"
#: Most ids in a message.
_MOST_NAMED = 8


class State:
    """What is known of each hand-in, and what a grade would depend on now.

    Attributes:
        fresh_secret: what fresh instances are planted from; "" where there are none.
    """

    def __init__(self, job: ClassJob, handins: HandIns, directory: ClassDirectory) -> None:
        self.directory = directory
        self.fresh_secret = directory.secret if job.fresh_secret is None else job.fresh_secret
        self._job = job
        self._host = handins.host
        self._handins = handins.handins
        self._digests = {one.id: files_digest(one.path) for one in self._handins}
        self._last = directory.last()
        self._valid = {one.id: one for one in directory.records if one.status != ERROR}
        self._done: set[str] = set()
        self._basis = Basis(rubric=job.digest(self.fresh_secret), challenges=job.challenges)

    def check_class(self) -> None:
        """Checks that most of those who have a grade are still there.

        Raises:
            UsageError: they are not, as when another folder is given or taken for another host's.
        """
        there = {one.id for one in self._handins if one.path is not None}
        had = {one.id for one in self._valid.values() if one.status == GRADED}
        gone = sorted(had - there)
        if self._job.may_lose or len(gone) <= max(1, len(had) / 2):
            return
        more = f" and {len(gone) - _MOST_NAMED} more" if len(gone) > _MOST_NAMED else ""
        raise UsageError(
            f"{len(gone)} of the {len(had)} hand-ins that have a grade are not there any more, "
            f"read as {self._host}: {', '.join(gone[:_MOST_NAMED])}{more}; check the folder, or "
            f"give --host {self._host} if they are to lose their grades"
        )

    def missing(self) -> list[HandIn]:
        """Returns those who handed in nothing, of whom that is not yet known."""
        return [
            one
            for one in self._handins
            if one.path is None
            and (self._job.only is None or one.id in self._job.only)
            and (one.id not in self._last or self._last[one.id].digest)
        ]

    def due(self) -> list[HandIn]:
        """Returns those that are to be graded."""
        return [one for one in self._handins if one.path is not None and self._why(one)]

    def is_same(self, one: HandIn, sha256: str | None) -> bool:
        """Whether the files that were graded are those that were there at the start.

        Args:
            sha256: of those that were graded; None if they could not be read.
        """
        digest = self._digests[one.id]
        return digest.startswith(_UNREADABLE) if sha256 is None else digest == sha256

    def _why(self, one: HandIn) -> str:
        """Returns why a hand-in is to be graded now, or ""."""
        if one.id in self._done:
            return ""
        if self._job.only is not None:
            return "asked for" if one.id in self._job.only else ""
        last = self._last.get(one.id)
        if last is None:
            return "first"
        if last.digest != self._digests[one.id]:
            return "files changed"
        if last.status == ERROR:
            return "tried again"
        if last.basis.rubric != self._basis.rubric:
            return "rubric, secret or plantkit changed"
        if last.basis.challenges != self._basis.challenges:
            return "challenges changed"
        return ""

    def keep(self, one: HandIn, status: str, message: str = "", grade: Grade | None = None) -> None:
        """Keeps what came of a hand-in."""
        grading = Grading(
            id=one.id,
            name=clean(one.name, 200),
            status=status,
            graded=datetime.now(UTC).isoformat(timespec="seconds"),
            digest=self._digests[one.id],
            basis=self._basis,
            why=self._why(one) or "first",
            grade=None if grade is None else grade.to_json(),
            message=message,
        )
        self.directory.add(grading)
        self._last[one.id] = grading
        if status != ERROR:
            self._valid[one.id] = grading
        self._done.add(one.id)

    def all(self) -> list[GradedHandIn]:
        """Returns every hand-in with its last grade."""
        return [self._graded(one) for one in self._handins]

    def _graded(self, one: HandIn) -> GradedHandIn:
        """Returns a hand-in with its last grade, of whatever files that was."""
        last = self._last.get(one.id)
        if last is None:
            return GradedHandIn(handin=one)
        valid = self._valid.get(one.id, last)
        grade = valid.grade and Grade.from_json(
            valid.grade,
            decimals=self._job.rubric.decimals,
            hidden_visibility=self._job.rubric.gradescope_hidden,
        )
        message = last.message
        if grade and last.status == ERROR:
            message = f"the grade of {valid.graded}; could not be graded again: {message}"
            one = replace(one, notes=(*one.notes, message))
        return GradedHandIn(
            handin=one,
            grade=grade or None,
            status=last.status,
            graded=valid.graded,
            digest=valid.digest,
            is_current=valid.digest == self._digests[one.id],
            message=message,
        )


def files_digest(path: Path | None) -> str:
    """Returns a digest of the files of a hand-in, "" if there are none.

    Of one that cannot be read, it is a digest of the reason.
    """
    if path is None:
        return ""
    try:
        return read_submission(path).digest
    except PluginError as error:
        return _UNREADABLE + digest_of(str(error))
