"""SGD with momentum, and images that look different each time: against torch, and by hand."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional

from plantkit.networks import ConvolutionSpec, PerceptronSpec, unflatten
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import Classification
from plantkit.networks.training import (
    Descent,
    Run,
    Samples,
    data_order,
    single_threaded,
    snapshots,
    trace,
    train_group,
)
from plantkit.networks.training.variation import varied

TASK = Classification(outputs=3)
SPEC = PerceptronSpec(widths=(4, 6, 3))
DESCENT = Descent(epochs=3, batch_size=5, learning_rate=0.2, weight_decay=0.01, drops=(4, 7))


@pytest.fixture
def data() -> Samples:
    generator = torch.Generator().manual_seed(1)
    return Samples(
        inputs=torch.rand(15, 4, generator=generator),
        targets=torch.randint(3, (15,), generator=generator),
    )


def start_of(spec: PerceptronSpec, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: 0.5 * torch.randn(shape, generator=generator) for name, shape in spec.shapes.items()
    }


def test_rates_drop() -> None:
    rates = [DESCENT.rate(step) for step in range(9)]
    assert rates == pytest.approx([0.2, 0.2, 0.2, 0.2, 0.02, 0.02, 0.02, 0.002, 0.002])
    assert Descent(learning_rate=0.3).rate(1000) == 0.3


def test_steps_are_those_of_torch(data: Samples) -> None:
    mask = dict(Mask.full(SPEC))
    mask["layers.0.weight"] = torch.rand(6, 4, generator=torch.Generator().manual_seed(3)) > 0.5
    found = trace(
        SPEC, TASK, data, [Run(start=start_of(SPEC), mask=mask, seed=7)], DESCENT, steps=[9]
    )
    values = {name: value * mask[name] for name, value in start_of(SPEC).items()}
    parameters = [value.clone().requires_grad_() for value in values.values()]
    optimizer = torch.optim.SGD(parameters, lr=1.0, momentum=0.9, weight_decay=0.01)
    batches = itertools.chain.from_iterable(
        torch.split(data_order(7, epoch, 15), 5) for epoch in range(3)
    )
    for step, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = DESCENT.rate(step)
        optimizer.zero_grad()
        first, first_bias, second, second_bias = parameters
        hidden = torch.relu(functional.linear(data.inputs[batch], first, first_bias))
        outputs = functional.linear(hidden, second, second_bias)
        functional.cross_entropy(outputs, data.targets[batch]).backward()
        assert first.grad is not None
        first.grad *= mask["layers.0.weight"]
        optimizer.step()
    expected = torch.cat([value.detach().flatten() for value in parameters])
    torch.testing.assert_close(found[0, 0], expected, rtol=1e-4, atol=1e-6)
    kept = unflatten(SPEC, found[0, 0])["layers.0.weight"]
    assert not kept[~mask["layers.0.weight"]].any()


def test_training_that_goes_on_takes_the_rates_that_follow(data: Samples) -> None:
    # Without momentum, nothing is gathered on the way that a new start would lose.
    plain = Descent(epochs=3, batch_size=5, learning_rate=0.2, momentum=0.0, drops=(4,))
    full = Mask.full(SPEC)
    start = start_of(SPEC)
    early, late = trace(
        SPEC, TASK, data, [Run(start=start, mask=full, seed=7)], plain, steps=[3, 9]
    )
    went_on = trace(
        SPEC,
        TASK,
        data,
        [Run(start=unflatten(SPEC, early[0]), mask=full, seed=7)],
        plain,
        steps=[9],
        first_step=3,
    )
    torch.testing.assert_close(went_on[0], late, rtol=1e-5, atol=1e-7)


def test_snapshots_are_what_a_group_gives(data: Samples) -> None:
    runs = [Run(start=start_of(SPEC), mask=Mask.full(SPEC), seed=seed) for seed in (1, 2)]
    with single_threaded():
        whole = train_group(SPEC, TASK, data, runs, DESCENT, steps=[0, 4, 9])
        seen = list(snapshots(SPEC, TASK, data, runs, DESCENT, steps=[0, 4, 9]))
    assert len(seen) == 3
    assert torch.equal(torch.stack(seen), whole)
    assert not torch.equal(seen[1], seen[2])


def test_a_descent_is_stated_whole() -> None:
    stated = DESCENT.to_json()
    assert stated["optimizer"] == "sgd"
    assert (stated["momentum"], stated["drops"]) == (0.9, [4, 7])


# --- images


IMAGE = (2, 3, 4)


def numbered(runs: int, count: int) -> torch.Tensor:
    """Images whose pixels are all different and above zero."""
    return torch.arange(1.0, runs * count * 24 + 1).reshape(runs, count, 24)


def test_images_move_as_a_whole_and_zeros_come_in() -> None:
    images = numbered(1, 50)
    found = varied(images, IMAGE, [3], 0, shift=1, mirrored=False).reshape(50, *IMAGE)
    places = set()
    for image, moved in zip(images.reshape(50, *IMAGE), found, strict=True):
        padded = functional.pad(image, (1, 1, 1, 1))
        places |= {
            (down, right)
            for down in range(3)
            for right in range(3)
            if torch.equal(padded[:, down : down + 3, right : right + 4], moved)
        }
    assert len(places) == 9  # every one of them occurs among fifty


def test_half_of_the_images_are_mirrored() -> None:
    images = numbered(1, 200)
    found = varied(images, IMAGE, [3], 0, shift=0, mirrored=True).reshape(200, *IMAGE)
    whole = images.reshape(200, *IMAGE)
    mirrored = [torch.equal(a.flip(2), b) for a, b in zip(whole, found, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(whole, found, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 70 < sum(mirrored) < 130


def test_a_seed_and_a_step_decide_what_is_seen() -> None:
    images = numbered(1, 20).expand(3, -1, -1)
    first, again, other = varied(images, IMAGE, [5, 5, 6], 2, shift=1, mirrored=True)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    later = varied(images, IMAGE, [5, 5, 6], 3, shift=1, mirrored=True)
    assert not torch.equal(first, later[0])


def test_varied_images_reach_the_training() -> None:
    spec = ConvolutionSpec(image=(1, 4, 4), blocks=((2,),), outputs=3)
    generator = torch.Generator().manual_seed(0)
    data = Samples(
        inputs=torch.rand(10, 16, generator=generator),
        targets=torch.randint(3, (10,), generator=generator),
    )
    start = {name: torch.randn(shape, generator=generator) for name, shape in spec.shapes.items()}
    runs = [Run(start=start, mask=Mask.full(spec), seed=0)]
    ends = [
        trace(spec, TASK, data, runs, Descent(epochs=2, batch_size=5, **how), steps=[4])
        for how in ({}, {"shift": 1}, {"shift": 1}, {"mirrored": True})
    ]
    assert torch.equal(ends[1], ends[2])
    assert not torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[3])


def test_what_has_no_pixels_cannot_be_moved(data: Samples) -> None:
    run = Run(start=start_of(SPEC), mask=Mask.full(SPEC), seed=0)
    with pytest.raises(ValueError, match="takes none"):
        trace(SPEC, TASK, data, [run], Descent(epochs=1, batch_size=5, shift=1), steps=[1])
