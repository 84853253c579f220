"""Kinds of networks, with what masks and tasks mean for them, and their training.

`network` says what a kind must define and has defaults for the rest. A kind is one module, such
as `perceptron`, and its class in `kinds`. Names are imported when they are used, so that what
needs no network needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plantkit.networks.convolution import ConvolutionSpec
    from plantkit.networks.kinds import KINDS, NetworkSpec, network_from_json
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

_MODULES = {
    "convolution": ("ConvolutionSpec",),
    "kinds": ("KINDS", "NetworkSpec", "network_from_json"),
    "perceptron": ("Mlp", "PerceptronSpec"),
    "residual": ("ResidualSpec",),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _MODULES.items() if name in names), "network")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
