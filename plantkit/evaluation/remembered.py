"""Evaluations that need not be run again, since nothing that they depend on has changed.

A submission under full isolation reads what was handed in, the problem and the installed
libraries. So all of its evaluation is known from these, and is kept in the cache as a whole: to
show it again takes no torch and starts nothing. It is kept only where every run ended with an
answer, no other run gave another mask, and nothing had to be warned of.

First it is looked for by the request and the submissions' files alone, which takes no time; only
one that is found is compared with the challenges, the libraries and plantkit as they are now.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.challenges import catalog
from plantkit.challenges.files import read_digested
from plantkit.challenges.manifests import read_manifest
from plantkit.errors import PlantkitError, ResultsError, UsageError
from plantkit.evaluation.cache import Cache, evaluation_key, forget_digests, module_digest, versions
from plantkit.evaluation.requests import DEFAULT_SUITE, Request
from plantkit.hookspecs import PROJECT
from plantkit.isolation.levels import AUTO, Level
from plantkit.plugins import load_installed
from plantkit.pruners.sources import PrunerSource

if TYPE_CHECKING:
    from plantkit.scoring.evaluation import Evaluation

#: How the runs of an evaluation ended that is kept.
_ENDED = {"ok", "invalid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Where the evaluation that a request asks for is kept."""

    cache: Cache
    request: Request
    key: str

    def find(self) -> Evaluation | None:
        """Returns the evaluation, if it is kept and nothing that it depends on has changed.

        Raises:
            BundleError: a challenge is invalid.
        """
        kept = self.cache.evaluation(self.key)
        if kept is None or kept["identity"] != identity(self.request):
            return None
        from plantkit.scoring.evaluation import Evaluation

        with suppress(ResultsError):
            return Evaluation.from_json(kept["evaluation"])
        return None

    def keep(self, evaluation: Evaluation) -> None:
        """Keeps an evaluation that would come out the same again."""
        found = None
        with suppress(PlantkitError):  # a bundle was changed since: its results are shown once
            found = identity(self.request)
        is_steady = all(one.status in _ENDED and not one.note for one in evaluation.records)
        if found is None or not is_steady or evaluation.settings.isolation != Level.FULL:
            return
        if set(found["challenges"].values()) == {one.digest for one in evaluation.challenges}:
            self.cache.keep_evaluation(self.key, found, evaluation.to_json())


def memory_of(request: Request, sources: Sequence[PrunerSource]) -> Memory | None:
    """Returns where the evaluation that `request` asks for is kept, None where it must be run."""
    is_new = request.fresh is not None or request.run_directory is not None or not request.cached
    is_here = request.executor == "local" and request.device == "cpu"
    is_locked = request.isolation in {AUTO, Level.FULL}
    is_given = request.objects or any(not isinstance(one, str) for one in request.challenges)
    if is_new or not is_here or not is_locked or is_given or request.keeps_masks:
        return None
    if any(one.path is not None and one.submission is None for one in sources):
        return None  # it cannot be read, of which the user is told elsewhere
    submissions = [one.submission and one.submission.digest for one in sources]
    asked = asdict(replace(request, output_format="", watch=False))
    words = json.dumps([asked, submissions, Path.cwd()], default=str)
    return Memory(cache=Cache(), request=request, key=evaluation_key(words))


def identity(request: Request) -> Mapping[str, Any] | None:
    """Returns all that results depend on besides the request, None where that cannot be known.

    Raises:
        BundleError: a challenge is invalid.
    """
    plugins = load_installed(without=PROJECT)
    found = catalog.find(request.challenge_directories, plugins=plugins.challenge_directories())
    if found.shadowed or plugins.failures:
        return None
    suite = found.suite(request.suite or DEFAULT_SUITE)
    if request.challenges:
        directories = [found.bundle(str(name)) for name in request.challenges]
    else:
        directories = found.bundles_of(suite)
    digests = {}
    for directory in directories:
        manifest, digests[str(directory)] = read_manifest(directory)
        if manifest["truth"]["storage"] == "sealed":
            return None
        for file, entry in manifest["files"].items():
            size = entry["bytes"]
            read_digested(directory / file, sha256=entry["sha256"], size=size, most_bytes=size)
    points = importlib.metadata.entry_points(group=PROJECT)
    modules = {point.value.partition(":")[0].partition(".")[0] for point in points}
    value = {
        "versions": versions(),
        "processor": os.environ.get("ATEN_CPU_CAPABILITY", ""),
        "plugins": {name: module_digest(name) for name in sorted(modules)},
        "points": sorted((point.name, point.value) for point in points),
        "suite": {key: value for key, value in asdict(suite).items() if key != "where"},
        "challenges": digests,
    }
    known: Mapping[str, Any] = json.loads(json.dumps(value))
    return known


def note_code() -> None:
    """Takes the digests of plantkit and its plugins, which `identity` takes from here on.

    It is called before the runs, for somebody may edit a plugin during them.
    """
    _code()


def check_code() -> None:
    """Takes these digests anew, where evaluations go on in one process.

    Raises:
        UsageError: they are not as before. This process has the code of before, its runs may not.
    """
    before = _code()
    forget_digests()
    if _code() != before:
        raise UsageError(
            "plantkit, a plugin or an installed package has changed meanwhile; run the command anew"
        )


def _code() -> list[object]:
    points = importlib.metadata.entry_points(group=PROJECT)
    return [versions(), sorted((point.value, module_digest(point.value)) for point in points)]
