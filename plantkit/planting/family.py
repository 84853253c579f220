"""What a family gives to the methods of planting, most of it by default.

Which methods fit is for its base class to say: `SelectedFamily` (a part of the untouched network
is the function), `TargetFamily` (a target is written into the network), `AnchoredFamily` (a
ticket's own values are moved until it computes the formula). `LineFamily` knows all that follows
from having one input; `plantkit.planting.drawn.DrawnFamily` needs a formula only.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import UsageError, did_you_mean
from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting.effects import best_scaled_error
from plantkit.planting.parts import PartPlan
from plantkit.planting.structures import TicketLayer
from plantkit.planting.targets import Floats, Interpolation, Target, interpolate

Samples = tuple[NDArray[np.float32], NDArray[np.float32] | NDArray[np.int64]]

Dials = Mapping[str, int | float | str]

# Points of the domain where inputs are many, and the seed of these points: no secret.
DOMAIN_POINTS = 2000
DOMAIN_SEED = 20_211_115

# Most inputs with which all corners of the cube are domain points.
MOST_CORNERS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """Tickets with as many entries as the planted one that compute the same function.

    Attributes:
        count: how many there are, the planted one included; None where nobody has counted.
        basis: what was counted, or why it was not.
    """

    count: int | None = None
    basis: str = "tickets of this function cannot be counted; none was searched for"

    def to_json(self) -> dict[str, object]:
        if self.count is None:
            return {"known": "unknown", "basis": self.basis}
        return {"known": "counted", "basis": self.basis, "count": self.count}


def dial(default: Any, least: float, most: float) -> Any:
    """Returns a dataclass's field for a dial from `least` to `most` (see `check_dials`)."""
    return dataclasses.field(default=default, metadata={"range": (least, most)})


class Family(ABC):
    """What a challenge is about. Inputs are uniform in [-1, 1]^d_in, unless it says otherwise.

    A family is registered in `plantkit.planting.families`. How a ticket of it comes into a
    network is for a planting method to say (`plantkit.planting.methods`).

    Attributes:
        name: as in challenge ids, `<family>-<depth>x<width>`.
        title: one line for people.
        inputs, outputs: d_in and d_out (classes in classification).
        kind: of the task.
        default_noise: regression: standard deviation of the Gaussian noise on the targets;
            classification: share of labels moved, in [0, 1].
        overlap_scored: whether a mask's overlap with the ticket counts; False where other
            tickets are known that are as sparse and as good.
        minimum_depth: in layers of neurons, input and output included.
        most_attempts: structures that are tried before planting gives up.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    default_noise: ClassVar[float] = 0.01
    overlap_scored: ClassVar[bool] = True
    minimum_depth: ClassVar[int] = 3
    most_attempts: ClassVar[int] = 5000
    inputs: int
    outputs: int
    kind: TaskKind

    def domain(self) -> Floats:
        """Returns inputs (n, d_in) that cover the data's domain densely, ends included."""
        points = self.draw_inputs(np.random.default_rng(DOMAIN_SEED), DOMAIN_POINTS)
        if self.inputs > MOST_CORNERS:
            corners = np.stack([-np.ones(self.inputs), np.ones(self.inputs)])
        else:
            axes = np.meshgrid(*[[-1.0, 1.0]] * self.inputs, indexing="ij")
            corners = np.stack(axes, axis=-1).reshape(-1, self.inputs)
        return np.concatenate([corners, points])

    def alternatives(self, spec: PerceptronSpec, parameters: Mapping[str, Floats]) -> Alternatives:
        """Returns what is known of other tickets in a network that are as sparse and as good."""
        return Alternatives()

    def hides(self, spec: PerceptronSpec) -> bool:
        """Returns whether a method that hides tickets is known to hide this family's in `spec`."""
        return True

    @property
    def dials(self) -> Dials:
        """What `with_dials` can change, by name, with the values in force: a dataclass's fields."""
        if not dataclasses.is_dataclass(self):
            return {}
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.metadata.get("is_dial", True)
        }
        return {name: str(v) if isinstance(v, TaskKind) else v for name, v in values.items()}

    def drawn(self, rng: np.random.Generator) -> Self:
        """Returns the family with what every planting draws for itself: by default, nothing."""
        return self

    def check_dials(self) -> None:
        """Checks the dials that have a range (`dial`).

        Raises:
            UsageError: one is out of its range.
        """
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            least, most = field.metadata.get("range", (-math.inf, math.inf))
            value = getattr(self, field.name)
            if field.name in self.dials and not isinstance(value, str):
                check_dial(field.name, value, least, most)

    def with_dials(self, dials: Mapping[str, str]) -> Self:
        """Returns the family with these dials set, the others as they are.

        Args:
            dials: name to text, as typed by a person.

        Raises:
            UsageError: a dial does not exist here, or a value is out of its range.
        """
        values: dict[str, object] = {}
        for name, text in dials.items():
            if name not in self.dials:
                raise UsageError(
                    f"family {self.name!r} has no dial {name!r}{did_you_mean(name, self.dials)}\n"
                    f"its dials: {', '.join(self.dials) or 'none'}"
                )
            kind = type(getattr(self, name))
            try:
                values[name] = kind(text)
            except ValueError:
                expected = " or ".join(kind) if issubclass(kind, StrEnum) else kind.__name__
                raise UsageError(f"dial {name!r} is {text!r}; expected {expected}") from None
        return dataclasses.replace(self, **values) if values else self  # type: ignore[type-var]

    def check_depth(self, depth: int) -> None:
        """Checks that a network of `depth` layers of neurons is deep enough.

        Raises:
            UsageError: it is below `minimum_depth`.
        """
        if depth < self.minimum_depth:
            raise UsageError(
                f"target {self.name!r} needs a depth of at least {self.minimum_depth} layers of "
                f"neurons, input and output included; got {depth}"
            )

    def draw_inputs(self, rng: np.random.Generator, count: int) -> Floats:
        """Returns `count` random inputs (count, d_in)."""
        return rng.uniform(-1, 1, (count, self.inputs))

    def sample_inputs(self, rng: np.random.Generator, count: int) -> NDArray[np.float32]:
        """Returns `count` random inputs (count, d_in) as a bundle holds them, in float32."""
        return self.draw_inputs(rng, count).astype(np.float32)

    def add_noise(
        self, outputs: Floats, rng: np.random.Generator, noise: float | None
    ) -> NDArray[np.float32] | NDArray[np.int64]:
        """Returns the noisy targets of a function's outputs (n, d_out).

        Regression: the outputs plus Gaussian noise, float32. Classification: the argmax, (n,)
        int64, moved to the class of the second highest output with probability `noise`.

        Args:
            outputs: values, or scores of the classes.
            rng: source of the noise.
            noise: see `default_noise`, which None stands for.

        Raises:
            UsageError: the noise is negative, or a share above 1.
        """
        classify = self.kind is TaskKind.CLASSIFICATION
        level, highest = (
            self.default_noise if noise is None else noise,
            1.0 if classify else math.inf,
        )
        if not 0 <= level <= highest:
            raise UsageError(f"noise of {self.name!r} is {level}; expected 0 to {highest}")
        if classify:
            ranking = np.argsort(outputs, axis=1, kind="stable")
            moved = rng.random(len(outputs)) < level
            return np.where(moved, ranking[:, -2], outputs.argmax(axis=1)).astype(np.int64)
        noisy = outputs + level * rng.standard_normal(outputs.shape)
        return noisy.astype(np.float32)


def check_dial(name: str, value: float, least: float, most: float) -> None:
    """Checks that a dial is within its range.

    Raises:
        UsageError: it is not.
    """
    if not least <= value <= most:
        raise UsageError(f"dial {name!r} is {value}; expected {least} to {most}")


class SelectedFamily(Family):
    """A family without a formula: a sparse part of the untouched network is the function."""

    @abstractmethod
    def layers(self, hidden: int) -> tuple[TicketLayer, ...]:
        """Returns what a ticket is made of in each of `hidden` hidden layers."""


class FormulaFamily(Family):
    """A function with a formula."""

    @abstractmethod
    def formula(self, inputs: Floats) -> Floats:
        """Returns the function's values of inputs (n, d_in), or the classes' scores, (n, d_out)."""

    def truth(self, inputs: Floats) -> NDArray[Any]:
        """Returns the values (n, d_out) float64, or the classes (n,) int64, without noise."""
        outputs = self.formula(inputs)
        return outputs.argmax(axis=1) if self.kind is TaskKind.CLASSIFICATION else outputs

    def sample(self, rng: np.random.Generator, count: int, noise: float | None = None) -> Samples:
        """Returns `count` inputs (n, d_in) float32 and their noisy targets (see `add_noise`)."""
        inputs = self.sample_inputs(rng, count)
        return inputs, self.add_noise(self.formula(inputs.astype(np.float64)), rng, noise)


class TargetFamily(FormulaFamily):
    """A formula, and its construction as a small ReLU network of any depth."""

    def build(self, depth: int) -> Target:
        """Returns the nominal target, as constructed, with `depth` layers of neurons.

        Raises:
            UsageError: `depth` is below `minimum_depth`.
        """
        self.check_depth(depth)
        return self._build(depth)

    @abstractmethod
    def _build(self, depth: int) -> Target:
        """Returns the nominal target; `depth` has been checked."""


class AnchoredFamily(FormulaFamily):
    """A family whose tickets are moved onto its formula (`plantkit.planting.methods.anchored`).

    Attributes:
        bound: what a ticket's distance to the formula may be. Classification: the least share
            of the domain on which the argmax is right. Regression: the largest mean squared
            error after the best factor per output.
        anchored_depth: least depth in layers of neurons at which it can be anchored.
        audited_depths: in layers of neurons, between the least and the greatest depth at which
            the audit's limits are kept; see docs/audit.md.
        audited_widths: of hidden layers, between the least and the greatest at which they are.
    """

    bound: ClassVar[float]
    anchored_depth: ClassVar[int] = 4
    most_attempts: ClassVar[int] = 200
    audited_depths: ClassVar[range] = range(0)
    audited_widths: ClassVar[range] = range(0)

    @abstractmethod
    def plan(self, hidden: int) -> PartPlan:
        """Returns what the parts of a network with `hidden` hidden layers are made of."""

    def sibling(self, rng: np.random.Generator) -> Self:
        """Returns a family whose function is as hard and looks as this one's: for decoys.

        By default a decoy computes the ticket's function.
        """
        return self

    def reads(self) -> NDArray[np.intp]:
        """Returns the inputs that the formula depends on: those that a ticket reads.

        A family and its siblings read equally many.
        """
        return np.arange(self.inputs)

    def screen(self, inputs: Floats) -> Floats:
        """Returns values (n, k) of inputs that a good structure's last units explain."""
        return self.formula(inputs)

    def screen_inputs(self, rng: np.random.Generator, count: int) -> Floats:
        """Returns inputs (count, d_in) on which structures are compared."""
        if self.inputs == 1:
            return np.linspace(-1, 1, count)[:, None]
        return self.draw_inputs(rng, count)

    def class_distances(self, inputs: Floats) -> Floats:
        """Returns how far each input is from where each class begins, (n, d_out), 0 for its own.

        By default every other class is too far to matter how far.
        """
        return np.where(np.eye(self.outputs)[self.truth(inputs)] > 0, 0.0, np.inf)

    def sample_near_bounds(self, rng: np.random.Generator, count: int, reach: float) -> Floats:
        """Returns inputs (at most count, d_in) that are within `reach` of a class's bound.

        By default they may be anywhere.
        """
        return self.draw_inputs(rng, count)

    @property
    def farthest(self) -> float:
        """The largest `distance` within the bound."""
        return 1 - self.bound if self.kind is TaskKind.CLASSIFICATION else self.bound

    @property
    def tolerances(self) -> tuple[float, float]:
        """The tolerance of a fit, at first and at last, in the outputs' or the margins' unit."""
        if self.kind is TaskKind.CLASSIFICATION:
            return 0.3, 0.003
        return 1.0, 0.6 * self.bound**0.5

    def distance(self, outputs: Floats, truth: NDArray[Any]) -> float:
        """Returns how far outputs (n, d_out) are from the truth, 0 for not at all.

        Regression: mean squared error after the best factor per output; classification: the
        share of another argmax.
        """
        if self.kind is TaskKind.CLASSIFICATION:
            return float((outputs.argmax(axis=1) != truth).mean())
        return best_scaled_error(outputs, truth)[0]

    def hides(self, spec: PerceptronSpec) -> bool:
        """Returns whether `spec` lies within what was audited and kept the limits."""
        widths = {*spec.widths[1:-1]}  # networks of one width were audited
        is_known = len(widths) == 1 and min(widths) in self.audited_widths
        return is_known and spec.depth in self.audited_depths


class LineFamily(TargetFamily):
    """A regression family over x in [-1, 1].

    Its target interpolates the formula at evenly spaced knots in one hidden layer. From depth 4
    on a first layer maps x to x + 1, so that its ReLU is linear on the domain; from depth 5 on
    identity layers follow the interpolation, lifted so that it is positive.

    Attributes:
        knots: of the interpolation.
    """

    inputs = 1
    kind = TaskKind.REGRESSION
    knots: ClassVar[int] = 30

    def domain(self) -> Floats:
        return np.linspace(-1, 1, 2001)[:, None]

    def _build(self, depth: int) -> Target:
        shift = 0 if depth == 3 else 1
        knots = np.linspace(shift - 1, shift + 1, self.knots)

        def interpolate_output(output: int) -> Interpolation:
            return interpolate(lambda x: self.formula((x - shift)[:, None])[:, output], knots)

        pieces = [interpolate_output(output) for output in range(self.outputs)]
        weights = [pieces[0].signs[:, None], np.stack([piece.coefficients for piece in pieces])]
        biases = [pieces[0].biases, np.array([piece.offset for piece in pieces])]
        if depth > 3:
            weights.insert(0, np.ones((1, 1)))
            biases.insert(0, np.ones(1))
        if depth > 4:
            lift = np.maximum(-self.formula(self.domain()).min(axis=0), 1)
            biases[-1] = biases[-1] + lift
            repeats = depth - 4
            weights += [np.eye(self.outputs)] * repeats
            biases += [np.zeros(self.outputs)] * (repeats - 1) + [-lift]
        return Target(weights=tuple(weights), biases=tuple(biases))
