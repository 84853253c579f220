"""The pruners that take part: installed ones by name, submissions by file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
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
        from plantkit.pruners.options import configure
        from plantkit.pruners.pruner import is_seeded, rewind_of
        from plantkit.scoring.entries import Entry

        name = source.name or ""
        if name not in self.pruners:
            raise UnknownNameError(
                "pruner",
                name,
                self.pruners,
                hint="nor is there a file or folder of that name; see: plantkit list pruners",
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


def entry_here(source: PrunerSource) -> Entry:
    """Returns the entry of a pruner that is an object of this process."""
    from plantkit.pruners.pruner import is_seeded, rewind_of
    from plantkit.scoring.entries import Entry

    pruner = source.pruner
    return Entry(
        label=pruner.name,
        source=source,
        reference=pruner.reference,
        is_seeded=is_seeded(pruner),
        rewind=rewind_of(pruner),
    )


def load_submissions(
    sources: Sequence[PrunerSource], backend: LocalBackend, limits: Limits
) -> tuple[list[Entry], list[PluginError]]:
    """Returns an entry for every pruner that submissions define, and an error for each bad one."""
    from plantkit.scoring.entries import Entry

    entries, broken = [], []
    for given in sources:
        try:
            source = given.read()
            described = backend.describe(source, limits)
        except PluginError as error:
            broken.append(error)
            continue
        assert source.submission is not None
        digest = source.submission.digest
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
    """Returns the entries, those of one label told apart by their files' names, or their folders.

    Raises:
        UsageError: one pruner of one submission was given twice.
    """
    given = Counter(entry.label for entry in entries)
    renamed = []
    for entry in entries:
        mine = _parts(entry)
        if mine and given[entry.label] > 1:
            same = [one for one in entries if one.label == entry.label and one is not entry]
            label = _told_apart(entry.label, mine, [_parts(one) for one in same])
            renamed.append(replace(entry, label=label))
        else:
            renamed.append(entry)
    labels = Counter(entry.label for entry in renamed)
    for entry, new in zip(entries, renamed, strict=True):
        if labels[new.label] > 1:
            where = f" of {entry.source.path}" if entry.source.path else ""
            raise UsageError(f"pruner {entry.label!r}{where} was given twice; give it once")
    return renamed


def _parts(entry: Entry) -> tuple[str, ...]:
    """Returns the parts of the path to a submission's main file, or package; none of others."""
    if entry.source.path is None:
        return ()
    submission = entry.source.submission
    path = PurePath(entry.source.path if submission is None else submission.main_path)
    return path.parent.parts if path.name == "__init__.py" else path.parts


def _told_apart(label: str, mine: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> str:
    """Returns a label that no pruner of the same label at `others` gets."""
    if all(other[-1:] != mine[-1:] for other in others):
        return f"{label} ({_printable(mine[-1])})"
    length = 2
    while length < len(mine) and any(other[-length:] == mine[-length:] for other in others):
        length += 1
    return f"{_printable('/'.join(mine[-length:-1]))}/{label}"


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)
