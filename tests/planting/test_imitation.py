"""The dense network that a ticket of a normalised network learns from."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from toy_images import FAMILY, NETWORKS

from plantkit import Problem
from plantkit.networks.graph import ImageNetwork
from plantkit.networks.named import named_network
from plantkit.networks.training import Samples
from plantkit.planting.images.imitation import (
    TEMPERATURE,
    TRUST,
    find_teacher,
    imitation_loss,
    is_taught,
)
from plantkit.planting.initialization import generator
from plantkit.planting.methods.trained import _narrow_problem


def test_the_loss_by_hand() -> None:
    outputs, taught = np.array([[1.0, 3.0], [0.0, -2.0]]), np.array([[2.0, 0.0], [1.0, 1.0]])
    classes = np.array([1, 0])

    def shares(logits: np.ndarray) -> np.ndarray:
        powers = np.exp(logits)
        return powers / powers.sum(axis=1, keepdims=True)

    labels = -np.log(shares(outputs)[[0, 1], classes]).mean()
    soft = shares(taught / TEMPERATURE) * np.log(shares(outputs / TEMPERATURE))
    expected = TRUST * TEMPERATURE**2 * -soft.sum(axis=1).mean() + (1 - TRUST) * labels
    given = torch.from_numpy(outputs), torch.from_numpy(taught), torch.from_numpy(classes)
    assert float(imitation_loss(*given)) == pytest.approx(expected)
    assert float(imitation_loss(given[0], None, given[2])) == pytest.approx(labels)


def test_tickets_of_normalised_networks_are_taught() -> None:
    image = (1, 8, 8)
    for name, expected in (("lenet", False), ("vgg", False), ("resnet", True)):
        network = named_network(name, image, 10)
        assert isinstance(network, ImageNetwork)
        assert is_taught(network) is expected


def dense_problem(kind: str, train: Samples) -> Problem:
    return _narrow_problem(FAMILY, NETWORKS[kind], train, generator(b"1", "training 0"))


@pytest.mark.parametrize("kind", ["deep", "residual"])
def test_a_teacher_knows_images_that_it_has_not_seen(kind: str) -> None:
    train, test = FAMILY.split(b"1")

    def outputs() -> torch.Tensor:
        vary = partial(FAMILY.varied, rng=np.random.default_rng(1))
        return find_teacher(dense_problem(kind, train), vary, rounds=3)(test.inputs)

    assert not outputs().requires_grad
    assert float((outputs().argmax(dim=1) == test.targets).double().mean()) > 0.9
    assert torch.equal(outputs(), outputs())


def test_a_teacher_is_trained_on_images_moved_anew_in_every_round() -> None:
    train, test = FAMILY.split(b"1")
    seen = []

    def lose(inputs: torch.Tensor) -> torch.Tensor:
        seen.append(inputs)
        return torch.zeros_like(inputs)

    outputs = find_teacher(dense_problem("deep", train), lose, rounds=3)(test.inputs)
    # It has learned nothing, and it was always the images as they are that were moved.
    assert float((outputs.argmax(dim=1) == test.targets).double().mean()) < 0.6
    assert len(seen) == 3
    assert all(torch.equal(inputs, train.inputs) for inputs in seen)
