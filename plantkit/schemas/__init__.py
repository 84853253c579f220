"""The JSON Schemas (draft 2020-12) of what plantkit reads and writes, and their enforcement."""

from __future__ import annotations

import functools
import importlib.resources
import itertools
import json
from typing import TYPE_CHECKING, Any

from plantkit.errors import UnknownNameError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_SUFFIX = ".schema.json"
_MOST_ERRORS = 50


def schema_names() -> list[str]:
    """Returns the names of the shipped schemas."""
    files = importlib.resources.files(__name__).iterdir()
    return sorted(f.name.removesuffix(_SUFFIX) for f in files if f.name.endswith(_SUFFIX))


def load_schema(name: str) -> dict[str, Any]:
    """Returns the schema called `name`.

    Raises:
        UnknownNameError: no such schema.
    """
    if name not in schema_names():
        raise UnknownNameError("schema", name, schema_names())
    text = importlib.resources.files(__name__).joinpath(name + _SUFFIX).read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def violations(value: Any, name: str) -> list[str]:
    """Returns what in `value` breaks the schema called `name`, one line each.

    At most `_MOST_ERRORS` are returned. A float is not an integer, even if its value is whole.
    """
    found = itertools.islice(_validator(name).iter_errors(value), _MOST_ERRORS)
    errors = sorted(found, key=lambda error: list(map(str, error.path)))
    return [f"{error.json_path}: {error.message[:300]}" for error in errors]


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    import jsonschema

    base = jsonschema.Draft202012Validator
    checker = base.TYPE_CHECKER.redefine("integer", _is_integer)
    strict = jsonschema.validators.extend(base, type_checker=checker)  # type: ignore[no-untyped-call]
    validator: Draft202012Validator = strict(load_schema(name))
    return validator


def _is_integer(_checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
