"""`fashion`: Fashion-MNIST, from the user's files, with a trained ticket (arXiv 1708.07747)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plantkit.planting.families.mnist import IdxFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class FashionFamily(IdxFamily):
    """Articles of clothing of 28x28 pixels, in the files of MNIST's names."""

    name: ClassVar[str] = "fashion"
    title: ClassVar[str] = "Fashion-MNIST: ten classes of clothing, 28x28 pixels"
    source: ClassVar[str] = "Fashion-MNIST, Xiao, Rasul and Vollgraf, arXiv 1708.07747"
    licence: ClassVar[str] = "CC0-1.0; its images MIT: Fashion-MNIST, Zalando SE"
    offset: ClassVar[float] = 0.29
    folders: ClassVar[tuple[str, ...]] = ("FashionMNIST/raw", "raw", "fashion")
    mirrored: ClassVar[bool] = True


FAMILY = FashionFamily()
