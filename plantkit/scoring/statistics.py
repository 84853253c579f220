"""How sure a comparison of pruners is, beyond the intervals of the standings.

All of it is about scores by challenge and seed, see `ranking.seed_totals`, and is the same in
every run: what is drawn is drawn from a fixed seed.

References:
    Agarwal et al., Deep RL at the edge of the statistical precipice (arXiv 2108.13264):
        stratified bootstrap, probability of improvement, performance profiles.
    Rao and Wu, Resampling inference with complex survey data (JASA 83, 1988): n - 1 of n values
        are drawn, for the variance to be right where values are few.
    Demsar, Statistical comparisons of classifiers over multiple data sets (JMLR 7, 2006):
        Friedman's test, Nemenyi's critical difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from plantkit.challenges.facts import ChallengeFacts
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import CONFIDENCE, by_kind, challenge_weights

#: Draws of the bootstrap; a probability of one half is then known to about 1%.
DRAWS = 4000
#: Where the middle `CONFIDENCE` of draws begins and ends.
_MIDDLE = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
#: More than sums of shares are off.
_TINY = 1e-9
#: Challenges that Friedman's test needs for its chi-squared approximation.
LEAST_BLOCKS = 10

#: Scores in [0, 100] by pruner and challenge digest, each a list over seeds; the same seeds of
#: every pruner.
Scores = Mapping[str, Mapping[str, Sequence[float]]]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """Scores of evaluations that might have been, drawn from the one that was.

    pruners: the best first. scores: (draws, pruners) float64, in [0, 100].
    """

    pruners: Sequence[str]
    scores: _Floats

    def interval(self, pruner: str) -> tuple[float, float]:
        """Returns the middle 95% of a pruner's scores."""
        drawn = self.scores[:, self.pruners.index(pruner)]
        low, high = np.quantile(drawn, _MIDDLE)
        return float(low), float(high)

    def first(self, pruner: str) -> float:
        """Returns the share of draws in which a pruner has the best score, shared by ties."""
        best = self.scores >= self.scores.max(axis=1, keepdims=True)
        shares = best / best.sum(axis=1, keepdims=True)
        return float(shares[:, self.pruners.index(pruner)].mean())

    def ahead(self, one: str, other: str) -> float:
        """Returns the share of draws in which `one` has the better score; a tie counts half."""
        mine, its = (self.scores[:, self.pruners.index(name)] for name in (one, other))
        return float(((mine > its) + 0.5 * (mine == its)).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How often one pruner scores higher than another on the same challenge and seed.

    probability: in [0, 1], a tie counts half; challenges count by the weights of their families.
    is_clear: whether tosses of a coin, one per challenge, would rarely come out as far from one
    half (5%, the sign test; for challenges of unlike weights, as many as would tell as much).
    """

    probability: float
    is_clear: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Friedman:
    """Friedman's test of the ranks on each challenge, and Nemenyi's critical difference.

    mean_ranks: by pruner, the best first; 1 is the best. statistic, p_value: of the hypothesis
    that all pruners are alike; corrected for ties. critical_difference: of mean ranks, at 95%.
    groups: largest sets of pruners whose mean ranks differ by less than that.
    """

    challenges: int
    mean_ranks: Mapping[str, float]
    statistic: float
    p_value: float
    critical_difference: float
    groups: Sequence[Sequence[str]]


def resample(
    scores: Scores,
    challenges: Sequence[ChallengeFacts],
    protocol: Protocol,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Resampled | None:
    """Returns a stratified bootstrap, or None where nothing varies that could be drawn from.

    The strata are the kinds of challenges, each with its weight. In a kind, instances are drawn;
    in a kind of one instance, seeds. All pruners get the same draws. A bootstrap of few values
    knows only the spread that they happen to have. So what a stratum's draw is off is divided by
    a spread drawn as well, of as many degrees of freedom: that makes of normal values Student's
    distribution, as in the standings.
    """
    pruners = _best_first(scores, challenges, protocol)
    values, weights, strata = _units(pruners, scores, challenges, protocol)
    if not any(len(stratum) > 1 for stratum in strata):
        return None
    generator = np.random.default_rng(seed)
    drawn = np.tile(values @ weights, (draws, 1))
    for stratum in strata:
        freedom = len(stratum) - 1
        if not freedom:
            continue
        counts = generator.multinomial(freedom, np.full(len(stratum), 1 / len(stratum)), draws)
        spread = np.sqrt(generator.chisquare(freedom, (draws, 1)) / freedom)
        mine = values[:, stratum]
        off = counts @ mine.T / freedom - mine.mean(axis=1)  # (draws, pruners)
        drawn += weights[stratum].sum() * off / spread
    return Resampled(pruners=pruners, scores=drawn.clip(0, 100))


def compare(
    scores: Scores, challenges: Sequence[ChallengeFacts], protocol: Protocol
) -> dict[tuple[str, str], Comparison]:
    """Returns the comparison of every pruner with every other, the first against the second."""
    from scipy.stats import binom

    pruners = _best_first(scores, challenges, protocol)
    if not pruners:
        return {}
    share = challenge_weights(challenges, protocol)
    digests = list(scores[pruners[0]])
    weights = np.array([share[digest] for digest in digests])
    whole = weights.sum()
    wins = np.zeros((len(pruners), len(pruners)))
    for digest, weight in zip(digests, weights, strict=True):
        values = np.array([scores[pruner][digest] for pruner in pruners])  # (pruners, seeds)
        mine, its = values[:, None, :], values[None, :, :]
        wins += weight * ((mine > its) + 0.5 * (mine == its)).mean(axis=2)
    wins /= whole or 1.0
    tosses = int(whole**2 / (weights**2).sum() + _TINY) if whole else 0
    least = float(binom.ppf(_MIDDLE[0], tosses, 0.5)) / tosses if tosses else 0.0
    return {
        (one, other): Comparison(
            probability=float(wins[i, j]),
            is_clear=bool(min(wins[i, j], wins[j, i]) < least - _TINY),
        )
        for i, one in enumerate(pruners)
        for j, other in enumerate(pruners)
        if i != j
    }


def profiles(
    scores: Scores,
    challenges: Sequence[ChallengeFacts],
    protocol: Protocol,
    thresholds: Sequence[float],
) -> dict[str, list[float]]:
    """Returns the share of runs with at least each score, by pruner, the best first.

    Challenges count by the weights of their families, and seeds of one alike.
    """
    weights = challenge_weights(challenges, protocol)
    found = {}
    for pruner in _best_first(scores, challenges, protocol):
        whole = sum(weights[digest] for digest in scores[pruner])
        found[pruner] = [
            sum(
                weights[digest] * fmean(value >= threshold for value in values)
                for digest, values in scores[pruner].items()
            )
            / whole
            if whole
            else 0.0
            for threshold in thresholds
        ]
    return found


def friedman(scores: Scores) -> Friedman | None:
    """Returns Friedman's test, or None with fewer than 3 pruners or `LEAST_BLOCKS` challenges.

    Every challenge is a block and counts alike, whatever its family's weight. Its pruners are
    ranked by their means over seeds.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    pruners = sorted(scores)
    digests = sorted(set.intersection(*(set(mine) for mine in scores.values()))) if scores else []
    count, blocks = len(pruners), len(digests)
    if count < 3 or blocks < LEAST_BLOCKS:
        return None
    means = np.array([[fmean(scores[name][digest]) for name in pruners] for digest in digests])
    ranks = rankdata(-means, axis=1)
    if (ranks == ranks[:, :1]).all():
        return None  # all are equal everywhere: the statistic is 0 / 0
    test = friedmanchisquare(*means.T)
    quantile = float(studentized_range.ppf(CONFIDENCE, count, np.inf)) / math.sqrt(2)
    difference = quantile * math.sqrt(count * (count + 1) / (6 * blocks))
    mean_ranks = {
        name: float(rank) for rank, name in sorted(zip(ranks.mean(axis=0), pruners, strict=True))
    }
    return Friedman(
        challenges=blocks,
        mean_ranks=mean_ranks,
        statistic=float(test.statistic),
        p_value=float(test.pvalue),
        critical_difference=difference,
        groups=_groups(mean_ranks, difference),
    )


def _groups(mean_ranks: Mapping[str, float], difference: float) -> list[list[str]]:
    """Returns the largest sets of neighbours within `difference`; `mean_ranks` ascend."""
    names = list(mean_ranks)
    found: list[list[str]] = []
    end = 0
    for start, name in enumerate(names):
        group = [one for one in names[start:] if mean_ranks[one] - mean_ranks[name] < difference]
        if start + len(group) > end:
            end = start + len(group)
            found.append(group)
    return found


def _best_first(
    scores: Scores, challenges: Sequence[ChallengeFacts], protocol: Protocol
) -> list[str]:
    """Returns the pruners by their mean scores, equal ones by name."""
    weights = challenge_weights(challenges, protocol)
    means = {
        pruner: sum(weights[digest] * fmean(values) for digest, values in mine.items())
        for pruner, mine in scores.items()
    }
    return sorted(means, key=lambda pruner: (-means[pruner], pruner))


def _units(
    pruners: Sequence[str],
    scores: Scores,
    challenges: Sequence[ChallengeFacts],
    protocol: Protocol,
) -> tuple[_Floats, _Floats, list[list[int]]]:
    """Returns what is drawn: means over seeds of instances, or seeds of kinds of one instance.

    Returns:
        Scores (pruners, units); the units' weights (units,), which sum to 1; and the units of each
        kind.
    """
    share = challenge_weights(challenges, protocol)
    columns: list[_Floats] = []  # (pruners, units) of each kind
    weights: list[float] = []
    strata: list[list[int]] = []
    for kind in by_kind(challenges):
        tables = [
            np.array([scores[pruner][one.digest] for pruner in pruners])  # (pruners, seeds)
            for one in kind
        ]
        units = tables[0] if len(kind) == 1 else np.stack([t.mean(axis=1) for t in tables], axis=1)
        count = units.shape[1]
        strata.append(list(range(len(weights), len(weights) + count)))
        columns.append(units)
        weights += [sum(share[one.digest] for one in kind) / count] * count
    whole = np.array(weights)
    return np.concatenate(columns, axis=1), whole / (whole.sum() or 1.0), strata
