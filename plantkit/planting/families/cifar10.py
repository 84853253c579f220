"""`cifar10`: CIFAR-10, from the user's files, with a trained ticket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plantkit.planting.images.data import Images
from plantkit.planting.images.family import ImageFamily
from plantkit.planting.images.files import read_cifar


@dataclass(frozen=True, slots=True, kw_only=True)
class Cifar10Family(ImageFamily):
    """Colour photographs of 32x32 pixels, and their standard split."""

    name: ClassVar[str] = "cifar10"
    title: ClassVar[str] = "CIFAR-10: ten classes of photographs, 32x32 pixels"
    image: ClassVar[tuple[int, int, int]] = (3, 32, 32)
    inputs = 3072
    scale: ClassVar[float] = 127.5
    offset: ClassVar[float] = 1.0
    source: ClassVar[str] = "CIFAR-10, Krizhevsky, Nair and Hinton"
    licence: ClassVar[str] = (
        "CC0-1.0; its images have no stated licence: CIFAR-10, A. Krizhevsky, V. Nair, G. Hinton"
    )
    networks: ClassVar[tuple[str, ...]] = (
        "conv4",
        "conv2",
        "conv6",
        "vgg16",
        "resnet18",
        "resnet20",
    )
    mirrored: ClassVar[bool] = True

    def read(self, directory: Path | None) -> tuple[Images, Images | None]:
        assert directory is not None
        return read_cifar(directory)


FAMILY = Cifar10Family()
