"""`plantkit evaluate` as a function, also for pruners that are functions or objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from plantkit.challenges.densities import parse_density
from plantkit.errors import UnknownNameError, UsageError
from plantkit.evaluation.requests import Progress, Request
from plantkit.isolation.levels import AUTO, REQUESTS, Level

if TYPE_CHECKING:
    from plantkit.challenges.bundles import Challenge
    from plantkit.evaluation.results import EvaluationResult
    from plantkit.pruners.pruner import Pruner
    from plantkit.pruners.sources import PrunerSource

#: A pruner as you can give it: a function `prune(problem, density, seed)`, an object with `name`,
#: `reference` and `prune`, a submission's path, or an installed pruner's name, with options.
PrunerLike: TypeAlias = "Callable[..., Any] | Pruner | str | Path"
#: A challenge as you can give it: an id, a bundle's path, or one that was loaded or planted.
ChallengeLike: TypeAlias = "str | Path | Challenge"
#: A density in (0, 1], or a multiple of the planted one: "3x", or "planted" for "1x".
DensityLike: TypeAlias = "float | str"


def evaluate(
    pruners: PrunerLike | Sequence[PrunerLike] | Mapping[str, PrunerLike],
    *,
    challenge: ChallengeLike | Sequence[ChallengeLike] | None = None,
    suite: str | None = None,
    density: DensityLike | Sequence[DensityLike] | None = None,
    seeds: int | None = None,
    baselines: str | Sequence[str] = "none",
    isolation: str | None = None,
    time_limit: float = 300.0,
    memory_limit: int = 4096,
    jobs: int | None = None,
    device: str = "cpu",
    run_directory: str | Path | None = None,
    resume: bool = False,
    cached: bool = True,
    fresh: int | None = None,
    fresh_seed_env: str | None = None,
    directories: Sequence[str | Path] = (),
    key: str | Path | None = None,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Runs pruners on challenges, scores their masks against the tickets, and ranks them.

    A function or an object runs in this process, where nothing is locked away and no limit holds,
    unless you ask for an isolation. The results then say that their isolation is "none". A path or
    a name runs in a process of its own, as on the command line. A run that fails is a record with
    a status and an error, not an exception.

    Args:
        pruners: one, several, or several by the names that they are to have.
        challenge: one or several; those of `suite` if None.
        suite: a name; "starter" if it and `challenge` are None.
        density: one or several; those of the suite, or of the challenges, if None.
        seeds: runs of each pruner at each density; the suite's number, or 3, if None.
        baselines: installed pruners to rank with yours: their names, "suite" for the suite's own
            list, "all" or "none".
        isolation: "auto", "full", "process", "watched" or "none", for all pruners. Functions and
            objects are pickled for it, by cloudpickle.
        time_limit: seconds of wall time of one run, in a process of its own.
        memory_limit: MiB of one run beyond Python and torch, in a process of its own.
        jobs: parallel runs and trainings; all cores if None.
        device: "cpu" or "cuda", for training the masked networks.
        run_directory: keeps records and masks, each as it is made.
        resume: go on with the run in `run_directory`; pruners must be paths or names.
        cached: False to compute everything anew, and to keep nothing.
        fresh: score on that many new instances of each kind of challenge instead.
        fresh_seed_env: environment variable whose secret these instances are derived from.
        directories: that hold bundles, searched before the usual places.
        key: file with the key of sealed challenges; the variable PLANTKIT_KEY if None.
        progress: called with what is going on, how much is done, and how much there is.

    Raises:
        UsageError: a value that cannot be used, an unknown name, or two that exclude each other.
        PluginError: an object that is not a pruner, or a path that cannot be loaded.
        BundleError: a challenge is invalid.

    >>> import plantkit as pk, torch
    >>> def keep_largest(problem, density, seed):
    ...     flat = torch.cat([w.abs().flatten() for w in problem.weights.values()])
    ...     least = flat.topk(problem.budget).values[-1]
    ...     return {name: w.abs() >= least for name, w in problem.weights.items()}
    >>> tiny = pk.plant("relu", depth=3, width=8, train_samples=320, test_samples=100, seed=b"1")
    >>> result = pk.evaluate(keep_largest, challenge=tiny, density=0.5, seeds=1)
    >>> result["keep_largest"].records[0].status
    'ok'
    >>> result.evaluation.settings.isolation
    'none'
    """
    from plantkit.evaluation.results import EvaluationResult
    from plantkit.evaluation.run import run_evaluation

    if challenge is not None and suite is not None:
        raise UsageError("challenge and suite exclude each other; give one of them")
    if not 0 < time_limit < math.inf:
        raise UsageError(f"time_limit is {time_limit!r}; expected seconds, more than 0")
    if isolation not in {None, *REQUESTS}:
        raise UnknownNameError("isolation", str(isolation), REQUESTS)
    texts, objects = _parted(pruners, isolation)
    if resume and objects:
        raise UsageError("a run can be resumed only if its pruners are given as paths or names")
    names = baselines if isinstance(baselines, str) else ",".join(baselines) or "none"
    level = isolation or (AUTO if texts or names != "none" else Level.NONE)
    warnings: list[str] = []
    outcome = run_evaluation(
        Request(
            pruners=texts,
            objects=objects,
            challenges=[str(o) if isinstance(o, Path) else o for o in _several(challenge)],
            suite=suite,
            densities=[_density(one) for one in _several(density)],
            seeds=whole("seeds", seeds),
            baselines=names,
            isolation=level,
            time_seconds=time_limit,
            memory_mib=whole("memory_limit", memory_limit) or 0,
            jobs=whole("jobs", jobs),
            device=device,
            run_directory=None if run_directory is None else Path(run_directory),
            resume=resume,
            cached=cached,
            fresh=whole("fresh", fresh),
            fresh_seed_env=fresh_seed_env,
            challenge_directories=[Path(one) for one in directories],
            key_file=None if key is None else Path(key),
            keeps_masks=True,
        ),
        warn=lambda message: warnings.append(str(message)),
        progress=progress or (lambda *_: None),
    )
    return EvaluationResult(outcome.evaluation, warnings)


def load_results(path: str | Path) -> EvaluationResult:
    """Returns the results of an earlier evaluation.

    Args:
        path: a run directory, or a file that `plantkit evaluate --format json` wrote.

    Raises:
        ResultsError: it holds none, is of another version, or not all runs were made.
    """
    from plantkit.evaluation.results import EvaluationResult
    from plantkit.evaluation.run_directory import read_run

    return EvaluationResult(read_run(Path(path)))


def _parted(
    pruners: PrunerLike | Sequence[PrunerLike] | Mapping[str, PrunerLike], isolation: str | None
) -> tuple[list[str], list[PrunerSource]]:
    """Returns the pruners as a request takes them: paths and names, and sources of objects."""
    from plantkit.evaluation.objects import as_pruner, source_apart, source_here

    named: list[tuple[str | None, Any]]
    if isinstance(pruners, Mapping):
        named = list(pruners.items())
    else:
        named = [(None, one) for one in _several(pruners)]
    texts: list[str] = []
    objects: list[PrunerSource] = []
    for name, given in named:
        if not isinstance(given, str | Path):
            pruner = as_pruner(given, name)
            is_here = isolation in {None, Level.NONE}
            objects.append(source_here(pruner) if is_here else source_apart(pruner))
        elif name is None:
            texts.append(str(given))
        else:
            raise UsageError(
                f"{name!r}: {str(given)!r} has a name already; only functions and objects can be "
                "given another"
            )
    return texts, objects


def _several(given: Any) -> list[Any]:
    """Returns what was given as a list: nothing for None, one, or several."""
    if given is None:
        return []
    is_one = isinstance(given, str | Path) or hasattr(given, "prune")
    return list(given) if isinstance(given, Iterable) and not is_one else [given]


def _density(given: DensityLike) -> DensityLike:
    try:
        return parse_density(str(given))
    except ValueError as error:
        raise UsageError(str(error)) from None


def whole(name: str, given: int | None) -> int | None:
    """Returns an argument that is None or an integer of at least 1.

    Raises:
        UsageError: it is neither; the message calls it by `name`.
    """
    if given is not None and (not isinstance(given, int) or given < 1):
        raise UsageError(f"{name} is {given!r}; expected an integer, at least 1")
    return given
