"""How often a score puts masks of known quality in the right order, before and after version 2.

Quality is known by construction: SynFlow's masks, of whose entries a share is moved to random
places. The more is moved, the worse. Every quality is scored on fresh instances of three families
by version 1 (recovered accuracy at the planted density, 0.01 and 0.1, up to the dense network; one
instance of each family, three seeds) and by version 2 (recovered digits at 1x, 3x and 10x; three
instances of each family, one seed). From all instances, evaluations are drawn as these versions
would have drawn them.

    python benchmarks/scoring.py order docs/results/scoring-order.json

The second command reads an evaluation of many pruners with at least two seeds, and says how far the
two versions agree with themselves from seed to seed, and what a pruner that guesses scores:

    plantkit evaluate random --baselines all --seeds 2 --format json -o run.json
    python benchmarks/scoring.py agreement run.json docs/results/scoring-agreement.json
"""

from __future__ import annotations

import itertools
import json
import math
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev, variance
from typing import Any

import torch
from scipy.special import stdtrit
from scipy.stats import kendalltau

from plantkit.challenges import catalog
from plantkit.challenges.bundles import Challenge, read_manifest
from plantkit.challenges.fresh import fresh_challenges
from plantkit.evaluation.measuring import score_all
from plantkit.machine import available_cores
from plantkit.networks.masks import Mask
from plantkit.networks.training.executors import LocalExecutor
from plantkit.plugins import load_installed
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import Record
from plantkit.scoring.score import recovered_accuracy, seed_score

FAMILIES = ("relu", "circle", "teacher")
INSTANCES = 6
SEEDS = 3
#: Shares of SynFlow's entries that are moved, from the best mask to the worst.
MOVED = (0.0, 0.02, 0.05, 0.1, 0.2)
OLD = ("planted", 0.01, 0.1)
NEW = ("1x", "3x", "10x")
DRAWS = 2000
SECRET = "the same instances in every run of this benchmark"


def main() -> None:
    command, *paths = sys.argv[1:]
    result = order() if command == "order" else agreement(Path(paths[0]))
    text = json.dumps(result, indent=1) + "\n"
    Path(paths[-1]).write_text(text, encoding="utf-8", newline="\n")
    print(json.dumps(result, indent=1))


def order() -> dict[str, Any]:
    shipped = catalog.find()
    manifests = [read_manifest(shipped.bundle(f"{name}-5x100"))[0] for name in FAMILIES]
    challenges = fresh_challenges(manifests, INSTANCES, SECRET, jobs=available_cores())
    synflow = next(one.pruner for one in load_installed().pruners() if one.name == "synflow")
    with LocalExecutor(available_cores()) as executor:
        records = score_all(
            [(challenge, list(_attempts(challenge, synflow))) for challenge in challenges],
            executor=executor,
        )
    scores = {
        version: _scores(challenges, records, score)
        for version, score in (("before", _old_score), ("after", _new_score))
    }
    return {
        "moved": MOVED,
        "instances": INSTANCES,
        "before": _judged(scores["before"], instances=1, seeds=SEEDS),
        "after": _judged(scores["after"], instances=3, seeds=1, relu=0.25),
        "after, families alike": _judged(scores["after"], instances=3, seeds=1),
        "after, by weight of relu": {
            weight: _judged(scores["after"], instances=3, seeds=1, relu=weight)["right"]
            for weight in (1.0, 0.5, 0.25, 0.1, 0.0)
        },
        "after, one instance": _judged(scores["after"], instances=1, seeds=SEEDS),
        "before, three instances": _judged(scores["before"], instances=3, seeds=1),
        "families": _families(scores["after"]),
    }


def _attempts(challenge: Challenge, pruner: Any) -> Any:
    densities = {challenge.density_of(density) for density in (*OLD, *NEW)}
    for density in sorted(filter(None, densities)):
        problem = challenge.problem(density=density, seed=0)
        whole = Mask(pruner.prune(problem, density, seed=0))
        for moved, seed in itertools.product(MOVED, range(SEEDS)):
            yield Attempt(
                pruner=f"{moved}",
                target_density=density,
                is_planted_density=density == challenge.planted_density,
                seed=seed,
                status="ok",
                mask=_damaged(challenge, whole, moved, seed),
                error="",
                seconds=0.0,
                peak_rss_mib=None,
            )


def _damaged(challenge: Challenge, mask: Mask, moved: float, seed: int) -> Mask:
    """Returns the mask with a share of its entries moved to places that it does not keep."""
    generator = torch.Generator().manual_seed(seed)
    kept = torch.cat([value.flatten() for value in mask.values()]).bool()
    inside, outside = kept.nonzero().flatten(), (~kept).nonzero().flatten()
    count = min(round(moved * len(inside)), len(outside))
    kept[inside[torch.randperm(len(inside), generator=generator)[:count]]] = False
    kept[outside[torch.randperm(len(outside), generator=generator)[:count]]] = True
    return Mask.from_vector(challenge.network, kept)


#: Family, instance, quality and seed to a score.
_Scores = Mapping[tuple[str, int, float, int], float]


def _scores(
    challenges: Sequence[Challenge], records: Sequence[Sequence[Record]], score: Any
) -> _Scores:
    found = {}
    for number, (challenge, mine) in enumerate(zip(challenges, records, strict=True)):
        for moved, seed in itertools.product(MOVED, range(SEEDS)):
            runs = [r for r in mine if r.pruner == f"{moved}" and r.seed == seed]
            key = (challenge.family, number % INSTANCES, moved, seed)
            found[key] = score(challenge, runs)
    return found


def _new_score(challenge: Challenge, runs: Sequence[Record]) -> float:
    wanted = {challenge.density_of(density) for density in NEW}
    scored = [record for record in runs if record.target_density in wanted]
    return seed_score(challenge, scored).total(Protocol(densities=NEW))


def _old_score(
    challenge: Challenge, runs: Sequence[Record], densities: Sequence[float | str] = OLD
) -> float:
    """Returns the score of version 1, which plantkit 0.1 had."""
    wanted = {challenge.density_of(density) for density in densities}
    scored = [record for record in runs if record.target_density in wanted]
    dense = {
        track: recovered_accuracy(
            getattr(challenge.dense, track),
            trivial=challenge.trivial,
            ticket=challenge.ticket.strong,
        )
        for track in ("strong", "weak")
    }
    curves = [{1.0: dense["strong"]}, {1.0: max(dense.values())}]
    f1 = 0.0
    for record in scored:
        if record.target_density < challenge.planted_density:
            continue
        strong = record.strong.recovered_accuracy
        curves[0][record.target_density] = strong
        curves[1][record.target_density] = max(strong, record.weak.recovered_accuracy)
        if record.is_planted_density:
            f1 = record.overlap["f1"]
    parts = [_area(curve) for curve in curves] + [f1] * challenge.overlap_scored
    return 100 * fmean(parts)


def _area(curve: Mapping[float, float]) -> float:
    densities = sorted(curve)
    area = sum(
        math.log(high / low) * (curve[low] + curve[high]) / 2
        for low, high in itertools.pairwise(densities)
    )
    return area / math.log(densities[-1] / densities[0])


def _judged(scores: _Scores, *, instances: int, seeds: int, relu: float = 1.0) -> dict[str, Any]:
    """Returns how often evaluations of so many instances and seeds order neighbours rightly.

    `relu` is the weight of that family, where that of the others is 1.

    The intervals are those of `plantkit.scoring.ranking`: over instances where there are
    several, else over seeds.
    """
    rng = random.Random(0)
    right, covered = [], []
    weights = [relu if family == "relu" else 1.0 for family in FAMILIES]
    weights = [weight / sum(weights) for weight in weights]
    truth = {
        moved: sum(
            weight * fmean(v for key, v in scores.items() if (key[0], key[2]) == (family, moved))
            for family, weight in zip(FAMILIES, weights, strict=True)
        )
        for moved in MOVED
    }
    for _ in range(DRAWS):
        chosen = {family: rng.sample(range(INSTANCES), instances) for family in FAMILIES}
        means, margins = {}, {}
        drawn = rng.sample(range(SEEDS), seeds)
        for moved in MOVED:
            by_family = [
                [[scores[family, one, moved, seed] for seed in drawn] for one in chosen[family]]
                for family in FAMILIES
            ]
            means[moved] = sum(
                weight * fmean(map(fmean, found))
                for weight, found in zip(weights, by_family, strict=True)
            )
            margins[moved] = _margin(
                [
                    list(map(fmean, found)) if instances > 1 else list(found[0])
                    for found in by_family
                ],
                weights,
            )
        right += [means[a] > means[b] for a, b in itertools.pairwise(MOVED)]
        covered += [abs(means[moved] - truth[moved]) <= margins[moved] for moved in MOVED]
    pairs = len(MOVED) - 1
    return {
        "instances": instances,
        "seeds": seeds,
        "right": fmean(right),
        "right by pair": [fmean(right[pair::pairs]) for pair in range(pairs)],
        "covered": fmean(covered),
        "mean scores": [truth[moved] for moved in MOVED],
    }


def _margin(groups: Sequence[Sequence[float]], weights: Sequence[float]) -> float:
    parts = [
        (weight**2 * variance(values) / len(values), len(values) - 1)
        for weight, values in zip(weights, groups, strict=True)
    ]
    total = sum(part for part, _ in parts)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(part**2 / count for part, count in parts)
    return float(stdtrit(freedom, 0.975)) * math.sqrt(total)


def _families(scores: _Scores) -> dict[str, Any]:
    """Returns what each family tells: gaps between neighbours, and how far instances spread."""
    found = {}
    for family in FAMILIES:
        means = {
            moved: [
                fmean(scores[family, one, moved, seed] for seed in range(SEEDS))
                for one in range(INSTANCES)
            ]
            for moved in MOVED
        }
        gaps = [
            [better - worse for better, worse in zip(means[a], means[b], strict=True)]
            for a, b in itertools.pairwise(MOVED)
        ]
        gap = fmean(map(fmean, gaps))
        spread = math.sqrt(fmean(variance(one) for one in gaps))
        level = fmean(map(stdev, means.values()))
        found[family] = {
            "gap": gap,
            "spread_of_gaps": spread,
            "spread_of_scores": level,
            "information": gap / spread**2 if spread else None,
        }
    return found


def agreement(path: Path) -> dict[str, Any]:
    run = json.loads(path.read_text(encoding="utf-8"))
    shipped = catalog.find()
    from plantkit.challenges import bundles

    challenges = [bundles.load(shipped.bundle(one["id"])) for one in run["challenges"]]
    records = [Record.from_json(record) for record in run["records"]]
    pruners = [standing["pruner"] for standing in run["standings"]]
    families = sorted({challenge.family for challenge in challenges})
    found: dict[str, Any] = {}
    for version, score in (("version 1", _old_at_multiples), ("version 2", _new_score)):
        by_seed = []
        for seed in sorted({record.seed for record in records}):
            totals = []
            for pruner in pruners:
                mine = [r for r in records if r.pruner == pruner and r.seed == seed]
                each = {
                    family: [
                        score(one, [r for r in mine if r.bundle_sha256 == one.digest])
                        for one in challenges
                        if one.family == family
                    ]
                    for family in families
                }
                totals.append(fmean(map(fmean, each.values())))
            by_seed.append(totals)
        taus = [
            float(kendalltau(one, other).statistic)
            for one, other in itertools.combinations(by_seed, 2)
        ]
        found[version] = {
            "tau between seeds": fmean(taus),
            "scores": {
                pruner: fmean(totals[place] for totals in by_seed)
                for place, pruner in enumerate(pruners)
            },
        }
    guesses = [record for record in records if record.pruner == "random"]
    seeds = sorted({record.seed for record in guesses})
    found["random by challenge"] = {}
    for one in challenges:
        mine = [record for record in guesses if record.bundle_sha256 == one.digest]
        found["random by challenge"][one.id] = fmean(
            _new_score(one, [record for record in mine if record.seed == seed]) for seed in seeds
        )
    return found


def _old_at_multiples(challenge: Challenge, runs: Sequence[Record]) -> float:
    """Returns the score of version 1 at the densities of version 2."""
    return _old_score(challenge, runs, NEW)


if __name__ == "__main__":
    main()
