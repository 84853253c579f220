"""Trains and evaluates masks, many at once, and turns attempts into records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from plantkit.challenges.bundles import Challenge
from plantkit.evaluation.cache import Cache, accuracy_key
from plantkit.networks.masks import Mask
from plantkit.networks.training.accuracy import Accuracies, Measurement, measure_all
from plantkit.networks.training.executors import Executor
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.metrics import Metric
from plantkit.scoring.recording import Structure, record_of
from plantkit.scoring.records import Record


def score_attempts(
    challenge: Challenge,
    attempts: Sequence[Attempt],
    *,
    jobs: int = 1,
    device: str = "cpu",
    executor: Executor | None = None,
    cache: Cache | None = None,
    metrics: Sequence[Metric] = (),
    on_done: Callable[[int], None] | None = None,
) -> list[Record]:
    """Returns the records of `attempts`, in their order; see `score_all`.

    `on_done` is called with the number of trained networks of each group that has finished.

    Args:
        jobs, device, executor: see `accuracy.measure`.
    """
    [records] = score_all(
        [(challenge, attempts)],
        jobs=jobs,
        device=device,
        executor=executor,
        cache=cache,
        metrics=metrics,
        on_done=on_done,
    )
    return records


def score_all(
    batches: Sequence[tuple[Challenge, Sequence[Attempt]]],
    *,
    jobs: int = 1,
    device: str = "cpu",
    executor: Executor | None = None,
    cache: Cache | None = None,
    metrics: Sequence[Metric] = (),
    on_done: Callable[[int], None] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[list[Record]]:
    """Returns the records of each challenge's attempts, in their order.

    Networks of all challenges train side by side. Equal masks with equal seeds train once, and
    not at all where `cache` knows them; it learns of each group as that has finished.

    Args:
        jobs, device, executor: see `accuracy.measure`.
        meanwhile: called once, while networks train.
    """
    scorings = [_Scoring.of(challenge, attempts, device, cache) for challenge, attempts in batches]

    def keep(position: int, runs: Sequence[int], found: Sequence[Accuracies]) -> None:
        scoring = scorings[position]
        for run, accuracies in zip(runs, found, strict=True):
            key = scoring.missing[run]
            scoring.accuracies[key] = accuracies
            if cache is not None:
                cache.keep_accuracies(scoring.keys[key], accuracies)
        if on_done is not None:
            on_done(len(runs))

    structures: list[dict[int, Structure]] = []

    def fill_in() -> None:
        structures.extend(scoring.structures() for scoring in scorings)
        meanwhile()

    measure_all(
        [scoring.measurement() for scoring in scorings],
        jobs=jobs,
        device=device,
        executor=executor,
        on_done=keep,
        meanwhile=fill_in,
    )
    return [
        scoring.records(known, metrics) for scoring, known in zip(scorings, structures, strict=True)
    ]


#: A mask's digest and the seed that it is trained with.
_RunKey = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scoring:
    """The attempts of one challenge on their way to records.

    masks: the masks to be measured. keys: where the cache keeps their accuracies.
    accuracies: those that are known, filled up as others are measured. missing: the rest.
    """

    challenge: Challenge
    attempts: Sequence[Attempt]
    digests: Sequence[str]
    masks: Mapping[_RunKey, Mask]
    keys: Mapping[_RunKey, str]
    accuracies: dict[_RunKey, Accuracies]
    missing: Sequence[_RunKey]

    @classmethod
    def of(
        cls, challenge: Challenge, attempts: Sequence[Attempt], device: str, cache: Cache | None
    ) -> _Scoring:
        by_mask: dict[int, str] = {}  # one mask often serves several seeds
        for attempt in attempts:
            if attempt.mask is not None and id(attempt.mask) not in by_mask:
                by_mask[id(attempt.mask)] = attempt.mask.digest()
        digests = [by_mask.get(id(attempt.mask), "") for attempt in attempts]
        masks: dict[_RunKey, Mask] = {}
        for attempt, digest in zip(attempts, digests, strict=True):
            if attempt.mask is not None:
                masks.setdefault((digest, attempt.seed), attempt.mask)
        keys: dict[_RunKey, str] = {}
        accuracies: dict[_RunKey, Accuracies] = {}
        if cache is not None:
            for digest, seed in masks:
                key = accuracy_key(bundle=challenge.digest, mask=digest, seed=seed, device=device)
                keys[digest, seed] = key
                known = cache.accuracies(key)
                if known is not None:
                    accuracies[digest, seed] = known
        return cls(
            challenge=challenge,
            attempts=attempts,
            digests=digests,
            masks=masks,
            keys=keys,
            accuracies=accuracies,
            missing=[run for run in masks if run not in accuracies],
        )

    def measurement(self) -> Measurement:
        """Returns what is to be measured, in the order of `missing`."""
        challenge = self.challenge
        return Measurement(
            spec=challenge.network,
            task=challenge.task,
            weights=challenge.weights,
            masks=[self.masks[run] for run in self.missing],
            seeds=[seed for _, seed in self.missing],
            recipe=challenge.recipe,
            train_data=challenge.train,
            test_data=challenge.truth.test,
        )

    def structures(self) -> dict[int, Structure]:
        """Returns what can be said of each mask before it is trained, by the mask's `id`."""
        masks = {id(attempt.mask): attempt.mask for attempt in self.attempts}
        return {
            key: Structure.of(self.challenge, mask)
            for key, mask in masks.items()
            if mask is not None
        }

    def records(
        self, structures: Mapping[int, Structure], metrics: Sequence[Metric]
    ) -> list[Record]:
        """Returns the records of the attempts once all accuracies are known."""
        return [
            record_of(self.challenge, attempt)
            if attempt.mask is None
            else record_of(
                self.challenge,
                attempt,
                digest=digest,
                structure=structures[id(attempt.mask)],
                accuracies=self.accuracies[digest, attempt.seed],
                metrics=metrics,
            )
            for attempt, digest in zip(self.attempts, self.digests, strict=True)
        ]
