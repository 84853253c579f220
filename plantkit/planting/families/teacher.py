"""`teacher`: the function of a random sparse subnetwork of an untouched random network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from plantkit.networks.tasks import TaskKind
from plantkit.planting.family import SelectedFamily, check_dial
from plantkit.planting.structures import TicketLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherFamily(SelectedFamily):
    """A random function: what a few units of a random ReLU network compute among themselves.

    There is no formula: the network that is planted defines the labels.

    Attributes:
        inputs: d_in, 1 to 64.
        outputs: d_out, or the number of classes, 2 or more of these.
        kind: `classification` or `regression`.
        units: ticket units per hidden layer, 2 to 1000.
        in_degree: ticket weights that each hidden unit reads, 2 or more, at most `units`; the
            outputs read all ticket units of the last hidden layer.
        bias_share: chance that a hidden unit has its bias in the ticket, in [0, 1]; units of
            the first hidden layer never have theirs.
    """

    name: ClassVar[str] = "teacher"
    title: ClassVar[str] = "Teacher: a sparse part of the random network itself"
    inputs: int = 4
    outputs: int = 1
    kind: TaskKind = TaskKind.REGRESSION
    units: int = 10
    in_degree: int = 4
    bias_share: float = 0.5

    def __post_init__(self) -> None:
        fewest = 2 if self.kind is TaskKind.CLASSIFICATION else 1
        check_dial("inputs", self.inputs, 1, 64)
        check_dial("outputs", self.outputs, fewest, 64)
        check_dial("units", self.units, 2, 1000)
        check_dial("in_degree", self.in_degree, 2, self.units)
        check_dial("bias_share", self.bias_share, 0, 1)

    def layers(self, hidden: int) -> tuple[TicketLayer, ...]:
        # In the first layer biases are as large as what the inputs contribute, so tests on a unit
        # say most about its bias there: none is in a ticket.
        first = TicketLayer(units=self.units, in_degree=self.in_degree, bias_share=0.0)
        return (first, *(replace(first, bias_share=self.bias_share),) * (hidden - 1))


FAMILY = TeacherFamily()
