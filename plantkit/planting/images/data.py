"""Images with their classes: how they are split for training and test, and varied in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from plantkit.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Images:
    """Images (n, channels · height · width) uint8, and their classes (n,) int64."""

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, chosen: NDArray[np.intp]) -> Images:
        """Returns the chosen images."""
        return Images(pixels=self.pixels[chosen], classes=self.classes[chosen])


def check_range(classes: NDArray[np.int64], count: int, where: str) -> None:
    """Checks that classes are 0 to `count` - 1.

    Raises:
        UsageError: another class; the message begins with `where`.
    """
    wrong = classes[(classes < 0) | (classes >= count)]
    if wrong.size:
        raise UsageError(f"{where}: holds the class {wrong.max()}; expected 0 to {count - 1}")


def check_classes(images: Images, count: int, where: str) -> None:
    """Checks that classes are 0 to `count` - 1, and that every one of them occurs.

    Raises:
        UsageError: another class, or one without an image.
    """
    check_range(images.classes, count, where)
    found = np.unique(images.classes)
    if found.size < count:
        missing = min(set(range(count)) - set(found.tolist()))
        raise UsageError(
            f"{where}: has {len(images)} images and none of class {missing}; expected every "
            f"class from 0 to {count - 1}"
        )


def split_evenly(images: Images, test: int, rng: np.random.Generator) -> tuple[Images, Images]:
    """Returns images to train on and `test` images to test on.

    Both have every class in the same share, up to one image. The order is random.
    """
    order = rng.permutation(len(images))
    order = order[np.argsort(images.classes[order], kind="stable")]  # by class, shuffled within
    # Every len / test-th image: as evenly over the classes as can be.
    drawn = np.zeros(len(images), dtype=bool)
    drawn[
        (np.arange(test) * len(images) + int(rng.integers(len(images)))) // test % len(images)
    ] = True
    return tuple(images.take(rng.permutation(order[part])) for part in (~drawn, drawn))  # type: ignore[return-value]


def varied(
    inputs: Tensor,
    image: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    shift: int,
    mirrored: bool,
) -> Tensor:
    """Returns (n, inputs) images moved by up to `shift` pixels, and mirrored if that may be.

    Half of them stay where they are. What comes in at an edge repeats the edge.

    Args:
        image: (channels, height, width).
    """
    if not shift and not mirrored:
        return inputs
    count, (channels, rows, columns) = len(inputs), image
    images = inputs.reshape(count, channels, rows, columns)
    if mirrored:
        flipped = torch.from_numpy(rng.random(count) < 0.5)
        images = torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images)
    stays = rng.random((count, 1)) < 0.5
    drawn = rng.integers(-shift, shift + 1, (count, 2))
    down, right = torch.from_numpy(np.where(stays, 0, drawn)).unbind(1)
    padded = functional.pad(images, (shift,) * 4, mode="replicate")
    rows_from = (shift + down)[:, None] + torch.arange(rows)  # (n, rows)
    columns_from = (shift + right)[:, None] + torch.arange(columns)
    each = torch.arange(count)[:, None, None]
    # (n, rows, columns, channels): indexed axes come first where a slice stands between
    taken = padded[each, :, rows_from[:, :, None], columns_from[:, None, :]]
    return taken.permute(0, 3, 1, 2).reshape(count, -1)
