"""From planted networks to an audit: attack, measure, judge."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec
from plantkit.research.audit.attacks import (
    LEARNERS,
    Attack,
    learned_attacks,
    position_attack,
    single_attacks,
    strongest_attack,
)
from plantkit.research.audit.boosting import check_extra, one_thread
from plantkit.research.audit.cases import Case, CaseFile, open_cases
from plantkit.research.audit.features import GROUPS
from plantkit.research.audit.figures import Estimate, Figures, Separation, separate, summarize
from plantkit.research.audit.samples import Sample, check_samples
from plantkit.research.audit.singles import FeatureSeparations

CURVE_SIZES = (10, 20, 50, 100, 200, 500)
Progress = Callable[[str], None]


class Verdict(StrEnum):
    """Hidden or leaking, by intervals; unclear where an interval holds the limit."""

    HIDDEN = "hidden"
    UNCLEAR = "unclear"
    LEAKS = "leaks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a hidden planting may reach: AUC within strata, and precision at k over chance."""

    auc: float = 0.55
    lift: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackFigures:
    """One attacker's figures on the test networks.

    Attributes:
        overall: all strata together; None where it had nothing to go by.
        strata: by stratum, without those that have nothing to separate.
        rehearsal: stratum to its cross-validated AUC on the training networks.
        choices: stratum to what it settled on there, for attackers that choose.
    """

    name: str
    overall: Figures | None
    strata: Mapping[str, Figures]
    rehearsal: Mapping[str, float]
    choices: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFigures:
    """A single feature's AUC within strata on the test networks.

    In every stratum in the direction that is better on the training networks. `strata` holds
    the AUC of high codes, so that values below 0.5 mean that the ticket's entries are low.
    """

    name: str
    group: str
    auc: float
    strata: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledFigures:
    """AUC and average precision over whole networks, beside what layer densities alone give."""

    auc: Estimate
    floor_auc: float
    average_precision: Estimate
    floor_average_precision: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The trained attackers' figures after `networks` training networks."""

    networks: int
    attackers: Mapping[str, Figures | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFigures:
    """One network's figures, such as a frozen bundle's, by the strongest attacker.

    Attributes:
        overall: all strata together, without intervals.
        strata: by stratum.
        auc_deviation: standard deviation that the overall AUC has for a random ticket of the
            same size in each stratum, whose mean is 0.5.
        verdict: leaks, if the overall AUC exceeds its limit by more than 1.96 deviations;
            unclear, if it lies nearer to the limit than that; else hidden.
    """

    overall: Figures
    strata: Mapping[str, Figures]
    auc_deviation: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the attackers found.

    Attributes:
        spec: the network.
        limits: what the verdicts go by.
        training_networks, test_networks: how many of each; disjoint.
        positives: ticket entries in the test networks, all strata.
        left_out: stratum to why it has nothing to separate.
        attackers: the strongest one first, then each by itself.
        features: single features, the best first.
        pooled: of the joint attacker.
        curve: by number of training networks.
        verdicts: stratum to verdict, by the strongest attacker.
        verdict: overall; leaks where any stratum does.
        subject: figures of the one network that was to be judged beside the test networks.
    """

    spec: PerceptronSpec
    limits: Limits
    training_networks: int
    test_networks: int
    positives: int
    left_out: Mapping[str, str]
    attackers: Sequence[AttackFigures]
    features: Sequence[FeatureFigures]
    pooled: PooledFigures | None
    curve: Sequence[CurvePoint]
    verdicts: Mapping[str, Verdict]
    verdict: Verdict
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
        if overall is None:
            return False
        return (
            overall.auc.value <= self.limits.auc
            and overall.lift.value <= self.limits.lift
            and Verdict.LEAKS not in self.verdicts.values()
            and (self.subject is None or self.subject.verdict is not Verdict.LEAKS)
        )

    def attacker(self, name: str) -> AttackFigures:
        """Returns the figures of the attacker called `name`."""
        return next(found for found in self.attackers if found.name == name)


def audit_plantings(
    train: Sequence[Sample],
    test: Sequence[Sample],
    *,
    subject: Sample | None = None,
    limits: Limits | None = None,
    curve: Sequence[int] | None = None,
    seed: int = 0,
    scratch: Path | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Returns what attackers trained on `train` find in `test`.

    Args:
        train: planted networks, 4 or more; 100 or more for a figure to rely on.
        test: other networks of the same shape and planting, 1 or more; their number sets the
            width of the intervals.
        subject: one more network to attack and to report by itself, such as a bundle's.
        limits: what the verdicts go by; None for 0.55 and twice chance.
        curve: numbers of training networks for the learning curve, those below len(train)
            count; None for 10, 20, 50, 100, 200, 500. Empty saves half of the time.
        seed: of the attackers' own randomness: folds, samples of negatives, bootstrap.
        scratch: directory for features, about 1 MB a network of 20,000 parameters; None for
            the system's temporary directory. Emptied at the end.
        progress: called with a line of text now and then.

    Raises:
        UsageError: too few networks, of different shapes, or not disjoint.
        MissingExtraError: scikit-learn is not installed.
    """
    subjects = [] if subject is None else [subject]
    check_extra()
    spec = check_samples(train, [*test, *subjects])
    limits = limits or Limits()
    tell = progress or (lambda _: None)
    rng = np.random.default_rng(seed)
    with (
        one_thread(),
        tempfile.TemporaryDirectory(dir=scratch, prefix="plantkit-audit-") as directory,
    ):
        tell(f"computing features of {len(train)} + {len(test)} networks")
        training = open_cases(train, Path(directory), "train")
        testing = open_cases([*test, *subjects], Path(directory), "test")
        tell("trying single features and positions")
        singles, seen, unseen = single_attacks(training, testing)
        tell(f"training attackers on {len(train)} networks")
        learned = learned_attacks(training, testing.cases, rng)
        attacks = [*learned, position_attack(training, testing.cases), *singles]
        attacks.insert(0, strongest_attack(attacks, training.cases))
        sizes = CURVE_SIZES if curve is None else curve
        points = []
        for size in sorted({size for size in sizes if 4 <= size < len(train)}):
            tell(f"learning curve: training attackers on {size} networks")
            part = CaseFile(cases=training.cases[:size], features=training.features)
            found = learned_attacks(part, testing.cases[: len(test)], rng)
            points.append(_curve_point(size, found, rng))
        learned = tuple(attack.first(len(test)) for attack in learned)
        points.append(_curve_point(len(train), learned, rng))
    cases = testing.cases[: len(test)]
    judged = None if subject is None else _subject_figures(attacks[0], limits, rng)
    attacks = [attack.first(len(test)) for attack in attacks]
    figures = [_attack_figures(attack, rng) for attack in attacks]
    verdicts = {
        stratum: _judge_stratum(found, limits) for stratum, found in figures[0].strata.items()
    }
    return Audit(
        spec=spec,
        limits=limits,
        training_networks=len(train),
        test_networks=len(test),
        positives=sum(int(v.sum()) for sample in test for v in sample.ticket.values()),
        left_out=_left_out(cases),
        attackers=figures,
        features=_feature_figures(seen, unseen, len(test)),
        pooled=_pooled(learned[-1], training.cases, cases, rng),
        curve=points,
        verdicts=verdicts,
        verdict=_overall_verdict(figures[0].overall, verdicts, limits),
        subject=judged,
    )


def _attack_figures(attack: Attack, rng: np.random.Generator) -> AttackFigures:
    strata = {name: summarize(attack.found, [name], rng) for name in attack.found}
    return AttackFigures(
        name=attack.name,
        overall=summarize(attack.found, list(attack.found), rng),
        strata={name: found for name, found in strata.items() if found is not None},
        rehearsal=attack.rehearsal,
        choices=attack.choices,
    )


def _curve_point(size: int, found: Sequence[Attack], rng: np.random.Generator) -> CurvePoint:
    figures = {
        name: summarize(attack.found, list(attack.found), rng)
        for name, attack in zip(LEARNERS, found, strict=True)
    }
    return CurvePoint(networks=size, attackers=figures)


def _feature_figures(
    seen: FeatureSeparations, unseen: FeatureSeparations, test_networks: int
) -> list[FeatureFigures]:
    """Returns every feature's figures, the best first."""
    strata: dict[str, dict[str, float]] = {}
    sums: dict[str, list[float]] = {}
    for stratum, names in seen.features.items():
        networks = range(len(seen.upward[stratum]))
        tests = range(test_networks)
        found = [value for value in unseen.upward[stratum][:test_networks] if value is not None]
        if not found:
            continue
        weight = sum(value[0].positives for value in found)
        trained = seen.mean_aucs(stratum, networks)
        tested = unseen.mean_aucs(stratum, tests)
        for name, before, after in zip(names, trained, tested, strict=True):
            strata.setdefault(name, {})[stratum] = float(after)
            directed = float(after if before >= 0.5 else 1 - after)
            total = sums.setdefault(name, [0.0, 0.0])
            total[0] += weight * directed
            total[1] += weight
    figures = [
        FeatureFigures(
            name=name, group=GROUPS[name], auc=sums[name][0] / sums[name][1], strata=strata[name]
        )
        for name in strata
    ]
    return sorted(figures, key=lambda found: -found.auc)


def _left_out(cases: Sequence[Case]) -> dict[str, str]:
    """Returns the strata with nothing to separate in any test network, and why."""
    reasons: dict[str, str] = {}
    for name in cases[0].spec.shapes:
        whole = [bool(case.labels[name].all()) for case in cases]
        empty = [not case.labels[name].any() for case in cases]
        if all(whole):
            reasons[name] = "wholly ticket"
        elif all(empty):
            reasons[name] = "no ticket entries"
        elif all(a or b for a, b in zip(whole, empty, strict=True)):
            reasons[name] = "wholly ticket or without ticket entries"
    return reasons


def _pooled(
    attack: Attack, train: Sequence[Case], test: Sequence[Case], rng: np.random.Generator
) -> PooledFigures | None:
    names = list(train[0].spec.shapes)
    densities = {
        name: float(np.mean([case.labels[name].mean() for case in train])) for name in names
    }
    levels = np.concatenate(
        [np.full(train[0].labels[name].size, densities[name]) for name in names]
    )
    found: dict[str, list[Separation | None]] = {"attack": [], "floor": []}
    for case, odds in zip(test, attack.log_odds, strict=True):
        labels = np.concatenate([case.labels[name] for name in names])
        found["attack"].append(separate(np.concatenate([odds[name] for name in names]), labels))
        found["floor"].append(separate(levels, labels))
    reached, floor = (summarize(found, [name], rng) for name in ("attack", "floor"))
    if reached is None or floor is None:
        return None
    return PooledFigures(
        auc=reached.auc,
        floor_auc=floor.auc.value,
        average_precision=reached.average_precision,
        floor_average_precision=floor.average_precision.value,
    )


def _subject_figures(attack: Attack, limits: Limits, rng: np.random.Generator) -> SubjectFigures:
    last = {stratum: found[-1:] for stratum, found in attack.found.items()}
    overall = summarize(last, list(last), rng)
    if overall is None:
        raise UsageError("the network to be judged has no stratum with ticket entries and others")
    variance = 0.0
    for (found,) in last.values():
        if found is not None:  # k^2 times the variance of the Mann-Whitney statistic
            k, n = found.positives, found.entries
            variance += k * (n + 1) / (12 * (n - k))
    deviation = variance**0.5 / overall.positives
    excess = overall.auc.value - limits.auc
    verdict = Verdict.UNCLEAR if abs(excess) <= 1.96 * deviation else Verdict.HIDDEN
    if excess > 1.96 * deviation:
        verdict = Verdict.LEAKS
    strata = {stratum: summarize(last, [stratum], rng) for stratum in last}
    return SubjectFigures(
        overall=overall,
        strata={stratum: found for stratum, found in strata.items() if found is not None},
        auc_deviation=deviation,
        verdict=verdict,
    )


def _judge_stratum(found: Figures, limits: Limits) -> Verdict:
    """Returns the verdict on a stratum; unclear where a single network has a say."""
    if found.networks == 1:
        return Verdict.UNCLEAR
    return _judge(found, limits)


def _judge(found: Figures, limits: Limits) -> Verdict:
    """Returns the verdict on figures by their intervals; without intervals by the figures."""
    states = [_compare(found.auc, limits.auc), _compare(found.lift, limits.lift)]
    for verdict in (Verdict.LEAKS, Verdict.UNCLEAR):
        if verdict in states:
            return verdict
    return Verdict.HIDDEN


def _compare(estimate: Estimate, limit: float) -> Verdict:
    low = estimate.value if estimate.low is None else estimate.low
    high = estimate.value if estimate.high is None else estimate.high
    if low > limit:
        return Verdict.LEAKS
    return Verdict.HIDDEN if high <= limit else Verdict.UNCLEAR


def _overall_verdict(
    overall: Figures | None, verdicts: Mapping[str, Verdict], limits: Limits
) -> Verdict:
    if overall is None:
        return Verdict.UNCLEAR
    if Verdict.LEAKS in verdicts.values():
        return Verdict.LEAKS
    return _judge(overall, limits)
