"""After the contest: does a published truth belong to the challenge that was sealed?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from plantkit.challenges.bundles import TRUTH, Challenge, load_public, with_truth
from plantkit.challenges.drafting import draft_challenge, order_like
from plantkit.challenges.files import MOST_HEADER_BYTES, read_bounded
from plantkit.challenges.verification import verify_truth
from plantkit.errors import PlantkitError
from plantkit.version import __version__


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
    count = public.manifest["data"]["test"]
    sample = 4 * public.network.inputs + 4 * max(2, public.network.outputs)
    most = public.network.total + count * sample + MOST_HEADER_BYTES
    content = read_bounded(path, most, missing=f"is missing; expected the published {TRUTH}")
    challenge = with_truth(public, content, path)
    return f"the truth in {path} opens the {verify_truth(challenge)}; {_replanted(challenge)}"


def _replanted(challenge: Challenge) -> str:
    """Returns words on whether the seed in the truth gives the challenge."""
    version = challenge.manifest["planter_version"]
    if version != __version__:
        return f"not planted again: that takes plantkit {version}"
    try:
        order = order_like(challenge.manifest, variant="")
        seed = bytes.fromhex(challenge.truth.planting_seed)
        # The trained reference figures are not asked for: no epoch is trained.
        draft, _ = draft_challenge(replace(order, recipe=replace(order.recipe, epochs=0)), seed)
    except (PlantkitError, ValueError) as error:
        return f"not planted again: {error}"
    if draft.method != challenge.manifest["planting"]["method"]:
        return (
            f"not planted again: its method {challenge.manifest['planting']['method']!r} is unknown"
        )
    truth, found = challenge.truth, draft.truth
    pairs = {
        "weights": [(draft.weights[name], value) for name, value in challenge.weights.items()],
        "ticket": [
            (draft.truth.ticket[name], challenge.truth.ticket[name]) for name in draft.weights
        ],
        "data": [
            (draft.train.inputs, challenge.train.inputs),
            (draft.train.targets, challenge.train.targets),
            (found.test.inputs, truth.test.inputs),
            (found.test.targets, truth.test.targets),
        ],
    }
    other = [
        name
        for name, values in pairs.items()
        if not all(one.shape == two.shape and bool((one == two).all()) for one, two in values)
    ]
    if other:
        return f"planted again from its seed, {' and '.join(other)} differ on this machine"
    return "planted again from its seed, weights, ticket and data are the same"
