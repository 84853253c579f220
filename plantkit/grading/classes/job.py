"""What a class is graded by, checked before anything of it is written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plantkit.errors import UsageError
from plantkit.evaluation.requests import Request
from plantkit.isolation.levels import Level, choose
from plantkit.isolation.probe import probe_machine
from plantkit.version import __version__

if TYPE_CHECKING:
    from plantkit.grading.rubric import Rubric


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassJob:
    """What a class is graded by; `of` makes it.

    request: where challenges are found, and how submissions are run. level: of isolation.
    challenges: a digest of what is run on. fresh_secret: what fresh instances are planted from, ""
    where there are none, None for the class's own secret. only: ids of those that are graded now,
    whether or not anything has changed; all that need it if None. may_lose: whether it is right
    that most of the class is gone.
    """

    rubric: Rubric
    request: Request
    level: Level
    challenges: str
    fresh_secret: str | None
    only: Collection[str] | None = None
    may_lose: bool = False

    @classmethod
    def of(
        cls,
        rubric: Rubric,
        request: Request,
        *,
        only: Collection[str] | None = None,
        may_lose: bool = False,
    ) -> ClassJob:
        """Returns the job.

        Raises:
            RubricError: the rubric asks for something that does not exist, or lacks the details of
                hidden criteria.
            UsageError: the variable for fresh instances holds no secret, or is needed.
            IsolationError: this machine lacks what the level that was asked for needs.
        """
        from plantkit.grading.plan import find_bundles

        for criterion in rubric.criteria:
            if criterion.is_stub:
                raise rubric.fault(
                    criterion,
                    "it is hidden and has no details here; grade with the rubric of course staff",
                )
        bundles = find_bundles(rubric, rubric.criteria, request, warn=lambda _: None)
        level, _ = choose(request.isolation, probe_machine())
        return cls(
            rubric=rubric,
            request=request,
            level=level,
            challenges=digest_of([sorted(bundles.paths), repr(bundles.protocol)]),
            fresh_secret=_fresh_secret(rubric, level),
            only=only,
            may_lose=may_lose,
        )

    def digest(self, secret: str) -> str:
        """Returns a digest of the rubric's text, the secret and the versions."""
        from plantkit.scoring.score import SCORING_VERSION

        text = self.rubric.path.read_text(encoding="utf-8")
        return digest_of([text, secret, SCORING_VERSION, __version__])


def digest_of(value: object) -> str:
    """Returns a digest of what can be written as JSON."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _fresh_secret(rubric: Rubric, level: Level) -> str | None:
    """Returns what `ClassJob.fresh_secret` is.

    Raises:
        UsageError: the variable's value is no secret; or it is not set, and hand-ins could read
            the file in which the class's own secret is.
    """
    variable = rubric.run.fresh_seed_env
    if all(criterion.fresh is None for criterion in rubric.criteria):
        return ""
    if variable in os.environ:
        from plantkit.challenges.fresh import secret_from

        return secret_from(variable, os.environ)
    if level is not Level.FULL:
        raise UsageError(
            f"fresh instances need the environment variable {variable} here: isolation is "
            f"'{level}', at which a hand-in could read the secret from a file; set it to 16 "
            "characters or more that nobody can guess, and to the same every time"
        )
    return None
