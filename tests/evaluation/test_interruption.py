"""Nothing is lost: a run that is killed and resumed comes to what it would have come to."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from builders import without_passing

from plantkit.files import read_records
from plantkit.scoring.records import Record

PRUNERS = ["magnitude", "random", "synflow"]
RECORDS = len(PRUNERS) * 2 * 2 * 2  # challenges, densities, seeds


def arguments(challenges: Path, *more: str | Path) -> list[str]:
    given = ["evaluate", *PRUNERS, "--baselines", "none", "--challenges", challenges]
    return [*map(str, given), "--suite", "tiny", "--format", "json", *map(str, more)]


def command(challenges: Path, run: Path, *more: str) -> list[str]:
    start = [sys.executable, "-c", "from plantkit.cli import main; main()"]
    return [*start, *arguments(challenges, "--run-dir", run, *more)]


def results(text: str) -> dict[str, object]:
    """Returns the JSON output without what may differ from run to run."""
    value = json.loads(text)
    del value["run"]["date"], value["run"]["threads"], value["run"]["speed"]
    lists = {name: list(map(without_passing, value[name])) for name in ("records", "standings")}
    return {**value, **lists}


def finish(challenges: Path, run: Path, *more: str) -> dict[str, object]:
    done = subprocess.run(
        command(challenges, run, *more), capture_output=True, text=True, timeout=300, check=True
    )
    return results(done.stdout)


@contextlib.contextmanager
def started(challenges: Path, run: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command(challenges, run, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def descendants(pid: int) -> set[int]:
    """Returns the processes that `pid` started, and theirs."""
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                child = int(path.parent.name)
                found |= {child} | descendants(child)
    return found


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def kill_and_resume(
    challenges: Path, run: Path, given: list[str], random: Random, kills: int, seconds: float
) -> list[int]:
    """Starts a run and kills it again and again, each time at another moment: some time after
    the start, or after some records more were written. Returns how many records each kill
    left on disk.

    Args:
        seconds: what a run takes that nothing disturbs.
    """
    kept = [0]
    for _ in range(kills):
        wanted = kept[-1] + random.choice([0, 1, 4])
        delay = random.uniform(0, 0.8 if wanted == kept[-1] else 0.15) * seconds
        more = ["--resume"] if (run / "run.json").exists() else []
        with started(challenges, run, *given, *more) as process:
            family: set[int] = set()
            while count_lines(run) < wanted and process.poll() is None:
                time.sleep(0.005)
            deadline = time.monotonic() + delay
            while time.monotonic() < deadline and process.poll() is None:
                family |= descendants(process.pid)
                time.sleep(0.01)
            family |= descendants(process.pid)
        kept.append(len(read_records(run, Record.from_json)))
        deadline = time.monotonic() + 60
        while any(map(is_running, family)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not [pid for pid in family if is_running(pid)], "processes outlived the run"
    return kept


def count_lines(run: Path) -> int:
    file = run / "records.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing disturbed: its directory, its results, and the seconds that it took."""

    run: Path
    results: dict[str, object]
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(tiny_challenges, tmp_path_factory) -> Undisturbed:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    begin = time.monotonic()
    found = finish(tiny_challenges, run, "--jobs", "1")
    return Undisturbed(run=run, results=found, seconds=time.monotonic() - begin)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("seed", "kills", "jobs"), [(1, 3, "1"), pytest.param(2, 20, "2", marks=pytest.mark.slow)]
)
def test_kill_at_random_moments(
    tiny_challenges, tmp_path, undisturbed, plantkit_cli, seed, kills, jobs
):
    run = tmp_path / "run"
    more = ["--jobs", jobs]
    kept = kill_and_resume(tiny_challenges, run, more, Random(seed), kills, undisturbed.seconds)
    assert kept == sorted(kept)  # what was on disk stayed there
    assert kept[-1] > 0
    end = arguments(tiny_challenges, "--run-dir", run, "--resume", *more)
    assert results(plantkit_cli(*end).out) == undisturbed.results
    assert len(read_records(run, Record.from_json)) == RECORDS


def test_kill_in_the_middle_of_a_line(tiny_challenges, tmp_path, undisturbed, plantkit_cli):
    run = Path(shutil.copytree(undisturbed.run, tmp_path / "run"))
    content = (run / "records.jsonl").read_bytes()
    assert content.count(b"\n") == RECORDS
    (run / "records.jsonl").write_bytes(content[: len(content) * 3 // 5])
    assert not (run / "records.jsonl").read_bytes().endswith(b"\n")
    more = arguments(tiny_challenges, "--run-dir", run, "--resume", "--jobs", "1")
    assert results(plantkit_cli(*more).out) == undisturbed.results


def test_records_are_saved_pruner_by_pruner(tiny_challenges, tmp_path):
    """When the third pruner's masks begin to be trained, the records of two are on disk."""
    from plantkit.evaluation.requests import Request
    from plantkit.evaluation.run import run_evaluation

    run = tmp_path / "run"
    seen = []

    def look(text, done, total):
        label, _, what = text.partition(": ")
        if what == "training" and done == 0:
            seen.append((label.partition(", ")[2], len(read_records(run, Record.from_json))))

    request = Request(
        pruners=PRUNERS,
        suite="tiny",
        challenge_directories=[tiny_challenges],
        baselines="none",
        jobs=1,
        run_directory=run,
    )
    run_evaluation(request, warn=print, progress=look)
    assert seen == [(label, 4 * position) for position, label in enumerate([*PRUNERS, *PRUNERS])]


def test_results_do_not_depend_on_what_is_scored_together(
    tiny_challenges, undisturbed, plantkit_cli
):
    """Without a run directory all pruners are scored at once."""
    outcome = plantkit_cli(*arguments(tiny_challenges, "--jobs", "2"))
    assert results(outcome.out) == undisturbed.results
