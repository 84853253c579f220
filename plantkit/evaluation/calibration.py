"""How fast this machine is next to the reference machine, for effort that compares.

Effort is processor time in seconds of the reference machine: the processor time of a run times
the speed of the machine that it ran on. Speed comes from work that is always the same, of the
sizes that pruners use: gradients on batches small and large, and the sorting of gates. It uses
torch alone, so that plantkit's own code can become faster without changing what a second of effort
is. What is timed is the processor time of one thread, and the fastest of many short passes
counts, so that other programs disturb little: on two cores with 15 programs at work the standard
deviation was 5%. Larger batches would leave the caches, and vary by 12%.

The reference machine is a virtual machine with two cores of an AMD EPYC (family 25, model 17,
5192 BogoMIPS), Python 3.11.7 and torch 2.13.0. `REFERENCE_SECONDS` is what the fastest pass took
there: the median of 40 measurements in six minutes of November 2026, which lay between 3.36 and
4.02 ms, on a busy machine (a load of 15 to 19).
"""

from __future__ import annotations

import functools
import sys
import time
from dataclasses import replace

import torch
from torch import nn

from plantkit.evaluation.cache import Cache, speed_key
from plantkit.isolation.jobs import Outcome
from plantkit.networks.training import single_threaded

#: Processor seconds of one pass on the reference machine: see the module.
REFERENCE_SECONDS = 0.00374
#: Processor seconds spent on passes, and the least number of them.
_LEAST_SECONDS = 0.2
_LEAST_PASSES = 10

#: Windows counts the processor time of threads in ticks of 16 ms, which are longer than a pass. The
#: fastest pass is one that nothing interrupted.
_clock = time.perf_counter if sys.platform == "win32" else time.thread_time

_WIDTHS = (2, 100, 100, 100, 4)
#: Samples of a batch, and how many batches of that size there are in a pass.
_BATCHES = ((32, 4), (512, 1))


def machine_speed(cache: Cache | None = None) -> float:
    """Returns this machine's speed, 1.0 for the reference machine and more for a faster one.

    It is measured once, and kept in `cache` for this machine and these versions.
    """
    key = speed_key()
    speed = None if cache is None else cache.speed(key)
    if speed is None:
        speed = _measured_speed()
        if cache is not None:
            cache.keep_speed(key, speed)
    return speed


def with_effort(outcome: Outcome, speed: float | None) -> Outcome:
    """Returns an outcome with the effort of its run on a machine of that speed.

    One that has its effort already, from the machine that it ran on, stays as it is.
    """
    if speed is None or outcome.cpu_seconds is None or outcome.effort is not None:
        return outcome
    return replace(outcome, effort=outcome.cpu_seconds * speed)


@functools.cache
def _measured_speed() -> float:
    return REFERENCE_SECONDS / pass_seconds()


def pass_seconds() -> float:
    """Returns the processor time in seconds of the fastest of several passes of fixed work."""
    fastest = float("inf")
    with single_threaded(), torch.enable_grad():
        work = _Work()
        work.run()  # the first one allocates
        begun = _clock()
        passes = 0
        while passes < _LEAST_PASSES or _clock() - begun < _LEAST_SECONDS:
            before = _clock()
            work.run()
            fastest = min(fastest, _clock() - before)
            passes += 1
    return fastest


class _Work:
    """The fixed work. It draws from a generator of its own."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)

        def draw(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator)

        pairs = list(zip(_WIDTHS[1:], _WIDTHS, strict=False))
        self._weights = [draw(*pair).div(pair[1] ** 0.5).requires_grad_() for pair in pairs]
        self._batches = [
            (draw(size, _WIDTHS[0]), draw(size, _WIDTHS[-1]))
            for size, count in _BATCHES
            for _ in range(count)
        ]
        self._vector = draw(sum(weight.numel() for weight in self._weights))

    def run(self) -> None:
        for inputs, targets in self._batches:
            hidden = inputs
            for weight in self._weights[:-1]:
                hidden = torch.relu(nn.functional.linear(hidden, weight))
            outputs = nn.functional.linear(hidden, self._weights[-1])
            loss = nn.functional.mse_loss(outputs, targets)
            torch.autograd.grad(loss, self._weights)
        torch.sigmoid(self._vector).sort()
