"""Calling `prune` as its author has written it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def bind_prune(
    function: Callable[..., Any], problem: Any, density: float, seed: int
) -> inspect.BoundArguments:
    """Returns the arguments of one call: problem and density in this order, the seed by name.

    Parameters that are called `problem` or `density` get theirs wherever they stand.

    Raises:
        TypeError: the function cannot be called so.
    """
    signature = inspect.signature(function)
    given = {"problem": problem, "density": density}
    places = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "seed"
    ][: len(given)]
    named = [name for name in places if name in given]
    if len(places) < len(given) or not named:
        return signature.bind(problem, density, seed=seed)
    rest = [value for name, value in given.items() if name not in named]
    arguments = {name: given[name] if name in named else rest.pop(0) for name in places}
    return signature.bind(**arguments, seed=seed)


def call_prune(function: Callable[..., Any], problem: Any, density: float, seed: int) -> Any:
    """Returns what `function` returns when it is called as `bind_prune` says."""
    bound = bind_prune(function, problem, density, seed)
    return function(*bound.args, **bound.kwargs)
