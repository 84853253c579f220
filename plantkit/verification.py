"""Checking a bundle beyond what every load checks: its reference figures, computed anew."""

from __future__ import annotations

import math
from pathlib import Path

from plantkit.bundles import MANIFEST, load
from plantkit.errors import BundleError
from plantkit.performance import strong_performance, trivial_performance

#: Untrained performance needs a few sums only; machines differ by rounding.
TOLERANCE = 2e-3


def verify_bundle(path: Path) -> str:
    """Returns one line on what was verified in the bundle at `path`.

    Checks the schema, the digest of every file, the commitment, names, shapes and types, and
    recomputes the performance of the untrained ticket, of the untrained dense network and of
    the constant predictor.

    Raises:
        BundleError: anything is not as the manifest says.
    """
    challenge = load(path)
    data = {"train_data": challenge.train, "test_data": challenge.truth.test}
    ticket, dense = strong_performance(
        challenge.network,
        challenge.task,
        challenge.weights,
        [challenge.truth.ticket, challenge.problem(density=1.0, seed=0).full_mask()],
        **data,
    )
    trivial = trivial_performance(challenge.task, **data)
    for name, found, stated in (
        ("reference.ticket.strong", ticket, challenge.ticket.strong),
        ("reference.dense.strong", dense, challenge.dense.strong),
        ("reference.trivial", trivial, challenge.trivial),
    ):
        if not math.isclose(found, stated, rel_tol=0, abs_tol=TOLERANCE):
            raise BundleError(path / MANIFEST, f"{name} is {stated:.6f}; recomputed {found:.6f}")
    return (
        f"{len(challenge.manifest['files'])} files, commitment and reference figures as stated "
        f"(ticket {challenge.task.metric} {ticket:.4f} untrained)"
    )
