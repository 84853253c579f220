"""Entries that are scored again from their masks and the tickets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import random_mask, score_attempts
from toy_board import made_up, toy_contest

from plantkit.board.board import Board
from plantkit.challenges.bundles import Challenge
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.evaluation import Evaluation


def really_scored(circle: Challenge, digits: Any, *, ticket_at: float | None = None) -> Evaluation:
    """Returns a run on circle that was really scored: of random masks, and of the ticket at one
    density."""
    ticket = circle.truth.ticket
    run = made_up(circle, digits)
    attempts = [
        Attempt(
            pruner=one.pruner,
            target_density=one.target_density,
            is_planted_density=one.is_planted_density,
            seed=one.seed,
            status=one.status,
            mask=None
            if one.mask_sha256 is None
            else ticket
            if one.target_density == ticket_at
            else run.masks[one.mask_sha256],
            error=one.error,
            seconds=1.0,
            peak_rss_mib=None,
        )
        for one in run.records
    ]
    masks = {**run.masks, ticket.digest(): ticket}
    return replace(run, records=score_attempts(circle, attempts), masks=masks)


@pytest.fixture(scope="module")
def scored(circle: Challenge) -> Evaluation:
    """The ticket, random masks, and one failed run."""
    return really_scored(
        circle,
        lambda _c, density, seed: None if seed == 2 and density < 0.5 else 0.1,
        ticket_at=0.5,
    )


@pytest.fixture
def board(tmp_path: Path, circle: Challenge, scored: Any) -> Path:
    path = toy_contest(tmp_path / "leaderboard.sqlite", circle, None)
    Board(path).add_team("Ada", [])
    Board(path).add(scored, team="Ada")
    return path


@pytest.fixture
def verify(board: Path, tiny_challenges: Path, plantkit_cli: Callable[..., Any]) -> Any:
    return lambda *more: plantkit_cli(
        "leaderboard", "verify", "--board", board, "--challenges", tiny_challenges, "--jobs", 1,
        *more,
    )  # fmt: skip


def alter(board: Path, command: str, *values: Any) -> None:
    """Changes a board as somebody would who does not want to be found out."""
    connection = sqlite3.connect(board, isolation_level=None)
    for name in ("runs_stay", "masks_stay", "masks_are_kept"):
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(command, values)
    connection.close()


def changed(board: Path, change: Callable[[dict[str, Any]], None]) -> None:
    connection = sqlite3.connect(board)
    results = json.loads(connection.execute("SELECT results FROM runs").fetchone()[0])
    connection.close()
    change(results)
    alter(board, "UPDATE runs SET results = ?", json.dumps(results))


def test_what_is_right_is_the_same(verify: Any) -> None:
    found = verify()
    assert found.code == 0, found
    (row,) = [line.split() for line in found.out.splitlines() if " Ada " in line]
    assert row[0] == "1"
    assert row[2] == row[3] != "0.00"
    assert row[4:] == ["5", "1", "0", "same"]


def test_a_better_figure_is_found(verify: Any, board: Path) -> None:
    def change(results: dict[str, Any]) -> None:
        results["records"][0]["weak"]["recovered_digits"] = 1.0

    changed(board, change)
    found = verify()
    assert found.code == 1
    assert "weak digits is 1 on the board, " in found.err
    assert found.err.count("submission 1:") == 1
    assert "differs" in found.out
    assert verify("--tolerance", "1").code == 0


def test_an_overlap_is_not_a_matter_of_tolerance(verify: Any, board: Path) -> None:
    def change(results: dict[str, Any]) -> None:
        results["records"][0]["overlap"]["adjusted_recall"] += 0.001

    changed(board, change)
    found = verify("--tolerance", "1")
    assert (found.code, "overlap adjusted_recall is" in found.err) == (1, True)


def test_a_failed_run_that_is_called_valid_is_found(verify: Any, board: Path) -> None:
    def change(results: dict[str, Any]) -> None:
        (failed,) = (one for one in results["records"] if one["status"] == "crash")
        failed["status"] = "ok"

    changed(board, change)
    found = verify()
    assert (found.code, "the mask None is missing" in found.err) == (1, True)


def test_a_record_that_was_left_out_is_found(verify: Any, board: Path) -> None:
    changed(board, lambda results: results["records"].pop())
    found = verify()
    assert found.code == 2
    assert "was changed: in the public run of submission 1, 1 of 6 runs are missing" in found.err


def test_records_that_were_added_are_found(
    verify: Any, board: Path, plantkit_cli: Callable[..., Any], circle: Challenge
) -> None:
    def change(results: dict[str, Any]) -> None:
        results["records"] += [results["records"][1] | {"seed": seed} for seed in range(3, 40)]

    changed(board, change)
    for found in (verify(), plantkit_cli("leaderboard", "show", "--board", board)):
        assert (found.code, "37 of 43 records are of no run" in found.err) == (2, True)


def test_a_valid_run_that_is_called_failed_is_found(verify: Any, board: Path) -> None:
    def change(results: dict[str, Any]) -> None:
        results["records"][0]["status"] = "crash"

    changed(board, change)
    found = verify()
    assert (found.code, "failed on the board (crash), but it has the mask" in found.err) == (1, 1)


def test_a_valid_run_that_lost_its_mask_is_found(verify: Any, board: Path) -> None:
    def change(results: dict[str, Any]) -> None:
        results["records"][0] |= {"status": "crash", "mask_sha256": None}

    changed(board, change)
    found = verify()
    assert found.code == 1
    assert "its masks are not those that it was added with" in found.err
    assert "the public phase: no run has the mask" in found.err


_OF_ANOTHER_DIGEST = "the manifest of circle-3x60 does not have the digest"


@pytest.mark.parametrize(
    ("path", "value", "code", "words"),
    [
        ("run.weights.weak", 0.0, 1, "weights: strong 1, weak 1, overlap 1 in the run; strong 1, "),
        ("challenges[0].manifest.overlap_scored", 0, 2, _OF_ANOTHER_DIGEST),
        ("challenges[0].manifest.ticket.kept", 7, 2, _OF_ANOTHER_DIGEST),
    ],
)
def test_another_protocol_or_manifest_is_found(
    verify: Any, board: Path, path: str, value: float, code: int, words: str
) -> None:
    connection = sqlite3.connect(board, isolation_level=None)
    connection.execute("DROP TRIGGER phases_stay")
    connection.execute(
        f"UPDATE phases SET results = json_set(results, '$.{path}', json(?))", (json.dumps(value),)
    )
    connection.close()
    found = verify()
    assert found.code == code
    assert words in found.err


def test_the_protocol_is_told_and_compared_with_the_suite(
    verify: Any, tmp_path: Path, board: Path, tiny_challenges: Path
) -> None:
    said = "suite toy: densities planted, 0.5; seeds 3; weights strong 1, weak 1, overlap 1"
    assert said in verify().out
    suites = tmp_path / "suites"
    suites.mkdir()
    (suites / "suites.toml").write_text(
        '[toy]\ntitle = "Toy"\nchallenges = ["circle-3x60"]\ndensities = ["planted", 0.5]\n'
        "seeds = 3\n[toy.weights]\nstrong = 2\nweak = 1\noverlap = 1\n",
        encoding="utf-8",
        newline="\n",
    )
    found = verify("--challenges", suites)
    assert found.code == 1
    assert "weights: strong 2, weak 1, overlap 1 in the suite toy; strong 1, " in found.err


@pytest.mark.parametrize(("count", "code"), [(6, 1), (1, 0)])
def test_small_differences_that_all_favour_one_are_found(
    count: int, code: int, verify: Any, tmp_path: Path, circle: Challenge
) -> None:
    path = toy_contest(tmp_path / "other.sqlite", circle, None)
    Board(path).add_team("Ada", [])
    run = really_scored(circle, 0.1)
    records = []
    for number, record in enumerate(run.records):
        digits = record.weak.recovered_digits + 0.009 * (number < count)
        assert digits < 1
        records.append(replace(record, weak=replace(record.weak, recovered_digits=digits)))
    Board(path).add(replace(run, records=records), team="Ada")
    found = verify("--board", path)
    assert (found.code, "its score is" in found.err) == (code, bool(code)), found


def test_an_exchanged_mask_is_found(verify: Any, board: Path, circle: Challenge) -> None:
    import zlib

    from safetensors.torch import save

    content = zlib.compress(save(dict(random_mask(circle.network, 0.1, seed=77))))
    alter(board, "UPDATE masks SET content = ?", content)
    found = verify()
    assert found.code == 1
    assert found.err.count("was changed: its digest is") == 5


@pytest.mark.parametrize("content", [b"", b"nonsense", b"x\x9cnonsense"])
def test_a_broken_mask_is_told(content: bytes, verify: Any, board: Path) -> None:
    alter(board, "UPDATE masks SET content = ?", content)
    found = verify()
    assert (found.code, found.err.count("cannot be read")) == (1, 5)


def test_masks_that_keep_too_much_are_found(verify: Any, board: Path, circle: Challenge) -> None:
    import zlib

    from safetensors.torch import save

    full = random_mask(circle.network, 0.95, seed=3)
    alter(board, "INSERT INTO masks VALUES (?, ?)", full.digest(), zlib.compress(save(dict(full))))
    connection = sqlite3.connect(board, isolation_level=None)
    connection.execute(
        "UPDATE runs SET results = json_set(results, '$.records[0].mask_sha256', ?)",
        (full.digest(),),
    )
    connection.close()
    found = verify()
    assert (found.code, "expected at most" in found.err) == (1, True)


def test_another_bundle_and_a_missing_one_are_told(
    board: Path, plantkit_cli: Callable[..., Any], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    found = plantkit_cli("leaderboard", "verify", "--board", board, "--challenges", empty)
    assert (found.code, "no challenge is named 'circle-3x60'" in found.err) == (2, True)


def test_what_is_not_there_is_told(verify: Any) -> None:
    found = verify("7")
    assert (found.code, "no submission has the number 7" in found.err) == (2, True)


def test_a_corrupted_board_is_told(verify: Any, board: Path) -> None:
    alter(board, "UPDATE submissions SET team = 1")
    connection = sqlite3.connect(board, isolation_level=None)
    connection.execute("UPDATE submissions SET team = 9")
    connection.close()
    found = verify()
    assert (found.code, "is corrupted: row 1 of" in found.err) == (2, True)
