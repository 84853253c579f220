"""The machine's speed, and effort by it."""

from __future__ import annotations

import time

import pytest
import torch

from plantkit.evaluation import calibration
from plantkit.evaluation.cache import Cache, speed_key
from plantkit.evaluation.calibration import (
    REFERENCE_SECONDS,
    machine_speed,
    pass_seconds,
    with_effort,
)
from plantkit.isolation.jobs import Outcome
from plantkit.isolation.wire import Status

OUTCOME = Outcome(
    status=Status.OK, mask=None, error="", seconds=9.0, peak_rss_mib=None, cpu_seconds=3.0
)


@pytest.fixture
def passes(monkeypatch) -> list[float]:
    """Times that passes take, one for each measurement, in place of measuring."""
    times = [REFERENCE_SECONDS / 2, REFERENCE_SECONDS * 4]
    monkeypatch.setattr(calibration, "pass_seconds", lambda: times.pop(0))
    calibration._measured_speed.cache_clear()
    yield times
    calibration._measured_speed.cache_clear()


def test_a_machine_that_takes_half_as_long_is_twice_as_fast(passes):
    assert machine_speed() == 2.0


def test_speed_is_measured_once_and_kept_for_other_processes(passes, tmp_path):
    cache = Cache(tmp_path)
    assert [machine_speed(cache), machine_speed(cache)] == [2.0, 2.0]
    calibration._measured_speed.cache_clear()  # as in another process
    assert machine_speed(cache) == 2.0
    assert len(passes) == 1
    assert machine_speed() == 0.25


@pytest.mark.parametrize(
    "content", ["", "{}", '{"speed": 0}', '{"speed": "fast"}', '{"speed": NaN}']
)
def test_a_damaged_speed_is_measured_again(passes, tmp_path, content):
    cache = Cache(tmp_path)
    cache.keep_speed(speed_key(), 7.0)
    (path,) = tmp_path.glob("*/*")
    path.write_text(content)
    assert machine_speed(cache) == 2.0
    assert cache.speed(speed_key()) == 2.0


def test_the_key_is_the_machines_and_its_versions(monkeypatch):
    one = speed_key()
    assert speed_key() == one
    monkeypatch.setattr("platform.node", lambda: "another")
    assert speed_key() != one
    monkeypatch.undo()
    monkeypatch.setattr(torch, "__version__", "1.0")
    assert speed_key() != one


def test_a_pass_takes_processor_time_and_leaves_torch_as_it_was():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with torch.no_grad():  # gradients are taken all the same
        seconds = pass_seconds()
    assert 0.0005 < seconds < 0.5
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_a_clock_of_the_wall_does_as_well(monkeypatch):
    by_thread = pass_seconds()
    monkeypatch.setattr(calibration, "_clock", time.perf_counter)
    assert pass_seconds() == pytest.approx(by_thread, rel=0.7)


def test_more_work_takes_longer(monkeypatch):
    little = pass_seconds()
    monkeypatch.setattr(calibration, "_BATCHES", ((32, 40), (512, 10)))
    assert pass_seconds() > 3 * little


def test_effort_is_processor_time_by_speed():
    assert with_effort(OUTCOME, 2.0).effort == 6.0
    assert with_effort(OUTCOME, None).effort is None
    unknown = Outcome(status=Status.CRASH, mask=None, error="", seconds=1.0, peak_rss_mib=None)
    assert with_effort(unknown, 2.0).effort is None
    there = with_effort(OUTCOME, 0.5)  # on another machine, which is slower
    assert with_effort(there, 2.0).effort == 1.5
