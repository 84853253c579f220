"""The names of the standard library that Linux has and another platform lacks, by typeshed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace


def absent_names(platform: str) -> dict[str, list[str] | None]:
    """Returns, by module, the names that `platform` lacks; None where it lacks the module.

    The stubs are those that mypy carries.
    """
    import mypy

    stubs = Path(mypy.__file__).parent / "typeshed" / "stdlib"
    found: dict[str, list[str] | None] = {}
    for path in stubs.rglob("*.pyi"):
        text = path.read_text(encoding="utf-8")
        if "sys.platform" not in text:
            continue
        body = ast.parse(text).body
        here, there = (
            {name for name in _names(body, which) if not name.startswith("_")}
            for which in ("linux", platform)
        )
        module = ".".join(path.relative_to(stubs).with_suffix("").parts)
        if not there and here:
            found[module.removesuffix(".__init__")] = None
        elif here - there:
            found[module.removesuffix(".__init__")] = sorted(here - there)
    return found


def _names(body: Iterable[ast.stmt], platform: str) -> Iterator[str]:
    """Yields the names that statements define; what they import counts as re-exported
    only under its own name, as in every stub."""
    for statement in body:
        match statement:
            case ast.If():
                chosen = statement.body if _holds(statement.test, platform) else statement.orelse
                yield from _names(chosen, platform)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                yield from (alias.name for alias in names if alias.asname == alias.name)


def _holds(test: ast.expr, platform: str) -> bool:
    seen: Mapping[str, object] = {
        "sys": SimpleNamespace(platform=platform, version_info=sys.version_info),
        "TYPE_CHECKING": True,
    }
    return bool(eval(compile(ast.Expression(test), "<stub>", "eval"), {}, dict(seen)))
