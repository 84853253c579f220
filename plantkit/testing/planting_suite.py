"""Running the checks of families, planting methods and attackers, for a report or as tests.

They are installed plugins, so that their code runs in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from plantkit.errors import UnknownNameError
from plantkit.planting import Family, PlantingMethod
from plantkit.planting.exposed import Attacker
from plantkit.testing.attacker_checks import ATTACKER_CHECKS, AttackerSubject
from plantkit.testing.examining import Check
from plantkit.testing.planter import Planter
from plantkit.testing.planting_checks import PLANTING_CHECKS
from plantkit.testing.suite import BoundCheck, CheckResult, Examination


def run_family_checks(planter: Planter) -> Iterator[CheckResult]:
    """Yields the result of every check of a family as it is planted."""
    examination = Examination(planter, PLANTING_CHECKS)
    return (examination.result(check.name) for check in PLANTING_CHECKS)


def run_attacker_checks(attacker: str | Attacker) -> Iterator[CheckResult]:
    """Yields the result of every check of an attacker, a plugin's where it is given by name."""
    examination = Examination(AttackerSubject(given=attacker), ATTACKER_CHECKS)
    return (examination.result(check.name) for check in ATTACKER_CHECKS)


def parametrize_family_checks(
    family: str | Family,
    *,
    planting: str | PlantingMethod[Any] | None = None,
    dials: Mapping[str, object] | None = None,
    depth: int = 4,
    width: int = 60,
    leave_out: Sequence[str] = (),
) -> Callable[[Callable[..., None]], Any]:
    """Returns a decorator that runs a test with every check of a planted family, as `check`.

    @parametrize_family_checks("spiral")
    def test_conformance(check):
        check()

    Args:
        family: a family, or its name.
        planting: a planting method, or its name; the family's default if None.
        dials: of the family, by name.
        depth, width: of the perceptron that is planted in.
        leave_out: names of checks that it need not pass.

    Raises:
        UnknownNameError: no such check to leave out.
    """
    texts = {name: str(value) for name, value in (dials or {}).items()}
    planter = Planter(given=family, planting=planting, dials=texts, depth=depth, width=width)
    return _parametrize(planter, PLANTING_CHECKS, leave_out)


def parametrize_attacker_checks(
    attacker: str | Attacker, *, leave_out: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Any]:
    """Returns a decorator that runs a test with every check of an attacker, as `check`.

    Args:
        attacker: an attacker, or the name of a plugin's.
        leave_out: names of checks that it need not pass.

    Raises:
        UnknownNameError: no such check to leave out.
    """
    return _parametrize(AttackerSubject(given=attacker), ATTACKER_CHECKS, leave_out)


def _parametrize(
    subject: Planter | AttackerSubject, checks: Sequence[Check], leave_out: Sequence[str]
) -> Callable[[Callable[..., None]], Any]:
    import pytest

    known = [check.name for check in checks]
    for name in leave_out:
        if name not in known:
            raise UnknownNameError("check", name, known)
    examination = Examination(subject, checks)
    bound = [
        BoundCheck(examination, check, subject.name.replace(" ", "-"))
        for check in checks
        if check.name not in leave_out
    ]
    return pytest.mark.parametrize("check", bound, ids=repr)
