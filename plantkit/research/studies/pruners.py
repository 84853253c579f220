"""The installed pruners, as studies use them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from plantkit.errors import UnknownNameError
from plantkit.plugins import Registry, load_installed
from plantkit.pruners.options import configure
from plantkit.pruners.pruner import Pruner


def installed_pruner(name: str, options: Mapping[str, str]) -> tuple[Pruner, str]:
    """Returns an installed pruner with these options, and the module of its plugin.

    Raises:
        UnknownNameError: no installed plugin has the pruner.
    """
    registry = _registry()
    found = {registered.name: registered for registered in registry.pruners()}
    if name not in found:
        raise UnknownNameError("pruner", name, found, hint="see: plantkit list pruners")
    registered = found[name]
    modules = {plugin.name: plugin.module for plugin in registry.plugins}
    return configure(registered.pruner, options), modules.get(registered.plugin, "")


@cache
def _registry() -> Registry:
    return load_installed()
