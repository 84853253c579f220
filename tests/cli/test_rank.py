"""`plantkit rank` on results that were made before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import record_of

from plantkit.challenges.bundles import Challenge
from plantkit.challenges.manifests import challenge_digest
from plantkit.pruners.sources import PrunerSource
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import TrackScore
from plantkit.scoring.starts import rank_by_start


@pytest.fixture
def results(circle: Challenge, relu: Challenge, tmp_path: Path) -> Callable[..., Path]:
    """Writes the results of pruners with the given digits, and returns the file."""

    def write(name: str, digits: dict[str, float], **changes: Any) -> Path:
        protocol = changes.pop("protocol", Protocol(densities=(0.5,), seeds=2))
        records = [
            record_of(
                challenge,
                pruner=pruner,
                seed=seed,
                weak=TrackScore(
                    performance=0.5,
                    recovered_accuracy=0.5,
                    recovered_digits=value + 0.01 * seed,
                ),
            )
            for challenge in (circle, relu)
            for pruner, value in digits.items()
            for seed in range(protocol.seeds)
        ]
        evaluation = Evaluation(
            entries=[
                Entry(label=pruner, source=PrunerSource(path=f"{pruner}.py"), sha256="0" * 64)
                for pruner in digits
            ],
            challenges=[circle, relu],
            suite="tiny",
            protocol=protocol,
            records=records,
            standings=rank_by_start([circle, relu], records, protocol),
            settings=changes.pop("settings", Settings(isolation="full")),
            started="2026-01-01T00:00:00+00:00",
        )
        path = tmp_path / name
        value = evaluation.to_json() | changes
        path.write_text(json.dumps(value), encoding="utf-8", newline="\n")
        return path

    return write


def test_runs_are_ranked_together(results, plantkit_cli) -> None:
    a, b = results("a.json", {"mine": 0.3, "base": 0.2}), results("b.json", {"yours": 0.6})
    found = plantkit_cli("rank", a, b)
    assert found.code == 0
    assert found.err == ""
    rows = [line.split()[:2] for line in found.out.splitlines()[4:7]]
    assert rows == [["1", "yours"], ["2", "mine"], ["3", "base"]]
    assert max(map(len, found.out.splitlines())) <= 80


def test_statistics_and_details_come_before_the_standings(results, plantkit_cli) -> None:
    path = results("a.json", {"mine": 0.3, "base": 0.2, "other": 0.9})
    found = plantkit_cli("rank", path, "--statistics", "--details")
    assert found.code == 0
    titles = (
        "Details",
        "circle-3x60",
        "If the evaluation were made again",
        "Who beats whom",
        "Performance profiles",
        "Mean ranks",
        "Standings: suite tiny (circle-3x60, relu-3x8)",
    )
    lines = found.out.splitlines()
    places = [lines.index(title) for title in titles]
    assert places == sorted(places)
    assert "Friedman's test needs 3 pruners and 10 challenges" in found.out
    wins = [line.split() for line in lines[places[3] + 4 : places[3] + 7]]
    assert wins == [
        ["1", "other", "-", "100", "100"],
        ["2", "mine", "0", "-", "100"],
        ["3", "base", "0", "0", "-"],
    ]
    profile = [line.split() for line in lines[places[4] + 4 : places[4] + 7]]
    assert [row[0] for row in profile] == ["other", "mine", "base"]
    assert plantkit_cli("rank", path, "--statistics", "--details").out == found.out


def test_one_pruner_has_no_statistics(results, plantkit_cli) -> None:
    found = plantkit_cli("rank", results("a.json", {"mine": 0.3}), "--statistics")
    assert "They need two pruners or more." in found.out


def test_other_formats_and_their_notes(results, plantkit_cli, tmp_path: Path) -> None:
    a = results("a.json", {"mine": 0.3})
    b = results("b.json", {"yours": 0.6}, settings=Settings(isolation="none"))
    out = tmp_path / "both.json"
    found = plantkit_cli("rank", a, b, "--format", "json", "-o", out)
    assert found.code == 0
    assert f"isolation: full in {a}; none in {b}" in found.err
    value = json.loads(out.read_text(encoding="utf-8"))
    assert [one["pruner"] for one in value["standings"]] == ["yours", "mine"]
    assert value["run"]["isolation"] == "none"
    # What was written is a run as well.
    again = plantkit_cli("rank", out)
    assert [line.split()[1] for line in again.out.splitlines()[4:6]] == ["yours", "mine"]
    assert "isolation:" in plantkit_cli("rank", a, b).out.lower()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument 'RUN...'"),
        (["nowhere"], "nowhere does not exist; expected a run directory of plantkit evaluate"),
        (["{a}", "{a}"], "is given twice"),
        (["{a}", "--format", "jsn"], "did you mean 'json'?"),
        (["{a}", "--format", "csv", "--statistics"], "--statistics needs --format table"),
        (["{old}"], "old.json: scored by version 1; this plantkit has 2: evaluate again"),
        (["{a}", "{other}"], "seeds: 2 in {a}; 3 in {other}"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    arguments: list[str], words: str, results, plantkit_cli, tmp_path: Path
) -> None:
    files = {
        "a": results("a.json", {"mine": 0.3}),
        "old": results("old.json", {"mine": 0.3}, scoring_version=1),
        "other": results("other.json", {"mine": 0.3}, protocol=Protocol(densities=(0.5,), seeds=3)),
    }
    found = plantkit_cli("rank", *(one.format(**files) for one in arguments))
    assert found.code == 2
    assert found.out == ""
    assert words.format(**files) in found.err


def test_the_records_of_another_bundle_are_not_mixed(results, plantkit_cli) -> None:
    a, b = results("a.json", {"mine": 0.3}), results("b.json", {"yours": 0.3})
    value = json.loads(b.read_text(encoding="utf-8"))
    digest = value["challenges"][0]["bundle_sha256"]
    text = json.dumps(value).replace(digest, "f" * 64)
    b.write_text(text, encoding="utf-8", newline="\n")
    found = plantkit_cli("rank", a, b)
    assert found.code == 2
    assert f"{b}: the manifest of circle-3x60 does not have the digest ffff" in found.err
    manifest = value["challenges"][0]["manifest"] | {"title": "Another"}
    value["challenges"][0]["manifest"] = manifest
    other = challenge_digest(manifest)
    text = json.dumps(value).replace(digest, other)
    b.write_text(text, encoding="utf-8", newline="\n")
    found = plantkit_cli("rank", a, b)
    assert found.code == 2
    assert f"the bundle circle-3x60: {digest[:16]} in {a}; {other[:16]} in {b}" in found.err


def test_rewound_pruners_have_statistics_of_their_own(circle: Challenge) -> None:
    from plantkit.reports.comparisons import comparison_tables

    protocol = Protocol(densities=(0.5,), seeds=2)
    records = [
        record_of(circle, pruner=name, seed=seed, rewind_step=step)
        for name, step in (("a", 0), ("b", 0), ("c", 9))
        for seed in range(2)
    ]
    evaluation = Evaluation(
        entries=[],
        challenges=[circle],
        suite=None,
        protocol=protocol,
        records=records,
        standings=[],
        settings=Settings(),
        started="2026-01-01T00:00:00+00:00",
    )
    titles = [table.title for table in comparison_tables(evaluation)]
    assert titles[-1] == "Statistics (rewound pruners)"
    assert len(titles) == 5
    single = replace(
        evaluation, protocol=replace(protocol, seeds=1), records=records[:1] + records[2:3]
    )
    first, *_ = comparison_tables(single)
    assert "takes two seeds" in first.notes[0]


def test_mean_ranks_show_who_is_alike(circle: Challenge) -> None:
    """Ranks 1, 2, 3 on 10 challenges: neighbours differ by less than 1.05, the ends by more."""
    from plantkit.reports.comparisons import comparison_tables

    challenges = [replace(circle, digest=f"{number:064}") for number in range(10)]
    protocol = Protocol(densities=(0.5,), seeds=1)
    records = [
        record_of(
            challenge,
            pruner=name,
            weak=TrackScore(performance=0.5, recovered_accuracy=0.5, recovered_digits=value),
        )
        for challenge in challenges
        for name, value in (("low", 0.2), ("high", 0.9), ("middle", 0.5))
    ]
    evaluation = Evaluation(
        entries=[],
        challenges=challenges,
        suite=None,
        protocol=protocol,
        records=records,
        standings=[],
        settings=Settings(),
        started="2026-01-01T00:00:00+00:00",
    )
    *_, ranks = comparison_tables(evaluation)
    assert [list(row.values()) for row in ranks.rows] == [
        ["high", "1.00", "a"],
        ["middle", "2.00", "a b"],
        ["low", "3.00", "b"],
    ]
    assert "critical difference of 1.05" in ranks.notes[0]
