"""Checking a bundle beyond what every load checks: its reference figures, computed anew."""

from __future__ import annotations

import math
from pathlib import Path

from plantkit.challenges.bundles import MANIFEST, Challenge, load, load_public
from plantkit.challenges.sealing import SecretKey
from plantkit.errors import BundleError
from plantkit.networks.training.accuracy import strong_accuracy, trivial_accuracy

#: Untrained performance needs a few sums only; machines differ by rounding.
TOLERANCE = 2e-3


def verify_bundle(path: Path, *, key: SecretKey | None = None) -> str:
    """Returns one line on what was verified in the bundle at `path`.

    Checks the schema, the digest of every file, names, shapes and types; and, where the truth
    is in the clear or `key` opens it, the commitment and the reference figures.

    Raises:
        BundleError: anything is not as the manifest says.
        SealedTruthError: the truth is sealed for another key than `key`.
    """
    public = load_public(path)
    files = f"{len(public.manifest['files'])} files as stated"
    if public.is_sealed and key is None:
        return f"{files}; its truth is sealed and was not checked: that takes the key"
    return f"{files}, {verify_truth(load(path, key=key))}"


def verify_truth(challenge: Challenge) -> str:
    """Returns words on what was verified in the truth of `challenge`.

    Recomputes the performance of the untrained ticket, of the untrained dense network and of
    the constant predictor.

    Raises:
        BundleError: a figure is not as the manifest says.
    """
    data = {"train_data": challenge.train, "test_data": challenge.truth.test}
    ticket, dense = strong_accuracy(
        challenge.network,
        challenge.task,
        challenge.weights,
        [challenge.truth.ticket, challenge.problem(density=1.0, seed=0).full_mask()],
        **data,
    )
    trivial = trivial_accuracy(challenge.task, **data)
    for name, found, stated in (
        ("reference.ticket.strong", ticket, challenge.ticket.strong),
        ("reference.dense.strong", dense, challenge.dense.strong),
        ("reference.trivial", trivial, challenge.trivial),
    ):
        if not math.isclose(found, stated, rel_tol=0, abs_tol=TOLERANCE):
            raise BundleError(
                challenge.path / MANIFEST, f"{name} is {stated:.6f}; recomputed {found:.6f}"
            )
    return (
        "commitment and reference figures as stated "
        f"(ticket {challenge.task.metric} {ticket:.4f} untrained)"
    )
