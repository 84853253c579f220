"""Records: every field comes from where it should, and metrics of plugins cannot break one."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from plantkit.networks.masks import Mask
from plantkit.networks.training.accuracies import Accuracies
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.recording import compute_metrics, record_of
from plantkit.scoring.structures import Structure, costs_of

FOUND = Accuracies(strong=0.5, weak=0.75)


def attempt(mask: Mask | None, *, status: str = "ok", error: str = "") -> Attempt:
    return Attempt(
        pruner="p",
        target_density=0.25,
        is_planted_density=True,
        seed=3,
        status=status,
        mask=mask,
        error=error,
        seconds=1.5,
        peak_rss_mib=7.0,
        cpu_seconds=1.25,
        effort=2.5,
        rewind_step=40,
    )


class Named:
    def __init__(self, name, compute):
        self.name = name
        self.compute = compute


def structure_of(challenge, mask):
    return Structure.of(challenge, mask, costs_of(challenge))


def recorded(circle, mask, *, metrics=()):
    return record_of(
        circle,
        attempt(mask),
        digest="d",
        structure=structure_of(circle, mask),
        accuracies=FOUND,
        metrics=compute_metrics(metrics, circle, mask, FOUND),
    )


def test_the_fields_of_a_valid_run(circle):
    """The mask lacks one layer: it has collapsed, and nothing is on a path."""
    full = Mask.full(circle.network)
    gone = {"layers.1.weight", "layers.1.bias"}
    mask = Mask({name: value & (name not in gone) for name, value in full.items()})
    record = recorded(circle, mask)
    assert (record.pruner, record.challenge, record.seed) == ("p", "circle-3x60", 3)
    assert record.bundle_sha256 == circle.digest
    assert (record.target_density, record.is_planted_density) == (0.25, True)
    assert (record.density, record.sparsity) == (mask.density, 1 - mask.density)
    assert (record.collapsed_layers, record.effective_density) == (1, 0.0)
    assert (record.seconds, record.peak_rss_mib) == (1.5, 7.0)
    assert (record.cpu_seconds, record.effort, record.rewind_step) == (1.25, 2.5, 40)
    assert (record.strong.performance, record.weak.performance) == (0.5, 0.75)
    gain = circle.ticket.strong - circle.trivial
    assert record.weak.recovered_accuracy == pytest.approx((0.75 - circle.trivial) / gain)
    assert (record.status, record.error, record.mask_sha256) == ("ok", "", "d")


def test_the_fields_of_a_failed_run(circle):
    record = record_of(circle, attempt(None, status="oom", error="too much"))
    assert (record.status, record.error, record.mask_sha256) == ("oom", "too much", None)
    assert (record.density, record.sparsity, record.collapsed_layers) == (0.0, 1.0, 0)
    assert record.strong == record.weak
    assert (record.strong.performance, record.strong.recovered_accuracy) == (circle.trivial, 0.0)
    names = ("precision", "recall", "f1", "iou", "lift", "adjusted_recall")
    assert record.overlap == dict.fromkeys(names, 0.0)
    assert record.metrics == {}


def test_infinite_accuracies_are_stored_as_numbers(circle):
    wild = Accuracies(strong=float("-inf"), weak=float("nan"))
    mask = Mask.full(circle.network)
    record = record_of(
        circle,
        attempt(mask),
        structure=structure_of(circle, mask),
        accuracies=wild,
    )
    assert record.strong.performance == record.weak.performance == -1e30
    assert record.strong.recovered_accuracy == record.weak.recovered_accuracy == 0.0


def test_metrics_see_the_truth_and_the_accuracies(circle):
    seen = []
    metric = Named("m", lambda evidence: seen.append(evidence) or 0.125)
    mask = Mask.full(circle.network)
    assert recorded(circle, mask, metrics=[metric]).metrics == {"m": 0.125}
    [evidence] = seen
    assert (evidence.network, evidence.mask) == (circle.network, mask)
    assert evidence.ticket is circle.truth.ticket
    assert (evidence.strong, evidence.weak) == (0.5, 0.75)


def test_metrics_that_break_are_left_out_with_a_warning(circle, caplog):
    def broken(_):
        raise ValueError("no")

    metrics = [
        Named("broken", broken),
        Named("infinite", lambda _: float("inf")),
        Named("good", lambda _: 1.0),
    ]
    with caplog.at_level(logging.WARNING):
        record = recorded(circle, Mask.full(circle.network), metrics=metrics)
    assert record.metrics == {"good": 1.0}
    assert caplog.messages == [
        "metric 'broken' raised ValueError: no",
        "metric 'infinite' gave inf; expected a finite number",
    ]


def test_two_masks_of_equal_entries_keep_their_own_saliency(circle):
    full = Mask.full(circle.network)
    good = Mask(full, saliency={n: v.float() for n, v in circle.truth.ticket.items()})
    assert structure_of(circle, good).overlap["average_precision"] == 1.0
    assert "average_precision" not in structure_of(circle, full).overlap
    assert replace(structure_of(circle, full)).connected == structure_of(circle, good).connected
