"""Opens a workplace; servers start before this process imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.evaluation.participants import Installed
from plantkit.evaluation.requests import Progress, Request, Warn
from plantkit.evaluation.run import Started, open_executor, open_servers, start
from plantkit.isolation.levels import Isolation
from plantkit.isolation.servers import PrunerServer

if TYPE_CHECKING:
    from plantkit.evaluation.cache import Cache
    from plantkit.evaluation.resources import Resources
    from plantkit.evaluation.slots import Slot, Slots
    from plantkit.evaluation.workplace import PlanType, Workplace


@contextmanager
def open_workplace(
    request: Request,
    make_plan: Callable[[int], PlanType],
    *,
    runs_again: bool,
    warn: Warn,
    progress: Progress = lambda *_: None,
) -> Iterator[Workplace[PlanType]]:
    """Starts what runs pruners and what trains, and runs the baselines; ends it with the block.

    Args:
        request: how pruners are run.
        make_plan: called with the number of jobs while things start, since it takes time, too.
        runs_again: whether runs are to be made again in other interpreters, which then start.

    Raises:
        UsageError: an unknown executor or device.
        UnknownNameError: no such baseline.
        IsolationError: this machine lacks what the level that was asked for needs.
    """
    with (
        start(request, open_executor(request), warn) as started,
        open_servers(len(started.servers), started.level)
        if runs_again
        else nullcontext(started.servers) as others,
    ):
        from plantkit.evaluation.cache import Cache
        from plantkit.evaluation.workplace import Workplace
        from plantkit.plugins import load_installed

        plan = make_plan(started.jobs)
        cache = Cache() if request.cached else None
        registry = load_installed()
        slots, resources = _open(request, started, others, plan.hidden, cache)
        with slots:
            workplace = Workplace(
                plan,
                slots,
                resources,
                Installed.of(registry, strict=request.strict_plugins, warn=warn),
                registry.metrics(),
                progress,
            )
            workplace.run_baselines()
            yield workplace
        if cache is not None:
            cache.trim()


def _open(
    request: Request,
    started: Started,
    others: Sequence[PrunerServer],
    hidden: Sequence[Path],
    cache: Cache | None,
) -> tuple[Slots[Slot], Resources]:
    """Returns one slot for each server, and what is to be worked with."""
    from plantkit.evaluation.calibration import machine_speed
    from plantkit.evaluation.slots import Slot, SlotExecutor, Slots
    from plantkit.networks.training.executors import LocalExecutor

    isolation = Isolation(level=started.level, hidden=tuple(hidden))
    backends, other_backends = started.backends(hidden), started.backends(hidden, others)
    resources = started.resources(
        backends, device=request.device, cache=cache, speed=machine_speed(cache)
    )
    slots = Slots(
        [
            Slot(
                number=number,
                isolation=isolation,
                servers=(first, other),
                backend=backend,
                other=other_backend,
            )
            for number, (first, other, backend, other_backend) in enumerate(
                zip(started.servers, others, backends, other_backends, strict=True)
            )
        ]
    )
    if isinstance(resources.executor, LocalExecutor):
        resources = replace(resources, executor=SlotExecutor(slots, resources.executor))
    return slots, resources
