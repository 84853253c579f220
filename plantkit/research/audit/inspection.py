"""One audit from end to end: plant by a recipe or a bundle's recipe, attack, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plantkit.challenges.bundles import MANIFEST, load
from plantkit.challenges.drafting import Order
from plantkit.challenges.forecast import SOON, duration, planting_seconds
from plantkit.challenges.sealing import SecretKey
from plantkit.errors import UsageError
from plantkit.planting import ImageFamily, default_method, find_family, find_method, known_families
from plantkit.planting.exposed import Attacker
from plantkit.research.audit.assessment import CURVE_SIZES, Limits, audit_plantings
from plantkit.research.audit.attackers import ATTACKERS
from plantkit.research.audit.learners import check_extra
from plantkit.research.audit.recipes import (
    PlantingRecipe,
    left_to_plant,
    plant_samples,
    sample_of,
)
from plantkit.research.audit.report import AuditReport

AUC_LIMITS: Mapping[str, float] = {"anchored": 0.57, "trained": 0.60}
"""Largest AUC within strata that a hidden planting of this method may show; others: `Limits`'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is to be audited, and how.

    Attributes:
        method, depth, width, network: of the planting; None for `faithful` (or the family's
            default method, where that does not fit), and what an `Order` has by default. With a
            bundle they come from its manifest and must be None.
        dials: of the family, name to text; with a bundle they too come from its manifest.
        data: directory of an image family's files; that in `PLANTKIT_DATA` if None.
        train_networks: networks to train attackers on, 4 or more.
        test_networks: networks to test them on, 1 or more.
        attackers: who attacks; see `plantkit.research.audit.attackers.choose_attackers`.
        curve: whether to draw the learning curve, which takes as long again or longer.
        auc_limit: largest AUC within strata; None for the method's, see `AUC_LIMITS`.
        lift_limit: largest precision at k over chance.
        jobs: planting processes.
        cache: directory that keeps the planted networks, if any.
        key: of a bundle whose truth is sealed.
    """

    method: str | None = None
    depth: int | None = None
    width: int | None = None
    network: str | None = None
    data: Path | None = None
    dials: Mapping[str, str] = field(default_factory=dict)
    train_networks: int = 100
    test_networks: int = 50
    attackers: Sequence[Attacker] = ATTACKERS
    curve: bool = True
    auc_limit: float | None = None
    lift_limit: float = 2.0
    jobs: int = 1
    cache: Path | None = None
    key: SecretKey | None = None


def inspect(
    subject: str,
    inspection: Inspection,
    *,
    seed: bytes,
    progress: Callable[[str], None] = lambda _: None,
    warn: Callable[[object], None] = lambda _: None,
) -> AuditReport:
    """Returns the audit of a family's planting, or of a bundle and its recipe.

    Args:
        subject: name of a family, or path of a bundle.
        inspection: what to audit, and how.
        seed: of the planted networks.
        progress: called with a line of text now and then.
        warn: called with what is wrong with a plugin's attacker, which is left out.

    Raises:
        UsageError: neither a family nor a bundle, or options that do not go together.
        MissingExtraError: scikit-learn is not installed.
        BundleError: the bundle is invalid.
        SealedTruthError: its truth is sealed, and the key is missing or another's.
        PlantingError: no ticket passed the gates.
    """
    check_extra()
    challenge = None
    if subject not in known_families() and (Path(subject) / MANIFEST).is_file():
        if any((*_shape(inspection), inspection.dials, inspection.method)):
            raise UsageError(
                f"{subject} is a bundle and says itself how it was planted; leave the planting, "
                "the dials, the depth, the width and the network out"
            )
        challenge = load(Path(subject), key=inspection.key)
        recipe = PlantingRecipe.of(challenge, data=inspection.data)
    else:
        recipe = _recipe(subject, inspection)
    counts = {"train": inspection.train_networks, "test": inspection.test_networks}
    find_method(recipe.method).check(recipe.find_family(), recipe.spec)
    left = sum(
        left_to_plant(recipe, count, role=role, cache=inspection.cache)
        for role, count in counts.items()
    )
    seconds = seconds_to_plant(recipe) * left / inspection.jobs
    if seconds > SOON:
        progress(f"planting will take about {duration(seconds)}, on {_cores(inspection.jobs)}")
    started = time.perf_counter()
    progress(f"planting {counts['train']} + {counts['test']} networks: {recipe.title}")
    train, test = (
        plant_samples(
            recipe,
            count,
            role=role,
            seed=seed,
            jobs=inspection.jobs,
            cache=inspection.cache,
            progress=progress,
        )
        for role, count in counts.items()
    )
    planted = time.perf_counter()
    limit = inspection.auc_limit
    audit = audit_plantings(
        train,
        test,
        subject=None if challenge is None else sample_of(challenge),
        limits=Limits(
            auc=AUC_LIMITS.get(recipe.method, Limits().auc) if limit is None else limit,
            lift=inspection.lift_limit,
        ),
        attackers=inspection.attackers,
        curve=CURVE_SIZES if inspection.curve else (),
        progress=progress,
        warn=warn,
    )
    return AuditReport(
        recipe=recipe,
        audit=audit,
        planting_seconds=planted - started,
        attack_seconds=time.perf_counter() - planted,
        bundle=None if challenge is None else challenge.id,
        bundle_sha256=None if challenge is None else challenge.digest,
    )


def seconds_to_plant(recipe: PlantingRecipe) -> float:
    """Returns what one network takes; 0 where that is soon, as of formulas and drawn tickets.

    Raises:
        UsageError: the images cannot be read.
    """
    family = recipe.find_family()
    if not isinstance(family, ImageFamily):
        return 0.0
    train, _ = family.split(b"")
    return planting_seconds(family, recipe.spec, train)


def _cores(jobs: int) -> str:
    return f"{jobs} core{'s' if jobs > 1 else ''}"


def _recipe(name: str, inspection: Inspection) -> PlantingRecipe:
    if Path(name).exists():
        raise UsageError(f"{name} is not a bundle: it has no {MANIFEST}")
    depth, width, network = _shape(inspection)
    faithful, known = find_method("faithful"), find_family(name)
    method = faithful if faithful.fits(known) else default_method(known)
    order = Order(
        family=name,
        depth=depth,
        width=width,
        network=network,
        dials=inspection.dials,
        data=inspection.data,
    )
    return PlantingRecipe(
        family=name,
        spec=order.find_network(order.find_family()),
        method=inspection.method or method.name,
        dials=inspection.dials,
        data=inspection.data,
    )


def _shape(inspection: Inspection) -> tuple[int | None, int | None, str | None]:
    return inspection.depth, inspection.width, inspection.network
