"""Hostile submissions: what each tries, and what must come of it.

Every attack knows its targets: `T` holds the paths of the truth, of a home directory, a run
directory, another submission, the ids of other processes and the addresses of listeners, all of
which really exist while it runs. An attack that gets what it wants prints SUCCEEDED, or returns
the ticket as its mask, or leaves a trace that the suite looks for: a changed file, a message at
a listener, a process that was killed or that outlives the run.
"""

from __future__ import annotations

from attacks import answers, files, network, processes, resources, tricks
from attacks.attack import Attack

ATTACKS: tuple[Attack, ...] = (
    *files.ATTACKS,
    *network.ATTACKS,
    *processes.ATTACKS,
    *resources.ATTACKS,
    *answers.ATTACKS,
    *tricks.ATTACKS,
)

__all__ = ["ATTACKS", "Attack"]
