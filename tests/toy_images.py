"""A small family of images for tests: where a bright bar is, and which way it goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from plantkit.networks import ConvolutionSpec, Network
from plantkit.networks.residual import ResidualSpec
from plantkit.networks.training import Recipe
from plantkit.planting.images.data import Images, split_evenly
from plantkit.planting.images.family import ImageFamily

IMAGE = (1, 8, 8)
CLASSES = 4
#: One network of each build.
NETWORKS: dict[str, Network] = {
    "plain": ConvolutionSpec(image=IMAGE, blocks=((16,), (24,)), hidden=(32,), outputs=CLASSES),
    "deep": ConvolutionSpec(
        image=IMAGE, blocks=((12, 12), (16, 16)), outputs=CLASSES, normalised=True
    ),
    "residual": ResidualSpec(image=IMAGE, stages=((16, 2, 1), (24, 1, 2)), outputs=CLASSES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsFamily(ImageFamily):
    """Four classes of 8x8 pixels, quickly learned."""

    name: ClassVar[str] = "bars"
    title: ClassVar[str] = "Bars: four classes of 8x8 pixels"
    image: ClassVar[tuple[int, int, int]] = IMAGE
    inputs = 64
    source: ClassVar[str] = "made for a test"
    licence: ClassVar[str] = "CC0-1.0"
    networks: ClassVar[tuple[str, ...]] = tuple(NETWORKS)
    needs_files: ClassVar[bool] = False
    shift: ClassVar[int] = 0
    outputs = CLASSES
    round_recipe: ClassVar[Recipe] = Recipe(epochs=2, batch_size=64, learning_rate=0.005)
    density: float = 0.06
    pull: float = 0.1
    epochs: int = 24
    rounds: int = 2

    def read(self, directory: Path | None) -> tuple[Images, Images | None]:
        rng = np.random.default_rng(7)
        classes = np.arange(400) % CLASSES
        pixels = rng.integers(0, 80, (400, 8, 8))
        for image, kind in zip(pixels, classes, strict=True):
            line = int(rng.integers(0, 3)) + (5 if kind % 2 else 0)
            part = image[line] if kind < 2 else image[:, line]
            part += 150
        return (
            Images(pixels=pixels.reshape(400, -1).astype(np.uint8), classes=classes),
            None,
        )

    def divide(self, images: Images, rng: np.random.Generator) -> tuple[Images, Images]:
        return split_evenly(images, 100, rng)

    def network(self, name: str | None) -> Network:
        return NETWORKS[self.network_name(name)]


FAMILY = BarsFamily()
