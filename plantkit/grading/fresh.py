"""Challenges planted for one grading, which no submission can have seen."""

from __future__ import annotations

from pathlib import Path

from plantkit.grading.rubric import Criterion, Rubric, fresh_seed


def fresh_instances(
    rubric: Rubric, criterion: Criterion, like: Path, directory: Path
) -> list[Path]:
    """Returns `criterion.fresh` bundles like the one in `like`, planted in `directory` from
    the secret seed.

    Raises:
        RubricError: no seed in the environment, or this version plants no fresh instances.
    """
    fresh_seed(rubric)
    raise rubric.error(
        f"criterion {criterion.name!r}: this version of plantkit cannot plant fresh instances "
        f"of {like.name}; drop fresh",
        "criteria",
        criterion.position,
        "fresh",
    )
