"""Evaluations of different days and machines as one.

Everything that takes several runs reads them with `evaluation.run_directory.read_runs` and has
`merge` put them together: `plantkit rank RUN...` and `plantkit report RUN...` alike.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Hashable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from plantkit.challenges.densities import multiple_of
from plantkit.challenges.facts import ChallengeFacts
from plantkit.errors import ResultsError, UsageError
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Provenance, Settings, in_grid_order
from plantkit.scoring.records import Record
from plantkit.scoring.starts import rank_by_start

if TYPE_CHECKING:
    from plantkit.networks.masks import Mask

#: Levels of isolation, the least first.
_LEVELS = ("none", "watched", "process", "full")
#: Most characters of a digest in a message.
_MOST_DIGITS = 16

#: Evaluations by the paths that people know them by.
_Runs = Mapping[str, Evaluation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Several evaluations as one. notes: how they differ, in sentences; none of one alone."""

    evaluation: Evaluation
    notes: Sequence[str] = ()


def merge(runs: Mapping[str, Evaluation]) -> Merged:
    """Returns the results of finished evaluations together, ranked anew.

    The pruners of all runs take part. One that is in several runs, with the same files (or the
    same version, of an installed one) and options, takes part once, and the first run's records
    count. Different ones of the same name are told apart by the names of their runs. The runs may
    have different challenges, if in the end every pruner has run on every one.

    Args:
        runs: by the paths that people know them by, the first counting most.

    Raises:
        UsageError: there is no run.
        ResultsError: the runs have different versions of a challenge or different protocols, or
            a pruner has not run everywhere.
    """
    if not runs:
        raise UsageError("no run was given; expected run directories or files of --format json")
    first = next(iter(runs.values()))
    if len(runs) == 1:
        return Merged(evaluation=first)
    _check_alike(runs)
    labels = _labels(runs)
    entries: dict[str, Entry] = {}
    records: dict[Hashable, Record] = {}
    challenges: dict[str, ChallengeFacts] = {}
    others: dict[str, list[Record]] = {}
    for name, run in runs.items():
        others[name] = []
        for entry in run.entries:
            label = labels[name, entry.label]
            entries.setdefault(label, replace(entry, label=label))
        for challenge in run.challenges:
            challenges.setdefault(challenge.digest, challenge)
        for record in run.records:
            renamed = replace(record, pruner=labels[name, record.pruner])
            if records.setdefault(renamed.key, renamed) is not renamed:
                others[name].append(renamed)
    every = list(runs.values())
    suites = {run.suite for run in every}
    merged = Evaluation(
        entries=list(entries.values()),
        challenges=list(challenges.values()),
        suite=suites.pop() if len(suites) == 1 else None,
        protocol=first.protocol,
        records=in_grid_order(records.values(), list(entries.values()), list(challenges.values())),
        standings=[],
        settings=_settings([run.settings for run in every]),
        started=min(run.started for run in every),
        provenance=_provenance([run.provenance for run in every]),
        masks=ChainMap(*(cast("MutableMapping[str, Mask]", run.masks) for run in every)),
    )
    _check_complete(merged, runs)
    standings = rank_by_start(merged.challenges, merged.records, merged.protocol)
    return Merged(
        evaluation=replace(merged, standings=standings),
        notes=[*_renamed(labels), *_repeated(records, others), *_differences(runs)],
    )


def contradictions(runs: _Runs) -> list[str]:
    """Returns why scores of the runs mean different things, a line each: which run has what."""
    protocols: dict[str, Callable[[Evaluation], Any]] = {
        "seeds": lambda run: run.protocol.seeds,
        "densities": lambda run: ", ".join(_in_order(run.protocol.densities)),
        "weights": lambda run: (
            f"strong {run.protocol.strong_weight:g}, weak {run.protocol.weak_weight:g}, "
            f"overlap {run.protocol.overlap_weight:g}"
        ),
        "family weights": lambda run: (
            ", ".join(
                f"{family} {weight:g}"
                for family, weight in sorted(run.protocol.family_weights.items())
                if weight != 1.0
            )
            or "all 1"
        ),
    }
    found = [words for what, value in protocols.items() if (words := _spread(what, value, runs))]
    digests: dict[str, dict[str, list[str]]] = {}
    for name, run in runs.items():
        for challenge in run.challenges:
            digest = challenge.digest[:_MOST_DIGITS]
            digests.setdefault(challenge.id, {}).setdefault(digest, []).append(name)
    for challenge_id, mine in digests.items():
        if len(mine) > 1:
            found.append(_words(f"the bundle {challenge_id}", mine))
    return found


def limits(runs: _Runs) -> dict[str, str]:
    """Returns which runs have which limit, in words, where they differ; by the status of a run
    that the limit ended."""
    values: dict[str, tuple[str, Callable[[Evaluation], str | None]]] = {
        "timeout": ("time limit", lambda run: _amount(run.settings.time_seconds, "s")),
        "oom": ("memory limit", lambda run: _amount(run.settings.memory_mib, "MiB")),
    }
    found = {status: _spread(what, value, runs) for status, (what, value) in values.items()}
    return {status: words for status, words in found.items() if words}


def _amount(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{value:g} {unit}"


def _check_alike(runs: _Runs) -> None:
    """Checks that scores of the runs mean the same.

    Raises:
        ResultsError: they don't; the message says which run has what.
    """
    if found := contradictions(runs):
        raise ResultsError(
            "these runs cannot be ranked together, for their scores mean different things:\n"
            + "\n".join(f"  {line}" for line in found)
            + "\nrank them apart, or evaluate again with the same challenges and options"
        )


def _check_complete(merged: Evaluation, runs: _Runs) -> None:
    """Checks that every pruner has run on every challenge.

    Raises:
        ResultsError: it has not.
    """
    made = {(record.pruner, record.bundle_sha256) for record in merged.records}
    lacking = [
        f"  {entry.label} has not run on {', '.join(missing)}"
        for entry in merged.entries
        if (missing := [c.id for c in merged.challenges if (entry.label, c.digest) not in made])
    ]
    if lacking:
        where = [
            f"  {name} has {', '.join(challenge.id for challenge in run.challenges)}"
            for name, run in runs.items()
        ]
        raise ResultsError(
            "these runs have different challenges, and not every pruner has run on each:\n"
            + "\n".join([*where, *lacking])
            + "\nrank them apart, or evaluate what is missing"
        )


def _labels(runs: _Runs) -> dict[tuple[str, str], str]:
    """Returns the merged label of every pruner, by the run's name and its label there."""
    shown = _shown_names(list(runs))
    identities: dict[str, dict[Hashable, list[str]]] = {}
    for name, run in runs.items():
        for entry in run.entries:
            mine = identities.setdefault(entry.label, {})
            mine.setdefault(_identity(name, entry), []).append(name)
    labels: dict[tuple[str, str], str] = {}
    taken = set(identities)
    for label, groups in identities.items():
        for names in groups.values():
            new = label
            if len(groups) > 1:
                new = f"{label} ({shown[names[0]]})"
                for number in count(2):
                    if new not in taken:
                        break
                    new = f"{label} ({shown[names[0]]}, {number})"
                taken.add(new)
            labels |= {(name, label): new for name in names}
    return labels


def _identity(run: str, entry: Entry) -> Hashable:
    """Returns what is the same of one pruner in two runs, and differs between two pruners."""
    made = entry.sha256 or ((entry.plugin, entry.version) if entry.plugin else run)
    return made, tuple(sorted(entry.source.options.items())), entry.rewind


def _shown_names(paths: Sequence[str]) -> dict[str, str]:
    """Returns the short names of runs, or their paths where a short one is not unique."""
    short = {
        path: PurePath(path).stem if path.endswith(".json") else PurePath(path).name or path
        for path in paths
    }
    names = list(short.values())
    return {path: name if names.count(name) == 1 else path for path, name in short.items()}


def _renamed(labels: Mapping[tuple[str, str], str]) -> list[str]:
    """Returns a note of every name that stands for different pruners."""
    news: dict[str, dict[str, None]] = {}
    for (_, label), new in labels.items():
        news.setdefault(label, {})[new] = None
    return [
        f"{label} differs between runs (other files, version or options): shown as "
        f"{', '.join(found)}."
        for label, found in news.items()
        if len(found) > 1
    ]


def _repeated(
    records: Mapping[Hashable, Record], others: Mapping[str, Sequence[Record]]
) -> list[str]:
    """Returns notes of pruners that are in several runs, and of what came out otherwise there.

    others: by run, the records that do not count.
    """
    again = sorted({record.pruner for mine in others.values() for record in mine})
    notes = []
    if again:
        notes.append(f"In several runs, of which the first counts: {', '.join(again)}.")
    for name, mine in others.items():
        changed: dict[str, int] = {}
        for record in mine:
            changed[record.pruner] = changed.get(record.pruner, 0) + (
                _outcome(record) != _outcome(records[record.key])
            )
        notes += [
            f"{pruner}: {different} of {sum(one.pruner == pruner for one in mine)} runs came out "
            f"otherwise in {name}, which does not count."
            for pruner, different in changed.items()
            if different
        ]
    return notes


def _outcome(record: Record) -> Hashable:
    return record.status, record.mask_sha256, record.strong, record.weak


def _differences(runs: _Runs) -> list[str]:
    """Returns a note of everything that may change a score a little."""
    facts: dict[str, Callable[[Evaluation], str | None]] = {
        "isolation": lambda run: run.settings.isolation,
        "device": lambda run: run.settings.device,
        "plantkit": lambda run: run.provenance.plantkit_version,
        "commit": lambda run: (run.provenance.git_hash or "")[:_MOST_DIGITS] or None,
    }
    names = {name: None for run in runs.values() for name in run.provenance.environment}
    for name in names:
        facts[name] = partial(_version, name)
    found = [words for what, value in facts.items() if (words := _spread(what, value, runs))]
    return [*_limit_notes(runs), *found]


def _limit_notes(runs: _Runs) -> list[str]:
    """Returns notes of limits that differ, and of runs that might have passed under another."""
    notes = []
    for status, limit in limits(runs).items():
        ended = [
            f"{count} in {name}"
            for name, run in runs.items()
            if (count := sum(record.status == status for record in run.records))
        ]
        words = f". Runs that it ended, and another might not: {', '.join(ended)}"
        notes.append(f"{limit}{words * bool(ended)}")
    return notes


def _version(name: str, run: Evaluation) -> str | None:
    return run.provenance.environment.get(name)


def _spread(what: str, value: Callable[[Evaluation], Any], runs: _Runs) -> str:
    """Returns which runs have which value, in words; "" if all that have one have the same."""
    found: dict[str, list[str]] = {}
    for name, run in runs.items():
        if (one := value(run)) is not None:
            found.setdefault(str(one), []).append(name)
    return _words(what, found) if len(found) > 1 else ""


def _words(what: str, found: Mapping[str, Sequence[str]]) -> str:
    parts = (f"{value} in {', '.join(names)}" for value, names in found.items())
    return f"{what}: {'; '.join(parts)}"


def _settings(every: Sequence[Settings]) -> Settings:
    """Returns the settings of all: the least isolation; a speed and limits if they are the same."""
    speeds = {one.speed for one in every}
    times, memories = {one.time_seconds for one in every}, {one.memory_mib for one in every}
    return Settings(
        jobs=max(one.jobs for one in every),
        device=_joined(one.device for one in every),
        isolation=min((one.isolation for one in every), key=_LEVELS.index),
        speed=speeds.pop() if len(speeds) == 1 else None,
        time_seconds=times.pop() if len(times) == 1 else None,
        memory_mib=memories.pop() if len(memories) == 1 else None,
    )


def _provenance(every: Sequence[Provenance]) -> Provenance:
    hashes = {one.git_hash for one in every}
    names = {name: None for one in every for name in one.environment}
    return Provenance(
        plantkit_version=_joined(one.plantkit_version for one in every),
        environment={
            name: _joined(one.environment.get(name, "unknown") for one in every) for name in names
        },
        git_hash=hashes.pop() if len(hashes) == 1 else None,
    )


def _joined(values: Iterable[str]) -> str:
    """Returns different values in their order, separated by commas."""
    return ", ".join(dict.fromkeys(values))


def _in_order(densities: Sequence[float | str]) -> list[str]:
    """Returns densities as they are written, numbers and multiples each from the lowest."""
    return [str(one) for one in sorted(densities, key=lambda one: (multiple_of(one) or 0, one))]
