"""Pruners and challenges from Python: `plantkit list` and `plantkit plant` as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from plantkit.errors import UnknownNameError, UsageError
from plantkit.evaluation.evaluating import whole
from plantkit.evaluation.requests import Progress

if TYPE_CHECKING:
    from plantkit.challenges.bundles import Challenge, PublicChallenge
    from plantkit.networks.training import Recipe
    from plantkit.pruners.pruner import Pruner


def list_pruners() -> list[str]:
    """Returns the names of the installed pruners, in alphabetical order.

    A plugin that cannot be loaded is left out; `plantkit list plugins` says why.

    >>> import plantkit as pk
    >>> "synflow" in pk.list_pruners()
    True
    """
    from plantkit.plugins import load_installed, unique_names

    return sorted(unique_names(load_installed().pruners()))


def load_pruner(name: str, **options: Any) -> Pruner:
    """Returns an installed pruner, to run or to change.

    Args:
        name: one of `list_pruners()`.
        options: its options, such as `rounds=3`; see `plantkit list pruners`.

    Raises:
        UnknownNameError: no such pruner, or option.
        UsageError: a value that the option cannot have.

    >>> import plantkit as pk
    >>> pk.load_pruner("synflow", iterations=10).iterations
    10
    """
    from plantkit.plugins import load_installed, unique_names
    from plantkit.pruners.options import configure

    known = unique_names(load_installed().pruners())
    if name not in known:
        raise UnknownNameError("pruner", name, known)
    texts = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in options.items()
    }
    return configure(known[name].pruner, texts)


def list_challenges(*, directories: Sequence[str | Path] = ()) -> list[str]:
    """Returns the ids of the challenges in `directories`, `./challenges`, plantkit and plugins.

    >>> import plantkit as pk
    >>> "circle-5x100" in pk.list_challenges()
    True
    """
    from plantkit.plugins import find_challenges

    return sorted(find_challenges([Path(one) for one in directories]).bundles)


@overload
def load_challenge(
    name: str | Path,
    *,
    truth: Literal[True] = True,
    directories: Sequence[str | Path] = (),
    key: str | Path | None = None,
) -> Challenge: ...
@overload
def load_challenge(
    name: str | Path,
    *,
    truth: Literal[False],
    directories: Sequence[str | Path] = (),
    key: str | Path | None = None,
) -> PublicChallenge: ...
def load_challenge(
    name: str | Path,
    *,
    truth: bool = True,
    directories: Sequence[str | Path] = (),
    key: str | Path | None = None,
) -> PublicChallenge:
    """Returns a challenge: its network, weights, training data and, as `truth`, what is hidden.

    Args:
        name: an id, one of `list_challenges()`, or the path of a bundle.
        truth: whether the ticket and the test data are read, as `evaluate` needs them. A sealed
            challenge can be loaded without.
        directories: that hold bundles, searched before the usual places.
        key: file with the key of a sealed challenge; the variable PLANTKIT_KEY if None.

    Raises:
        UnknownNameError: no such challenge.
        BundleError: it was altered, or is not a bundle.
        SealedTruthError: its truth is sealed, and the key was not given.

    >>> import plantkit as pk
    >>> challenge = pk.load_challenge("circle-5x100")
    >>> challenge.network.widths
    (2, 100, 100, 100, 4)
    >>> challenge.truth.ticket
    Mask(kept=154, total=20904, density=0.007367)
    >>> problem = challenge.problem(density=0.1, seed=0)  # what a pruner gets
    >>> problem.train.inputs.shape, problem.budget
    (torch.Size([9000, 2]), 2090)
    """
    from plantkit.challenges import bundles
    from plantkit.challenges.sealing import find_secret_key
    from plantkit.plugins import find_challenges

    path = find_challenges([Path(one) for one in directories]).bundle(str(name))
    if not truth:
        return bundles.load_public(path)
    return bundles.load(path, key=find_secret_key(None if key is None else Path(key)))


def plant(
    family: str,
    *,
    depth: int | None = None,
    width: int | None = None,
    network: str | None = None,
    planting: str | None = None,
    dials: Mapping[str, object] | None = None,
    variant: str = "",
    noise: float | None = None,
    data: str | Path | None = None,
    train_samples: int | None = None,
    test_samples: int | None = None,
    recipe: Recipe | None = None,
    seed: bytes | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Challenge:
    """Returns a new challenge: a random network with a ticket planted in it.

    Args:
        family: "circle", "helix", "relu" or "teacher"; or "digits", "mnist", "fashion" or
            "cifar10", whose data are images; or a plugin's.
        depth: layers of neurons, input and output included; 5 if None. Not for images.
        width: units in each hidden layer; 100 if None. Not for images.
        network: name of an image family's network, such as "vgg16"; its first one if None.
        planting: "faithful", "selected", "anchored" or "trained"; None for the first of
            "selected", "faithful" and "trained" that fits the family.
        dials: the family's, by name, such as `{"in_degree": 6}`.
        variant: letters and digits, added to the id.
        noise: standard deviation (regression) or share of moved labels; None for the family's.
        data: directory of the files of "mnist", "fashion" or "cifar10"; nothing is downloaded.
        train_samples, test_samples: 9,000 and 10,000 if None. Not for images.
        recipe: how masked networks are trained; `Recipe()` if None.
        seed: at least one byte, for a challenge that can be planted again. Leave it out for a
            contest: whoever has the seed has the ticket.
        out: directory in which the bundle's own directory is written; None to write nothing.
        jobs: processes that train for the reference figures; all cores if None.
        progress: called with what is going on, how much is done, and how much there is.

    Raises:
        UsageError: an unknown family, planting or dial, or a network that does not fit.
        PlantingError: no ticket passed the gates.

    >>> import plantkit as pk
    >>> tiny = pk.plant("relu", depth=3, width=8, train_samples=320, test_samples=100, seed=b"1")
    >>> tiny.id, tiny.ticket_kept, tiny.network.total
    ('relu-3x8', 2, 25)
    """
    from plantkit.challenges.bundles import challenge_of
    from plantkit.challenges.drafting import Order, draft_challenge
    from plantkit.challenges.freezing import freeze
    from plantkit.machine import available_cores
    from plantkit.networks.training import Recipe
    from plantkit.planting import Patience, fresh_seed
    from plantkit.plugins import load_plantings

    if seed is not None and not (isinstance(seed, bytes) and seed):
        raise UsageError(f"seed is {seed!r}; expected at least one byte, such as b'1'")
    sizes = {"depth": depth, "width": width, "jobs": jobs}
    sizes |= {"train_samples": train_samples, "test_samples": test_samples}
    for name, size in sizes.items():
        whole(name, size)
    load_plantings(family, planting)
    order = Order(
        family=family,
        depth=depth,
        width=width,
        network=network,
        data=None if data is None else Path(data),
        planting=planting,
        dials={name: str(value) for name, value in (dials or {}).items()},
        variant=variant,
        noise=noise,
        train_samples=train_samples,
        test_samples=test_samples,
        recipe=recipe or Recipe(),
    )
    target = None if out is None else Path(out) / order.id
    if target is not None and target.exists():
        raise UsageError(f"{target} exists already; a frozen bundle is never overwritten")
    bundle, _ = draft_challenge(
        order,
        seed or fresh_seed(),
        jobs=jobs or available_cores(),
        patience=Patience(progress=progress or (lambda *_: None)),
    )
    if target is None:
        return challenge_of(bundle)
    return load_challenge(freeze(bundle, target))
