"""The checks of the conformance suite: one small function each, and one registry.

A check raises `CheckFailure` with what it expected and what it got. A check whose `needs`
did not pass is skipped, so that one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from plantkit.errors import PluginError
from plantkit.isolation.jobs import Outcome
from plantkit.isolation.wire import Status
from plantkit.pruners.sources import PrunerSource
from plantkit.testing.laboratory import (
    Call,
    Laboratory,
    Observation,
    Seen,
    only_pruner,
    resolve_installed,
)

#: The call that most checks make: the names, shapes and values of its mask are checked first.
_USUAL = Call(density=0.3)
#: The second call of `call-order`: another density and another seed.
_OTHER = Call(density=0.1, seed=1)


class CheckFailure(AssertionError):  # noqa: N818 - as in AssertionError: a check has failed
    """What a check expected, and what it got."""

    def __init__(self, *, expected: str, got: str) -> None:
        self.expected = expected
        self.got = got
        super().__init__(f"expected {expected}; got {got}")


class CheckSkipped(Exception):  # noqa: N818 - it is no error
    """Why a check cannot be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One requirement.

    name: lower-case words and dashes. needs: checks that must pass first. needs_trust: it runs
    the pruner without protection, so that a stranger's file skips it.
    """

    name: str
    description: str
    run: Callable[[Subject], None]
    needs: tuple[str, ...] = ()
    needs_trust: bool = False


class Subject:
    """The pruner under examination, and the runs of it that were made so far.

    source: a file, or a registered pruner with its entry point. is_trusted: whether it may
    be run outside of the isolation, too. is_seeded: whether its masks may depend on the seed,
    known when it is loaded.
    """

    def __init__(self, laboratory: Laboratory, source: PrunerSource, *, is_trusted: bool) -> None:
        self.laboratory = laboratory
        self.source = source
        self.is_trusted = is_trusted or source.path is None
        self.is_seeded = True
        self._observations: dict[tuple[str, tuple[Call, ...], int], Observation] = {}

    def load(self) -> None:
        """Finds out the name of a file's pruner, or the plugin of a registered one.

        Raises:
            PluginError: the file cannot be loaded, or offers several pruners.
            UnknownNameError: no pruner of that name is registered.
        """
        if self.source.path is None:
            self.source = resolve_installed(self.source)
        described = only_pruner(self.laboratory.describe(self.source), self.source)
        self.source = replace(self.source, name=described.name)
        self.is_seeded = described.is_seeded

    def run(self, problem: str, call: Call = _USUAL) -> Outcome:
        return self.laboratory.run(self.source, problem, call)

    def observe(self, problem: str, *calls: Call, interpreter: int = 0) -> Observation:
        """Returns what is seen of `calls`, made in one process; repeated asking is free."""
        key = (problem, calls, interpreter)
        if key not in self._observations:
            self._observations[key] = self.laboratory.observe(
                self.source, problem, calls, interpreter=interpreter
            )
        return self._observations[key]

    def see(self, problem: str, *calls: Call, interpreter: int = 0) -> list[Seen]:
        """Returns what is seen of `calls`, each of which must return, and the last a valid mask.

        Raises:
            CheckFailure: it does not.
        """
        made = self.observe(problem, *calls, interpreter=interpreter)
        if made.outcome.status is not Status.OK or len(made.seen) != len(calls):
            text = made.outcome.error or "a run that cannot be observed"
            where = f"problem {problem!r}, density {calls[-1].density:.3g}"
            raise CheckFailure(
                expected=f"a valid mask ({where})", got=f"{made.outcome.status}: {text}"
            )
        return list(made.seen)


def _loads(subject: Subject) -> None:
    try:
        subject.load()
    except PluginError as error:
        text = str(error).removeprefix(f"{error.plugin}: ")
        raise CheckFailure(
            expected="a file that defines prune(problem, density, seed) or plantkit_pruners()",
            got=text,
        ) from error


def _returns(subject: Subject, *, problem: str) -> None:
    outcome = subject.run(problem)
    if outcome.status not in {Status.OK, Status.INVALID}:
        raise CheckFailure(expected="a mask", got=f"{outcome.status}: {outcome.error}")
    observation = subject.observe(problem, _USUAL)
    seen = observation.seen
    if not seen or seen[0].returned.get("entries") is None:
        expected = "a mapping from parameter names to 0/1 tensors"
        if seen:
            raise CheckFailure(expected=expected, got=str(seen[0].returned.get("type")))
        error = observation.outcome.error or "nothing was observed"
        raise CheckFailure(expected=expected, got=f"{observation.outcome.status}: {error}")


def _first_mask(subject: Subject) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = (
        subject.observe("classification", _USUAL).seen[0].returned["entries"]
    )
    return entries


def _names(subject: Subject) -> None:
    found = list(_first_mask(subject))
    wanted = list(subject.laboratory.problem("classification").network.shapes)
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted]
    if missing or unknown:
        got = [
            *([f"no {', '.join(missing)}"] if missing else []),
            *([f"the unknown {', '.join(unknown)}"] if unknown else []),
        ]
        raise CheckFailure(expected="exactly the names of problem.weights", got=" and ".join(got))


def _shapes(subject: Subject) -> None:
    entries = _first_mask(subject)
    for name, shape in subject.laboratory.problem("classification").network.shapes.items():
        found = entries[name].get("shape")
        if found is None:
            raise CheckFailure(
                expected=f"a tensor or array for {name!r}", got=str(entries[name].get("type"))
            )
        if found != list(shape):
            raise CheckFailure(expected=f"shape {shape} for {name!r}", got=f"{tuple(found)}")


def _values(subject: Subject) -> None:
    for name, entry in _first_mask(subject).items():
        if entry.get("wrong"):
            raise CheckFailure(
                expected="only 0 and 1, or bool",
                got=f"{entry['wrong']} other values in {name!r}, the first {entry['first_wrong']}",
            )


def _budget(subject: Subject) -> None:
    kept = sum(int(entry["kept"]) for entry in _first_mask(subject).values())
    problem = subject.laboratory.problem("classification").at(density=_USUAL.density, seed=0)
    if kept > problem.budget:
        raise CheckFailure(
            expected=f"at most {problem.budget} of {problem.network.total} parameters kept at "
            f"density {_USUAL.density}",
            got=f"{kept}",
        )
    subject.see("classification", _USUAL)  # the parent's word counts, not the child's


def _gives_masks(subject: Subject, *, problems: Sequence[str], call: Call) -> None:
    for problem in problems:
        subject.see(problem, call)


def _one_weight(subject: Subject) -> None:
    total = subject.laboratory.problem("classification").network.total
    subject.see("classification", Call(density=1 / total))


def _same_seed(subject: Subject) -> None:
    digests = [
        subject.see("classification", _USUAL, interpreter=interpreter)[0].returned["sha256"]
        for interpreter in (0, 1)
    ]
    if digests[0] != digests[1]:
        raise CheckFailure(
            expected="one mask from two calls with the same seed, in two interpreters",
            got="two different ones; draw from problem.generator only, and sort what has no order",
        )


def _keeps_word(subject: Subject) -> None:
    if subject.is_seeded:
        return
    first, second = (
        subject.see("classification", call)[0].returned["sha256"]
        for call in (_USUAL, replace(_USUAL, seed=1))
    )
    if first != second:
        raise CheckFailure(
            expected="one mask for all seeds, as the pruner's `is_seeded` is False",
            got="different masks for seeds 0 and 1; leave `is_seeded` out, or set it to True",
        )


def _call_order(subject: Subject) -> None:
    alone = {
        call: subject.see("classification", call)[0].returned["sha256"] for call in (_USUAL, _OTHER)
    }
    for order in ((_USUAL, _OTHER), (_OTHER, _USUAL)):
        for call, seen in zip(order, subject.see("classification", *order), strict=True):
            if seen.returned["sha256"] != alone[call]:
                raise CheckFailure(
                    expected="the mask of a call not to depend on the calls before it",
                    got=f"another mask at density {call.density} when called "
                    f"{'first' if call == order[0] else 'second'}; keep nothing between calls",
                )


def _problem_untouched(subject: Subject) -> None:
    changed = subject.see("classification", _USUAL)[0].problem
    if changed:
        raise CheckFailure(
            expected="the problem as it was",
            got=f"changed {', '.join(changed)}; change only copies that problem hands out",
        )


def _leaves(subject: Subject, *, what: str, advice: str) -> None:
    changes = [
        change
        for change in subject.see("classification", _USUAL)[0].process
        if str(change[0]) in _PROCESS_STATES[what]
    ]
    if changes:
        shown = ", ".join(
            f"{name}" if what == "generators" else f"{name} from {before} to {after}"
            for name, before, after in changes
        )
        raise CheckFailure(expected=f"{what} as they were", got=f"changed {shown}; {advice}")


_PROCESS_STATES = {
    "generators": {"random", "numpy.random", "torch.random"},
    "gradient modes": {"torch.is_grad_enabled()", "torch.is_inference_mode_enabled()"},
    "settings of torch": {
        "torch.get_default_dtype()",
        "torch.get_num_threads()",
        "torch.are_deterministic_algorithms_enabled()",
    },
}


def _isolated(subject: Subject) -> None:
    if not subject.is_trusted:
        raise CheckSkipped("needs a run without protection; add --trusted if the file is yours")
    isolated = subject.run("classification")
    if isolated.mask is None:
        raise CheckFailure(expected="a mask", got=f"{isolated.status}: {isolated.error}")
    plain, error = subject.laboratory.run_plainly(subject.source, "classification", _USUAL)
    if plain is None:
        raise CheckFailure(expected="a mask in an ordinary interpreter", got=error)
    if plain.digest() != isolated.mask.digest():
        raise CheckFailure(
            expected="the same mask in the isolated child and in an ordinary interpreter",
            got="two different ones; do not depend on environment, directory or machine",
        )


def _check(name: str, description: str, run: Callable[[Subject], None], *needs: str) -> Check:
    return Check(name=name, description=description, run=run, needs=needs)


def _masks(
    name: str,
    description: str,
    *problems: str,
    density: float = _USUAL.density,
    needs: tuple[str, ...] = ("budget",),
) -> Check:
    run = partial(_gives_masks, problems=problems, call=Call(density=density))
    return Check(name=name, description=description, run=run, needs=needs)


#: All checks, in the order in which they run.
CHECKS: tuple[Check, ...] = (
    _check("loads", "the pruner is found and has a proper name", _loads),
    _check(
        "returns-mask",
        "prune() ends and returns a mapping, on a small classification problem",
        partial(_returns, problem="classification"),
        "loads",
    ),
    _check("names", "the mask has exactly the parameters' names", _names, "returns-mask"),
    _check("shapes", "every entry has its parameter's shape", _shapes, "names"),
    _check("values", "entries are 0 and 1 only", _values, "shapes"),
    _check("budget", "at most floor(density x total) parameters are kept", _budget, "values"),
    _masks("regression", "a regression problem with two outputs", "regression"),
    _masks("absent-class", "a class without any training sample", "absent-class"),
    _masks("ties", "all parameters equal", "equal-weights"),
    _masks("zeros", "all parameters zero", "zero-weights"),
    _masks("full-density", "density 1", "classification", density=1.0),
    _check("one-weight", "a budget of one parameter", _one_weight, "budget"),
    _check("same-seed", "the same seed gives the same mask in every process", _same_seed, "budget"),
    _check(
        "seed-unused",
        "a pruner that says its mask does not depend on the seed keeps its word",
        _keeps_word,
        "same-seed",
    ),
    _check("call-order", "earlier calls do not change later masks", _call_order, "same-seed"),
    _check("problem-untouched", "the problem stays as it was", _problem_untouched, "budget"),
    _check(
        "global-rng",
        "the global generators of random, NumPy and torch stay as they were",
        partial(_leaves, what="generators", advice="use problem.generator"),
        "budget",
    ),
    _check(
        "grad-mode",
        "gradients stay switched on",
        partial(_leaves, what="gradient modes", advice="use torch.no_grad() in a with block"),
        "budget",
    ),
    _check(
        "torch-settings",
        "torch's default dtype, threads and determinism stay as they were",
        partial(_leaves, what="settings of torch", advice="put them back"),
        "budget",
    ),
    _masks(
        "one-sample",
        "training data of one sample",
        "one-sample",
        "one-sample-regression",
        needs=("regression",),
    ),
    _masks(
        "last-batch-of-one",
        "training data whose last batch is one sample",
        "last-batch-of-one",
        "last-batch-of-one-regression",
        needs=("regression",),
    ),
    _masks("one-hidden-unit", "a hidden layer of one unit", "one-hidden-unit"),
    _masks("no-hidden-layer", "a network without hidden layers", "no-hidden-layer"),
    _masks("deep-narrow", "20 layers of two units whose signal dies out", "deep-narrow"),
    _masks(
        "convolution",
        "a network with 3x3 convolutions, on images given flat",
        "convolution",
        "convolution-regression",
        needs=("regression",),
    ),
    _masks("time-limit", "a challenge's size within the time limit", "full-size", density=0.1),
    Check(
        name="isolated",
        description="the same mask in and out of the isolation",
        run=_isolated,
        needs=("same-seed",),
        needs_trust=True,
    ),
)
