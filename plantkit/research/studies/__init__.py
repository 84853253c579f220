"""Repeats the experiments of papers, and judges the papers' claims by them.

A new study is a module that defines `STUDY`, a table of its claims next to it, and one line in
`STUDIES`. This package runs, saves and resumes its units, judges its claims and writes its
report. `plantkit.research.studies.study.Study` says what a study must give.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from plantkit.errors import UnknownNameError

if TYPE_CHECKING:
    from plantkit.research.studies.study import Study

#: Name of a study to the module that defines it.
STUDIES = {
    "plant-n-seek": "plantkit.research.studies.plant_n_seek.study",
    "lottery": "plantkit.research.studies.lottery",
    "stability": "plantkit.research.studies.stability",
    "seek": "plantkit.research.studies.seek.study",
}


def find_study(name: str) -> Study:
    """Returns the study of this name.

    Raises:
        UnknownNameError: there is no such study; the message suggests the nearest names.
    """
    if name not in STUDIES:
        hint = f"studies: {', '.join(STUDIES)}"
        raise UnknownNameError("study", name, STUDIES, hint=hint)
    study: Study = importlib.import_module(STUDIES[name]).STUDY
    return study
