"""Masks that were found without the truth, next to the ticket."""

from __future__ import annotations

import pytest
import torch

from plantkit.networks import unflatten
from plantkit.networks.masks import Mask
from plantkit.research.alternatives.search import judge
from plantkit.scoring.attempts import Attempt


def attempt(mask, seed=0):
    return Attempt(
        pruner="mine",
        target_density=0.1,
        is_planted_density=True,
        seed=seed,
        status="crash" if mask is None else "ok",
        mask=mask,
        error="",
        seconds=0.0,
        peak_rss_mib=None,
    )


def test_the_ticket_is_as_good_and_as_sparse_as_itself(circle):
    ticket = circle.truth.ticket
    [found] = judge(circle, [attempt(ticket, seed=3)])
    assert found == {
        "pruner": "mine",
        "seed": 3,
        "kept": ticket.kept,
        "strong": pytest.approx(circle.ticket.strong),
        "recovered": 1.0,
        "f1": 1.0,
        "recall": 1.0,
        "as_good": True,
        "as_sparse": True,
    }


def test_good_sparse_and_overlap_are_told_apart(circle):
    ticket = circle.truth.ticket.vector(circle.network)
    half = ticket & (ticket.cumsum(0) <= int(ticket.sum()) // 2)
    idle = torch.zeros_like(ticket)  # one more parameter, which nothing leads on from
    weights = unflatten(circle.network, idle)
    column = int((~circle.truth.ticket["layers.1.weight"].any(dim=0)).nonzero()[0])
    weights["layers.0.weight"][column, 0] = True
    padded = judge(circle, [attempt(Mask.from_vector(circle.network, ticket | idle))])[0]
    assert (padded["as_good"], padded["as_sparse"]) == (True, False)
    assert padded["recall"] == 1.0 > padded["f1"]
    partial = judge(circle, [attempt(Mask.from_vector(circle.network, half))])[0]
    assert (partial["as_good"], partial["as_sparse"]) == (False, True)
    assert partial["recall"] == pytest.approx(int(half.sum()) / int(ticket.sum()))
    assert partial["f1"] == pytest.approx(2 * partial["recall"] / (1 + partial["recall"]))


def test_the_tolerance_decides_what_is_as_good(circle):
    ticket = circle.truth.ticket.vector(circle.network)
    ticket[int(ticket.nonzero()[-1])] = False
    [found] = judge(circle, [attempt(Mask.from_vector(circle.network, ticket))])
    assert found["recovered"] < 1
    [lenient] = judge(
        circle,
        [attempt(Mask.from_vector(circle.network, ticket))],
        tolerance=1.0001 - found["recovered"],
    )
    [strict] = judge(
        circle,
        [attempt(Mask.from_vector(circle.network, ticket))],
        tolerance=0.9999 - found["recovered"],
    )
    assert (lenient["as_good"], strict["as_good"]) == (True, False)


def test_runs_that_failed_are_left_out(circle):
    assert judge(circle, [attempt(None)]) == []
    [found] = judge(circle, [attempt(None), attempt(circle.truth.ticket, seed=1)])
    assert found["seed"] == 1
