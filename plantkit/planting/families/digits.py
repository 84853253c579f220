"""`digits`: scikit-learn's 1,797 handwritten digits of 8x8 pixels, with a trained ticket."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np

from plantkit.errors import MissingExtraError
from plantkit.networks.training import Recipe
from plantkit.planting.images.data import Images, split_evenly
from plantkit.planting.images.family import ImageFamily

#: Images to test on: one in a hundred is five of them.
TEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsFamily(ImageFamily):
    """Handwritten digits. The planting seed draws which of them are held out for the test."""

    name: ClassVar[str] = "digits"
    title: ClassVar[str] = "Digits: ten classes of handwriting, 8x8 pixels"
    image: ClassVar[tuple[int, int, int]] = (1, 8, 8)
    inputs = 64
    scale: ClassVar[float] = 16.0
    offset: ClassVar[float] = 0.3
    source: ClassVar[str] = "Optical Recognition of Handwritten Digits, Alpaydin and Kaynak, UCI"
    licence: ClassVar[str] = (
        "CC0-1.0; its images CC-BY-4.0: Optical Recognition of Handwritten Digits, E. Alpaydin "
        "and C. Kaynak, UCI, doi 10.24432/C50P49"
    )
    networks: ClassVar[tuple[str, ...]] = ("lenet", "vgg", "resnet")
    audited: ClassVar[tuple[str, ...]] = ("lenet", "vgg")
    needs_files: ClassVar[bool] = False
    shift: ClassVar[int] = 1
    round_recipe: ClassVar[Recipe] = Recipe(epochs=4, batch_size=64, learning_rate=0.005)
    reference_seeds: ClassVar[int] = 5

    epochs: int = 150

    def read(self, directory: Path | None) -> tuple[Images, Images | None]:
        if find_spec("sklearn") is None:
            raise MissingExtraError(extra="digits", needed_for="planting in digits")
        from sklearn.datasets import load_digits

        pixels, classes = load_digits(return_X_y=True)
        return Images(pixels=pixels.astype(np.uint8), classes=classes.astype(np.int64)), None

    def divide(self, images: Images, rng: np.random.Generator) -> tuple[Images, Images]:
        return split_evenly(images, TEST, rng)


FAMILY = DigitsFamily()
