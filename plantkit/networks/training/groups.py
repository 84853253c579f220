"""Which runs train in one batch: those of one network and one shape, as many as fit."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from plantkit.errors import UsageError
from plantkit.networks import Network, flatten
from plantkit.networks.training.cutting import cut_spec, width_caps

#: Masks looked at together while runs are grouped; bounds the memory that this needs.
_PLANNED_AT_ONCE = 64
#: A group that is shared out among jobs is not made smaller than this: small groups are slow.
_LEAST_RUNS = 2
#: What a step costs beside its arithmetic, in parameters: training nothing takes as long as
#: training so many.
_STEP_PARAMETERS = 9_000
#: Runs of one shape are shared out among jobs where they are more than this of one job's part of
#: all work. Fewer are left whole: begun after the dearer ones, they fill up what those leave.
_SHARED_FROM = 0.5


class Device(enum.StrEnum):
    """What trains: the CPU, or a GPU that torch was built for."""

    CPU = "cpu"
    CUDA = "cuda"

    @classmethod
    def checked(cls, name: str) -> Device:
        """Returns the device called `name`.

        Raises:
            UsageError: an unknown name, or a GPU that torch cannot use here.
        """
        if name not in {device.value for device in cls}:
            raise UsageError(
                f"device is {name!r}; expected {' or '.join(map(repr, map(str, cls)))}"
            )
        device = cls(name)
        if device is Device.CUDA and not torch.cuda.is_available():
            raise UsageError(
                f"device is 'cuda', but torch {torch.__version__} finds no GPU here: "
                "use --device cpu, or install a torch that was built for CUDA"
            )
        return device


#: Parameters of all runs that train side by side in one batch. On the CPU they should fit into
#: the caches, on a GPU fill its memory but in part.
BATCH_PARAMETERS = {Device.CPU: 260_000, Device.CUDA: 1 << 26}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Runs of one network to be trained. steps: of each run."""

    spec: Network
    masks: Sequence[Mapping[str, Any]]
    steps: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs that train in one batch.

    workload: its position among those that were planned together. runs: positions in it.
    cost: about how long it takes, in units that groups of one plan share.
    """

    workload: int
    runs: tuple[int, ...]
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """The runs of one workload that are cut to one shape of `parameters`."""

    workload: int
    runs: Sequence[int]
    parameters: int
    most: int
    steps: int

    @property
    def fewest(self) -> int:
        """The least number of groups."""
        return -(-len(self.runs) // self.most)

    def cost(self, groups: int) -> float:
        """Returns what all runs cost in so many groups."""
        return float(self.steps * (groups * _STEP_PARAMETERS + len(self.runs) * self.parameters))

    def shared(self, count: int) -> list[Group]:
        """Returns the runs in `count` groups of about one size."""
        parts = [tuple(self.runs[part::count]) for part in range(count)]
        return [
            Group(
                workload=self.workload,
                runs=part,
                cost=float(self.steps * (_STEP_PARAMETERS + len(part) * self.parameters)),
            )
            for part in parts
        ]


def plan_groups(
    spec: Network,
    masks: Sequence[Mapping[str, Any]],
    *,
    jobs: int = 1,
    device: str = Device.CPU,
) -> list[list[int]]:
    """Returns groups of run indices that train in one batch, the dearest first; see `plan`."""
    groups = plan([Workload(spec=spec, masks=masks)], jobs=jobs, device=device)
    return [list(group.runs) for group in groups]


def plan(workloads: Sequence[Workload], *, jobs: int = 1, device: str = Device.CPU) -> list[Group]:
    """Returns the groups of all workloads, the dearest first.

    All runs of a group are cut to the same shape, which depends on each run alone. Runs of
    one shape are shared out evenly among `jobs` where there are enough of them and they are no
    small part of all work.
    """
    shapes = [
        shape
        for position, workload in enumerate(workloads)
        for shape in _shapes(position, workload, BATCH_PARAMETERS[Device(device)])
    ]
    fair = sum(shape.cost(shape.fewest) for shape in shapes) / jobs
    groups: list[Group] = []
    for shape in shapes:
        count = shape.fewest
        shared = count + -count % jobs
        is_small = shape.cost(count) < _SHARED_FROM * fair
        if len(shape.runs) >= shared * _LEAST_RUNS and not is_small:
            count = shared
        groups += shape.shared(count)
    return sorted(groups, key=lambda group: -group.cost)


def _shapes(position: int, workload: Workload, most_parameters: int) -> list[_Shape]:
    """Returns the runs of a workload by the shape that they are cut to."""
    spec = workload.spec
    by_cap: dict[int, list[int]] = {}
    for first in range(0, len(workload.masks), _PLANNED_AT_ONCE):
        chunk = workload.masks[first : first + _PLANNED_AT_ONCE]
        caps = width_caps(spec, torch.stack([flatten(spec, mask) for mask in chunk]))
        for run, cap in enumerate(caps, start=first):
            by_cap.setdefault(cap, []).append(run)
    return [
        _Shape(
            workload=position,
            runs=runs,
            parameters=cut_spec(spec, cap).total,
            most=max(1, most_parameters // cut_spec(spec, cap).total),
            steps=workload.steps,
        )
        for cap, runs in by_cap.items()
    ]
