"""Compares the hand-ins of a class with each other, and with what is public."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plantkit.grading.classes.directory import ClassDirectory
from plantkit.grading.classes.graded import GradedHandIn
from plantkit.grading.copies.findings import Findings
from plantkit.grading.copies.memories import find_memories
from plantkit.grading.copies.pairs import find_copies
from plantkit.grading.copies.sources import code_of


def find_likenesses(
    directory: ClassDirectory,
    graded: Sequence[GradedHandIn],
    given: Sequence[Mapping[str, str]],
) -> Findings:
    """Returns what staff should look at, by what is known of the class.

    Runs of files that a hand-in no longer has are left out.

    Args:
        given: code that is nobody's own; see `given_code`.
    """
    there = [one.handin for one in graded if one.handin.path is not None]
    ran = {one.handin.id for one in graded if one.is_current}
    masks = {one.id: directory.masks_of(one.id) if one.id in ran else {} for one in there}
    return Findings(
        copies=find_copies(
            {one.id: code_of(one.path) for one in there if one.path is not None},
            given,
            masks,
            directory.reference_masks(),
        ),
        memories=find_memories(
            {one.id: directory.records_of(one.id) for one in there if one.id in ran},
            {str(run).partition(" ")[0] for mine in masks.values() for run in mine},
        ),
        names={one.id: one.name for one in there},
    )
