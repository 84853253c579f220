"""The options of a pruner: the fields of its dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plantkit.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from plantkit.pruners.pruner import Pruner


def options_of(pruner: Pruner) -> dict[str, Any]:
    """Returns the options of `pruner` with their values: its fields, if it is a dataclass."""
    if not dataclasses.is_dataclass(pruner):
        return {}
    return {
        field.name: getattr(pruner, field.name)
        for field in dataclasses.fields(pruner)
        if field.init and field.name not in {"name", "reference", "function"}
    }


def configure(pruner: Pruner, options: Mapping[str, str]) -> Pruner:
    """Returns a copy of `pruner`, a dataclass, with fields set from text.

    Raises:
        UsageError: the pruner has no options, no such option, or the text is not such a value.
    """
    if not options:
        return pruner
    if not dataclasses.is_dataclass(pruner) or isinstance(pruner, type):
        raise UsageError(f"pruner {pruner.name!r} has no options; got {', '.join(options)}")
    from plantkit.pruners.pruner import rewind_of

    known = options_of(pruner)
    values = {}
    for option, text in options.items():
        if option not in known:
            raise UnknownNameError(f"option of pruner {pruner.name!r}", option, known)
        values[option] = _parse_like(known[option], text, f"{pruner.name}:{option}")
    try:
        configured: Pruner = dataclasses.replace(pruner, **values)
        rewind_of(configured)
    except (TypeError, ValueError) as error:
        raise UsageError(f"pruner {pruner.name!r}: {error}") from error
    return configured


def _parse_like(current: Any, text: str, option: str) -> Any:
    if isinstance(current, bool):
        if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        raise UsageError(f"{option} is {text!r}; expected true or false")
    kind = type(current)
    if kind in {int, float}:
        try:
            return kind(text)
        except ValueError:
            raise UsageError(f"{option} is {text!r}; expected {kind.__name__}") from None
    return text
