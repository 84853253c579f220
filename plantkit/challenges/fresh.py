"""Fresh instances: new challenges like given ones, from secret seeds, in memory only.

A mask that was memorised, or a ticket that leaked, is worth nothing on a network that did not
exist before. Instances of one family and shape are exchangeable: the same construction is
planted by the same law, so that their scores can be compared.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plantkit.challenges.bundles import Challenge, challenge_of
from plantkit.challenges.drafting import draft_challenge, order_like
from plantkit.challenges.manifests import kind_of
from plantkit.errors import UsageError
from plantkit.planting import Patience, fresh_seed

#: Fewest characters of a secret that seeds are derived from.
FEWEST_SECRET_CHARACTERS = 16

Progress = Callable[[str, int, int], None]

_SEED_DOMAIN = "plantkit-fresh-1\n"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Variables that programs are handed on purpose: no place for a secret.
_OPEN_VARIABLES = re.compile(r"PATH|HOME|USER|SHELL|TERM|TMPDIR|LANG|LC_.*|LD_.*|PYTHON.*")


def fresh_challenges(
    manifests: Sequence[Mapping[str, Any]],
    count: int,
    secret: str | None = None,
    *,
    jobs: int = 1,
    progress: Progress = lambda *_: None,
) -> list[Challenge]:
    """Returns `count` new challenges of each kind that the manifests describe.

    Their ids are `<id>-fresh1`, `<id>-fresh2`, ..., after the first manifest of the kind. Nothing
    is written anywhere.

    Args:
        secret: seeds are derived from it, so that the same secret gives the same instances;
            None takes them from the system's entropy.
        progress: called with what is going on, work done, and work in all.

    Raises:
        UsageError: a challenge is of a kind that cannot be planted again from a seed.
    """
    kinds: dict[str, Mapping[str, Any]] = {}
    for manifest in manifests:
        kinds.setdefault(kind_of(manifest), manifest)
    made: list[Challenge] = []
    total = len(kinds) * count
    for manifest in kinds.values():
        for number in range(1, count + 1):
            progress("planting", len(made), total)
            made.append(_instance(manifest, number, secret, jobs, progress))
    progress("planting", total, total)
    return made


def derived_seed(secret: str, instance_id: str) -> bytes:
    """Returns the planting seed (32 bytes) of one instance: HMAC-SHA256, keyed by the secret."""
    message = _SEED_DOMAIN + instance_id
    return hmac.digest(secret.encode(), message.encode(), hashlib.sha256)


def secret_from(name: str, environment: Mapping[str, str]) -> str:
    """Returns the secret in the environment variable `name`.

    Raises:
        UsageError: the variable is not set, too short to be a secret, or one of those that
            every program gets to see.
    """
    if not _VARIABLE.fullmatch(name) or _OPEN_VARIABLES.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot hold a secret; expected the name of a variable of your own, "
            "such as CLASS_SECRET"
        )
    secret = environment.get(name, "")
    if len(secret) < FEWEST_SECRET_CHARACTERS:
        found = f"has {len(secret)} characters" if secret else "is not set"
        raise UsageError(
            f"the variable {name} {found}; expected a secret of {FEWEST_SECRET_CHARACTERS} "
            "characters or more: whoever guesses it can plant the same tickets"
        )
    return secret


def _instance(
    manifest: Mapping[str, Any], number: int, secret: str | None, jobs: int, progress: Progress
) -> Challenge:
    order = order_like(manifest, variant="")
    inherited = manifest["id"].removeprefix(order.id).removeprefix("-")
    variant = "-".join(filter(None, [inherited, f"fresh{number}"]))
    order = order_like(manifest, variant=variant)
    seed = fresh_seed() if secret is None else derived_seed(secret, order.id)
    patience = Patience(
        progress=lambda label, done, total: progress(f"{order.id}: {label}", done, total)
    )
    bundle, _ = draft_challenge(order, seed, jobs=jobs, patience=patience)
    return challenge_of(bundle)
