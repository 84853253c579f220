"""Calling `prune` as its author has written it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def bind_prune(
    function: Callable[..., Any], problem: Any, density: float, seed: int
) -> inspect.BoundArguments:
    """Returns the arguments of one call: problem and density in this order, the seed by name.

    Parameters that are called `problem` or `density` get theirs wherever they stand. If only one
    of the two is there, the first other parameter gets the rest.

    Raises:
        TypeError: the function cannot be called so.
    """
    signature = inspect.signature(function)
    given = {"problem": problem, "density": density}
    by_name = {
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
    }
    arguments: dict[str, Any] = {name: given[name] for name in given if name in by_name}
    if not arguments:
        return signature.bind(problem, density, seed=seed)
    rest = [value for name, value in given.items() if name not in arguments]
    free = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and parameter.name not in {*arguments, "seed"}
    ]
    arguments |= dict(zip(free, rest, strict=False))
    if len(arguments) < len(given):
        return signature.bind(problem, density, seed=seed)
    return signature.bind(**arguments, seed=seed)


def call_prune(function: Callable[..., Any], problem: Any, density: float, seed: int) -> Any:
    """Returns what `function` returns when it is called as `bind_prune` says."""
    bound = bind_prune(function, problem, density, seed)
    return function(*bound.args, **bound.kwargs)
