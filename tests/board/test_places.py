"""Which submission counts, and who is ahead of whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from toy_board import NOON, Digits, made_up, toy_contest

from plantkit.board import tables
from plantkit.board.board import Board
from plantkit.board.content import read_content
from plantkit.board.contest import Phase, Rule
from plantkit.board.places import places_of
from plantkit.challenges.bundles import Challenge
from plantkit.scoring.starts import Start

Enter = Callable[..., int]


class Contest:
    """A board whose submissions come an hour after one another."""

    def __init__(self, path: Path, public: Challenge, final: Challenge, **settings: Any) -> None:
        self.hours = 0
        self._public, self._final = public, final
        self.board = Board(
            toy_contest(path, public, final, **settings),
            clock=lambda: NOON + timedelta(hours=self.hours),
        )

    def enter(
        self,
        team: str,
        digits: float | Digits | None,
        *,
        final: float | Digits | None = 0.1,
        is_reference: bool = False,
        **more: Any,
    ) -> int:
        """Hands in a submission for a team, which is entered if it is new."""
        self.hours += 1
        if team not in {one.name for one in read_content(self.board.path).teams}:
            self.board.add_team(team, [], is_reference=is_reference)
        settings = {"name": f"try{self.hours}", "mask_seed": 100 * self.hours, **more}
        number = self.board.add(made_up(self._public, digits, **settings), team=team).submission
        self.board.add(made_up(self._final, final, **settings), team=team)
        return number

    def rows(self, phase: Phase = Phase.PUBLIC) -> list[tuple[str, str, int]]:
        """Returns rank, team and submission of all places."""
        content = read_content(self.board.path)
        return [
            (row["rank"], row["team"], int(row["entry"]))
            for track in places_of(content, phase)
            for row in tables.track_rows(track)
        ]


def noisy(mean: float, *, turn: int = 0) -> Digits:
    """Returns digits whose mean over seeds is `mean`; `turn` says which seeds are the better."""
    noise = (0.02, -0.015, -0.005)
    return lambda _challenge, _density, seed: mean + noise[(seed + turn) % 3]


@pytest.fixture
def contest(tmp_path: Path, circle: Challenge, relu: Challenge) -> Contest:
    return Contest(tmp_path / "board.sqlite", circle, relu)


def test_the_best_of_a_team_counts(contest: Contest) -> None:
    contest.enter("Ada", 0.5)
    contest.enter("Ada", 0.3)
    contest.enter("Bob", 0.4)
    assert contest.rows() == [("1", "Ada", 1), ("2", "Bob", 3)]


def test_the_last_counts_where_the_organiser_says_so(contest: Contest) -> None:
    contest.enter("Ada", 0.5)
    contest.enter("Ada", 0.3)
    contest.enter("Bob", 0.4)
    contest.board.change_contest(rule=Rule.LAST)
    assert contest.rows() == [("1", "Bob", 3), ("2", "Ada", 2)]


@pytest.mark.parametrize("rule", ["best", "last"])
def test_a_failed_one_never_counts_where_there_is_a_valid_one(contest: Contest, rule: str) -> None:
    contest.enter("Ada", 0.0)
    contest.enter("Ada", None)
    if rule == "last":
        contest.board.change_contest(rule=Rule(rule))
    assert contest.rows() == [("1", "Ada", 1)]


def test_a_failed_one_is_never_above_a_valid_one(contest: Contest) -> None:
    contest.enter("Crash", None)
    contest.enter("Zero", 0.0)
    contest.enter("Ada", 0.4)
    contest.enter("Boom", None)
    assert contest.rows() == [
        ("1", "Ada", 3), ("2", "Zero", 2), ("failed", "Crash", 1), ("failed", "Boom", 4)
    ]  # fmt: skip


def test_within_chance_a_rank_is_shared_and_the_earlier_is_first(contest: Contest) -> None:
    contest.enter("Early", noisy(0.5))
    contest.enter("Late", noisy(0.52, turn=1))
    contest.enter("Far", 0.1)
    assert contest.rows() == [("1=", "Early", 1), ("1=", "Late", 2), ("3", "Far", 3)]


def test_who_improves_within_chance_does_not_lose_the_place(contest: Contest) -> None:
    contest.enter("Early", noisy(0.5))
    contest.enter("Late", noisy(0.52, turn=1))
    contest.enter("Early", noisy(0.51, turn=2))
    assert contest.rows() == [("1=", "Early", 3), ("1=", "Late", 2)]
    (track,) = places_of(read_content(contest.board.path), Phase.PUBLIC)
    assert [place.since - NOON for place in track.places] == [
        timedelta(hours=1), timedelta(hours=2)
    ]  # fmt: skip
    assert [place.tries for place in track.places] == [2, 1]


def test_who_becomes_better_is_as_good_since_then(contest: Contest) -> None:
    contest.enter("Early", 0.1)
    contest.enter("Late", noisy(0.5))
    contest.enter("Early", noisy(0.51, turn=2))
    assert contest.rows() == [("1=", "Late", 2), ("1=", "Early", 3)]


def test_retracted_ones_are_left_out_until_they_are_restored(contest: Contest) -> None:
    contest.enter("Ada", 0.5)
    contest.enter("Ada", 0.3)
    contest.enter("Bob", 0.4)
    contest.board.retract(1, "copied")
    assert contest.rows() == [("1", "Bob", 3), ("2", "Ada", 2)]
    contest.board.restore(1, "was not")
    assert contest.rows()[0] == ("1", "Ada", 1)


def test_a_reference_is_shown_where_it_belongs_and_takes_no_rank(contest: Contest) -> None:
    contest.enter("Ada", 0.5)
    contest.enter("snip", 0.4, is_reference=True)
    contest.enter("Bob", 0.3)
    contest.enter("random", 0.1, is_reference=True)
    assert contest.rows() == [
        ("1", "Ada", 1), ("ref.", "snip", 2), ("2", "Bob", 3), ("ref.", "random", 4)
    ]  # fmt: skip


def test_final_scores_do_not_choose_what_counts(contest: Contest) -> None:
    contest.enter("Ada", 0.5, final=0.1)
    contest.enter("Ada", 0.3, final=0.9)  # lucky in the final
    contest.enter("Bob", 0.4, final=0.4)
    assert contest.rows(Phase.FINAL) == [("1", "Bob", 3), ("2", "Ada", 1)]


def test_without_a_final_run_there_is_no_rank(contest: Contest, circle: Challenge) -> None:
    contest.enter("Ada", 0.5, final=0.2)
    contest.enter("Crash", 0.45, final=None)
    contest.board.add_team("Bob", [])
    contest.board.add(made_up(circle, 0.6, name="b"), team="Bob")
    assert contest.rows(Phase.FINAL) == [
        ("1", "Ada", 1),
        ("failed", "Crash", 2),
        ("not run", "Bob", 3),
    ]


def test_rewound_pruners_are_ranked_by_themselves(contest: Contest) -> None:
    contest.enter("Ada", 0.5)
    contest.enter("Bob", 0.9, rewind=500)
    contest.enter("Ada", 0.8, rewind=100)
    tracks = places_of(read_content(contest.board.path), Phase.PUBLIC)
    assert [track.start for track in tracks] == [Start.INITIALISATION, Start.REWOUND]
    assert contest.rows() == [("1", "Ada", 1), ("1", "Bob", 2), ("2", "Ada", 3)]


def test_the_rules_are_told(contest: Contest) -> None:
    contest.enter("Ada", 0.5)
    content = read_content(contest.board.path)
    phase, tracks = tables.shown_places(content)
    words = " ".join(tables.rules(content, phase, tracks))
    assert "The best submission of a team counts" in words
    assert "The final ones, on 1 other challenges" in words
    contest.board.change_contest(rule=Rule.LAST, daily_limit=3)
    contest.board.finish()
    content = read_content(contest.board.path)
    phase, tracks = tables.shown_places(content)
    words = " ".join(tables.rules(content, phase, tracks))
    assert phase is Phase.FINAL
    assert "The last submission of a team counts" in words
    assert "3 submissions a day. Days are those of UTC" in words
