"""What is asked of a pruner, and of the function that a submission may give in its place."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from plantkit.errors import PluginError
from plantkit.pruners.calls import bind_prune, call_prune

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPruner:
    """A pruner made of a submission's plain function `prune(problem, density, seed)`.

    rewind: the function's attribute of this name, if it has one; see `Pruner`.
    """

    name: str
    function: Any
    reference: str = ""
    rewind: int = 0

    def prune(self, problem: Any, density: float, *, seed: int) -> Mapping[str, Any]:
        mask: Mapping[str, Any] = call_prune(self.function, problem, density, seed)
        return mask


def check_pruner(plugin: str, pruner: Any) -> None:
    """Raises `PluginError` unless `pruner` has a proper name, `prune` and, if any, `rewind`."""
    from plantkit.pruners.pruner import rewind_of

    check_named("prune")(plugin, pruner)
    if not _NAME.fullmatch(pruner.name):
        raise PluginError(
            plugin,
            f"pruner name is {pruner.name!r}; expected lower-case letters, digits, '.', '_', '-'",
        )
    if not isinstance(getattr(pruner, "reference", None), str):
        raise PluginError(
            plugin, f"pruner {pruner.name!r} has no reference; expected a str, may be empty"
        )
    try:
        rewind_of(pruner)
    except ValueError as error:
        raise PluginError(plugin, f"pruner {pruner.name!r}: {error}") from error


def check_prune_function(path: str, function: Any) -> None:
    """Raises `PluginError` unless `function` can be called as prune(problem, density, seed)."""
    try:
        bind_prune(function, None, 0.5, 0)
    except TypeError as error:
        shown = f" is {function!r}"
        if callable(function):
            shown = f"{inspect.signature(function)} cannot be called"
        raise PluginError(
            path, f"prune{shown}; expected a function prune(problem, density, seed)"
        ) from error


def check_named(method: str) -> Callable[[str, Any], None]:
    """Returns a function that raises `PluginError` unless an object has a name and `method`."""

    def check(plugin: str, item: Any) -> None:
        if isinstance(item, type):
            raise PluginError(
                plugin, f"{item.__name__} is a class; expected an instance: {item.__name__}()"
            )
        if not isinstance(getattr(item, "name", None), str):
            raise PluginError(plugin, f"{type(item).__name__} has no name; expected a str")
        if not callable(getattr(item, method, None)):
            raise PluginError(plugin, f"{item.name!r} has no method {method}()")

    return check


def name_from(name: str) -> str:
    """Returns a pruner's name made of another: of a file, or of a function."""
    return re.sub(r"[^a-z0-9._-]", "-", name.lower()).lstrip("._-") or "pruner"
