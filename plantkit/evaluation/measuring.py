"""Trains and evaluates masks, many at once, and turns attempts into records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from plantkit.challenges.bundles import Challenge
from plantkit.challenges.manifests import read_manifest
from plantkit.errors import BundleError
from plantkit.evaluation.cache import Cache, accuracy_key, costs_key
from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.networks.training.accuracies import Accuracies
from plantkit.networks.training.accuracy import Measurement, measure_all
from plantkit.networks.training.executors import Executor
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.metrics import Metric
from plantkit.scoring.recording import compute_metrics, record_of
from plantkit.scoring.records import Record
from plantkit.scoring.structures import Structure, costs_of

#: A mask's digest, the seed that it is trained with, and the step that it is trained from.
_RunKey = tuple[str, int, int]


def score_all(
    batches: Sequence[tuple[Challenge, Sequence[Attempt]]],
    *,
    device: str = "cpu",
    executor: Executor | None = None,
    cache: Cache | None = None,
    metrics: Sequence[Metric] = (),
    progress: Callable[[int, int], None] = lambda *_: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[list[Record]]:
    """Returns the records of each challenge's attempts, in their order.

    Networks of all challenges train side by side. Equal masks with equal seeds train once, and
    not at all where `cache` knows them; it learns of each group when that has finished.

    Args:
        device, executor: see `accuracy.measure_all`.
        progress: called with how many networks are trained and how many attempts there are: at the
            start, with each group that has finished, and at the end, when both are the same.
        meanwhile: called once, while networks train.
    """
    trained, total = 0, sum(len(attempts) for _, attempts in batches)
    progress(trained, total)
    scorings = [_Scoring(challenge, attempts, device, cache) for challenge, attempts in batches]

    def keep(position: int, runs: Sequence[int], found: Sequence[Accuracies]) -> None:
        nonlocal trained
        scorings[position].keep(runs, found)
        trained += len(runs)
        progress(trained, total)

    def fill_in() -> None:
        for scoring in scorings:
            scoring.describe_masks()
        meanwhile()

    measure_all(
        [scoring.measurement() for scoring in scorings],
        device=device,
        executor=executor,
        on_done=keep,
        meanwhile=fill_in,
    )
    progress(total, total)
    return [scoring.records(metrics) for scoring in scorings]


def _lies_open(challenge: Challenge) -> bool:
    """Whether the ticket can be read where the challenge says that it is.

    One that was made in memory has a path, too, where another bundle may lie.
    """
    if challenge.is_sealed:
        return False
    try:
        manifest, digest = read_manifest(challenge.path)
    except BundleError:
        return False
    return digest == challenge.digest and manifest["truth"]["storage"] == "plain"


class _Scoring:
    """The attempts of one challenge on their way to records."""

    def __init__(
        self,
        challenge: Challenge,
        attempts: Sequence[Attempt],
        device: str,
        cache: Cache | None,
    ) -> None:
        self._challenge = challenge
        self._attempts = attempts
        self._device = device
        self._cache = cache
        # One mask object often serves several seeds, and digests take time.
        self._masks = {id(one.mask): one.mask for one in attempts if one.mask is not None}
        self._digests = {key: mask.digest() for key, mask in self._masks.items()}
        self._structures: dict[int, Structure] = {}
        self._accuracies: dict[_RunKey, Accuracies] = {}
        self._missing: dict[_RunKey, Mask] = {}
        for attempt in attempts:
            if attempt.mask is not None:
                run = self._run_of(attempt, attempt.mask)
                known = None if cache is None else cache.accuracies(self._cache_key(run))
                if known is not None:
                    self._accuracies[run] = known
                else:
                    self._missing.setdefault(run, attempt.mask)

    def measurement(self) -> Measurement:
        """Returns the masks that are not known yet, with their seeds."""
        challenge = self._challenge
        return Measurement(
            spec=challenge.network,
            task=challenge.task,
            weights=challenge.weights,
            masks=list(self._missing.values()),
            seeds=[seed for _, seed, _ in self._missing],
            rewinds=[step for _, _, step in self._missing],
            recipe=challenge.recipe,
            train_data=challenge.train,
            test_data=challenge.truth.test,
        )

    def keep(self, positions: Sequence[int], found: Sequence[Accuracies]) -> None:
        """Takes note of what was measured of masks at `positions` of the measurement."""
        runs = list(self._missing)
        for position, accuracies in zip(positions, found, strict=True):
            run = runs[position]
            self._accuracies[run] = accuracies
            if self._cache is not None:
                self._cache.keep_accuracies(self._cache_key(run), accuracies)

    def describe_masks(self) -> None:
        """Finds what can be said of each mask before it is trained."""
        if self._masks:
            costs = self._costs()
            self._structures = {
                key: Structure.of(self._challenge, mask, costs) for key, mask in self._masks.items()
            }

    def _costs(self) -> Mapping[str, Tensor]:
        """Returns what the removal of each of the ticket's entries costs.

        That tells where the ticket is, so it is kept only where the ticket itself lies open on
        disk. In networks on images it takes no time.
        """
        challenge, cache = self._challenge, self._cache
        is_slow = isinstance(challenge.network, PerceptronSpec)
        if cache is None or not is_slow or not _lies_open(challenge):
            return costs_of(challenge)
        key = costs_key(challenge.digest)
        costs = cache.costs(key, challenge.network)
        if costs is None:
            costs = dict(costs_of(challenge))
            cache.keep_costs(key, costs)
        return costs

    def records(self, metrics: Sequence[Metric]) -> list[Record]:
        """Returns the records of the attempts; to be called once all accuracies are known."""
        return [self._record(attempt, attempt.mask, metrics) for attempt in self._attempts]

    def _record(self, attempt: Attempt, mask: Mask | None, metrics: Sequence[Metric]) -> Record:
        if mask is None:
            return record_of(self._challenge, attempt)
        found = self._accuracies[self._run_of(attempt, mask)]
        return record_of(
            self._challenge,
            attempt,
            digest=self._digests[id(mask)],
            structure=self._structures[id(mask)],
            accuracies=found,
            metrics=compute_metrics(metrics, self._challenge, mask, found),
        )

    def _run_of(self, attempt: Attempt, mask: Mask) -> _RunKey:
        return self._digests[id(mask)], attempt.seed, attempt.rewind_step

    def _cache_key(self, run: _RunKey) -> str:
        digest, seed, step = run
        return accuracy_key(
            bundle=self._challenge.digest,
            mask=digest,
            seed=seed,
            device=self._device,
            rewind=step,
        )
