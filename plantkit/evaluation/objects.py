"""Pruners that are objects of this process: functions and instances, as from a notebook.

They run in this process, or are sent to a process of their own: as a submission that holds the
object, pickled by value. Only that process unpickles it, where it runs as any submission does.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from plantkit.errors import MissingExtraError, PluginError, UsageError, describe
from plantkit.pruners.calls import call_prune
from plantkit.pruners.contract import (
    FunctionPruner,
    check_prune_function,
    check_pruner,
    name_from,
)
from plantkit.pruners.sources import PrunerSource
from plantkit.submissions.submission import Submission

if TYPE_CHECKING:
    from plantkit.pruners.pruner import Pruner

_MAIN = "pruner.py"
_OBJECT = "pruner.pickle"
_CODE = f"""from pathlib import Path

import cloudpickle

PRUNER = cloudpickle.loads(Path(__file__).with_name("{_OBJECT}").read_bytes())


def plantkit_pruners():
    return [PRUNER]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPruner:
    """A pruner under another name than its own."""

    name: str
    pruner: Any

    @property
    def reference(self) -> str:
        """The pruner's own."""
        return str(self.pruner.reference)

    @property
    def is_seeded(self) -> bool:
        """The pruner's own."""
        return getattr(self.pruner, "is_seeded", True) is not False

    @property
    def rewind(self) -> Any:
        """The pruner's own."""
        return getattr(self.pruner, "rewind", 0)

    def prune(self, problem: Any, density: float, *, seed: int) -> Mapping[str, Any]:
        """Returns the pruner's own mask."""
        mask: Mapping[str, Any] = call_prune(self.pruner.prune, problem, density, seed)
        return mask


def as_pruner(given: object, name: str | None = None) -> Pruner:
    """Returns a pruner made of an object.

    Args:
        given: an object with `name`, `reference` and `prune`, or a function
            `prune(problem, density, seed)`.
        name: what it is called, instead of its own name or the function's.

    Raises:
        PluginError: it is neither, or breaks the contract.
    """
    if isinstance(given, type) or hasattr(given, "prune"):
        check_pruner(name or type(given).__name__, given)
        pruner: Any = given if name is None else NamedPruner(name=name, pruner=given)
    elif callable(given):
        name = name or name_from(getattr(given, "__name__", type(given).__name__))
        check_prune_function(name, given)
        pruner = FunctionPruner(name=name, function=given, rewind=getattr(given, "rewind", 0))
    else:
        raise PluginError(
            name or type(given).__name__,
            f"is {given!r}; expected a function prune(problem, density, seed), an object with "
            "name, reference and prune, a path, or the name of an installed pruner",
        )
    check_pruner(pruner.name, pruner)
    return pruner  # type: ignore[no-any-return]


def source_here(pruner: Pruner) -> PrunerSource:
    """Returns the source of a pruner that runs in this process."""
    return PrunerSource(name=pruner.name, pruner=pruner)


def source_apart(pruner: Pruner) -> PrunerSource:
    """Returns the source of a pruner that runs in a process of its own: a pickle of it.

    Raises:
        MissingExtraError: cloudpickle is not installed.
        UsageError: it cannot be pickled.
    """
    try:
        import cloudpickle
    except ImportError as error:
        raise MissingExtraError(
            extra="notebook", needed_for="to run an object in a process of its own"
        ) from error
    module = _own_module(pruner)
    if module is not None:
        cloudpickle.register_pickle_by_value(module)
    try:
        content = cloudpickle.dumps(pruner)
    except Exception as error:  # whatever the objects that it refers to raise
        raise UsageError(
            f"pruner {pruner.name!r} cannot be sent to a process of its own: {describe(error)}; "
            "give it as a file, or leave isolation out to run it in this process"
        ) from error
    finally:
        if module is not None:
            cloudpickle.unregister_pickle_by_value(module)
    path = f"<{pruner.name}>"
    return PrunerSource(
        path=path,
        submission=Submission(
            path=path, base=path, main=_MAIN, files={_MAIN: _CODE.encode(), _OBJECT: content}
        ),
    )


def _own_module(pruner: Any) -> ModuleType | None:
    """Returns the module that defines a pruner, where that is not one of an installed package: a
    process that is locked away cannot read it."""
    while isinstance(pruner, NamedPruner | FunctionPruner):
        pruner = pruner.pruner if isinstance(pruner, NamedPruner) else pruner.function
    name = (pruner if hasattr(pruner, "__qualname__") else type(pruner)).__module__
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if module is None or file is None or name == "__main__":
        return None  # cloudpickle takes what is defined in a notebook by value
    installed = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib")}
    return None if installed & set(Path(file).resolve().parents) else module
