"""Where the checks run: isolated servers, ordinary interpreters, and the problems.

Nothing starts before it is needed, and importing this imports no torch.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.errors import PluginError
from plantkit.isolation.backends.local import LocalBackend
from plantkit.isolation.families import Family
from plantkit.isolation.jobs import DescribedPruner, Outcome, PruneJob
from plantkit.isolation.leftovers import make_scratch
from plantkit.isolation.levels import Isolation, Level, process_level
from plantkit.isolation.observing import MARK
from plantkit.isolation.opening import open_backend
from plantkit.isolation.problems import write_problem
from plantkit.isolation.scratch import remove_tree
from plantkit.isolation.servers import START_SECONDS, PrunerServer
from plantkit.isolation.wire import MARKER, Exit, Limits
from plantkit.pruners.sources import PrunerSource
from plantkit.submissions.submission import Submission

if TYPE_CHECKING:
    from plantkit.pruners.problem import Problem

#: What an ordinary interpreter does with the path of a cell.
_ORDINARY = (
    "import gc, sys; gc.disable(); sys.path[:] = {path!r}; from pathlib import Path; "
    "from plantkit.isolation.cell_runner import run_cell; gc.enable(); gc.freeze(); "
    "run_cell(Path({cell!r}))"
)


#: The main file of a generated submission, which lies among those of the one that it observes.
_OBSERVING_FILE = "plantkit_observing/main.py"
_OBSERVING = """\
from plantkit.isolation.observing import observed
def plantkit_pruners():
    return [observed(__file__, **{arguments!r})]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a pruner: density in (0, 1], and a seed."""

    density: float
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was observed of one call that returned.

    returned: type, entries and digest of what it returned, see `observing`. process: (what,
    before, after) of everything outside of the pruner that it changed. problem: the names of
    the parts of the problem that it changed.
    """

    returned: dict[str, Any]
    process: Sequence[Sequence[Any]]
    problem: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The outcome of the last of some calls in one process, and what was seen of each."""

    outcome: Outcome
    seen: Sequence[Seen]


class OrdinaryInterpreter(LocalBackend):
    """Runs each job in a new interpreter, with the user's environment and directory.

    The check `isolated` compares with it. Nothing protects the user there: it is for trusted
    pruners only.
    """

    def start(self) -> None:
        """Does nothing: each job has an interpreter of its own."""

    def carry_out(self, cell: Path, limits: Limits) -> Exit:
        path = [str(Path(entry).resolve()) for entry in sys.path if entry]
        started = time.monotonic()
        marker = secrets.token_hex(16)
        process = subprocess.Popen(
            [sys.executable, "-c", _ORDINARY.format(path=path, cell=str(cell))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, MARKER: marker},
            start_new_session=True,
        )
        family = Family(process.pid, marker)
        code = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(limits.time_seconds + START_SECONDS)
        finally:  # with all that it started
            family.end()
            process.wait()
        return Exit(seconds=time.monotonic() - started, code=code, timed_out=code is None)


class Laboratory:
    """The processes and files that checks share; a context manager.

    Without an `isolation`, runs are isolated as well as the machine can. Pruners are observed
    from outside, so that even at the level `none` they run in processes of their own.
    Without `with`, everything ends when the laboratory is collected or Python exits.

    Args:
        servers: processes in two interpreters, which others use, too; own ones if None.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        isolation: Isolation | None = None,
        servers: tuple[PrunerServer, PrunerServer] | None = None,
    ) -> None:
        self.limits = Limits(time_seconds=60.0) if limits is None else limits
        self._root = make_scratch()
        self._scratch = self._root / "cells"
        if isolation is not None and isolation.level is Level.NONE:
            isolation = replace(isolation, level=process_level())
        self._isolation = isolation
        self._servers = servers or (PrunerServer(), PrunerServer())
        self._problems: dict[str, tuple[Problem, Path]] = {}
        own = () if servers else self._servers
        self._finalizer = weakref.finalize(self, _clean, own, self._root)

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes and removes all files."""
        self._finalizer()

    def start(self) -> None:
        """Starts both isolated servers; they get ready at the same time."""
        for server in self._servers:
            server.start(self._isolation.level if self._isolation else None)

    def describe(self, source: PrunerSource) -> list[DescribedPruner]:
        """Returns what every pruner of a source says of itself.

        Raises:
            PluginError: it cannot be loaded.
        """
        return self._backends[0].describe(source, self.limits)

    def problem(self, name: str) -> Problem:
        """Returns the suite's problem called `name`."""
        return self._prepared(name)[0]

    def run(self, source: PrunerSource, problem: str, call: Call) -> Outcome:
        """Returns what came of one call, run as an evaluation runs it."""
        return self._backends[0].run(self._job(source, problem, call))

    def run_plainly(self, source: PrunerSource, problem: str, call: Call) -> Outcome:
        """Returns what came of one call in an ordinary interpreter, see `OrdinaryInterpreter`."""
        ordinary = OrdinaryInterpreter(self._scratch, Isolation(level=Level.NONE), PrunerServer())
        return ordinary.run(self._job(source, problem, call))

    def observe(
        self, source: PrunerSource, problem: str, calls: Sequence[Call], *, interpreter: int = 0
    ) -> Observation:
        """Returns what was observed of `calls`, made in one new process.

        Args:
            interpreter: which of the two isolated interpreters the process comes from.
        """
        job = self._job(self._with_probe(source, calls), problem, calls[-1])
        outcome = self._backends[interpreter].run(job)
        return Observation(outcome=outcome, seen=_parse(outcome.output, most=len(calls)))

    @functools.cached_property
    def _backends(self) -> list[LocalBackend]:
        return [open_backend(self._scratch, self._isolation, one) for one in self._servers]

    def _job(self, source: PrunerSource, problem: str, call: Call) -> PruneJob:
        given, directory = self._prepared(problem)
        return PruneJob(
            source=source,
            problem=directory,
            network=given.network,
            density=call.density,
            seed=call.seed,
            limits=self.limits,
        )

    def _prepared(self, name: str) -> tuple[Problem, Path]:
        from plantkit.testing.problems import make_problem

        if name not in self._problems:
            problem = make_problem(name)
            directory = self._root / "problems" / name
            write_problem(directory, problem)
            self._problems[name] = problem, directory
        return self._problems[name]

    def _with_probe(self, source: PrunerSource, calls: Sequence[Call]) -> PrunerSource:
        """Returns a generated submission: the pruner of `source` under observation."""
        given = source.read().submission
        arguments = {
            "source": source.to_json(),
            "calls": [(call.density, call.seed) for call in calls],
            "submission": given and {"main": given.main, "base": given.base, "path": given.path},
        }
        code = _OBSERVING.format(arguments=arguments).encode()
        submission = Submission(
            path=given.path if given else _OBSERVING_FILE,
            base=given.base if given else "",
            main=_OBSERVING_FILE,
            files={**(given.files if given else {}), _OBSERVING_FILE: code},
        )
        return PrunerSource(path=submission.path, name=source.name, submission=submission)


def resolve_installed(source: PrunerSource) -> PrunerSource:
    """Returns `source` with the entry point of the registered pruner that it names.

    Raises:
        UnknownNameError: no such pruner. UsageError: options that it does not take.
        PluginError: two plugins claim the name.
    """
    if source.entry_point is not None:
        return source
    from plantkit.evaluation.participants import Installed
    from plantkit.plugins import load_installed, name_clashes

    registry = load_installed()
    for clash in name_clashes(one for one in registry.pruners() if one.name == source.name):
        raise clash
    return Installed.of(registry, strict=False, warn=lambda _: None).entry(source).source


def only_pruner(described: Sequence[DescribedPruner], source: PrunerSource) -> DescribedPruner:
    """Returns the one pruner that a file offers.

    Raises:
        PluginError: it offers several and `source` names none of them.
    """
    found = [pruner for pruner in described if source.name in {None, pruner.name}]
    if len(found) == 1:
        return found[0]
    names = [pruner.name for pruner in described]
    wanted = "expected one" if source.name is None else f"none is named {source.name!r}"
    raise PluginError(source.path or "", f"offers the pruners {', '.join(names)}; {wanted}")


def _parse(output: str, *, most: int) -> list[Seen]:
    """Returns what the probe wrote into the captured output; an empty list if it is broken."""
    line = next((text for text in reversed(output.splitlines()) if text.startswith(MARK)), "")
    try:
        return [
            Seen(
                returned=dict(item["returned"]),
                process=[tuple(change) for change in item["process"]],
                problem=[str(name) for name in item["problem"]],
            )
            for item in json.loads(line.removeprefix(MARK))[:most]
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _clean(servers: Sequence[PrunerServer], root: Path) -> None:
    for server in servers:
        server.stop()
    remove_tree(root)
