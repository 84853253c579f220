"""From planted networks to an audit: attack, measure, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from plantkit.errors import PluginError, UsageError
from plantkit.isolation.leftovers import scratch_directory
from plantkit.planting.exposed import Attacker, Case, Scores
from plantkit.planting.exposed.cases import open_cases
from plantkit.research.audit.attackers import ATTACKERS, is_of_the_kit
from plantkit.research.audit.attacks import (
    Attack,
    run_attacks,
    separable,
    strongest_attack,
    tested_auc,
)
from plantkit.research.audit.figures import Bools, Estimate, Figures, separate, summarize
from plantkit.research.audit.learners import check_extra
from plantkit.research.audit.samples import Sample, check_samples
from plantkit.research.audit.singles import (
    FeatureAucs,
    FeatureFigures,
    feature_aucs_of,
    feature_figures,
)

CURVE_SIZES = (10, 20, 50, 100, 200, 500)


class LeakVerdict(StrEnum):
    """Hidden or leaking, by intervals; unclear where an interval holds the limit."""

    HIDDEN = "hidden"
    UNCLEAR = "unclear"
    LEAKS = "leaks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a hidden planting may reach: AUC within strata, and precision at k over chance."""

    auc: float = 0.55
    lift: float = 2.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackFigures:
    """One attacker's figures on the test networks.

    Attributes:
        overall: all strata together; None if it had nothing to go by.
        strata: by stratum, without those that have nothing to separate.
        training_auc: stratum to its cross-validated AUC on the training networks.
        choices: stratum to what it settled on there, for attackers that choose.
    """

    name: str
    overall: Figures | None
    strata: Mapping[str, Figures]
    training_auc: Mapping[str, float]
    choices: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledFigures:
    """AUC and average precision over whole networks, and what layer densities alone give."""

    auc: Estimate
    floor_auc: float
    average_precision: Estimate
    floor_average_precision: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The trained attackers' figures after `training_networks` networks."""

    training_networks: int
    attackers: Mapping[str, Figures | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFigures:
    """One network's figures, such as a frozen bundle's, by the strongest attacker.

    Attributes:
        verdict: leaks, if the overall AUC exceeds its limit by more than 1.96 deviations;
            unclear, if it lies nearer to the limit than that; else hidden.
        overall: all strata together, without intervals.
        strata: by stratum.
        auc_deviation_by_chance: standard deviation of the overall AUC of a random ticket of the
            same size in each stratum, whose mean is 0.5.
    """

    verdict: LeakVerdict
    overall: Figures
    strata: Mapping[str, Figures]
    auc_deviation_by_chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the attackers found.

    Attributes:
        limits: what the verdicts go by.
        training_networks, test_networks: how many of each; disjoint.
        test_positives: ticket entries in the test networks, all strata.
        verdict: overall; leaks where any stratum does.
        verdicts: stratum to verdict, by the strongest attacker.
        left_out: stratum to why it has nothing to separate.
        attackers: the strongest one first, then each by itself.
        features: single features, the best first.
        pooled: of the joint attacker, if it took part.
        curve: by number of training networks.
        subject: figures of the one network that was to be judged besides the test networks.
    """

    limits: Limits
    training_networks: int
    test_networks: int
    test_positives: int
    verdict: LeakVerdict
    verdicts: Mapping[str, LeakVerdict]
    left_out: Mapping[str, str]
    attackers: list[AttackFigures]
    features: list[FeatureFigures]
    pooled: PooledFigures | None
    curve: list[CurvePoint]
    subject: SubjectFigures | None = None

    @property
    def strongest(self) -> AttackFigures:
        """The attacker that the verdict goes by."""
        return self.attackers[0]

    @property
    def passed(self) -> bool:
        """Whether the overall figures are within the limits and no stratum surely leaks.

        Figures themselves count here, not their intervals: see `verdict` for those.
        """
        overall = self.strongest.overall
        return (
            overall is not None
            and overall.auc.value <= self.limits.auc
            and overall.lift.value <= self.limits.lift
            and LeakVerdict.LEAKS not in self.verdicts.values()
            and (self.subject is None or self.subject.verdict is not LeakVerdict.LEAKS)
        )

    def attacker(self, name: str) -> AttackFigures:
        """Returns the figures of the attacker called `name`."""
        return next(found for found in self.attackers if found.name == name)


def audit_plantings(
    train: Sequence[Sample],
    test: Sequence[Sample],
    *,
    subject: Sample | None = None,
    attackers: Sequence[Attacker] = ATTACKERS,
    limits: Limits = DEFAULT_LIMITS,
    curve: Sequence[int] = CURVE_SIZES,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
    warn: Callable[[object], None] = lambda _: None,
) -> Audit:
    """Returns what attackers trained on `train` find in `test`.

    Features are kept in the system's temporary directory meanwhile, about 1 MB for each network
    of 20,000 parameters.

    Args:
        train: planted networks, 4 or more; 100 or more for a figure to rely on.
        test: other networks of the same shape and planting, 1 or more; their number sets the
            width of the intervals.
        subject: one more network to attack and to report by itself, such as a bundle's.
        attackers: who attacks; those that others build on come first.
        limits: what the verdicts go by.
        curve: numbers of training networks for the learning curve; those below len(train)
            count. Empty saves half of the time.
        seed: of the attackers' own randomness: samples of negatives, boosting, bootstrap.
        progress: called with a line of text now and then.
        warn: called with what is wrong with a plugin's attacker, which is left out.

    Raises:
        UsageError: too few networks, of different shapes, or not disjoint.
        PluginError: no attacker does its work.
        MissingExtraError: scikit-learn is not installed.
    """
    check_extra()
    from threadpoolctl import threadpool_limits

    everyone = [*test] if subject is None else [*test, subject]
    check_samples(train, everyone)
    rng = np.random.default_rng(seed)
    broken: dict[str, PluginError] = {}

    def fail(attacker: Attacker, error: PluginError) -> None:
        if is_of_the_kit(attacker):
            raise error.__cause__ or error
        if attacker.name not in broken:
            warn(f"{error}; the audit goes on without it")
        broken[attacker.name] = error

    with (
        # Threads of scikit-learn wait busily for each other, which costs far more than it saves
        # as soon as another process wants a core.
        threadpool_limits(1, "openmp"),
        scratch_directory() as directory,
    ):
        progress(f"computing features of {len(train)} + {len(test)} networks")
        training = open_cases(train, directory, "train")
        testing = open_cases(everyone, directory, "test")
        cases = testing[: len(test)]
        progress("trying single features")
        seen = feature_aucs_of(tuple(training))
        features = feature_figures(seen, FeatureAucs(cases))
        progress(f"training {len(attackers)} attackers on {len(train)} networks")
        done = run_attacks(attackers, training, testing, rng, fail)
        feature_aucs_of.cache_clear()
        if not done:
            raise next(iter(broken.values()))
        attacks = [attack for attack, _ in done.values()]
        weights = separable(training)
        strongest = strongest_attack(attacks, weights)
        own = [done[one.name][0] for one in attackers if one.name in done and is_of_the_kit(one)]
        if own:  # a plugin's attacker can find more, but cannot make others find less
            strongest = max(strongest_attack(own, weights), strongest, key=tested_auc)
        attacks.insert(0, strongest)
        shown = [one for one in attackers if one.in_curve and one.name in done]
        needed = {base for one in shown for base in one.builds_on}
        trained = [one for one in attackers if one in shown or one.name in needed]
        points = []
        for size in sorted({size for size in curve if shown and 4 <= size < len(train)}):
            progress(f"learning curve: training attackers on {size} networks")
            found = run_attacks(trained, training[:size], cases, rng, fail)
            reached = [found[one.name][0] for one in shown if one.name in found]
            points.append(_curve_point(size, reached, rng))
    if shown:
        learned = [done[one.name][0].first(len(test)) for one in shown]
        points.append(_curve_point(len(train), learned, rng))
    judged = None if subject is None else _subject_figures(attacks[0], testing[-1], limits, rng)
    figures = [_attack_figures(attack.first(len(test)), rng) for attack in attacks]
    verdicts = {
        stratum: LeakVerdict.UNCLEAR if found.networks == 1 else _judge(found, limits)
        for stratum, found in figures[0].strata.items()
    }
    return Audit(
        limits=limits,
        training_networks=len(train),
        test_networks=len(test),
        test_positives=sum(int(v.sum()) for case in cases for v in case.labels.values()),
        verdict=_overall_verdict(figures[0].overall, verdicts, limits),
        verdicts=verdicts,
        left_out=_left_out(cases),
        attackers=figures,
        features=features,
        pooled=_pooled(done["joint"][1].tested[: len(test)], training, cases, rng)
        if "joint" in done
        else None,
        curve=points,
        subject=judged,
    )


def _attack_figures(attack: Attack, rng: np.random.Generator) -> AttackFigures:
    strata = {name: summarize(attack.found, [name], rng) for name in attack.found}
    return AttackFigures(
        name=attack.name,
        overall=summarize(attack.found, list(attack.found), rng),
        strata={name: found for name, found in strata.items() if found is not None},
        training_auc=attack.rehearsal,
        choices=attack.choices,
    )


def _curve_point(size: int, found: Sequence[Attack], rng: np.random.Generator) -> CurvePoint:
    figures = {attack.name: summarize(attack.found, list(attack.found), rng) for attack in found}
    return CurvePoint(training_networks=size, attackers=figures)


def _left_out(cases: Sequence[Case]) -> dict[str, str]:
    """Returns the strata with nothing to separate in any test network, and why."""

    def reason(labels: Bools) -> str:
        if labels.all():
            return "wholly ticket"
        return "" if labels.any() else "no ticket entries"

    reasons = {name: {reason(case.labels[name]) for case in cases} for name in cases[0].spec.shapes}
    return {name: " or ".join(sorted(found)) for name, found in reasons.items() if "" not in found}


def _pooled(
    scores: Sequence[Scores], train: Sequence[Case], test: Sequence[Case], rng: np.random.Generator
) -> PooledFigures | None:
    """Returns figures of `scores` of the test networks, and of scores by the layers' densities."""
    spec = train[0].spec
    densities = [np.mean([case.labels[name].mean() for case in train]) for name in spec.shapes]
    levels = np.repeat(densities, list(spec.sizes.values()))
    labels = [np.concatenate([case.labels[name] for name in spec.shapes]) for case in test]
    whole = [np.concatenate([odds[name] for name in spec.shapes]) for odds in scores]
    found = {
        "attack": [separate(odds, one) for odds, one in zip(whole, labels, strict=True)],
        "floor": [separate(levels, one) for one in labels],
    }
    reached, floor = (summarize(found, [name], rng) for name in found)
    if reached is None or floor is None:
        return None
    return PooledFigures(
        auc=reached.auc,
        floor_auc=floor.auc.value,
        average_precision=reached.average_precision,
        floor_average_precision=floor.average_precision.value,
    )


def _subject_figures(
    attack: Attack, case: Case, limits: Limits, rng: np.random.Generator
) -> SubjectFigures:
    figures = _attack_figures(
        Attack(
            name=attack.name,
            found={stratum: found[-1:] for stratum, found in attack.found.items()},
            rehearsal={},
        ),
        rng,
    )
    overall = figures.overall
    if overall is None:
        raise UsageError("the network to be judged has no stratum with ticket entries and others")
    variance = 0.0
    for stratum in figures.strata:  # k^2 times the variance of the Mann-Whitney statistic
        n, k = case.labels[stratum].size, int(case.labels[stratum].sum())
        variance += k * (n + 1) / (12 * (n - k))
    deviation = variance**0.5 / overall.positives
    excess = overall.auc.value - limits.auc
    verdict = LeakVerdict.LEAKS if excess > 0 else LeakVerdict.HIDDEN
    if abs(excess) <= 1.96 * deviation:
        verdict = LeakVerdict.UNCLEAR
    return SubjectFigures(
        verdict=verdict,
        overall=overall,
        strata=figures.strata,
        auc_deviation_by_chance=deviation,
    )


def _judge(found: Figures, limits: Limits) -> LeakVerdict:
    """Returns the verdict on figures by their intervals; without intervals by the figures."""
    bounds = [(*found.auc.bounds, limits.auc), (*found.lift.bounds, limits.lift)]
    if any(low > limit for low, _, limit in bounds):
        return LeakVerdict.LEAKS
    if any(high > limit for _, high, limit in bounds):
        return LeakVerdict.UNCLEAR
    return LeakVerdict.HIDDEN


def _overall_verdict(
    overall: Figures | None, verdicts: Mapping[str, LeakVerdict], limits: Limits
) -> LeakVerdict:
    if overall is None:
        return LeakVerdict.UNCLEAR
    if LeakVerdict.LEAKS in verdicts.values():
        return LeakVerdict.LEAKS
    return _judge(overall, limits)
