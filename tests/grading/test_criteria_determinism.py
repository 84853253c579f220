"""Criteria that ask for the same mask again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from builders import record_of as run
from toy_benches import bench, criterion, failed

from plantkit.challenges.bundles import Challenge
from plantkit.grading.criteria import (
    Measured,
    determinism,
)
from plantkit.grading.grade import MarkVerdict
from plantkit.isolation.jobs import Outcome
from plantkit.isolation.wire import Status
from plantkit.networks.masks import Mask
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import Record


def first_mask(challenge: Challenge, density: float) -> Mask:
    """Returns the mask that keeps the first parameters."""
    total = challenge.network.total
    return Mask.from_vector(challenge.network, torch.arange(total) < math.floor(density * total))


@pytest.fixture
def repeated(relu: Challenge) -> Callable[..., Measured]:
    """Measures determinism of a pruner that keeps the first parameters, and fails above 0.7.

    ends: of repeated runs, by density, and how; `asked` gets the densities of all of them.
    """

    def measure(
        records: Sequence[Record],
        ends: Mapping[float, Status] | None = None,
        asked: list[float] | None = None,
    ) -> Measured:
        def run_again(record: Record) -> Outcome:
            density = record.target_density
            if asked is not None:
                asked.append(density)
            status = (ends or {}).get(density, Status.OK if density < 0.7 else Status.CRASH)
            is_ok = status is Status.OK
            return Outcome(
                status=status,
                mask=first_mask(relu, density) if is_ok else None,
                error="" if is_ok else f"not at {density}",
                seconds=0.03,
                peak_rss_mib=None,
            )

        one = criterion(kind="determinism", density=None, at_least=None)
        protocol = Protocol(densities=(0.25, 0.5, 0.75, 0.8, 0.9, 1.0), seeds=2)
        tested = bench([relu], records, run_again=run_again, protocol=protocol)
        return determinism.measure(one, tested)

    return measure


def first_kept(challenge: Challenge, density: float) -> str:
    """Returns the digest of the mask that keeps the first parameters."""
    return first_mask(challenge, density).digest()


def test_the_same_masks_again(relu: Challenge, repeated: Callable[..., Measured]) -> None:
    records = [
        run(relu, seed=seed, target_density=density, mask_sha256=first_kept(relu, density))
        for density in (0.25, 0.5)
        for seed in (0, 1)
    ]
    found = repeated(records)
    assert found.value == 1.0
    assert found.got == "2 of 2 repeated runs gave the same mask"  # of the first seed
    assert (found.message, found.fault) == ("", None)
    assert found.seconds == pytest.approx(6.06)  # two runs of three seconds, and their repetition


def test_other_masks_and_failures(relu: Challenge, repeated: Callable[..., Measured]) -> None:
    records = [
        run(relu, target_density=0.25, mask_sha256=first_kept(relu, 0.25)),
        failed(relu, "invalid", target_density=0.5),
        run(relu, target_density=0.75, mask_sha256="0" * 64),
    ]
    found = repeated(records)
    assert found.value == pytest.approx(1 / 3)
    assert found.got == "1 of 3 repeated runs gave the same mask"
    assert found.fault is MarkVerdict.INVALID
    invalid, crash = found.message.split("\n")
    assert invalid == "relu-3x8 at density 0.5: invalid: why"
    assert crash.startswith("relu-3x8 at density 0.75: crash: ")
    assert "not at 0.75" in crash
    more = [run(relu, target_density=density, mask_sha256="0" * 64) for density in (0.8, 0.9, 1)]
    found = repeated([*records, *more])
    assert found.got == "1 of 6 repeated runs gave the same mask"
    assert [line.partition(": ")[0] for line in found.message.split("\n")] == [
        "relu-3x8 at density 0.5",
        "relu-3x8 at density 0.75",
        "relu-3x8 at density 0.8",
    ]


def test_a_run_that_failed_is_not_repeated(
    relu: Challenge, repeated: Callable[..., Measured]
) -> None:
    records = [
        failed(relu, target_density=0.25, error="no mask", seconds=2.0),
        run(relu, target_density=0.5, mask_sha256="0" * 64, seconds=1.0),
    ]
    found = repeated(records)
    assert found.value == 0.0
    assert found.message == (
        "relu-3x8 at density 0.25: crash: no mask\n"
        "relu-3x8 at density 0.5: another mask for the same seed"
    )
    assert found.fault is MarkVerdict.ERROR
    assert found.seconds > 3.0


def test_determinism_in_words() -> None:
    asked = criterion(kind="determinism", at_least=None)
    assert determinism.expected(asked) == "the same mask again"
    some = replace(asked, at_least=0.5)
    assert determinism.expected(some) == "the same mask again: at least 0.5"


def test_after_a_repeated_run_that_hangs_its_challenge_is_left(
    relu: Challenge, repeated: Callable[..., Measured]
) -> None:
    records = [
        run(relu, target_density=density, mask_sha256=first_kept(relu, density))
        for density in (0.25, 0.5)
    ]
    asked: list[float] = []
    found = repeated(records, {0.25: Status.TIMEOUT}, asked)
    assert asked == [0.25]
    assert found.got == "0 of 2 repeated runs gave the same mask"
    assert found.message == (
        "relu-3x8 at density 0.25: timeout: not at 0.25\n"
        "relu-3x8 at density 0.5: not repeated, since a repeated run took too long"
    )
