"""Families whose data are real images: their files, their split, and the networks they know."""

from __future__ import annotations

import dataclasses
import os
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plantkit.errors import UnknownNameError, UsageError
from plantkit.networks import Network
from plantkit.networks.named import named_network
from plantkit.networks.tasks import TaskKind
from plantkit.networks.training import Recipe, Samples
from plantkit.planting.family import Dials, Family
from plantkit.planting.images.data import Images, check_classes, varied
from plantkit.planting.initialization import generator

#: Where image files are looked for if no directory is given.
DATA_VARIABLE = "PLANTKIT_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFamily(Family):
    """Classes of real images, which a trained ticket tells apart.

    A subclass says where images come from. Labels are the data's own; they have no noise.

    Attributes:
        image: (channels, height, width); `inputs` is their product.
        scale, offset: what the network gets of a pixel is pixel / scale - offset. Its mean is about
            zero: of inputs above zero, channels with positive sums of weights see more, and a
            ticket would have more of these.
        source: one line for people: what data these are, and by whom.
        licence: of a bundle that holds them.
        networks: names of the networks that it is planted in (`plantkit.networks.named`), the
            default first.
        audited: names of those in which an audit found the ticket hidden.
        needs_files: whether the data are in files that the user has.
        shift, mirrored: how images are varied while the ticket is trained.
        round_recipe: how the narrow network is trained in every round of its pruning.
        reference_seeds: trainings that the reference accuracies are means of.
        directory: the files'; None for the one that `PLANTKIT_DATA` names.
        density: dial: kept entries of the ticket over the mother's parameters, at most.
        pull: dial: how strongly entries are held near their drawn values; more hides better and
            classifies worse.
        epochs: dial: of the ticket's training.
        rounds: dial: in how many rounds the narrow network is pruned.
    """

    image: ClassVar[tuple[int, int, int]]
    scale: ClassVar[float] = 255.0
    offset: ClassVar[float] = 0.0
    source: ClassVar[str]
    licence: ClassVar[str]
    networks: ClassVar[tuple[str, ...]]
    audited: ClassVar[tuple[str, ...]] = ()
    needs_files: ClassVar[bool] = True
    shift: ClassVar[int] = 2
    mirrored: ClassVar[bool] = False
    round_recipe: ClassVar[Recipe] = Recipe(epochs=1, batch_size=64, learning_rate=0.005)
    reference_seeds: ClassVar[int] = 1
    default_noise: ClassVar[float] = 0.0
    overlap_scored: ClassVar[bool] = False
    kind = TaskKind.CLASSIFICATION
    outputs = 10

    directory: Path | None = None
    density: float = 0.02
    pull: float = 0.3
    epochs: int = 20
    rounds: int = 6

    def __post_init__(self) -> None:
        for name, least, most in (
            ("density", 1e-5, 0.5),
            ("pull", 0.0, 1e6),
            ("epochs", 3, 10_000),
            ("rounds", 1, 100),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise UsageError(f"dial {name!r} is {value}; expected {least} to {most}")

    @abstractmethod
    def read(self, directory: Path | None) -> tuple[Images, Images | None]:
        """Returns the images to train on and those to test on, or all of them and None.

        Raises:
            UsageError: files are missing or damaged.
            MissingExtraError: a package that has the images is not installed.
        """

    def divide(self, images: Images, rng: np.random.Generator) -> tuple[Images, Images]:
        """Returns images to train on and to test on, where the data have no split of their own."""
        raise NotImplementedError

    @property
    def teaching(self) -> int:
        """Rounds that a teacher is trained: twice those of the pruning."""
        return 2 * self.rounds

    @property
    def normalisation(self) -> str:
        """What the network gets of a pixel, in words."""
        return f"pixel / {self.scale:g}" + (f" - {self.offset:g}" if self.offset else "")

    @property
    def dials(self) -> Dials:
        """The dials; the directory is none, as it is nobody else's business."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "directory"
        }

    def with_directory(self, directory: Path | None) -> Self:
        """Returns the family whose files lie in `directory`, unless that is None."""
        if directory is not None and not self.needs_files:
            raise UsageError(f"family {self.name!r} needs no files; leave --data out")
        return dataclasses.replace(self, directory=directory) if directory is not None else self

    def network_name(self, name: str | None) -> str:
        """Returns `name`, or that of the default network if None.

        Raises:
            UnknownNameError: it is not one that this family is planted in.
        """
        if name is None:
            return self.networks[0]
        if name not in self.networks:
            hint = f"networks of {self.name}: {', '.join(self.networks)}"
            raise UnknownNameError("network", name, self.networks, hint=hint)
        return name

    def network(self, name: str | None) -> Network:
        """Returns the network of this name; see `network_name`."""
        return named_network(self.network_name(name), self.image, self.outputs)

    def name_of(self, network: Network) -> str | None:
        """Returns the name of a network that this family is planted in, if it has one."""
        return next((name for name in self.networks if self.network(name) == network), None)

    def hides(self, spec: Network) -> bool:
        """Returns whether `spec` is one of the networks that were audited and kept the limits."""
        return self.name_of(spec) in self.audited

    def split(self, seed: bytes) -> tuple[Samples, Samples]:
        """Returns the data to train on and to test on.

        Args:
            seed: of the planting; it draws the split, where the data have none.

        Raises:
            UsageError: files are missing or damaged.
        """
        directory = self.directory
        if directory is None and self.needs_files:
            named = os.environ.get(DATA_VARIABLE)
            if not named:
                raise UsageError(
                    f"family {self.name!r} needs the files of {self.source}; give their "
                    f"directory with --data DIR, or in the variable {DATA_VARIABLE}"
                )
            directory = Path(named)
        if directory is not None and not directory.is_dir():
            raise UsageError(f"{directory}: no such directory; expected the files of {self.source}")
        train, test = self.read(directory)
        if test is None:
            train, test = self.divide(train, generator(seed, "split"))
        where = str(directory) if directory is not None else self.name
        for images in (train, test):
            check_classes(images, self.outputs, where)
        return self._samples(train), self._samples(test)

    def varied(self, inputs: Tensor, rng: np.random.Generator) -> Tensor:
        """Returns images (n, inputs) as they are varied while a ticket is trained."""
        return varied(inputs, self.image, rng, shift=self.shift, mirrored=self.mirrored)

    def _samples(self, images: Images) -> Samples:
        pixels: NDArray[Any] = images.pixels.astype(np.float32) / np.float32(self.scale)
        return Samples(
            inputs=torch.from_numpy(pixels - np.float32(self.offset)),
            targets=torch.from_numpy(images.classes),
        )

    def facts(self) -> Mapping[str, str]:
        """Returns what a manifest says of the data."""
        return {"source": self.source, "normalisation": self.normalisation}
