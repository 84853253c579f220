"""What a pruner is, and a base class that does most of the work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from plantkit.networks.masks import Mask
from plantkit.pruners.budgets import Scope
from plantkit.pruners.problem import Problem
from plantkit.pruners.schedules import Schedule, follow


@runtime_checkable
class Pruner(Protocol):
    """Any object with a name, a reference and `prune`.

    name: lower-case letters, digits, dots, dashes and underscores; unique.
    reference: the paper or URL that describes the method; may be empty.

    A pruner whose mask does not depend on the seed may say so with an attribute `is_seeded`
    that is False. It then runs once per density, and its mask counts for every seed.

    With an attribute `rewind`, an integer k of 0 or more, it asks for its mask to be trained from
    the weights that the dense network has after k steps of training; see `rewind_of`.
    """

    @property
    def name(self) -> str: ...

    @property
    def reference(self) -> str: ...

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mapping[str, Any]:
        """Returns 0/1 tensors of the names and shapes of `problem.weights`.

        At most `problem.budget` entries may be 1. The same problem, density and seed must
        give the same mask.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class SaliencyPruner(ABC):
    """A pruner that keeps the parameters of highest saliency, exactly `budget` of them.

    A subclass sets `name` and `reference` and implements `saliency`. Fields of a subclass
    that is a frozen dataclass can be set by name on the command line
    (`synflow:iterations=10,scope=layerwise`, `snip:schedule=multishot,rounds=10,epochs=5`).
    """

    name: ClassVar[str]
    reference: ClassVar[str] = ""

    #: False if the saliency does not depend on the seed.
    saliency_is_seeded: ClassVar[bool] = True

    #: Where parameters compete: "global", "layerwise", "erk", "balanced" or "lth"; see `Scope`.
    scope: str = Scope.GLOBAL.value

    #: "single", "multishot" or "iterated"; see `Schedule`.
    schedule: str = Schedule.SINGLE.value

    #: Rounds of multishot and iterated pruning.
    rounds: int = 10

    #: Epochs of training in every round of multishot pruning.
    epochs: int = 5

    #: Step of the dense network's training that the pruner starts from, and its mask too.
    rewind: int = 0

    def __post_init__(self) -> None:
        Scope(self.scope)
        Schedule(self.schedule)
        if self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds}; expected at least 1")
        if self.epochs < 0:
            raise ValueError(f"epochs is {self.epochs}; expected 0 or more")
        rewind_of(self)

    @property
    def is_seeded(self) -> bool:
        """Whether the mask may depend on the seed, through the saliency or through training."""
        trains = self.schedule == Schedule.MULTISHOT.value or self.rewind > 0
        return self.saliency_is_seeded or trains

    @abstractmethod
    def saliency(self, problem: Problem, *, seed: int) -> Mapping[str, Tensor]:
        """Returns the importance of every parameter, name to float tensor; higher is kept.

        Compute it at `problem.weights`. In a schedule of several rounds these are not the
        initial weights: they are zero where a round has dropped them, and trained if the
        schedule trains. With `rewind` they are those of the dense network after that many steps.
        """

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        """Returns the mask of the `problem.budget` parameters of highest saliency."""
        return follow(
            self.schedule,
            problem.at(density=density, seed=seed),
            lambda scored: self.saliency(scored, seed=seed),
            rounds=self.rounds,
            epochs=self.epochs,
            scope=self.scope,
            rewind=self.rewind,
        )


def is_seeded(pruner: Pruner) -> bool:
    """Returns whether masks of `pruner` may depend on the seed: True unless it says otherwise."""
    return getattr(pruner, "is_seeded", True) is not False


def rewind_of(pruner: Pruner) -> int:
    """Returns the step of dense training that masks of `pruner` are trained from; 0 unless it
    says otherwise.

    Raises:
        ValueError: what it says is not an integer, or is below 0.
    """
    step = getattr(pruner, "rewind", 0)
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise ValueError(
            f"rewind is {step!r}; expected a step of the dense network's training: an integer, "
            "0 or more"
        )
    return step
