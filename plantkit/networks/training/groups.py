"""Which runs train in one batch: those that are cut to the same network, as many as fit."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from plantkit.errors import UsageError
from plantkit.networks import Network, flatten

#: Masks looked at together while runs are grouped; bounds the memory that this needs.
_PLANNED_AT_ONCE = 64
#: A group that is shared out among jobs is not made smaller than this: small groups are slow.
_LEAST_RUNS = 2
#: What a step costs besides its arithmetic, in parameters: training nothing takes as long as
#: training this many.
_STEP_PARAMETERS = 9_000
#: Runs of one network are shared out among jobs if they are at least this share of one job's part
#: of all work. Others stay whole: begun after the dearer ones, they fill up what those leave.
_SHARED_FROM = 0.5


class Device(enum.StrEnum):
    """What trains networks: the CPU, or a GPU that torch was built for."""

    CPU = "cpu"
    CUDA = "cuda"

    @classmethod
    def checked(cls, name: str) -> Device:
        """Returns the device called `name`.

        Raises:
            UsageError: an unknown name, or a GPU that torch cannot use here.
        """
        if name not in list(cls):
            raise UsageError(f"device is {name!r}; expected 'cpu' or 'cuda'")
        device = cls(name)
        if device is Device.CUDA and not torch.cuda.is_available():
            raise UsageError(
                f"device is 'cuda', but torch {torch.__version__} finds no GPU here: "
                "use --device cpu, or install a torch that was built for CUDA"
            )
        return device


#: Most parameters of all runs that train in one batch. On the CPU they should fit into the
#: caches, on a GPU they should fill only a part of its memory.
BATCH_PARAMETERS = {Device.CPU: 260_000, Device.CUDA: 1 << 26}
#: Most numbers that the layers of all these runs make of a batch of samples, for the same reasons.
BATCH_ACTIVATIONS = {Device.CPU: 5_000_000, Device.CUDA: 1 << 28}


#: The share of a GPU's memory, used by others or not, that a batch may take: which runs train
#: together then depends on the GPU alone.
_MEMORY_SHARE = 0.4
#: Floats that each parameter needs while it trains, and each number that a layer makes: its
#: derivative, too, and what a convolution puts beside them.
_PARAMETER_FLOATS = 6
_ACTIVATION_FLOATS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Runs of one network that are to be trained.

    steps: how many each run takes. batch_size: how many samples each step takes.
    """

    spec: Network
    masks: Sequence[Mapping[str, Any]]
    batch_size: int
    steps: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs that train in one batch.

    workload: the position of its workload in the plan. runs: positions in that workload.
    cost: about how long it takes, in a unit that all groups of a plan share.
    """

    workload: int
    runs: tuple[int, ...]
    cost: float


def most_runs(network: Network, batch_size: int, device: str) -> int:
    """Returns how many runs of `network` may train in one batch, at least 1.

    On the CPU a parameter counts the less, the more often a sample uses it: where arithmetic
    takes most of the time, it matters little whether parameters are in the caches.
    """
    held = network.held if device == Device.CPU else network.total
    uses = network.work / held if device == Device.CPU else 1.0
    by_parameters = BATCH_PARAMETERS[Device(device)] * max(1.0, uses) / held
    by_activations = BATCH_ACTIVATIONS[Device(device)] / (batch_size * network.activations)
    bounds = [by_parameters, by_activations]
    if device == Device.CUDA and torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        floats = _PARAMETER_FLOATS * network.total
        floats += _ACTIVATION_FLOATS * batch_size * network.activations
        bounds.append(_MEMORY_SHARE * memory / (4 * floats))
    return max(1, int(min(bounds)))


def plan(workloads: Sequence[Workload], *, jobs: int = 1, device: str = Device.CPU) -> list[Group]:
    """Returns the groups of all workloads, the dearest first.

    All runs of a group train in the same cut network, which depends on each run alone. Runs of
    one such network are shared out evenly among `jobs`, unless they are too few or a small part
    of all work.
    """
    batches = [
        (position, runs, network)
        for position, workload in enumerate(workloads)
        for network, runs in _by_network(workload).items()
    ]

    def cost(position: int, runs: int, network: Network, groups: int = 1) -> float:
        steps = workloads[position].steps
        return steps * (groups * _STEP_PARAMETERS + runs * network.work)

    fewest = [
        -(-len(runs) // most_runs(network, workloads[position].batch_size, device))
        for position, runs, network in batches
    ]
    costs = [
        cost(position, len(runs), network, count)
        for (position, runs, network), count in zip(batches, fewest, strict=True)
    ]
    fair = sum(costs) / jobs
    groups: list[Group] = []
    for (position, runs, network), count, whole_cost in zip(batches, fewest, costs, strict=True):
        shared = count + -count % jobs
        is_shared = len(runs) >= shared * _LEAST_RUNS and whole_cost >= _SHARED_FROM * fair
        parts = shared if is_shared else count
        groups += [
            Group(workload=position, runs=part, cost=cost(position, len(part), network))
            for part in (tuple(runs[first::parts]) for first in range(parts))
        ]
    return sorted(groups, key=lambda group: -group.cost)


def _by_network(workload: Workload) -> dict[Network, list[int]]:
    """Returns the runs of a workload by the network that they are trained in."""
    spec = workload.spec
    found: dict[Network, list[int]] = {}
    for first in range(0, len(workload.masks), _PLANNED_AT_ONCE):
        chunk = workload.masks[first : first + _PLANNED_AT_ONCE]
        cut = spec.cut(torch.stack([flatten(spec, mask) for mask in chunk]))
        for run, network in enumerate(cut, start=first):
            found.setdefault(network, []).append(run)
    return found
