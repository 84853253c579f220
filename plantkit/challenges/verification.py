"""Checking a bundle beyond what every load checks: its figures, its seed, a published truth, and
who signed it."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import torch

from plantkit.challenges.bundles import (
    Challenge,
    bundle_of,
    challenge_of,
    load_public,
    most_bytes,
    public_of,
    with_truth,
)
from plantkit.challenges.costs import removal_costs
from plantkit.challenges.drafting import draft_challenge, order_like
from plantkit.challenges.files import read_bounded
from plantkit.challenges.frozen import RECORDS
from plantkit.challenges.manifests import MANIFEST, SEALED, TRUTH, Stated, read_stated
from plantkit.challenges.sealing import SecretKey
from plantkit.challenges.signing import SIGNATURE, Signer, check_signature
from plantkit.errors import BundleError, MissingExtraError, PlantkitError
from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.networks.training.accuracy import strong_accuracy, trivial_accuracy
from plantkit.planting import Patience
from plantkit.version import __version__

#: Untrained accuracy needs a few sums only; machines differ by rounding.
TOLERANCE = 2e-3
#: The same for what removals cost, as a factor: one sample in ten thousand more or less is a fifth
#: of the least cost that manifests count by.
COST_TOLERANCE = 1.25


def verify_bundle(
    path: Path,
    *,
    stated: Stated | None = None,
    key: SecretKey | None = None,
    signer: Signer | None = None,
) -> str:
    """Returns one line on what was verified in the bundle at `path`.

    Checks the schema, the digest of every file, names, shapes and types; who signed it, if
    anybody did; and, where the truth is in the clear or `key` opens it, the commitment and the
    reference figures.

    Args:
        stated: by its manifest, where that has been read.
        signer: who must have signed it.

    Raises:
        BundleError: anything is not as the manifest says, or it was not signed by `signer`.
        SealedTruthError: the truth is sealed for another key than `key`.
        MissingExtraError: `signer` was given, and the package `cryptography` is not installed.
    """
    stated = read_stated(path) if stated is None else stated
    bundle = bundle_of(stated, path)
    public = public_of(bundle)
    words = [f"{len(public.manifest['files'])} files as stated", *_signed(path, stated, signer)]
    known = {MANIFEST, SIGNATURE, *public.manifest["files"], *RECORDS}
    others = [one.name for one in path.iterdir() if one.name not in known]
    if public.is_sealed and TRUTH in others:
        raise BundleError(
            path / TRUTH, f"has the truth in the clear, which {SEALED} is to hide: remove it"
        )
    if others := sorted(name for name in others if not name.startswith(".")):
        words.append(f"not of the bundle, and not covered: {', '.join(map(repr, others))}")
    if public.is_sealed and key is None:
        return ", ".join(words) + "; its truth is sealed and was not checked: that takes the key"
    return ", ".join([*words, _verify_truth(challenge_of(bundle, key=key))])


def _signed(path: Path, stated: Stated, signer: Signer | None) -> list[str]:
    """Returns words on who signed a bundle, none if nobody did and nobody must have."""
    if signer is not None:
        check_signature(path, stated, signer)
        return [f"signed by {signer.id}"]
    if not os.path.lexists(path / SIGNATURE):
        return []
    try:
        found = check_signature(path, stated)
    except MissingExtraError as error:
        return [f"its signature was not checked: {error}"]
    return [f"signed by {found.id}, whoever that is: --signer says whose key you trust"]


def verify_reveal(directory: Path, revealed: Path) -> str:
    """Returns one line on what a published truth proves about the bundle in `directory`.

    Checks that the truth opens the commitment, that it fits the bundle, and the reference
    figures. Then plants again from the seed in the truth, where this version of plantkit can,
    and says whether the same weights, ticket and data come out.

    Args:
        directory: the bundle as it was during the contest, sealed or not.
        revealed: `truth.safetensors`, or a directory that holds it.

    Raises:
        BundleError: the truth is not the one that was committed to, or a figure is wrong.
    """
    public = load_public(directory)
    path = revealed / TRUTH if revealed.is_dir() else revealed
    missing = f"is missing; expected the published {TRUTH}"
    content = read_bounded(path, most_bytes(public.manifest)[TRUTH], missing=missing)
    challenge = with_truth(public, content, path)
    return f"the truth in {path} opens the {_verify_truth(challenge)}; {_replanted(challenge)}"


def _verify_truth(challenge: Challenge) -> str:
    """Returns words on what was verified in the truth of `challenge`.

    Recomputes the accuracy of the untrained ticket, of the untrained dense network and of the
    constant predictor.

    Raises:
        BundleError: a figure is not as the manifest says.
    """
    data = {"train_data": challenge.train, "test_data": challenge.truth.test}
    ticket, dense = strong_accuracy(
        challenge.network,
        challenge.task,
        challenge.weights,
        [challenge.truth.ticket, Mask.full(challenge.network)],
        **data,
    )
    for name, found, stated in (
        ("reference.ticket.strong", ticket, challenge.ticket.strong),
        ("reference.dense.strong", dense, challenge.dense.strong),
        ("reference.trivial", trivial_accuracy(challenge.task, **data), challenge.trivial),
    ):
        if not math.isclose(found, stated, rel_tol=0, abs_tol=TOLERANCE):
            raise BundleError(
                challenge.path / MANIFEST, f"{name} is {stated:.6f}; recomputed {found:.6f}"
            )
    _verify_costs(challenge)
    return (
        "commitment and reference figures as stated "
        f"(ticket {challenge.task.metric} {ticket:.4f} untrained)"
    )


def _verify_costs(challenge: Challenge) -> None:
    """Raises `BundleError` unless as many entries cost as much as the manifest says."""
    stated = challenge.manifest["ticket"].get("costs", ())
    if not stated:
        return
    if not isinstance(challenge.network, PerceptronSpec):
        raise BundleError(challenge.path / MANIFEST, "ticket.costs are stated of perceptrons only")
    costs = removal_costs(
        challenge.network,
        challenge.task,
        challenge.weights,
        challenge.truth.ticket,
        challenge.train,
    )
    for number, one in enumerate(stated):
        least = costs.count(one["at_least"] * COST_TOLERANCE)
        most = costs.count(one["at_least"] / COST_TOLERANCE)
        if not least <= one["entries"] <= most:
            raise BundleError(
                challenge.path / MANIFEST,
                f"ticket.costs[{number}] says that {one['entries']} entries cost at least "
                f"{one['at_least']:g}; recomputed {costs.count(one['at_least'])}",
            )


def _replanted(challenge: Challenge) -> str:
    """Returns words on whether the seed in the truth gives the challenge."""
    version = challenge.manifest["planter_version"]
    if version != __version__:
        return f"not planted again: that takes plantkit {version}"
    try:
        order = order_like(challenge.manifest, variant="")
        seed = bytes.fromhex(challenge.truth.planting_seed)
        # The trained reference figures are not asked for: no epoch is trained.
        untrained = replace(order, recipe=replace(order.recipe, epochs=0))
        # However long it took: its ticket is there.
        bundle, _ = draft_challenge(untrained, seed, patience=Patience(seconds=math.inf))
        again = challenge_of(bundle)
    except (PlantkitError, ValueError) as error:
        return f"not planted again: {error}"
    mine, its = _parts(challenge), _parts(again)
    other = [name for name in mine if not all(map(torch.equal, mine[name], its[name]))]
    if other:
        return f"planted again from its seed, {' and '.join(other)} differ on this machine"
    return "planted again from its seed, weights, ticket and data are the same"


def _parts(challenge: Challenge) -> dict[str, list[torch.Tensor]]:
    train, test = challenge.train, challenge.truth.test
    return {
        "weights": list(challenge.weights.values()),
        "ticket": list(challenge.truth.ticket.values()),
        "data": [train.inputs, train.targets, test.inputs, test.targets],
    }
