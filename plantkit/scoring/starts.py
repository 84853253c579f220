"""Where masks are trained from: the initialisation, or a later step of dense training.

A rewound mask (arXiv 1903.01611) starts its weak training from the weights of the dense network
after k steps, which have seen the data. So it is compared with other rewound masks only.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from plantkit.challenges.facts import ChallengeFacts
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import Standing, rank
from plantkit.scoring.records import Record


class Start(enum.StrEnum):
    """Where the weak training starts from."""

    INITIALISATION = "initialisation"
    REWOUND = "rewound"

    @classmethod
    def at(cls, rewind_step: int) -> Start:
        """Returns the kind of start that a step of dense training is."""
        return cls.REWOUND if rewind_step else cls.INITIALISATION


def by_start(records: Sequence[Record]) -> dict[Start, list[Record]]:
    """Returns the records by start, in their order; no start without records."""
    found = {
        start: [record for record in records if Start.at(record.rewind_step) is start]
        for start in Start
    }
    return {start: mine for start, mine in found.items() if mine}


def rank_by_start(
    challenges: Sequence[ChallengeFacts], records: Sequence[Record], protocol: Protocol
) -> list[Standing]:
    """Returns the standings of each start by itself, one after the other: ranks begin anew."""
    return [
        standing
        for mine in by_start(records).values()
        for standing in rank(challenges, mine, protocol)
    ]
