"""Running pruners in the child: whatever they do becomes a status, and nothing leaks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from plantkit.errors import MaskError, PluginError
from plantkit.isolation.answers import read_answer
from plantkit.isolation.descendants import descendants
from plantkit.isolation.jobs import DescribedPruner, PruneJob
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.opening import open_backend
from plantkit.isolation.probe import probe_machine
from plantkit.isolation.problems import write_problem
from plantkit.isolation.servers import PrunerServer
from plantkit.isolation.wire import Limits, Status, read_bounded_text
from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.pruners.sources import PrunerSource

GOOD = """
import torch
def prune(problem, density, seed):
    order = torch.arange(problem.network.total)
    kept = order < problem.budget
    pieces, start = {}, 0
    for name, weight in problem.weights.items():
        pieces[name] = kept[start:start + weight.numel()].reshape(weight.shape)
        start += weight.numel()
    return pieces
"""


@pytest.fixture
def run(server, circle, tmp_path, write):
    """Runs a submission's code on the tiny circle and returns the outcome."""
    write_problem(tmp_path / "problem", circle.problem(density=0.5, seed=0))

    def execute(code: str, *, limits: Limits | None = None, level=None, server=server):
        isolation = level and Isolation(level=level)
        job = PruneJob(
            source=PrunerSource(path=str(write(textwrap.dedent(code)))),
            problem=tmp_path / "problem",
            network=circle.network,
            density=0.5,
            seed=0,
            limits=limits or Limits(time_seconds=20),
        )
        return open_backend(tmp_path / "cells", isolation, server).run(job)

    return execute


def test_a_good_pruner(run, circle):
    outcome = run(GOOD)
    assert outcome.status is Status.OK
    assert outcome.mask.kept == circle.problem(density=0.5, seed=0).budget
    assert outcome.error == ""
    assert outcome.seconds > 0
    assert outcome.peak_rss_mib > 10


BODY = """def prune(problem, density, seed):
    masks = {n: w * 0 for n, w in problem.weights.items()}
"""


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ("raise ValueError('no idea')", Status.CRASH, "ValueError: no idea (line 3)"),
        ("import sys; sys.exit(0)", Status.CRASH, "called sys.exit(0)"),
        ("import os; os._exit(0)", Status.CRASH, "exited with code 0 and without an answer"),
        ("import os; os._exit(9)", Status.CRASH, "exited with code 9"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", Status.CRASH, "SIGSEGV"),
        ("raise KeyboardInterrupt", Status.CRASH, "KeyboardInterrupt"),
        ("raise MemoryError", Status.OOM, "MemoryError"),
        ("return None", Status.INVALID, "prune() returned NoneType; expected a mapping"),
        ("return [1]", Status.INVALID, "prune() returned list"),
        ("masks['layers.9.weight'] = 1; return masks", Status.INVALID, "not a parameter"),
        (
            "del masks['layers.0.bias']; return masks",
            Status.INVALID,
            "no entry for 'layers.0.bias'",
        ),
        (
            "masks['layers.0.weight'] = masks['layers.0.weight'].T; return masks",
            Status.INVALID,
            "mask for 'layers.0.weight' has shape (2, 60); expected (60, 2)",
        ),
        ("masks['layers.0.bias'] += 0.5; return masks", Status.INVALID, "other than 0 and 1"),
        (
            "masks['layers.0.bias'] += float('nan'); return masks",
            Status.INVALID,
            "60 values other than 0 and 1, the first at (0,): nan",
        ),
        (
            "return {n: w * 0 + 1 for n, w in masks.items()}",
            Status.INVALID,
            "mask keeps 424 parameters; expected at most 212",
        ),
        ("masks['layers.0.bias'] = 'text'; return masks", Status.INVALID, "layers.0.bias"),
    ],
)
def test_failures_have_a_status_and_a_reason(run, body, status, expected):
    outcome = run(f"{BODY}    {body}\n")
    assert outcome.status is status
    assert expected in outcome.error
    assert outcome.mask is None


def test_a_mask_that_keeps_nothing_is_valid(run):
    outcome = run(f"{BODY}    return masks\n")
    assert outcome.status is Status.OK
    assert outcome.mask.kept == 0


def test_numpy_arrays_and_lists_are_taken(run):
    code = "def prune(problem, density, seed):\n    return {%s}\n"
    arrays = run(code % "n: (w.numpy() * 0).astype('uint8') for n, w in problem.weights.items()")
    lists = run(code % "n: (w * 0).tolist() for n, w in problem.weights.items()")
    assert (arrays.status, lists.status) == (Status.OK, Status.OK)


def test_time_limit_kills_what_the_run_started(run, tmp_path):
    marker = tmp_path / "marker"
    started = time.monotonic()
    outcome = run(
        f"""
        import signal, subprocess, sys, time
        def prune(problem, density, seed):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            subprocess.Popen([sys.executable, "-c",
                "import time, pathlib; time.sleep(3); pathlib.Path({str(marker)!r}).touch()"])
            time.sleep(60)
        """,
        limits=Limits(time_seconds=1),
        level=Level.PROCESS,
    )
    assert outcome.status is Status.TIMEOUT
    assert outcome.error.startswith("ran longer than the time limit of 1 s; do less")
    assert time.monotonic() - started < 10
    time.sleep(3)
    assert not marker.exists()


def test_memory_limit(run):
    outcome = run(
        "def prune(problem, density, seed):\n    x = bytearray(2_000_000_000)\n",
        limits=Limits(time_seconds=20, memory_mib=200),
    )
    assert outcome.status is Status.OOM


def test_memory_limit_within_torch(run):
    outcome = run(
        "import torch\ndef prune(problem, density, seed):\n    x = torch.ones(2_000_000_000)\n",
        limits=Limits(time_seconds=20, memory_mib=200),
    )
    assert outcome.status is Status.OOM


def test_disk_limit(run):
    outcome = run(
        """
        def prune(problem, density, seed):
            with open("big", "wb") as file:
                file.truncate(3 * 1024 * 1024)
        """,
        limits=Limits(time_seconds=20, output_mib=1),
    )
    assert outcome.status is Status.CRASH


def test_output_is_captured_and_nothing_reaches_the_parent(run, capfd):
    outcome = run(GOOD + "\nprint('hello from the submission')\n")
    assert outcome.status is Status.OK
    assert "hello from the submission" in outcome.output
    captured = capfd.readouterr()
    assert "hello" not in captured.out + captured.err


def test_every_run_starts_afresh(run):
    code = ("import plantkit\n" + GOOD).replace(
        "    order =",
        "    assert not hasattr(plantkit, 'mark')\n    plantkit.mark = 1\n    order =",
    )
    assert run(code).status is Status.OK
    assert run(code).status is Status.OK


def test_secrets_of_the_environment_are_not_inherited(monkeypatch, run, tmp_path):
    monkeypatch.setenv("COURSE_SECRET", "42")
    with PrunerServer() as server:
        outcome = run(
            "import os\nassert 'COURSE_SECRET' not in os.environ, 'leaked'\n" + GOOD, server=server
        )
    assert outcome.status is Status.OK


def test_the_problem_directory_holds_nothing_of_the_truth(circle, tmp_path):
    write_problem(tmp_path / "problem", circle.problem(density=0.5, seed=0))
    assert sorted(path.name for path in (tmp_path / "problem").iterdir()) == [
        "problem.json",
        "train.safetensors",
        "weights.safetensors",
    ]
    value = json.loads((tmp_path / "problem" / "problem.json").read_text())
    assert set(value) == {"name", "network", "task", "training"}


def test_a_dead_server_is_replaced(run, circle):
    with PrunerServer() as server:
        code = """
        import os, signal
        def prune(problem, density, seed):
            os.kill(os.getppid(), signal.SIGKILL)
        """
        assert run(code, server=server, level=Level.PROCESS).status is Status.CRASH
        assert run(GOOD, server=server, level=Level.PROCESS).status is Status.OK


def test_a_server_that_died_while_idle_costs_no_run(run):
    with PrunerServer() as server:
        assert run(GOOD, server=server).status is Status.OK
        os.kill(server._process.pid, signal.SIGKILL)
        assert run(GOOD, server=server).status is Status.OK

        def start_elsewhere():
            server.stop()
            server.start()

        for _ in range(2):
            thread = threading.Thread(target=start_elsewhere)
            thread.start()
            thread.join()
            assert run(GOOD, server=server).status is Status.OK


def test_describe(server, tmp_path, write):
    backend = open_backend(tmp_path / "cells", server=server)
    limits = Limits(time_seconds=20)
    source = PrunerSource(path=str(write(GOOD)))
    assert backend.describe(source, limits) == [DescribedPruner(name="mine")]
    snip = PrunerSource(entry_point="snip", name="snip")
    assert backend.describe(snip, limits)[0].reference == "arXiv 1810.02340"
    broken = PrunerSource(path=str(write("import sys; sys.exit(0)")))
    with pytest.raises(
        PluginError, match=r"mine\.py, line 1: cannot be imported: called sys.exit\(0\)"
    ):
        backend.describe(broken, limits)


def test_installed_pruner_with_options(server, circle, tmp_path):
    write_problem(tmp_path / "problem", circle.problem(density=0.5, seed=0))
    masks = []
    for options in ({}, {"scope": "layerwise"}):
        job = PruneJob(
            source=PrunerSource(entry_point="magnitude", name="magnitude", options=options),
            problem=tmp_path / "problem",
            network=circle.network,
            density=0.5,
            seed=0,
            limits=Limits(time_seconds=20),
        )
        outcome = open_backend(tmp_path / "cells", server=server).run(job)
        assert outcome.status is Status.OK
        assert outcome.mask.saliency is not None
        masks.append(outcome.mask.digest())
    assert masks[0] != masks[1]


class TestAnswer:
    SPEC = PerceptronSpec(widths=(2, 3, 1))

    def answer(self, path: Path, **changes) -> Path:
        tensors = {f"mask.{name}": value for name, value in Mask.full(self.SPEC).items()}
        save_file({**tensors, **changes}, path)
        return path

    def test_good(self, tmp_path):
        assert read_answer(self.answer(tmp_path / "a"), self.SPEC, 13).kept == 13

    def test_more_than_the_budget(self, tmp_path):
        with pytest.raises(MaskError, match="keeps 13 parameters; expected at most 12"):
            read_answer(self.answer(tmp_path / "a"), self.SPEC, 12)

    def test_saliency_with_nan_is_left_out(self, tmp_path):
        nan = {f"saliency.{n}": torch.full(s, torch.nan) for n, s in self.SPEC.shapes.items()}
        assert read_answer(self.answer(tmp_path / "a", **nan), self.SPEC, 13).saliency is None

    @pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\xff" * 100, b"\0" * 8])
    def test_no_safetensors(self, tmp_path, content):
        path = tmp_path / "a"
        path.write_bytes(content)
        with pytest.raises(MaskError, match="not a safetensors file"):
            read_answer(path, self.SPEC, 13)

    def test_too_large(self, tmp_path):
        path = self.answer(tmp_path / "a", extra=torch.zeros(1_000_000))
        with pytest.raises(MaskError, match="larger than"):
            read_answer(path, self.SPEC, 13)

    def test_truncated(self, tmp_path):
        path = self.answer(tmp_path / "a")
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(MaskError):
            read_answer(path, self.SPEC, 13)

    def test_symlink_and_fifo(self, tmp_path):
        (tmp_path / "link").symlink_to(self.answer(tmp_path / "a"))
        os.mkfifo(tmp_path / "fifo")
        for name in ("link", "fifo"):
            with pytest.raises(MaskError, match="not a regular file"):
                read_answer(tmp_path / name, self.SPEC, 13)


def test_text_is_read_within_bounds(tmp_path):
    path = tmp_path / "output.txt"
    path.write_bytes(b"a" * 100_000 + b"\xff end")
    text = read_bounded_text(path)
    assert len(text) <= 64 * 1024
    assert text.endswith("end")
    assert read_bounded_text(tmp_path / "missing") == ""


@pytest.mark.parametrize("level", ["full", "process"])
def test_nothing_outlives_a_parent_that_is_killed(level, tmp_path, write):
    if not probe_machine().offers(Level(level)):
        pytest.skip(f"this machine offers no isolation at the level {level}")
    submission = write("import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(600)\n")
    program = f"""
from pathlib import Path
from plantkit.isolation.opening import open_backend
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.wire import Limits
from plantkit.pruners.sources import PrunerSource
isolation = Isolation(level=Level({level!r}))
open_backend(Path({str(tmp_path / "cells")!r}), isolation).describe(
    PrunerSource(path={str(submission)!r}), Limits(time_seconds=600))
"""
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        assert _becomes_true(lambda: list(tmp_path.glob("cells/*/started")))
        running = descendants(parent.pid)
        assert len(running) == 3  # what forks, a server, a run
        parent.kill()
    assert _becomes_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in running))


def _becomes_true(condition, timeout_seconds: float = 60) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()
