"""The data of the lottery-ticket studies, split to train, to stop and to test on.

The digits are 1,797 images of 8x8 pixels in ten classes (the test part of "Optical Recognition
of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI). They need the extra `studies`. MNIST and
CIFAR-10 are read from the user's files, as `plantkit plant` reads them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from plantkit.errors import MissingExtraError, UsageError
from plantkit.networks.training import Samples
from plantkit.planting import ImageFamily, find_family
from plantkit.planting.images.family import DATA_VARIABLE
from plantkit.research.studies.setups import DIGITS

_TEST_DIGITS, _VALIDATION_DIGITS = 300, 297
#: The share that is held out to stop at, of the images to train on: a twelfth is 5,000 of MNIST's
#: 60,000, as in arXiv 1803.03635.
_HELD_OUT: Mapping[str, int] = {"mnist": 12, "cifar10": 10}
#: What the files of a data set are called, and folders in which they may lie, too: one of these
#: files says that the data are meant to be there.
_FILES: Mapping[str, tuple[str, ...]] = {
    "mnist": ("train-images*", "train-labels*", "t10k-images*", "t10k-labels*"),
    "cifar10": ("data_batch_*", "test_batch*", "cifar-10-*"),
}
_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "mnist": ("MNIST/raw", "raw", "mnist"),
    "cifar10": ("cifar-10-batches-bin",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Data, shuffled and split."""

    train: Samples
    validation: Samples
    test: Samples


def load_split(data: str, seed: int, directory: Path | None = None) -> Split:
    """Returns a data set, whose parts to train and to stop on depend on `seed`.

    Of the digits, the part to test on does, too.

    Args:
        directory: of the user's files; see `data_directory`.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        UsageError: files are missing or damaged.
    """
    if data == DIGITS:
        everything = _digits()
        order = _order(len(everything), seed)
        rest, test = everything, _take(everything, order[len(order) - _TEST_DIGITS :])
        order = order[: len(order) - _TEST_DIGITS]
        held_out = _VALIDATION_DIGITS
    else:
        rest, test = _from_files(data, directory)
        order = _order(len(rest), seed)
        held_out = max(1, len(rest) // _HELD_OUT[data])
    last = len(order) - held_out
    return Split(train=_take(rest, order[:last]), validation=_take(rest, order[last:]), test=test)


def _order(count: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.Generator(np.random.PCG64([seed, 0])).permutation(count))


def _take(samples: Samples, chosen: Tensor) -> Samples:
    return Samples(inputs=samples.inputs[chosen], targets=samples.targets[chosen])


@lru_cache(maxsize=1)
def _digits() -> Samples:
    if find_spec("sklearn") is None:
        raise MissingExtraError(extra="studies", needed_for="loading the digits")
    from sklearn.datasets import load_digits

    inputs, targets = load_digits(return_X_y=True)
    return Samples(
        inputs=torch.from_numpy(inputs / 16.0).float(), targets=torch.from_numpy(targets).long()
    )


@lru_cache(maxsize=1)
def _from_files(data: str, directory: Path | None) -> tuple[Samples, Samples]:
    return _family(data).with_directory(directory).split(b"")


def _family(data: str) -> ImageFamily:
    family = find_family(data)
    assert isinstance(family, ImageFamily)
    return family


def data_directory(given: Path | None) -> Path | None:
    """Returns the directory of the user's files: `given`, or what PLANTKIT_DATA names, if any.

    Raises:
        UsageError: there is no such directory.
    """
    named = os.environ.get(DATA_VARIABLE)
    directory = given or (Path(named) if named else None)
    if directory is not None and not directory.is_dir():
        said = "--data" if given else DATA_VARIABLE
        raise UsageError(f"{said} is {directory}: no such directory")
    return directory


def is_there(data: str, directory: Path) -> bool:
    """Returns whether some of the files of a data set lie in a directory, perhaps not all."""
    return any(
        any(folder.glob(pattern))
        for folder in (directory, *(directory / name for name in _FOLDERS[data]))
        for pattern in _FILES[data]
    )


@lru_cache(maxsize=4)
def fingerprint(data: str, directory: Path) -> str:
    """Returns what tells these data from others: the SHA-256 of all, cut short.

    Raises:
        UsageError: files are missing or damaged.
    """
    state = hashlib.sha256()
    for part in _from_files(data, directory):
        state.update(part.inputs.numpy().tobytes())
        state.update(part.targets.numpy().tobytes())
    return state.hexdigest()[:16]
