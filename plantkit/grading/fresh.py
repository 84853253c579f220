"""Challenges planted for one grading, which no submission can have seen."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from plantkit.evaluation.requests import Request
from plantkit.grading.rubric import Criterion, Rubric


def fresh_request(rubric: Rubric, criterion: Criterion, like: Path, request: Request) -> Request:
    """Returns the request that runs on `criterion.fresh` new instances of the bundle `like`.

    The session plants them in memory, from the secret in the rubric's environment variable:
    their truth never lies on a disk that a submission might read.

    Raises:
        RubricError: this version's session plants no fresh instances.
    """
    if not {"fresh", "fresh_seed_env"} <= {field.name for field in fields(Request)}:
        raise rubric.error(
            f"criterion {criterion.name!r}: this version of plantkit cannot plant fresh "
            f"instances of {like.name}; drop fresh",
            "criteria",
            criterion.position,
            "fresh",
        )
    changes: dict[str, Any] = {
        "fresh": criterion.fresh,
        "fresh_seed_env": rubric.run.fresh_seed_env,
        "challenges": [str(like)],
    }
    return replace(request, **changes)
