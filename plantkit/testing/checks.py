"""The checks of the conformance suite: one small function each, in the order in which they run.

A check raises `CheckFailure` with what it expected and what it got. A check whose `needs`
did not pass is skipped, so that one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from plantkit.errors import PluginError
from plantkit.isolation.wire import Status
from plantkit.testing.examining import PLAIN, USUAL, Check, CheckFailure, CheckSkipped, Subject
from plantkit.testing.laboratory import Call

#: The second call of `call-order`: another density and another seed.
_OTHER = Call(density=0.1, seed=1)

_made: list[Check] = []


def _check(
    name: str, description: str, *needs: str, needs_trust: bool = False
) -> Callable[[Callable[[Subject], None]], None]:
    """Adds a function to the checks."""

    def add(run: Callable[[Subject], None]) -> None:
        _made.append(
            Check(name=name, description=description, run=run, needs=needs, needs_trust=needs_trust)
        )

    return add


def _gives_masks(
    name: str,
    description: str,
    *problems: str,
    density: float = USUAL.density,
    needs: tuple[str, ...] = (),
) -> None:
    """Adds a check that a pruner gives a valid mask for each of `problems`."""
    own = {problem for problem in problems if problem.endswith("-regression")}

    @_check(name, description, "regression" if own else "budget", *needs)
    def _(subject: Subject) -> None:
        for problem in problems:
            subject.see(Call(density=density), problem=problem)


def _leaves(
    name: str, description: str, what: str, states: Collection[str], *, advice: str
) -> None:
    """Adds a check that a pruner leaves `states` of the process as they were."""

    @_check(name, description, "budget")
    def _(subject: Subject) -> None:
        changes = [change for change in subject.see(USUAL)[0].process if str(change[0]) in states]
        if changes:
            shown = ", ".join(
                f"{state}" if what == "generators" else f"{state} from {before} to {after}"
                for state, before, after in changes
            )
            raise CheckFailure(expected=f"{what} as they were", got=f"changed {shown}; {advice}")


@_check("loads", "the pruner is found and has a proper name")
def _loads(subject: Subject) -> None:
    try:
        subject.load()
    except PluginError as error:
        raise CheckFailure(
            expected="a file that defines prune(problem, density, seed) or plantkit_pruners()",
            got=str(error).removeprefix(error.plugin).lstrip(":, "),
            traceback=error.traceback,
        ) from error


@_check(
    "returns-mask",
    "prune() ends and returns a mapping, on a small classification problem",
    "loads",
)
def _returns(subject: Subject) -> None:
    outcome = subject.laboratory.run(subject.source, PLAIN, USUAL)
    if outcome.status not in {Status.OK, Status.INVALID}:
        raise CheckFailure(
            expected="a mask",
            got=f"{outcome.status}: {outcome.error}",
            traceback=outcome.traceback,
        )
    observation = subject.observe(USUAL)
    if observation.seen:
        returned = observation.seen[0].returned
        got = str(returned.get("error") or returned.get("type"))
    else:
        error = observation.outcome.error or "nothing was observed"
        got = f"{observation.outcome.status}: {error}"
    if not observation.seen or observation.seen[0].returned.get("entries") is None:
        raise CheckFailure(expected="a mapping from parameter names to 0/1 tensors", got=got)


@_check("names", "the mask has exactly the parameters' names", "returns-mask")
def _names(subject: Subject) -> None:
    found = subject.entries()
    wanted = subject.laboratory.problem(PLAIN).network.shapes
    got = []
    if missing := [name for name in wanted if name not in found]:
        got.append(f"no {', '.join(missing)}")
    if unknown := [name for name in found if name not in wanted]:
        got.append(f"the unknown {', '.join(unknown)}")
    if got:
        raise CheckFailure(expected="exactly the names of problem.weights", got=" and ".join(got))


@_check("shapes", "every entry has its parameter's shape", "names")
def _shapes(subject: Subject) -> None:
    entries = subject.entries()
    for name, shape in subject.laboratory.problem(PLAIN).network.shapes.items():
        found = entries[name].get("shape")
        if found is None:
            raise CheckFailure(
                expected=f"a tensor or array for {name!r}", got=str(entries[name].get("type"))
            )
        if found != list(shape):
            raise CheckFailure(expected=f"shape {shape} for {name!r}", got=f"{tuple(found)}")


@_check("values", "entries are 0 and 1 only", "shapes")
def _values(subject: Subject) -> None:
    advice = subject.observe(USUAL).seen[0].returned.get("error")
    for name, entry in subject.entries().items():
        if entry.get("wrong"):
            got = f"{entry['wrong']} other values in {name!r}, the first {entry['first_wrong']}"
            raise CheckFailure(
                expected="only 0 and 1, or bool", got=f"{got}; {advice}" if advice else got
            )


@_check("budget", "at most floor(density x total) parameters are kept", "values")
def _budget(subject: Subject) -> None:
    kept = sum(int(entry["kept"]) for entry in subject.entries().values())
    problem = subject.laboratory.problem(PLAIN).at(density=USUAL.density, seed=0)
    if kept > problem.budget:
        raise CheckFailure(
            expected=f"at most {problem.budget} of {problem.network.total} parameters kept at "
            f"density {USUAL.density}",
            got=f"{kept}",
        )
    subject.see(USUAL)  # validated by the parent: the child could lie


@_check("keeps-something", "the mask keeps something", "budget")
def _keeps_something(subject: Subject) -> None:
    if not any(int(entry["kept"]) for entry in subject.entries().values()):
        problem = subject.laboratory.problem(PLAIN).at(density=USUAL.density, seed=0)
        raise CheckFailure(
            expected=f"1 to {problem.budget} parameters kept at density {USUAL.density}",
            got="0; 1 means keep",
        )


_gives_masks("regression", "a regression problem with two outputs", "regression")
_gives_masks("absent-class", "a class without any training sample", "absent-class")
_gives_masks("ties", "all parameters equal", "equal-weights")
_gives_masks("zeros", "all parameters zero", "zero-weights")
_gives_masks("full-density", "density 1", PLAIN, density=1.0)


@_check("one-weight", "a budget of one parameter", "budget")
def _one_weight(subject: Subject) -> None:
    subject.see(Call(density=1 / subject.laboratory.problem(PLAIN).network.total))


@_check("same-seed", "the same seed gives the same mask in every process", "budget")
def _same_seed(subject: Subject) -> None:
    if subject.digest(interpreter=0) != subject.digest(interpreter=1):
        raise CheckFailure(
            expected="one mask from two calls with the same seed, in two interpreters",
            got="two different ones; draw from problem.generator only, and sort what has no order",
        )


@_check(
    "seed-unused",
    "a pruner that says its mask does not depend on the seed keeps its word",
    "same-seed",
)
def _keeps_word(subject: Subject) -> None:
    if not subject.is_seeded and subject.digest() != subject.digest(replace(USUAL, seed=1)):
        raise CheckFailure(
            expected="one mask for all seeds, as the pruner's `is_seeded` is False",
            got="different masks for seeds 0 and 1; leave `is_seeded` out, or set it to True",
        )


@_check("call-order", "earlier calls do not change later masks", "same-seed")
def _call_order(subject: Subject) -> None:
    alone = {call: subject.digest(call) for call in (USUAL, _OTHER)}
    for order in ((USUAL, _OTHER), (_OTHER, USUAL)):
        for call, seen in zip(order, subject.see(*order), strict=True):
            if seen.returned["sha256"] != alone[call]:
                raise CheckFailure(
                    expected="the mask of a call not to depend on the calls before it",
                    got=f"another mask at density {call.density} when called "
                    f"{'first' if call == order[0] else 'second'}; keep nothing between calls",
                )


@_check("problem-untouched", "the problem stays as it was", "budget")
def _problem_untouched(subject: Subject) -> None:
    changed = subject.see(USUAL)[0].problem
    if changed:
        raise CheckFailure(
            expected="the problem as it was",
            got=f"changed {', '.join(changed)}; change only copies that problem hands out",
        )


_leaves(
    "global-rng",
    "the global generators of random, NumPy and torch stay as they were",
    "generators",
    {"random", "numpy.random", "torch.random"},
    advice="use problem.generator",
)
_leaves(
    "grad-mode",
    "gradients stay switched on",
    "gradient modes",
    {"torch.is_grad_enabled()", "torch.is_inference_mode_enabled()"},
    advice="use torch.no_grad() in a with block",
)
_leaves(
    "torch-settings",
    "torch's default dtype, threads and determinism stay as they were",
    "settings of torch",
    {
        "torch.get_default_dtype()",
        "torch.get_num_threads()",
        "torch.are_deterministic_algorithms_enabled()",
    },
    advice="put them back",
)
_gives_masks("one-sample", "training data of one sample", "one-sample", "one-sample-regression")
_gives_masks(
    "last-batch-of-one",
    "training data whose last batch is one sample",
    "last-batch-of-one",
    "last-batch-of-one-regression",
)
_gives_masks("one-hidden-unit", "a hidden layer of one unit", "one-hidden-unit")
_gives_masks("no-hidden-layer", "a network without hidden layers", "no-hidden-layer")
_gives_masks("deep-narrow", "20 layers of two units whose signal dies out", "deep-narrow")
_gives_masks(
    "convolution",
    "a network with 3x3 convolutions, on images given flat",
    "convolution",
    "convolution-regression",
)
_gives_masks(
    "residual",
    "a residual network with batch normalisation, whose layers are no chain",
    "residual",
    "residual-regression",
    needs=("convolution",),
)
_gives_masks("time-limit", "a challenge's size within the time limit", "full-size", density=0.1)


@_check("isolated", "the same mask in and out of the isolation", "same-seed", needs_trust=True)
def _isolated(subject: Subject) -> None:
    if not subject.is_trusted:
        raise CheckSkipped("needs a run without protection; add --trusted if the file is yours")
    masks = []
    for run, where in (
        (subject.laboratory.run, ""),
        (subject.laboratory.run_plainly, " in an ordinary interpreter"),
    ):
        outcome = run(subject.source, PLAIN, USUAL)
        if outcome.mask is None:
            raise CheckFailure(
                expected=f"a mask{where}",
                got=f"{outcome.status}: {outcome.error}",
                traceback=outcome.traceback,
            )
        masks.append(outcome.mask.digest())
    if masks[0] != masks[1]:
        raise CheckFailure(
            expected="the same mask in the isolated child and in an ordinary interpreter",
            got="two different ones; do not depend on environment, directory or machine",
        )


#: All checks, in the order in which they run.
CHECKS: tuple[Check, ...] = tuple(_made)
