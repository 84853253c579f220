"""The conformance suite for pruners: what every plugin and submission must do.

    from plantkit.testing import parametrize_pruner_checks

    @parametrize_pruner_checks("my-pruner")  # a registered name, or a path
    def test_conformance(check):
        check()

`plantkit check PRUNER` runs the same checks. A pruner's code only ever runs in child
processes. What looks inside such a process (`plantkit.isolation.observing`) runs next to the
pruner, which could lie to it: the checks find mistakes, not cheats. Scores do not rest on them.

Problems are of all kinds of networks: perceptrons, convolutional and residual ones. Another kind
adds its problems to `plantkit.testing.problems` and its checks to `plantkit.testing.checks`.
"""

from __future__ import annotations

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

__all__ = [
    "CHECKS",
    "BoundCheck",
    "Check",
    "CheckFailure",
    "CheckResult",
    "CheckStatus",
    "Laboratory",
    "parametrize_pruner_checks",
    "pruner_checks",
    "run_checks",
]
