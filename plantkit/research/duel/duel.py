"""A duel from plan to figures: plant, evaluate pruners, let attackers loose, compare."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plantkit.challenges.bundles import Challenge, challenge_of
from plantkit.challenges.drafting import Order, draft_challenge
from plantkit.challenges.forecast import duration
from plantkit.errors import PlantingError, PluginError, UsageError
from plantkit.evaluation.participants import Installed
from plantkit.evaluation.requests import DEFAULT_SUITE, WHOLE, Request
from plantkit.evaluation.run import run_evaluation
from plantkit.isolation.levels import AUTO
from plantkit.planting import ImageFamily, Patience, default_method, find_family, find_method
from plantkit.planting.exposed import Attacker
from plantkit.plugins import find_challenges, load_installed
from plantkit.pruners.sources import parse_pruner
from plantkit.research.audit.assessment import audit_plantings
from plantkit.research.audit.inspection import seconds_to_plant
from plantkit.research.audit.learners import check_extra
from plantkit.research.audit.recipes import (
    PlantingRecipe,
    left_to_plant,
    plant_samples,
    sample_of,
)
from plantkit.scoring.evaluation import Evaluation

#: Who plants unless you say: what can be read off the weights, and what is hidden.
PLANTERS = (
    "circle:faithful",
    "circle:anchored",
    "relu:faithful",
    "relu:anchored",
    "helix:faithful",
    "teacher:selected",
)
#: The kit's attackers unless you say, with those that they build on.
ATTACKERS = ("joint", "position prior")
#: An attacker needs this many networks to learn from.
FEWEST_TRAINING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who meets whom, and how.

    Attributes:
        planters: families as they are planted, each FAMILY or FAMILY:PLANTING.
        pruners: paths and names, with options.
        attackers: as `plantkit.research.audit.attackers.choose_attackers` returns them.
        instances: new networks of each planter, on which all seekers meet.
        training_networks: other networks of each planter, for attackers to learn from.
        depth, width: of the networks; images have networks of their own.
        data: directory of the files of image families; that in `PLANTKIT_DATA` if None.
        jobs: processes.
        cached: whether runs of pruners are kept for later ones, and those of before are used.
        cache: directory that keeps the networks to learn from, if any.
    """

    planters: Sequence[str] = PLANTERS
    pruners: Sequence[str] = ()
    attackers: Sequence[Attacker] = ()
    instances: int = 3
    training_networks: int = 20
    depth: int = 4
    width: int = 50
    data: Path | None = None
    jobs: int = 1
    time_seconds: float = 300.0
    memory_mib: int = 4096
    isolation: str = AUTO
    cached: bool = True
    cache: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """What a seeker found of a planter's tickets: means over the instances.

    Attributes:
        planter: family and planting, such as "circle:anchored".
        seeker: name of a pruner or of an attacker; "strongest" is the audit's.
        side: "pruner" or "attacker".
        found: share of the ticket, in [0, 1]: F1 of a pruner's mask that keeps as many parameters
            as the ticket has; an attacker's precision at k, k being a stratum's ticket entries.
            None if an attacker had nothing to go by.
        chance: the same of a random choice.
        strong, weak: of a pruner: the ticket's accuracy that the mask recovers, untrained and
            trained.
        auc: of an attacker, within strata; 0.5 is chance.
        failures: of a pruner: runs that gave no mask, which count as 0.
    """

    planter: str
    seeker: str
    side: str
    found: float | None
    chance: float | None
    strong: float | None = None
    weak: float | None = None
    auc: float | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """What came of a plan. densities: planter to the planted density, a mean over instances."""

    plan: Plan
    densities: Mapping[str, float]
    meetings: Sequence[Meeting]

    @property
    def failed(self) -> bool:
        """Whether a run of a pruner failed."""
        return any(meeting.failures for meeting in self.meetings)


def default_pruners() -> tuple[str, ...]:
    """Returns the pruners that seek unless you say: those that the starter suite ranks."""
    suite = find_challenges().suite(DEFAULT_SUITE)
    return suite.baselines or tuple(
        sorted(Installed.of(load_installed(), strict=False, warn=lambda _: None).pruners)
    )


def run_duel(
    plan: Plan,
    seed: bytes,
    *,
    warn: Callable[[object], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Duel:
    """Returns what every seeker finds of every planter's tickets.

    Args:
        plan: who meets whom; plugins' families must be known (`load_plantings`).
        seed: of all networks; the same seed gives the same ones.
        warn: called with what is wrong with a plugin or a pruner that is left out.
        tell: called with a line of text now and then: what the duel costs comes first.
        progress: called with what is going on, how much is done, and how much there is.

    Raises:
        UsageError: a planter that does not exist or does not fit, or nobody who seeks.
        MissingExtraError: attackers need scikit-learn.
        PlantingError: no ticket passed the gates.
    """
    if not plan.pruners and not plan.attackers:
        raise UsageError("nobody seeks: give a pruner or an attacker")
    recipes = {}
    for text in plan.planters:
        recipe = _recipe(text, plan)
        recipes[f"{recipe.family}:{recipe.method}"] = recipe
    _check_pruners(plan.pruners)
    if plan.attackers:
        check_extra()
        if plan.training_networks < FEWEST_TRAINING:
            raise UsageError(
                f"attackers get {plan.training_networks} networks to learn from; expected "
                f"{FEWEST_TRAINING} or more"
            )
    seconds = {name: seconds_to_plant(recipe) for name, recipe in recipes.items()}
    tell(_cost(plan, sum(seconds.values()), len(recipes)))
    instances, measured = _plant_instances(recipes, plan, seed, progress)
    left = {
        name: left_to_plant(recipe, plan.training_networks, role="train", cache=plan.cache)
        for name, recipe in recipes.items()
    }
    meetings: list[Meeting] = []
    if plan.pruners:
        everything = [challenge for found in instances.values() for challenge in found]
        outcome = run_evaluation(
            Request(
                pruners=list(plan.pruners),
                challenges=everything,
                densities=("1x",),
                seeds=1,
                baselines="none",
                jobs=plan.jobs,
                time_seconds=plan.time_seconds,
                memory_mib=plan.memory_mib,
                isolation=plan.isolation,
                cached=plan.cached,
            ),
            warn=warn,
            progress=lambda label, *steps: None if label == WHOLE else progress(label, *steps),
        )
        for name, found in instances.items():
            meetings += _pruners_meet(name, found, outcome.evaluation)
    if plan.attackers:
        rest = sum(max(seconds[name], measured[name]) * n for name, n in left.items()) / plan.jobs
        tell(
            f"planting {sum(left.values())} networks for the attackers to learn from takes about "
            f"{duration(rest)}"
        )
        for number, (name, recipe) in enumerate(recipes.items()):
            progress(f"{name}: attackers", number, len(recipes))
            meetings += _attackers_meet(name, recipe, instances[name], plan, seed, warn)
        progress("attackers", len(recipes), len(recipes))
    return Duel(
        plan=plan,
        densities={
            name: float(np.mean([one.ticket_kept / one.network.total for one in found]))
            for name, found in instances.items()
        },
        meetings=meetings,
    )


def _cost(plan: Plan, seconds: float, planters: int) -> str:
    """Returns what a duel takes. seconds: to plant one network of images of each planter."""
    parts = [f"{planters} planters, {plan.instances} instances of each"]
    if seconds:
        parts[0] += f" (about {duration(seconds * plan.instances)} on one core)"
    if plan.pruners:
        runs = planters * plan.instances * len(plan.pruners)
        parts.append(f"{runs} runs of {len(plan.pruners)} pruners")
    if plan.attackers:
        parts.append(
            f"{plan.training_networks} more networks of each planter for {len(plan.attackers)} "
            "attackers to learn from"
        )
    return f"this duel takes {'; '.join(parts)}"


def _recipe(text: str, plan: Plan) -> PlantingRecipe:
    """Returns what a planter FAMILY[:PLANTING] plants.

    Raises:
        UsageError: no such family or planting, or they do not fit each other or the network.
    """
    name, colon, planting = text.partition(":")
    if colon and not planting:
        raise UsageError(f"planter {text!r} names no planting; expected FAMILY or FAMILY:PLANTING")
    family = find_family(name)
    method = find_method(planting) if planting else default_method(family)
    spec = _order(name, method.name, plan).find_network(family)
    method.check(family, spec)
    return PlantingRecipe(family=name, spec=spec, method=method.name, data=plan.data)


def _order(family: str, method: str, plan: Plan, variant: str = "") -> Order:
    is_images = isinstance(find_family(family), ImageFamily)
    return Order(
        family=family,
        planting=method,
        variant=variant,
        depth=None if is_images else plan.depth,
        width=None if is_images else plan.width,
        data=plan.data if is_images else None,
    )


def _check_pruners(texts: Sequence[str]) -> None:
    """Checks that pruners exist, and take the options that they are given.

    Raises:
        UsageError: one does not. PluginError: a file cannot be read.
    """
    sources = [parse_pruner(text) for text in texts]
    for source in sources:
        if source.path is not None:
            source.read()
    if any(source.path is None for source in sources):
        installed = Installed.of(load_installed(), strict=False, warn=lambda _: None)
        for source in sources:
            if source.path is None:
                installed.entry(source)


def _plant_instances(
    recipes: Mapping[str, PlantingRecipe],
    plan: Plan,
    seed: bytes,
    progress: Callable[[str, int, int], None],
) -> tuple[dict[str, list[Challenge]], dict[str, float]]:
    """Returns the instances by planter, and what planting one took, in processor seconds."""
    instances: dict[str, list[Challenge]] = {}
    seconds: dict[str, float] = {}
    total = len(recipes) * plan.instances
    for name, recipe in recipes.items():
        started = time.process_time()
        instances[name] = []
        for number in range(1, plan.instances + 1):
            progress("planting", plan.instances * (len(instances) - 1) + number - 1, total)
            order = _order(recipe.family, recipe.method, plan, f"{recipe.method}-{number}")
            own = hashlib.sha256(seed + order.id.encode()).digest()
            bundle, _ = draft_challenge(order, own, jobs=plan.jobs, patience=Patience())
            instances[name].append(challenge_of(bundle))
        seconds[name] = (time.process_time() - started) / plan.instances
    progress("planting", total, total)
    return instances, seconds


def _pruners_meet(
    planter: str, instances: Sequence[Challenge], evaluation: Evaluation
) -> list[Meeting]:
    names = {one.id for one in instances}
    chance = float(np.mean([one.ticket_kept / one.network.total for one in instances]))
    meetings = []
    for pruner in dict.fromkeys(record.pruner for record in evaluation.records):
        records = [
            record
            for record in evaluation.records
            if record.pruner == pruner and record.challenge in names
        ]
        meetings.append(
            Meeting(
                planter=planter,
                seeker=pruner,
                side="pruner",
                found=float(np.mean([record.overlap.get("f1", 0.0) for record in records])),
                chance=chance,
                strong=float(np.mean([record.strong.recovered_accuracy for record in records])),
                weak=float(np.mean([record.weak.recovered_accuracy for record in records])),
                failures=sum(record.status != "ok" for record in records),
            )
        )
    return meetings


def _attackers_meet(
    planter: str,
    recipe: PlantingRecipe,
    instances: Sequence[Challenge],
    plan: Plan,
    seed: bytes,
    warn: Callable[[object], None],
) -> list[Meeting]:
    try:
        train = plant_samples(
            recipe,
            plan.training_networks,
            role="train",
            seed=seed + planter.encode(),
            jobs=plan.jobs,
            cache=plan.cache,
        )
        audit = audit_plantings(
            train,
            [sample_of(one) for one in instances],
            attackers=plan.attackers,
            curve=(),
            warn=warn,
        )
    except (PlantingError, PluginError) as error:  # what others found is not lost
        warn(f"{planter}: no attackers: {error}")
        return []
    meetings = []
    for one in audit.attackers:
        overall = one.overall
        meetings.append(
            Meeting(
                planter=planter,
                seeker=one.name,
                side="attacker",
                found=None if overall is None else overall.precision_at_k.value,
                chance=None if overall is None else overall.chance_precision_at_k,
                auc=None if overall is None else overall.auc.value,
            )
        )
    return meetings
