"""Runs a pruner that is an object of this process, in this process: as from a notebook.

Nothing is locked away and no limit holds. The pruner still gets a problem of its own, which holds
what any pruner gets and nothing else.
"""

from __future__ import annotations

import time
import traceback

import torch

from plantkit.errors import MaskError, describe, lacks_memory
from plantkit.isolation.jobs import Outcome, PruneJob
from plantkit.isolation.problems import load_problem
from plantkit.isolation.wire import MOST_MESSAGE, Status, plain_text
from plantkit.networks.training import single_threaded
from plantkit.pruners.answers import mask_of
from plantkit.pruners.calls import call_prune


def run_here(job: PruneJob) -> Outcome:
    """Returns what came of one run of `job.source.pruner`; an interrupt is raised.

    It works on one thread, as in a process of its own, so that it finds the same mask.
    """
    problem = load_problem(job.problem, job.density, job.seed)
    status, mask, error, trace = Status.OK, None, "", ""
    started, cpu_before = time.monotonic(), time.process_time()
    try:
        with single_threaded(), torch.enable_grad():
            values = call_prune(job.source.pruner.prune, problem, job.density, job.seed)
            mask = mask_of(values, problem.network, problem.budget)
    except MaskError as problem_with_mask:
        status, error = Status.INVALID, str(problem_with_mask)
    except (Exception, SystemExit) as raised:
        status = Status.OOM if lacks_memory(raised) else Status.CRASH
        error, trace = plain_text(describe(raised), MOST_MESSAGE), _traceback(raised)
    return Outcome(
        status=status,
        mask=mask,
        error=error,
        traceback=trace,
        seconds=time.monotonic() - started,
        peak_rss_mib=None,
        cpu_seconds=time.process_time() - cpu_before,
    )


def _traceback(error: BaseException) -> str:
    """Returns the traceback of an error without plantkit's own calls before the pruner's."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_globals.get("__name__", "").startswith("plantkit."):
        step = step.tb_next
    return "".join(traceback.format_exception(error.with_traceback(step)))
