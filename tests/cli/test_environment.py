"""Full disks, closed places, low limits and the like are no bugs, and lose nothing."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from plantkit import cli as command_line
from plantkit.cli import cli, options
from plantkit.cli.failures import explain
from plantkit.errors import UsageError

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")

#: Options and arguments that are read, not written.
READ = {
    *("board", "bundle", "challenge_directories", "data", "folder", "given", "key_file", "reveal"),
    *("bundles", "roster", "rubric_path", "runs", "signer_file", "ticket_directories"),
}
#: What these name is made at once, before any work.
MADE_AT_ONCE = {("keygen", "out"), ("pruner", "file")}

GOOD = """
import torch
def prune(problem, density, seed):
    return {name: torch.zeros_like(weight) for name, weight in problem.weights.items()}
"""
WRITES = """
def prune(problem, density, seed):
    open("big", "wb").write(bytes(1 << 22))
"""


def shell(script: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of bash in which `plantkit` is this one, with buffers as Python has them."""
    python = f"{shlex.quote(sys.executable)} -m plantkit"
    return subprocess.run(
        ["bash", "-c", script.replace("plantkit", python, 1)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(command_line.__file__).parents[2]),
            "PYTHONUNBUFFERED": "",
            **variables,
        },
        timeout=300,
        check=False,
    )


def commands(group: click.Group, ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from commands(command, ctx)


def test_every_place_that_is_written_is_tried_before_the_work() -> None:
    ctx = click.Context(cli)
    tried, other = set(), set()
    for name, command in commands(cli, ctx):
        for parameter in command.params:
            if isinstance(parameter.type, options.OutputFile | options.OutputDirectory):
                tried.add(parameter.name)
            elif isinstance(parameter.type, click.Path):
                other.add((name, parameter.name))
    assert {"output", "run_directory", "run_dir", "out", "plots", "summary", "cache"} <= tried
    assert {one for one in other if one[1] not in READ} == MADE_AT_ONCE


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["evaluate", "nowhere.py", "-o", "/proc/x"], "--output: /proc/x"),
        (["evaluate", "nowhere.py", "--run-dir", "/proc/x"], "--run-dir: /proc/x"),
        (["plant", "nothing", "--out", "/proc/x"], "--out: /proc/x"),
        (["audit", "nothing", "--summary", "/proc/x"], "--summary: /proc/x"),
        (["grade", "nowhere.py", "--rubric", "x", "--junit", "/proc/x"], "--junit: /proc/x"),
        (["study", "plant-n-seek", "--plots", "/proc/x"], "--plots: /proc/x"),
    ],
)
def test_a_place_that_cannot_be_written_fails_before_the_work(plantkit_cli, arguments, option):
    outcome = plantkit_cli(*arguments)
    assert outcome.code == 2
    assert f"{option} cannot be written: No such file or directory" in outcome.err
    assert "bug" not in outcome.err


def test_alternatives_are_not_searched_where_they_cannot_be_kept(
    plantkit_cli, tiny_challenges, monkeypatch
):
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("plantkit.cli.alternatives.check_file", refuse)
    outcome = plantkit_cli("alternatives", tiny_challenges / "relu-3x8", "--write")
    assert outcome.code == 2
    assert "alternatives.json cannot be written: Permission denied" in outcome.err


def test_results_that_standard_output_does_not_take_go_to_standard_error(tmp_path):
    done = shell("plantkit list suites > /dev/full", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("starter\n  title ")
    assert "error: standard output cannot be written: No space left on device" in done.stderr


@pytest.mark.parametrize("script", ["plantkit doctor > /dev/full", "plantkit --help > /dev/full"])
def test_full_standard_output_is_no_bug(tmp_path, script):
    done = shell(script, tmp_path)
    assert done.returncode == 2
    assert "error: standard output: No space left on device; free some space" in done.stderr
    assert "bug" not in done.stderr


def test_broken_standard_error_does_not_change_the_exit_code(tmp_path):
    assert shell("plantkit lits 2> /dev/full", tmp_path).returncode == 2
    assert shell("plantkit show nothing 2> /dev/full", tmp_path).returncode == 2


@pytest.mark.parametrize(
    "closed",
    [
        "<&- >&- 2>&-",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("<&-", ">&-", "2>&-")),
    ],
)
def test_closed_streams(tmp_path, tiny_challenges, closed):
    (tmp_path / "good.py").write_text(GOOD)
    done = shell(
        f"plantkit evaluate good.py --suite tiny --challenges {tiny_challenges} --jobs 1 "
        f"--baselines none -o out.txt {closed}",
        tmp_path,
    )
    assert done.returncode == 0, done
    assert (tmp_path / "out.txt").read_text().startswith("Standings")


def test_a_working_directory_that_is_gone(tmp_path):
    (tmp_path / "gone").mkdir()
    done = shell("cd gone; rmdir ../gone; exec plantkit list suites", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: the working directory does not exist any more; change to another: cd ~\n"
    )


def test_lower_limits_are_respected(tmp_path, tiny_challenges):
    (tmp_path / "writes.py").write_text(WRITES)
    done = shell(
        "ulimit -v 6000000 -f 2048; exec plantkit evaluate writes.py --suite tiny --jobs 1 "
        f"--challenges {tiny_challenges} --baselines magnitude --density 0.5 --seeds 1",
        tmp_path,
    )
    assert done.returncode == 1, done
    assert "File too large" in done.stdout
    assert "maximum limit" not in done.stdout + done.stderr
    [row] = [line for line in done.stdout.splitlines() if line.startswith("   1  magnitude")]
    assert row.split()[-2] == "0"  # the others run


def test_a_limit_on_files_names_the_file_and_the_limit(tmp_path, tiny_challenges):
    (tmp_path / "good.py").write_text(GOOD)
    done = shell(
        "ulimit -f 1; exec plantkit evaluate good.py --suite tiny --jobs 1 "
        f"--challenges {tiny_challenges} --baselines none --no-cache",
        tmp_path,
    )
    assert done.returncode == 2, done
    assert "File too large; raise the limit on a file's size (ulimit -f)" in done.stderr
    assert str(tmp_path) in done.stderr or "/problem-" in done.stderr


def test_too_few_descriptors(tmp_path, tiny_challenges):
    (tmp_path / "good.py").write_text(GOOD)
    done = shell(
        "ulimit -n 14; exec plantkit evaluate good.py --suite tiny --jobs 4 "
        f"--challenges {tiny_challenges}",
        tmp_path,
    )
    assert done.returncode == 2, done
    assert "Too many open files; raise the limit on open files (ulimit -n)" in done.stderr


def test_half_a_key_is_not_left(tmp_path):
    pytest.importorskip("cryptography")
    done = shell("ulimit -f 0; exec plantkit keygen --out contest.key", tmp_path)
    assert done.returncode == 2
    assert "contest.key cannot be written: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space", "a.txt"), "a.txt: No space; free some space there"),
        (OSError(errno.EROFS, "Read-only", "a.txt"), "a.txt: Read-only; give a place that can"),
        (PermissionError(errno.EACCES, "Denied", "a.txt"), "a.txt: Denied; check who may read"),
        (FileExistsError(errno.EEXIST, "Exists", "masks"), "masks: Exists; move it away"),
        (OSError(errno.EXDEV, "Cross-device", "a.txt"), "a.txt: Cross-device; check that it"),
        (OSError(errno.ENOSPC, "No space"), "standard output: No space; free some space"),
        (BlockingIOError(errno.EAGAIN, "Again"), "needs: Again; end other programs, raise the"),
        (MemoryError(), "there is not enough memory; end other programs"),
        (
            ImportError("libtorch.so: failed to map segment from shared object"),
            "there is not enough memory",
        ),
        (RuntimeError("can't start new thread"), "the system starts no more threads"),
    ],
)
def test_what_the_system_refuses_is_explained(error: Exception, words: str) -> None:
    assert words in (explain(error) or "")


@pytest.mark.parametrize(
    "error", [OSError(errno.EBADF, "Bad"), OSError("odd"), RuntimeError("broken"), ValueError()]
)
def test_bugs_stay_bugs(error: Exception) -> None:
    assert explain(error) is None


def test_a_full_scratch_directory_says_where_else(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    error = OSError(errno.ENOSPC, "No space", str(tmp_path / "plantkit-1" / "problem"))
    assert "set the variable TMPDIR" in (explain(error) or "")
    error = OSError(errno.ENOSPC, "No space", str(tmp_path / "mine.txt"))
    assert "TMPDIR" not in (explain(error) or "")


@pytest.mark.parametrize("fails", [False, True])
def test_a_grade_is_shown_even_if_its_file_cannot_be_written(
    plantkit_cli, monkeypatch, tmp_path, tiny_challenges, fails
):
    from plantkit.grading import outputs

    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "rubric.toml").write_text(
        'title = "T"\npass = 0.5\n[run]\nchallenges = ["relu-3x8"]\ndensities = [0.5]\nseeds = 1\n'
        '[[criteria]]\nname = "Half"\nmetric = "recovered_accuracy"\ntrack = "weak"\npoints = 1\n'
        'challenge = "relu-3x8"\ndensity = 0.5\nzero_at = -0.1\nat_least = 0.0\n'
    )
    calls: list[int] = []
    write: Callable[..., None] = outputs.write_grade

    def second_fails(files, grade) -> None:
        calls.append(1)
        if fails and len(calls) == 2:
            raise UsageError("--json: full")
        write(files, grade)

    monkeypatch.setattr(outputs, "write_grade", second_fails)
    outcome = plantkit_cli(
        "grade", tmp_path / "good.py", "--rubric", tmp_path / "rubric.toml",
        "--json", tmp_path / "grade.json", "--challenges", tiny_challenges,
    )  # fmt: skip
    assert "1.00 of 1 points: passed" in outcome.out, outcome
    assert outcome.code == (2 if fails else 0)
