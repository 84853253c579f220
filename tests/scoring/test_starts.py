"""Rewound pruners are ranked by themselves."""

from __future__ import annotations

from dataclasses import replace

from builders import record_of

from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import rank
from plantkit.scoring.records import Record
from plantkit.scoring.starts import Start, by_start, rank_by_start

PROTOCOL = Protocol(densities=(0.5,), seeds=1)


def run_of(challenge, pruner: str, recovered: float, step: int = 0) -> Record:
    record = record_of(challenge, pruner=pruner, rewind_step=step)
    return replace(record, weak=replace(record.weak, recovered_accuracy=recovered))


def test_step_0_is_the_initialisation_and_every_other_a_rewound_start():
    assert [Start.at(step) for step in (0, 1, 500)] == [
        Start.INITIALISATION,
        Start.REWOUND,
        Start.REWOUND,
    ]


def test_each_start_has_ranks_of_its_own(circle):
    initial = [run_of(circle, "a", 0.2), run_of(circle, "b", 0.4)]
    rewound = [run_of(circle, "c", 0.9, 100), run_of(circle, "d", 0.3, 7)]
    mixed = [rewound[0], initial[0], rewound[1], initial[1]]
    assert by_start(mixed) == {Start.INITIALISATION: initial, Start.REWOUND: rewound}
    standings = rank_by_start([circle], mixed, PROTOCOL)
    alone = [rank([circle], part, PROTOCOL) for part in (initial, rewound)]
    assert standings == [*alone[0], *alone[1]]
    assert {one.pruner for one in standings[:2]} == {"a", "b"}
    assert [one.rank for one in standings].count(1) >= 2


def test_rewound_pruners_change_nothing_for_the_others(circle):
    initial = [run_of(circle, "a", 0.2), run_of(circle, "b", 0.4)]
    before = rank([circle], initial, PROTOCOL)
    assert rank_by_start([circle], initial, PROTOCOL) == before
    assert rank_by_start([circle], [run_of(circle, "c", 1.0, 9), *initial], PROTOCOL)[:2] == before


def test_nothing_to_rank(circle):
    assert by_start([]) == {}
    assert rank_by_start([circle], [], PROTOCOL) == []
    rewound = [run_of(circle, "c", 0.9, 100)]
    assert by_start(rewound) == {Start.REWOUND: rewound}
