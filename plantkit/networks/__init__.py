"""Kinds of networks, with what masks and tasks mean for them, and their training.

`network` says what a kind must define and has defaults for the rest. A kind is one module, such
as `perceptron`, and its class in `_CLASSES`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import Any

from plantkit.networks.convolution import ConvolutionSpec
from plantkit.networks.network import (
    Network,
    bias_name,
    build_module,
    flatten,
    layer_of,
    unflatten,
    weight_name,
)
from plantkit.networks.perceptron import Mlp, PerceptronSpec
from plantkit.networks.residual import ResidualSpec

__all__ = [
    "KINDS",
    "ConvolutionSpec",
    "Mlp",
    "Network",
    "NetworkSpec",
    "PerceptronSpec",
    "ResidualSpec",
    "bias_name",
    "build_module",
    "flatten",
    "layer_of",
    "network_from_json",
    "unflatten",
    "weight_name",
]

#: What plugins may still call `PerceptronSpec`.
NetworkSpec = PerceptronSpec

_CLASSES = (
    "perceptron:PerceptronSpec",
    "convolution:ConvolutionSpec",
    "residual:ResidualSpec",
)

#: The kinds of networks by their names in JSON.
KINDS: dict[str, type[Network]] = {
    kind.kind: kind for kind in (pkgutil.resolve_name(f"{__name__}.{path}") for path in _CLASSES)
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
