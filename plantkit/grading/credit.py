"""Turns a value into points: all or nothing, linear between two values, or in steps."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What a value earns.

    points: the most that can be earned. target: the value that earns all points, or None with
    `steps`. zero_at: the value that earns none; from there to `target` points grow linearly.
    steps: pairs of a value and the points that it earns. is_higher_better: False if a value
    must be at most `target`. margin: added in the submission's favour, at least 0.
    """

    points: float
    target: float | None
    is_higher_better: bool = True
    zero_at: float | None = None
    steps: tuple[tuple[float, float], ...] = ()
    margin: float = 0.0

    def earned(self, value: float | None) -> float:
        """Returns the points of `value`, not rounded; 0 for None or NaN."""
        if value is None or math.isnan(value):
            return 0.0
        value += self.margin if self.is_higher_better else -self.margin
        if self.target is None:
            return max((points for at, points in self.steps if self._reaches(value, at)), default=0)
        if self._reaches(value, self.target):
            return self.points
        if self.zero_at is None or self._reaches(self.zero_at, value):
            return 0.0
        return self.points * (value - self.zero_at) / (self.target - self.zero_at)

    def expected(self) -> str:
        """Returns what is asked for, in words: `at least 0.95 (points from 0.5)`."""
        word = "at least" if self.is_higher_better else "at most"
        if self.target is None:
            steps = ", ".join(f"{self._lenient(at):g} for {points:g}" for at, points in self.steps)
            return f"{word} {steps}"
        partial = "" if self.zero_at is None else f" (points from {self._lenient(self.zero_at):g})"
        return f"{word} {self._lenient(self.target):g}{partial}"

    def _lenient(self, value: float) -> float:
        """Returns the measured value that counts as `value` once the margin is added."""
        return value - self.margin if self.is_higher_better else value + self.margin

    def _reaches(self, value: float, target: float) -> bool:
        return value >= target if self.is_higher_better else value <= target
