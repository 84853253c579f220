"""The conformance suites: what every plugin and submission must do.

Of pruners:

    from plantkit.testing import parametrize_pruner_checks

    @parametrize_pruner_checks("my-pruner")  # a registered name, or a path
    def test_conformance(check):
        check()

`plantkit check PRUNER` runs the same checks. A pruner's code only ever runs in child
processes. What looks inside such a process (`plantkit.isolation.observing`) runs next to the
pruner, which could lie to it: the checks find mistakes, not cheats. Scores do not rest on them.

Problems are of all kinds of networks: perceptrons, convolutional and residual ones. Another kind
adds its problems to `plantkit.testing.problems` and its checks to `plantkit.testing.checks`.

Families, planting methods and attackers are installed plugins, whose code runs in this process:

    from plantkit.testing import parametrize_attacker_checks, parametrize_family_checks

    @parametrize_family_checks("my-family", width=60)
    def test_conformance(check):
        check()
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from plantkit.testing.checks import CHECKS
from plantkit.testing.examining import Check, CheckFailure
from plantkit.testing.laboratory import Laboratory
from plantkit.testing.suite import (
    BoundCheck,
    CheckResult,
    CheckStatus,
    parametrize_pruner_checks,
    pruner_checks,
    run_checks,
)

if TYPE_CHECKING:
    from plantkit.testing.attacker_checks import ATTACKER_CHECKS
    from plantkit.testing.planter import Planter
    from plantkit.testing.planting_checks import PLANTING_CHECKS
    from plantkit.testing.planting_suite import (
        parametrize_attacker_checks,
        parametrize_family_checks,
        run_attacker_checks,
        run_family_checks,
    )

__all__ = [
    "ATTACKER_CHECKS",
    "CHECKS",
    "PLANTING_CHECKS",
    "BoundCheck",
    "Check",
    "CheckFailure",
    "CheckResult",
    "CheckStatus",
    "Laboratory",
    "Planter",
    "parametrize_attacker_checks",
    "parametrize_family_checks",
    "parametrize_pruner_checks",
    "pruner_checks",
    "run_attacker_checks",
    "run_checks",
    "run_family_checks",
]

# What plants imports torch, which a check of a pruner does in child processes only.
_HOMES = {
    "ATTACKER_CHECKS": "plantkit.testing.attacker_checks",
    "PLANTING_CHECKS": "plantkit.testing.planting_checks",
    "Planter": "plantkit.testing.planter",
    "parametrize_attacker_checks": "plantkit.testing.planting_suite",
    "parametrize_family_checks": "plantkit.testing.planting_suite",
    "run_attacker_checks": "plantkit.testing.planting_suite",
    "run_family_checks": "plantkit.testing.planting_suite",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    message = f"module 'plantkit.testing' has no attribute {name!r}"
    raise AttributeError(message, name=name, obj=sys.modules[__name__])
