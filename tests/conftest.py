"""Fixtures: the plugin's tiny planted challenges with a suite of the tests' own, and more."""

from __future__ import annotations

import gc
import hashlib
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

# Test processes run side by side, and share the cores: each works on one thread.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# The processes that tests start read what Python compiled before, whatever this machine's setting.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Most of what imports make lives until the end.
gc.disable()

import pytest
import torch
from warm_servers import WarmServers

from plantkit.challenges import bundles
from plantkit.challenges.bundles import Challenge
from plantkit.isolation.servers import PrunerServer
from plantkit.planting import initialization

torch.set_num_threads(1)

SUITES = """
[tiny]
title = "Two tiny challenges"
challenges = ["relu-3x8", "circle-3x60"]
densities = ["planted", 0.5]
seeds = 2
baselines = ["magnitude"]
"""


def pytest_collection_finish() -> None:
    """Looks for garbage again, but not in what was imported."""
    gc.enable()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips tests of what this system lacks."""
    for item in items:
        for mark, is_here in (
            ("linux", sys.platform == "linux"),
            ("posix", sys.platform != "win32"),
        ):
            if item.get_closest_marker(mark) and not is_here:
                item.add_marker(pytest.mark.skip(reason=f"needs {mark}; this is {sys.platform}"))


@pytest.fixture(autouse=True, scope="session")
def cache_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the tests' own, so that they neither find nor leave anything."""
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("cache")
        patch.setenv("PLANTKIT_CACHE_DIR", str(directory))
        yield directory


@pytest.fixture(autouse=True)
def planting_seeds(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Seeds that are drawn in this process differ, and are the same in each run of a test."""
    drawn = itertools.count()

    def token_bytes(count: int) -> bytes:
        return hashlib.shake_256(f"{request.node.nodeid} {next(drawn)}".encode()).digest(count)

    monkeypatch.setattr(initialization, "secrets", SimpleNamespace(token_bytes=token_bytes))


@pytest.fixture(autouse=True, scope="session")
def warm_servers() -> Iterator[WarmServers | None]:
    """Pools of servers in this process are ready at once, where servers can be forked."""
    if sys.platform != "linux":
        yield None
        return
    from plantkit.isolation.backends.process import ChildProcess

    servers = WarmServers(ChildProcess.start_processes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChildProcess, "start_processes", servers.take)
        yield servers
    servers.stop()


@pytest.fixture(scope="session")
def tiny_challenges(
    plantkit_tiny_challenges: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A directory with the bundles relu-3x8 and circle-3x60 and the suite `tiny`."""
    made = tmp_path_factory.mktemp("challenges") / "tiny"
    root = Path(shutil.copytree(plantkit_tiny_challenges, made))
    (root / "suites.toml").write_bytes(SUITES.encode())
    return root


@pytest.fixture(scope="session")
def circle(tiny_challenges: Path) -> Challenge:
    return bundles.load(tiny_challenges / "circle-3x60")


@pytest.fixture(scope="session")
def relu(tiny_challenges: Path) -> Challenge:
    return bundles.load(tiny_challenges / "relu-3x8")


@pytest.fixture
def copied_bundle(tiny_challenges: Path, tmp_path: Path) -> Path:
    """A copy of the bundle circle-3x60 that a test may alter."""
    return Path(shutil.copytree(tiny_challenges / "circle-3x60", tmp_path / "circle-3x60"))


@pytest.fixture(scope="session")
def server() -> Iterator[PrunerServer]:
    """One warm child process for all tests that run pruners."""
    with PrunerServer() as started:
        yield started


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a submission and returns its path."""

    def make(code: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(code, encoding="utf-8", newline="")
        return path

    return make


@pytest.fixture
def plantkit_cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., CliOutcome]:
    """Runs the command line in this process: exit code, standard output, standard error."""
    from plantkit.cli import main

    def run(*arguments: str | Path) -> CliOutcome:
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        code = exit_info.value.code
        return CliOutcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


class CliOutcome:
    """What a run of the command line came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"exit code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"
