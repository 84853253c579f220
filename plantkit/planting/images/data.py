"""Images with their classes, and how they are split into those to train and those to test on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
