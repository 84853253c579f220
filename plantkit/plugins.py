"""Finding and loading plugins: installed ones by entry point, submissions by path.

Loading is guarded: a plugin that fails becomes a `PluginError`, never a dead command line.
A submission is hostile until shown otherwise: `load_submission` runs its code and so must be
called in the isolated child process only (`plantkit.isolation`).
"""

from __future__ import annotations

import importlib.metadata
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from plantkit import hookspecs
from plantkit.errors import PluginError, describe, did_you_mean
from plantkit.hookspecs import PROJECT
from plantkit.machine import name_and_version
from plantkit.pruners.contract import (
    FunctionPruner,
    check_named,
    check_prune_function,
    check_pruner,
    name_from,
)
from plantkit.submissions.loading import import_submission
from plantkit.submissions.submission import Staged

if TYPE_CHECKING:
    from plantkit.challenges.catalog import Catalog
    from plantkit.planting.exposed import Attacker
    from plantkit.planting.family import Family
    from plantkit.planting.methods.method import PlantingMethod
    from plantkit.pruners.pruner import Pruner
    from plantkit.reports import Reporter
    from plantkit.scoring.metrics import Metric

_HOOKS = tuple(name for name in vars(hookspecs) if name.startswith(f"{PROJECT}_"))
_PLANTING_HOOKS = {"plantkit_families", "plantkit_planting_methods"}


class _Manager(pluggy.PluginManager):
    """Also takes unmarked functions of a module whose names begin with `plantkit_`."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None and name.startswith(f"{PROJECT}_") and callable(getattr(plugin, name)):
            return {}
        return options


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPlugin:
    """A plugin that is installed in this environment.

    name: the entry point's. distribution, version: of the package that declares it.
    """

    name: str
    module: str
    distribution: str
    version: str
    hooks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredPruner:
    """A pruner and the plugin that it came from (an entry point's name, or a path)."""

    pruner: Pruner
    plugin: str

    @property
    def name(self) -> str:
        return self.pruner.name


class Registry:
    """The plugins that were loaded, and what they offer.

    Attributes:
        plugins: those that loaded.
        failures: one `PluginError` for each that did not.
    """

    def __init__(self) -> None:
        self._manager = _Manager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.plugins: list[InstalledPlugin] = []
        self.failures: list[PluginError] = []

    def register(self, plugin: object, name: str) -> tuple[str, ...]:
        """Registers `plugin` under `name` and returns the hooks that it implements.

        Raises:
            PluginError: a hook is misspelt, has a default argument or unknown arguments.
        """
        _check_hooks(plugin, name)
        try:
            self._manager.register(plugin, name)
        except pluggy.PluginValidationError as error:
            raise PluginError(name, str(error).replace("\n", " ")) from error
        callers = self._manager.get_hookcallers(plugin) or []
        return tuple(sorted(caller.name for caller in callers))

    def pruners(self) -> list[RegisteredPruner]:
        """Returns all pruners, sorted by name; a plugin that breaks is added to `failures`."""
        found = [
            RegisteredPruner(pruner=pruner, plugin=plugin)
            for plugin, pruner in self._collect("plantkit_pruners", check_pruner)
        ]
        return sorted(found, key=lambda registered: (registered.name, registered.plugin))

    def metrics(self) -> list[Metric]:
        return [metric for _, metric in self._collect("plantkit_metrics", check_named("compute"))]

    def reporters(self) -> list[Reporter]:
        found = self._collect("plantkit_reporters", check_named("render"))
        return [reporter for _, reporter in found]

    def challenge_directories(self) -> list[Path]:
        return [Path(path) for _, path in self._collect("plantkit_challenges")]

    def families(self) -> dict[str, Family]:
        """Returns plugins' families by name, none of which two plugins claim."""
        from plantkit.planting.contract import check_family

        return self._named("family", "plantkit_families", check_family)

    def planting_methods(self) -> dict[str, PlantingMethod[Any]]:
        """Returns plugins' planting methods by name, none of which two plugins claim."""
        from plantkit.planting.contract import check_method

        return self._named("planting method", "plantkit_planting_methods", check_method)

    def attackers(self) -> dict[str, Attacker]:
        """Returns plugins' attackers by name, none of which two plugins claim."""
        from plantkit.planting.contract import check_attacker

        return self._named("attacker", "plantkit_attackers", check_attacker)

    def _named(self, kind: str, hook: str, check: Callable[[str, Any], None]) -> dict[str, Any]:
        found = list(self._collect(hook, check))
        clashes = _clashes(kind, [(plugin, item.name) for plugin, item in found])
        for error in clashes.values():
            self._fail(error)
        return {item.name: item for _, item in found if item.name not in clashes}

    def add_commands(self, cli: Any) -> None:
        """Lets every plugin add its commands to the click group `cli`."""
        list(self._collect("plantkit_commands", call=lambda function: function(cli) or ()))

    def _collect(
        self,
        hook: str,
        check: Callable[[str, Any], None] = lambda *_: None,
        *,
        call: Callable[[Callable[..., Any]], Iterable[Any]] = lambda function: function(),
    ) -> Iterator[tuple[str, Any]]:
        """Yields (plugin, item) of every implementation of `hook`, in the order of names."""
        caller = getattr(self._manager.hook, hook)
        for implementation in sorted(caller.get_hookimpls(), key=lambda impl: impl.plugin_name):
            plugin = implementation.plugin_name
            try:
                items = list(call(implementation.function))
                for item in items:
                    check(plugin, item)
            except PluginError as error:
                self._fail(error)
            except Exception as error:
                self._fail(PluginError(plugin, f"{hook}() raised {describe(error)}"))
            else:
                yield from ((plugin, item) for item in items)

    def _fail(self, error: PluginError) -> None:
        if str(error) not in map(str, self.failures):
            self.failures.append(error)


def load_installed(only: str | None = None, *, without: str | None = None) -> Registry:
    """Returns the installed plugins, loaded by entry point in the order of their names.

    Args:
        only: the name of the one entry point to load; all if None.
        without: the distribution whose entry points are left out; none if None.
    """
    registry = Registry()
    points = sorted(importlib.metadata.entry_points(group=PROJECT), key=lambda point: point.name)
    for point in points:
        if only is not None and point.name != only:
            continue
        name, version = name_and_version(point.dist) if point.dist else ("", "")
        if without is not None and name == without:
            continue
        try:
            plugin = point.load()
            hooks = registry.register(plugin, point.name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even call sys.exit() when imported
            if not isinstance(error, PluginError):
                error = PluginError(point.name, f"cannot be imported: {describe(error)}")
            registry.failures.append(error)
        else:
            registry.plugins.append(
                InstalledPlugin(
                    name=point.name,
                    module=point.value,
                    distribution=name,
                    version=version,
                    hooks=hooks,
                )
            )
    return registry


def find_challenges(given: Sequence[Path] = ()) -> Catalog:
    """Returns the challenges and suites in `given` directories, the usual places and plugins'.

    plantkit's own plugins have no challenges, and take seconds to import since they are
    pruners. They are left out.

    Raises: as `plantkit.challenges.catalog.find`.
    """
    from plantkit.challenges import catalog

    plugins = load_installed(without=PROJECT).challenge_directories()
    return catalog.find(given, plugins=plugins)


def load_plantings(*names: str | None, registry: Registry | None = None) -> Sequence[PluginError]:
    """Makes plugins' families and planting methods known to `plantkit.planting`.

    plantkit's own plugins have none, and take seconds to import since they are pruners. They are
    left out, and so are all where `names`, of families and methods, ship with plantkit.

    Args:
        names: those that will be asked for; all of all plugins if none are given.
        registry: plugins that have been loaded, if any.

    Returns:
        What is wrong with the plugins that were loaded.
    """
    if names:
        from plantkit.planting import FAMILIES, METHODS

        if all(name is None or name in FAMILIES or name in METHODS for name in names):
            return []
    if registry is None:
        registry = load_installed(without=PROJECT)
    if not any(_PLANTING_HOOKS.intersection(plugin.hooks) for plugin in registry.plugins):
        return registry.failures  # without importing what plants
    from plantkit.planting import add_families, add_methods

    add_families(registry.families())
    add_methods(registry.planting_methods())
    return registry.failures


def load_submission(where: Staged | Path) -> list[RegisteredPruner]:
    """Returns the pruners that a submission defines. Runs its code: isolated child only.

    Its main file defines `prune(problem, density, seed)`, or `plantkit_pruners()`, or both.

    Raises:
        PluginError: it cannot be imported or breaks the contract; says where, if that is known.
    """
    staged = where if isinstance(where, Staged) else Staged.in_place(where)
    path = staged.path
    module = import_submission(staged)
    registry = Registry()
    registry.register(module, path)
    pruners = registry.pruners()
    if registry.failures:
        raise registry.failures[0]
    function = getattr(module, "prune", None)
    if function is not None:
        check_prune_function(path, function)
        pruner = FunctionPruner(
            name=name_from(staged.name), function=function, rewind=getattr(function, "rewind", 0)
        )
        check_pruner(path, pruner)
        pruners.append(RegisteredPruner(pruner=pruner, plugin=path))
    if not pruners:
        nearest = ""
        for name, value in vars(module).items():
            is_own = callable(value) and getattr(value, "__module__", None) == module.__name__
            suggestion = did_you_mean(name, ["prune", *_HOOKS], most=1)
            if is_own and suggestion:
                nearest = f"; it defines {name!r}{suggestion}"
                break
        raise PluginError(
            path,
            "defines no pruner; expected a function prune(problem, density, seed) or "
            f"plantkit_pruners(){nearest}",
        )
    for name, claims in Counter(registered.name for registered in pruners).items():
        if claims > 1:
            raise PluginError(path, f"offers two pruners named {name!r}; names must differ")
    return pruners


def _check_hooks(plugin: object, name: str) -> None:
    for attribute in dir(plugin):
        function = getattr(plugin, attribute, None)
        is_marked = hasattr(function, f"{PROJECT}_impl")
        if not callable(function) or not (is_marked or attribute.startswith(f"{PROJECT}_")):
            continue
        if attribute not in _HOOKS:
            raise PluginError(
                name,
                f"unknown hook {attribute!r}{did_you_mean(attribute, _HOOKS, most=1)}; "
                f"the hooks are {', '.join(_HOOKS)}",
            )
        for parameter in inspect.signature(function).parameters.values():
            if parameter.default is not parameter.empty:
                raise PluginError(
                    name,
                    f"hook {attribute!r} has a default for argument {parameter.name!r}, which "
                    "would always be used; remove the default",
                )


def unique_names(pruners: Sequence[RegisteredPruner]) -> dict[str, RegisteredPruner]:
    """Returns the pruners by name, without those whose name two plugins claim."""
    claims = Counter(registered.name for registered in pruners)
    return {one.name: one for one in pruners if claims[one.name] == 1}


def name_clashes(pruners: Iterable[RegisteredPruner]) -> list[PluginError]:
    """Returns an error for every pruner name that two plugins claim."""
    return [*_clashes("pruner", [(one.plugin, one.name) for one in pruners]).values()]


def _clashes(kind: str, found: Iterable[tuple[str, str]]) -> dict[str, PluginError]:
    """Returns an error for every name that two plugins claim, of pairs of plugin and name."""
    claims: dict[str, list[str]] = {}
    for plugin, name in found:
        claims.setdefault(name, []).append(plugin)
    return {
        name: PluginError(
            plugins[0],
            f"{kind} name {name!r} is also claimed by {', '.join(plugins[1:])}; "
            "none of them is used: uninstall one",
        )
        for name, plugins in claims.items()
        if len(plugins) > 1
    }
