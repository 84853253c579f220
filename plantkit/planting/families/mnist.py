"""`mnist`: MNIST's handwritten digits, from the user's files, with a trained ticket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plantkit.planting.images.data import Images
from plantkit.planting.images.family import ImageFamily
from plantkit.planting.images.files import read_idx_images


@dataclass(frozen=True, slots=True, kw_only=True)
class IdxFamily(ImageFamily):
    """Images in the four idx files of MNIST, and their standard split.

    Attributes:
        folders: where in the directory these files may lie, too.
    """

    folders: ClassVar[tuple[str, ...]]
    image: ClassVar[tuple[int, int, int]] = (1, 28, 28)
    inputs = 784
    networks: ClassVar[tuple[str, ...]] = ("lenet5", "conv2")

    def read(self, directory: Path | None) -> tuple[Images, Images | None]:
        assert directory is not None
        train, test = (
            read_idx_images(directory, prefix, self.image[1:], self.folders)
            for prefix in ("train", "t10k")
        )
        return train, test


@dataclass(frozen=True, slots=True, kw_only=True)
class MnistFamily(IdxFamily):
    """Handwritten digits of 28x28 pixels."""

    name: ClassVar[str] = "mnist"
    title: ClassVar[str] = "MNIST: ten classes of handwriting, 28x28 pixels"
    source: ClassVar[str] = "MNIST, LeCun, Cortes and Burges"
    licence: ClassVar[str] = "CC0-1.0; its images CC-BY-SA-3.0: MNIST, Y. LeCun and C. Cortes"
    offset: ClassVar[float] = 0.13
    folders: ClassVar[tuple[str, ...]] = ("MNIST/raw", "raw", "mnist")


FAMILY = MnistFamily()
