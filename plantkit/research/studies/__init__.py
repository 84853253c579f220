"""The registry of studies. A new study is a new file and one line here.

A study's module defines `STUDY`. Its units are run, saved and resumed, its claims judged and
its report written by this package; see
`plantkit.research.studies.study.Study` for what it must give.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from plantkit.errors import UnknownNameError

if TYPE_CHECKING:
    from plantkit.research.studies.study import Study

#: Name to the module that defines it.
STUDIES: Mapping[str, str] = MappingProxyType(
    {
        "plant-n-seek": "plantkit.research.studies.plant_n_seek",
        "lottery": "plantkit.research.studies.lottery",
        "stability": "plantkit.research.studies.stability",
    }
)


def find_study(name: str) -> Study:
    """Returns the study of this name.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest names.
    """
    if name not in STUDIES:
        hint = f"studies: {', '.join(STUDIES)}"
        raise UnknownNameError("study", name, STUDIES, hint=hint)
    study: Study = importlib.import_module(STUDIES[name]).STUDY
    return study
