"""What a board takes, refuses and remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from toy_board import NOON, PROTOCOL, made_up, toy_contest

from plantkit.board.board import Board
from plantkit.board.content import read_content
from plantkit.board.contest import Phase, Rule, parse_time
from plantkit.challenges.bundles import Challenge
from plantkit.errors import ResultsError, UsageError
from plantkit.pruners.sources import PrunerSource
from plantkit.scoring.entries import Entry


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **step: float) -> None:
        self.time += timedelta(**step)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def made(
    tmp_path: Path, circle: Challenge, relu: Challenge, clock: Clock, warned: list[str]
) -> Callable[..., Board]:
    """Makes a board with the teams Ada and Bob; circle is public, relu final."""

    def make(**settings: Any) -> Board:
        path = toy_contest(tmp_path / "board.sqlite", circle, relu, **settings)
        board = Board(path, clock=clock, warn=warned.append)
        board.add_team("Ada", ["Ada L.", "Alan T."])
        board.add_team("Bob", ["Bob"])
        return board

    return make


def history(board: Board) -> list[str]:
    return [event.kind for event in read_content(board.path).events]


def test_a_run_goes_to_the_phase_that_it_was_run_on(made: Any, circle: Any, relu: Any) -> None:
    board = made()
    public = board.add(made_up(circle, 0.4), team="ada")
    assert (public.submission, public.team, public.phase, public.is_new) == (1, "Ada", "public", 1)
    final = board.add(made_up(relu, 0.3), team="Ada")
    assert (final.submission, final.phase, final.is_new) == (1, "final", True)
    (one,) = read_content(board.path).submissions
    assert set(one.runs) == {Phase.PUBLIC, Phase.FINAL}
    assert one.team.authors == ("Ada L.", "Alan T.")
    assert history(board)[-2:] == ["submitted", "final run"]


def test_what_is_kept_tells_neither_paths_nor_code(made: Any, circle: Challenge) -> None:
    board = made()
    board.add(made_up(circle, None), team="Ada")
    content = board.path.read_bytes()
    assert b"mine.py" in content
    assert b"/home/staff" not in content
    assert b"secret lines" not in content


def test_an_evaluation_comes_back_as_it_was(made: Any, circle: Challenge) -> None:
    board = made()
    run = made_up(circle, 0.4)
    board.add(run, team="Ada")
    content = read_content(board.path)
    (one,) = content.submissions
    found = one.runs[Phase.PUBLIC].evaluation(content.phases[Phase.PUBLIC])
    assert [record.to_json() for record in found.records] == [
        record.to_json() for record in run.records
    ]
    assert found.challenges[0].digest == circle.digest


def test_the_same_submission_again_is_told_and_not_counted(made: Any, circle: Any) -> None:
    board = made(daily_limit=1)
    board.add(made_up(circle, 0.4), team="Ada")
    again = board.add(made_up(circle, 0.4), team="Ada")
    assert not again.is_new
    assert again.notes == [
        "the same files and options as submission 1 of this team; not counted twice"
    ]
    board.retract(1, "a mistake")
    (note,) = board.add(made_up(circle, 0.4, mask_seed=9, sha256=sha_of(board)), team="Ada").notes
    assert "that is retracted" in note
    assert "its masks are not the same this time" in note
    assert history(board).count("submitted") == 1


def test_one_that_failed_by_our_fault_is_entered_anew(
    made: Any, circle: Any, relu: Any, clock: Clock
) -> None:
    board = made(daily_limit=1)
    board.add(made_up(circle, None), team="Ada")
    board.retract(1, "the machine was broken")
    good = made_up(circle, 0.4)
    assert "plantkit leaderboard add --again" in board.add(good, team="Ada").notes[0]
    clock.forward(hours=1)
    added = board.add(good, team="Ada", again=True)
    assert (added.submission, added.is_new, added.notes) == (2, True, [])
    assert not board.add(good, team="Ada", again=True).is_new
    assert board.add(made_up(relu, 0.4), team="Ada", again=True).submission == 2
    first, second = read_content(board.path).submissions
    assert second.submitted == first.submitted
    assert (first.retracted, second.retracted) == (True, False)
    assert "instead of: 1" in read_content(board.path).events[-2].words
    with pytest.raises(UsageError, match="the same files and options as submission 2, which"):
        board.restore(1, "was not")
    board.retract(2, "changed our mind")
    board.restore(1, "it was right")
    assert [one.retracted for one in read_content(board.path).submissions] == [False, True]


def test_a_final_run_alone_enters_nothing_anew(made: Any, circle: Any, relu: Any) -> None:
    board = made()
    board.add(made_up(circle, 0.4), team="Ada")
    board.retract(1, "a mistake")
    assert board.add(made_up(relu, 0.4), team="Ada", again=True).submission == 1


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"time_seconds": 60.0}, "time limit: 60 s in the run; 300 s in the board"),
        ({"memory_mib": 99}, "memory limit: 99 MiB in the run; 4096 MiB in the board"),
    ],
)
def test_runs_under_other_limits_are_refused(
    made: Any, circle: Challenge, limits: dict[str, Any], words: str
) -> None:
    run = made_up(circle, 0.4)
    with pytest.raises(ResultsError, match=words):
        made().add(replace(run, settings=replace(run.settings, **limits)), team="Ada")


def sha_of(board: Board) -> str:
    return str(read_content(board.path).submissions[0].sha256)


def test_other_options_are_another_submission(made: Any, circle: Challenge) -> None:
    board = made()
    board.add(made_up(circle, 0.4), team="Ada")
    other = board.add(made_up(circle, 0.4, options={"epochs": "2"}), team="Ada")
    assert (other.submission, other.is_new) == (2, True)


def test_the_same_files_or_masks_of_two_teams_are_told(made: Any, circle: Challenge) -> None:
    board = made()
    board.add(made_up(circle, 0.4), team="Ada")
    assert board.add(made_up(circle, 0.4), team="Bob").notes == [
        "the same files as submission 1 of team 'Ada'"
    ]
    renamed = made_up(circle, 0.4, name="other")
    assert board.add(renamed, team="Bob").notes == ["the same masks as submission 1 of team 'Ada'"]
    assert board.add(made_up(circle, 0.4, mask_seed=50), team="Bob").notes == []


class TestLimits:
    def test_days_are_those_of_utc(self, made: Any, circle: Challenge, clock: Clock) -> None:
        board = made(daily_limit=2)
        for number in range(2):
            board.add(made_up(circle, 0.4, mask_seed=10 * number), team="Ada")
        with pytest.raises(UsageError, match=r"2 submissions of 2026-03-01 \(UTC\)"):
            board.add(made_up(circle, 0.4, mask_seed=20), team="Ada")
        board.add(made_up(circle, 0.4, mask_seed=20), team="Bob")  # each team has its own limit
        board.retract(1, "does not give the try back")
        with pytest.raises(UsageError, match="the next day begins at 2026-03-02T00:00:00Z"):
            board.add(made_up(circle, 0.4, mask_seed=20), team="Ada")
        clock.forward(hours=12)
        assert board.add(made_up(circle, 0.4, mask_seed=20), team="Ada").is_new
        # It was handed in just before midnight in UTC, whatever the date was elsewhere.
        late = parse_time("2026-03-02T01:59:59+02:00")
        with pytest.raises(UsageError, match="2 submissions of 2026-03-01"):
            board.add(made_up(circle, 0.4, mask_seed=30), team="Ada", submitted=late)

    def test_only_between_opening_and_closing(
        self, made: Any, circle: Challenge, clock: Clock
    ) -> None:
        opens, closes = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
        board = made(opens=opens, closes=closes)
        with pytest.raises(UsageError, match="the contest opens at 2026-03-01T13:00:00Z"):
            board.add(made_up(circle, 0.4), team="Ada")
        clock.forward(hours=1)
        board.add(made_up(circle, 0.4), team="Ada")
        clock.forward(hours=2)
        with pytest.raises(UsageError, match="the contest closed at 2026-03-01T14:00:00Z"):
            board.add(made_up(circle, 0.4, mask_seed=9), team="Ada")
        board.add(made_up(circle, 0.4, mask_seed=9), team="Ada", submitted=closes)
        assert read_content(board.path).submissions[-1].submitted == closes

    def test_no_time_in_the_future(self, made: Any, circle: Challenge) -> None:
        with pytest.raises(UsageError, match="is in the future"):
            made().add(made_up(circle, 0.4), team="Ada", submitted=NOON + timedelta(seconds=1))

    def test_a_clock_that_was_set_back_is_told(
        self, made: Any, circle: Challenge, clock: Clock, warned: list[str]
    ) -> None:
        board = made()
        clock.forward(hours=-1)
        with pytest.raises(UsageError, match=r"before the last change .* --submitted TIME"):
            board.add(made_up(circle, 0.4), team="Ada")
        board.add(made_up(circle, 0.4), team="Ada", submitted=NOON)
        assert "which is before the last change of the board" in warned[-1]
        assert history(board)[-1] == "submitted"


class TestTeams:
    def test_a_team_is_renamed_and_found_by_its_new_name(self, made: Any, circle: Any) -> None:
        board = made()
        board.change_team("ada", new_name="Lovelace", authors=["Ada Lovelace"])
        with pytest.raises(UsageError, match="is named 'Lovelace' now"):
            board.add(made_up(circle, 0.4), team="Ada")
        assert board.add(made_up(circle, 0.4), team="lovelace").team == "Lovelace"
        for taken in ("Ada", "LOVELACE"):
            with pytest.raises(UsageError, match="has or had the name"):
                board.add_team(taken, [])
            if taken == "Ada":
                with pytest.raises(UsageError, match="has or had the name"):
                    board.change_team("Bob", new_name=taken)
        board.change_team("Lovelace", new_name="Ada")  # its own name again
        (event,) = [one for one in read_content(board.path).events if "Ada L" in one.words][1:]
        assert event.words == "name: Lovelace; was: Ada; authors: Ada Lovelace"

    def test_an_unknown_team_is_told_with_the_nearest(self, made: Any, circle: Any) -> None:
        with pytest.raises(UsageError, match="did you mean 'Ada'"):
            made().add(made_up(circle, 0.4), team="Adda")

    @pytest.mark.parametrize("name", ["", " x", "a\nb", "a\x1b[31mb", "\u202eadA", "x" * 81])
    def test_names_can_be_shown(self, name: str, made: Any) -> None:
        board = made()
        with pytest.raises(UsageError, match="cannot be used"):
            board.add_team(name, [])
        with pytest.raises(UsageError, match="cannot be used"):
            board.change_team("Bob", authors=[name])
        assert [one.name for one in read_content(board.path).teams] == ["Ada", "Bob"]
        assert read_content(board.path).teams[1].authors == ("Bob",)


class TestRefused:
    def test_another_bundle_and_another_protocol(self, made: Any, circle: Challenge) -> None:
        board = made()
        altered = made_up(replace(circle, digest="f" * 64), 0.4)
        with pytest.raises(ResultsError, match=r"bundle circle-3x60: f{16} in the run; "):
            board.add(altered, team="Ada")
        other = replace(PROTOCOL, seeds=1, strong_weight=2.0)
        with pytest.raises(ResultsError, match=r"seeds: 1 in the run; 3 in the board; w"):
            board.add(made_up(circle, 0.4, protocol=other), team="Ada")
        assert history(board)[-1] == "team entered"

    def test_a_run_without_isolation(self, made: Any, circle: Challenge) -> None:
        run = made_up(circle, 0.4)
        naked = replace(run, settings=replace(run.settings, isolation="none"))
        with pytest.raises(ResultsError, match="ran without isolation"):
            made().add(naked, team="Ada")

    def test_a_run_without_masks(self, made: Any, circle: Challenge) -> None:
        run = made_up(circle, 0.4)
        kept = dict(list(run.masks.items())[1:])
        with pytest.raises(ResultsError, match="1 of 6 masks are missing"):
            made().add(replace(run, masks=kept), team="Ada")

    def test_several_submissions_in_one_run(self, made: Any, circle: Challenge) -> None:
        board = made()
        one, other = made_up(circle, 0.4, name="one"), made_up(circle, 0.5, name="two")
        snip = Entry(label="snip", source=PrunerSource(entry_point="snip"), plugin="snip")
        both = replace(
            one,
            entries=[*one.entries, *other.entries, snip],
            records=[*one.records, *other.records],
            masks={**one.masks, **other.masks},
        )
        with pytest.raises(UsageError, match=r"2 submissions; .* --pruner: 'one', 'two'"):
            board.add(both, team="Ada")
        with pytest.raises(UsageError, match="no pruner of this run is named 'tw'; did you mean"):
            board.add(both, team="Ada", pruner="tw")
        board.add(both, team="Ada", pruner="two")
        (kept,) = read_content(board.path).submissions
        assert {record.pruner for record in kept.runs[Phase.PUBLIC].records} == {"two"}

    def test_a_final_run_of_what_nobody_handed_in(self, made: Any, relu: Challenge) -> None:
        with pytest.raises(UsageError, match="no submission on the public board"):
            made().add(made_up(relu, 0.4), team="Ada")

    def test_a_challenge_in_both_phases(self, tmp_path: Path, circle: Challenge) -> None:
        with pytest.raises(UsageError, match="circle-3x60: in both phases"):
            toy_contest(tmp_path / "b.sqlite", circle, circle)
        assert list(tmp_path.iterdir()) == []


class TestFinish:
    def test_the_end(self, made: Any, circle: Challenge, relu: Challenge, clock: Clock) -> None:
        board = made(closes=NOON + timedelta(days=1))
        board.add(made_up(circle, 0.4), team="Ada")
        with pytest.raises(UsageError, match="the contest closes at 2026-03-02T12:00:00Z"):
            board.finish()
        clock.forward(days=2)
        with pytest.raises(UsageError, match="no final run was added of submission 1 of 'Ada'"):
            board.finish()
        board.add(made_up(relu, 0.4), team="Ada")
        board.finish()
        assert read_content(board.path).shown is Phase.FINAL
        with pytest.raises(UsageError, match="was finished at 2026-03-03T12:00:00Z"):
            board.finish()
        with pytest.raises(UsageError, match="which submissions count cannot be changed"):
            board.change_contest(rule=Rule.LAST)
        with pytest.raises(UsageError, match="was finished at"):
            board.add(made_up(circle, 0.4, name="late"), team="Bob", submitted=NOON)

    def test_with_gaps(self, made: Any, circle: Challenge) -> None:
        board = made()
        board.add(made_up(circle, 0.4), team="Ada")
        board.finish(with_gaps=True)
        event = read_content(board.path).events[-1]
        assert event.words == "without final run: submission 1 of 'Ada'"

    def test_a_board_where_nothing_counts(self, made: Any, circle: Challenge) -> None:
        """Nothing leads back from the end: a board with retractions only would be lost."""
        board = made()
        board.add(made_up(circle, 0.4), team="Ada")
        board.retract(1, "by mistake")
        with pytest.raises(UsageError, match="nothing to finish; add runs"):
            board.finish(with_gaps=True)

    def test_a_board_without_a_final_phase(self, tmp_path: Path, circle: Challenge) -> None:
        board = Board(toy_contest(tmp_path / "b.sqlite", circle, None), clock=lambda: NOON)
        with pytest.raises(UsageError, match="has no final phase"):
            board.finish()


def test_changes_stand_in_the_history(made: Any, circle: Challenge) -> None:
    board = made(daily_limit=5)
    board.change_contest(daily_limit=None, closes=datetime(2026, 6, 1, tzinfo=UTC))
    event = read_content(board.path).events[-1]
    assert event.words == (
        "daily limit: none; closes: 2026-06-01T00:00:00Z; was: daily limit 5, closes none"
    )
    with pytest.raises(UsageError, match="nothing to change"):
        board.change_contest(daily_limit=None)
    board.add(made_up(circle, 0.4), team="Ada")
    board.retract(1, "copied")
    with pytest.raises(UsageError, match="submission 1 is retracted already"):
        board.retract(1, "copied")
    board.restore(1, "it was not")
    with pytest.raises(UsageError, match="submission 1 is not retracted"):
        board.restore(1, "it was not")
    with pytest.raises(UsageError, match=r"no submission has the number 2; expected 1 to 1"):
        board.retract(2, "x")
    assert history(board)[-4:] == ["contest changed", "submitted", "retracted", "restored"]


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "12:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time; expected ISO 8601"):
        parse_time(text)
