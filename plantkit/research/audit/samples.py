"""What an audit looks at: a network's initial parameters and its ticket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import UsageError
from plantkit.networks import Network
from plantkit.planting.planted import PlantedNetwork
from plantkit.research.audit.figures import Bools

Float32s = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One planted network as an attacker sees it, and the answer.

    Arrays are copied to read-only float32 and bool, in the order of `spec.shapes`: float32 is
    what a bundle publishes, so that no attacker profits from digits that are not published.

    Attributes:
        spec: the network.
        parameters: name to weights, (out, in) or as the network's kind has them, or (out,) biases.
        ticket: name to bool of the same shapes, True at the ticket's entries.

    Raises:
        UsageError: a parameter is missing, has another shape, or is not finite.
    """

    spec: Network
    parameters: Mapping[str, Float32s]
    ticket: Mapping[str, Bools]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", self._read(self.parameters, np.float32, "value"))
        object.__setattr__(self, "ticket", self._read(self.ticket, np.bool_, "ticket"))

    @classmethod
    def of(cls, planted: PlantedNetwork) -> Sample:
        """Returns the sample of a planted network."""
        return cls(spec=planted.spec, parameters=planted.parameters, ticket=planted.ticket)

    def _read(self, values: Mapping[str, Any], dtype: type, what: str) -> dict[str, Any]:
        copies: dict[str, Any] = {}
        for name, shape in self.spec.shapes.items():
            if name not in values:
                raise UsageError(f"sample has no {what} of {name!r}; expected shape {shape}")
            copy: NDArray[Any] = np.array(values[name], dtype=dtype)
            if copy.shape != shape:
                raise UsageError(f"{what} of {name!r} has shape {copy.shape}; expected {shape}")
            if not np.isfinite(copy).all():
                raise UsageError(f"{what} of {name!r} holds infinities or NaN")
            copy.flags.writeable = False
            copies[name] = copy
        return copies


def check_samples(train: Sequence[Sample], test: Sequence[Sample]) -> None:
    """Checks that attackers can be trained on one half of the samples and tested on the other.

    Raises:
        UsageError: there are fewer than four training networks or no test network, the samples
            are of different networks, or a test network is also a training network.
    """
    if len(train) < 4 or not test:
        raise UsageError(
            f"an audit needs at least 4 training networks and 1 test network; "
            f"got {len(train)} and {len(test)}"
        )
    spec = train[0].spec
    for sample in [*train, *test]:
        if sample.spec != spec:
            raise UsageError(
                f"samples are of different networks, {sample.spec.label} and {spec.label}; "
                "audit one network shape at a time"
            )
    known = {fingerprint(sample) for sample in train}
    if any(fingerprint(sample) in known for sample in test):
        raise UsageError("a test network is also a training network; plant fresh ones for the test")


def fingerprint(sample: Sample) -> bytes:
    """Returns bytes that tell networks apart: all their parameters."""
    return b"".join(value.tobytes() for value in sample.parameters.values())
