"""Why a run fails that might work elsewhere, and what to do: what isolation forbids, and slips.

One table, `CAUSES`. The pruner's process looks for the cause of an exception, in what was raised
and in what was attempted, and reports its name. The parent turns the name into a sentence, so
that a submission that lies can choose a sentence and no more.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from plantkit.isolation.failures import MODES, NETWORK, PROCESSES, PROGRAMS, Attempts, Failure
from plantkit.isolation.levels import Level
from plantkit.isolation.wire import Exit, Limits
from plantkit.submissions.submission import Staged

_COMPILERS = ("torch._inductor", "torch._dynamo", "torch.utils.cpp_extension", "triton", "numba")
_WORKERS = ("multiprocessing", "torch.multiprocessing", "concurrent.futures.process")
_ARGUMENT_PARSERS = ("argparse", "optparse", "click", "getopt", "absl", "fire")
#: What people look for in `problem.weights` that a module has.
_OF_MODULES = {"parameters", "named_parameters", "modules", "named_modules", "children", "layers"}
_NO_GPU = ("not compiled with CUDA", "No CUDA GPUs", "no NVIDIA driver", "MPS backend")


def _arguments_mixed_up(failure: Failure) -> bool:
    from plantkit.pruners.problem import Problem

    return failure.misused((int, float), *dir(Problem)) or (
        failure.kind(TypeError)
        and failure.says("'Problem'")
        and failure.says("unsupported operand", "not supported between", "must be real")
    )


def _not_of_problem(failure: Failure) -> bool:
    from plantkit.pruners.problem import Problem

    return failure.misused(Problem) or (failure.kind(TypeError) and failure.says("'Problem'"))


def _prune_of_torch_sought(failure: Failure) -> bool:
    from torch.nn.utils import prune

    return any(
        isinstance(one, AttributeError)
        and getattr(one.obj, "__name__", "") == "prune"
        and hasattr(prune, str(one.name))
        for one in failure.errors
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One reason why runs fail.

    says: what it is and what to do, after the message of the error; may name `limits`.
    levels: where the cause can be at work. found: whether it is; never for an end that only the
    parent sees.
    """

    name: str
    says: str
    found: Callable[[Failure], bool] = lambda _: False
    levels: frozenset[Level] = frozenset({Level.FULL})


_ANYWHERE = frozenset(Level)
_LIMITED = _ANYWHERE - {Level.NONE}

#: The first one that is found is named.
CAUSES = (
    # What full isolation forbids.
    Cause(
        name="compilers",
        says="compilers cannot run at isolation full; leave out torch.compile and extensions",
        found=lambda it: it.passed(*_COMPILERS) and bool(it.attempts.events & {*PROGRAMS}),
    ),
    Cause(
        name="processes",
        says="worker processes and shared memory are not available to a submission at isolation "
        "full; use num_workers=0, n_jobs=1 or a plain loop",
        found=lambda it: (
            (it.is_refusal and (it.passed(*_WORKERS) or it.says("shared memory")))
            or it.refused(*PROCESSES)
        ),
    ),
    Cause(
        name="event-loop",
        says="asyncio needs sockets, which a submission does not get at isolation full; call "
        "plain functions",
        found=lambda it: it.is_refusal and it.passed("asyncio"),
    ),
    Cause(
        name="network",
        says="a submission has no network at isolation full and cannot download anything; use "
        "problem.train, and write what else you need into your file",
        found=lambda it: (
            it.refused(*NETWORK)
            or (it.passed("torch.distributed") and it.is_refusal)
            or (bool(it.attempts.events & {*NETWORK}) and it.kind(*_network_errors()))
        ),
    ),
    Cause(
        name="programs",
        says="a submission cannot start other programs at isolation full; do it in Python",
        found=lambda it: it.refused(*PROGRAMS),
    ),
    Cause(
        name="modes",
        says="a submission cannot change the modes, times or owners of files, or link them, at "
        "isolation full; copy with shutil.copyfile",
        found=lambda it: it.refused(*MODES),
    ),
    Cause(
        name="writing",
        says="a submission can write only to its working directory at isolation full; give a "
        "plain file name, such as 'mask.pt'",
        found=lambda it: (
            it.closed_path(writes=True)
            or (it.passed("torch.serialization") and it.says("strerror: Permission denied"))
        ),
    ),
    Cause(
        name="reading",
        says="a submission can read only itself, its problem and installed packages at isolation "
        "full; write what else you need into your file",
        found=lambda it: it.closed_path(writes=False),
    ),
    # What limits forbid.
    Cause(
        name="memory",
        says="a run gets {limits.memory_mib} MiB (--memory-limit) beyond Python and torch; work "
        "in smaller pieces",
        found=lambda it: it.is_out_of_memory,
        levels=_LIMITED,
    ),
    Cause(
        name="threads",
        says="a run gets {limits.threads} threads, each of which takes memory; start fewer",
        found=lambda it: it.says("can't start new thread"),
        levels=_LIMITED,
    ),
    Cause(
        name="children",
        says="start fewer at a time, and wait for them to end",
        levels=_LIMITED,
    ),
    Cause(
        name="file-size",
        says="a file, or what a run prints, may have {limits.output_mib} MiB; write less",
        found=lambda it: it.has(errno.EFBIG),
        levels=_LIMITED,
    ),
    Cause(
        name="disk",
        says="remove files that you no longer need, or keep things in memory",
        levels=_LIMITED,
    ),
    Cause(
        name="open-files",
        says="close files when you are done with them, best by 'with open'",
        found=lambda it: it.has(errno.EMFILE),
        levels=_LIMITED,
    ),
    Cause(
        name="time",
        says="do less in one run, or have the limit raised (--time-limit)",
        levels=_LIMITED,
    ),
    Cause(
        name="killed",
        says="the system does that when the machine runs out of memory; use less",
        levels=_LIMITED,
    ),
    # What a process of one's own does not have.
    Cause(
        name="own-files",
        says="a file brings only the modules that it imports: hand in the folder with all files",
        found=lambda it: it.missing_own,
        levels=_ANYWHERE,
    ),
    Cause(
        name="directory",
        says="a submission runs in an empty directory, which is also its home; write what you "
        "need into your file",
        found=lambda it: it.missing_path is not None and not it.passed("subprocess"),
        levels=_LIMITED,
    ),
    Cause(
        name="input",
        says="a submission has no keyboard: nobody can answer input()",
        found=lambda it: it.kind(EOFError) and "builtins.input" in it.attempts.events,
        levels=_LIMITED,
    ),
    Cause(
        name="packages",
        says="a submission can import what is installed with plantkit, and modules next to its "
        "file that define no pruner",
        found=lambda it: it.kind(ModuleNotFoundError),
        levels=_ANYWHERE,
    ),
    # Slips, which fail anywhere.
    Cause(
        name="arguments",
        says="the arguments come in the order prune(problem, density, seed)",
        found=_arguments_mixed_up,
        levels=_ANYWHERE,
    ),
    Cause(
        name="problem",
        says="a problem offers weights, module(), train, loss(), fit(), budget, density, seed, "
        "generator, network, task and name",
        found=_not_of_problem,
        levels=_ANYWHERE,
    ),
    Cause(
        name="weights",
        says="problem.weights is a dict from names to tensors, for which there is .items(); "
        "problem.module() is the network",
        found=lambda it: it.misused(dict, *_OF_MODULES) or it.misused_name,
        levels=_ANYWHERE,
    ),
    Cause(
        name="torch-prune",
        says="'prune' is your own function here: import torch's by another name, as in 'import "
        "torch.nn.utils.prune as torch_prune'",
        found=_prune_of_torch_sought,
        levels=_ANYWHERE,
    ),
    Cause(
        name="device",
        says="a run gets no GPU; leave out .cuda() and device='cuda'",
        found=lambda it: it.says(*_NO_GPU),
        levels=_ANYWHERE,
    ),
    Cause(
        name="command-line",
        says="a pruner has no command line; leave out argparse, and give values in the code",
        found=lambda it: it.kind(SystemExit) and it.passed(*_ARGUMENT_PARSERS),
        levels=_ANYWHERE,
    ),
    Cause(
        name="exit",
        says="a pruner is imported and called; leave out exit(), or put what runs it as a "
        "program under if __name__ == '__main__'",
        found=lambda it: it.kind(SystemExit),
        levels=_ANYWHERE,
    ),
    # What is left: no error of its own, and any other call.
    Cause(
        name="os-system",
        says="os.system() does nothing at isolation full: a submission cannot start other "
        "programs; do it in Python",
        found=lambda it: "os.system" in it.attempts.events,
    ),
    Cause(
        name="system-calls",
        says="a submission may not ask this of the system at isolation full; do without",
        found=lambda it: it.has(errno.EPERM, errno.ENOSYS),
    ),
)


def _network_errors() -> tuple[type[BaseException], ...]:
    import socket
    import urllib.error

    return socket.gaierror, urllib.error.URLError, ConnectionError


def cause_of(error: BaseException, level: Level, attempts: Attempts, staged: Staged | None) -> str:
    """Returns the name of the cause of `error` in a run at `level`, or "".

    staged: the submission, if it is one.
    """
    with suppress(Exception):  # an error can be made to harm whoever looks at it
        failure = Failure.of(error, attempts, staged)
        for cause in CAUSES:
            if level in cause.levels and cause.found(failure):
                return cause.name
    return ""


def is_out_of_memory(error: BaseException, staged: Staged | None) -> bool:
    """Returns whether an error says that there is not enough memory."""
    with suppress(Exception):
        return Failure.of(error, Attempts(), staged).is_out_of_memory
    return False


def cause_of_end(exit_: Exit) -> str:
    """Returns the name of the cause for which a process was ended, or ""."""
    if exit_.timed_out or exit_.signal == "SIGXCPU":
        return "time"
    words = {"memory": "memory", "threads": "threads", "processes": "children", "wrote": "disk"}
    for word, name in words.items():
        if word in exit_.exceeded:
            return name
    return "killed" if exit_.signal == "SIGKILL" else ""


def advice(name: object, limits: Limits) -> str:
    """Returns the sentence of the cause called `name`, or "" where there is no such cause."""
    for cause in CAUSES:
        if cause.name == name:
            return cause.says.format(limits=limits)
    return ""


def cause_in(error: str, limits: Limits) -> str:
    """Returns the name of the cause whose sentence an error ends with, or ""."""
    ended = (cause for cause in CAUSES if error.endswith(advice(cause.name, limits)))
    return next((cause.name for cause in ended), "")
