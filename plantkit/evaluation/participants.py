"""The pruners that take part: installed ones by name, submissions by file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.errors import PluginError, UnknownNameError, UsageError
from plantkit.isolation.backends.local import LocalBackend
from plantkit.isolation.wire import Limits
from plantkit.pruners.sources import PrunerSource

if TYPE_CHECKING:
    from plantkit.plugins import InstalledPlugin, RegisteredPruner, Registry
    from plantkit.scoring.entries import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The installed pruners, and the plugins that they come from, by name."""

    pruners: Mapping[str, RegisteredPruner]
    plugins: Mapping[str, InstalledPlugin]

    @classmethod
    def of(cls, registry: Registry, *, strict: bool, warn: Callable[[object], None]) -> Installed:
        from plantkit.plugins import name_clashes, unique_names

        found = registry.pruners()
        failures = [*registry.failures, *name_clashes(found)]
        if failures and strict:
            raise failures[0]
        for failure in failures:
            warn(failure)
        return cls(
            pruners=unique_names(found),
            plugins={plugin.name: plugin for plugin in registry.plugins},
        )

    def entry(self, source: PrunerSource) -> Entry:
        """Returns the entry of the installed pruner that `source` names.

        Raises:
            UnknownNameError: no such pruner. UsageError: options that it does not take.
        """
        from plantkit.plugins import configure
        from plantkit.pruners.pruner import is_seeded, rewind_of
        from plantkit.scoring.entries import Entry

        name = source.name or ""
        if name not in self.pruners:
            raise UnknownNameError(
                "pruner",
                name,
                self.pruners,
                hint=f"{name} is a directory; give a file in it"
                if Path(name).is_dir()
                else "a file is given by its path; see: plantkit list pruners",
            )
        registered = self.pruners[name]
        plugin = self.plugins[registered.plugin]
        pruner = configure(registered.pruner, source.options)
        return Entry(
            label=_label(name, source.options),
            source=replace(source, entry_point=registered.plugin),
            reference=pruner.reference,
            is_seeded=is_seeded(pruner),
            rewind=rewind_of(pruner),
            plugin=registered.plugin,
            version=plugin.version,
            module=plugin.module,
        )


def load_submissions(
    sources: Sequence[PrunerSource], backend: LocalBackend, limits: Limits
) -> tuple[list[Entry], list[PluginError]]:
    """Returns an entry for every pruner that the files define, and an error for each bad file."""
    from plantkit.scoring.entries import Entry

    entries, broken = [], []
    for source in sources:
        assert source.path is not None
        try:
            described = backend.describe(source, limits)
        except PluginError as error:
            broken.append(error)
            continue
        digest = hashlib.sha256(Path(source.path).read_bytes()).hexdigest()
        entries += [
            Entry(
                label=_label(pruner.name, source.options),
                source=replace(source, name=pruner.name),
                reference=pruner.reference,
                sha256=digest,
                is_seeded=pruner.is_seeded,
                rewind=pruner.rewind,
            )
            for pruner in described
        ]
    return entries, broken


def _label(name: str, options: Mapping[str, str]) -> str:
    return name + (":" + ",".join(f"{k}={v}" for k, v in options.items()) if options else "")


def with_unique_labels(entries: Sequence[Entry]) -> list[Entry]:
    """Returns the entries, with the file's name added to labels that occur more than once.

    Raises:
        UsageError: one pruner of one file was given twice.
    """
    labels = [entry.label for entry in entries]
    renamed = [
        replace(entry, label=f"{entry.label} ({Path(entry.source.path).name})")
        if entry.source.path is not None and labels.count(entry.label) > 1
        else entry
        for entry in entries
    ]
    labels = [entry.label for entry in renamed]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(
                f"pruner {label!r} was given twice; give it once, or rename one of the files"
            )
    return renamed
