"""Pages that are written as Jinja templates, next to the modules that fill them in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def fill_in(package: str, name: str, *, autoescape: bool = False, **values: Any) -> str:
    """Returns the template `name` of a package, filled in; a missing value raises.

    autoescape: escapes all values for HTML or XML.
    """
    return _environment(package, autoescape).get_template(name).render(values)


@cache
def _environment(package: str, autoescape: bool) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, "."),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
