"""CPU times, taken in turn so that other load on the machine touches all of them alike."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch


def cpu_seconds(function: Callable[[], object]) -> float:
    """Returns the CPU seconds that a function takes in this process."""
    begun = time.process_time()
    function()
    return time.process_time() - begun


class Times:
    """CPU seconds of functions that were called in turn, round after round."""

    def __init__(self, functions: Mapping[Any, Callable[[], object]], rounds: int) -> None:
        self._found: dict[Any, list[float]] = {name: [] for name in functions}
        for _ in range(rounds):
            for name, function in functions.items():
                self._found[name].append(cpu_seconds(function))

    def least(self, name: Any) -> float:
        return min(self._found[name])

    def ratio(self, name: Any, other: Any) -> float:
        """Returns how many times as long one takes as another: the median over the rounds."""
        pairs = zip(self._found[name], self._found[other], strict=True)
        return statistics.median(one / two for one, two in pairs)


def repeated(function: Callable[[], object], seconds: float = 0.02) -> float:
    """Returns the CPU seconds of one call, from as many calls as take about `seconds`."""
    function()
    count = max(1, int(seconds / max(1e-6, cpu_seconds(function))))
    return cpu_seconds(lambda: [function() for _ in range(count)]) / count


def product_rate(size: int = 512) -> float:
    """Returns the operations in a second of products of large matrices."""
    one, other = torch.randn(2, size, size)
    made = torch.empty(size, size)
    return 2 * size**3 / min(repeated(lambda: torch.mm(one, other, out=made)) for _ in range(5))


def used_seconds() -> float:
    """Returns the CPU seconds of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def child_seconds(program: Sequence[str]) -> float:
    """Returns the CPU seconds of a program, user and system."""
    before = used_seconds()
    own = time.process_time()
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
    return used_seconds() - before - (time.process_time() - own)
