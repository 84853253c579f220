"""The kinds of networks, by name. A kind is one module, such as `perceptron`."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import Any

from plantkit.networks.network import Network
from plantkit.networks.perceptron import PerceptronSpec

#: What plugins may still call `PerceptronSpec`.
NetworkSpec = PerceptronSpec

_CLASSES = (
    "perceptron:PerceptronSpec",
    "convolution:ConvolutionSpec",
    "residual:ResidualSpec",
)

#: The kinds of networks by their names in JSON.
KINDS: dict[str, type[Network]] = {
    kind.kind: kind
    for kind in (pkgutil.resolve_name(f"plantkit.networks.{path}") for path in _CLASSES)
}


def network_from_json(value: Mapping[str, Any]) -> Network:
    """Returns the network that `Network.to_json` wrote.

    Raises:
        ValueError: an unknown kind, or sizes that do not make a network.
    """
    kind = value.get("kind")
    if kind not in KINDS:
        expected = " or ".join(repr(known) for known in KINDS)
        raise ValueError(f"network kind is {kind!r}; expected {expected}")
    return KINDS[kind].from_json(value)
