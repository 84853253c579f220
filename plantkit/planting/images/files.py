"""Reads the files in which MNIST, Fashion-MNIST and CIFAR-10 are published.

References:
    The idx format: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    The binary version of CIFAR-10: https://www.cs.toronto.edu/~kriz/cifar.html. Its Python
    version holds pickles, which can run any code when they are read: it is never read here.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import UsageError
from plantkit.planting.images.data import Images, check_range

#: The type of an idx file's numbers that all of these files have: unsigned bytes.
_BYTES = 8
#: More images than any of these files has; a damaged header may state any count.
_MOST_IMAGES = 1_000_000
#: Each of these data sets has so many classes.
_CLASSES = 10

_CIFAR_IMAGES = 10_000  # in each file
_CIFAR_PIXELS = 3 * 32 * 32
_CIFAR_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_CIFAR_TEST = "test_batch"


def find_idx(directory: Path, name: str, folders: Sequence[str]) -> Path:
    """Returns the idx file `name`, such as `train-images-idx3-ubyte`, or its .gz.

    It may lie in one of these folders of the directory, or in the directory itself, which is
    searched last: files of other data with these names may lie there. Some copies have a dot in
    place of the last dash but one.

    Raises:
        UsageError: there is none.
    """
    stem, _, kind = name.partition("-idx")
    names = [f"{stem}{mark}idx{kind}{end}" for mark in "-." for end in ("", ".gz")]
    for folder in (*folders, "."):
        for each in names:
            if (directory / folder / each).is_file():
                return directory / folder / each
    raise UsageError(f"{directory}: has no {name} or {name}.gz{_instead(directory)}")


def read_idx(path: Path, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Returns the numbers of an idx file of unsigned bytes, (n, *size).

    It checks the header before it reads or unpacks anything else.

    Args:
        size: (height, width) of images, () of classes.

    Raises:
        UsageError: another format, size or number of axes, a file cut short, or bytes left over.
    """
    axes = 1 + len(size)
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(4 + 4 * axes)
            expected = bytes([0, 0, _BYTES, axes])
            if header[:4] != expected:
                raise UsageError(
                    f"{path}: begins with the bytes {header[:4].hex(' ') or 'of an empty file'}; "
                    f"expected {expected.hex(' ')}, an idx file of unsigned bytes with {axes} "
                    f"{'axis' if axes == 1 else 'axes'}: is it another file under this name?"
                )
            if len(header) < 4 + 4 * axes:
                raise UsageError(f"{path}: ends within its header; get the file again")
            shape = [int(size) for size in np.frombuffer(header[4:], dtype=">u4")]
            count = math.prod(shape)
            if not (count > 0 and shape[0] <= _MOST_IMAGES):
                raise UsageError(
                    f"{path}: states the sizes {' x '.join(map(str, shape))}; expected 1 to "
                    f"{_MOST_IMAGES:,} images: get the file again"
                )
            if tuple(shape[1:]) != size:
                raise UsageError(
                    f"{path}: has images of {shape[1]} x {shape[2]} pixels; "
                    f"expected {size[0]} x {size[1]}"
                )
            content = file.read(count + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UsageError(f"{path}: cannot be unpacked ({error}); get the file again") from error
    if len(content) != count:
        found = f"{len(content)}" if len(content) < count else f"more than {count}"
        raise UsageError(
            f"{path}: states {' x '.join(map(str, shape))} numbers and holds {found}; expected "
            f"{count}: get the file again"
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def read_idx_images(
    directory: Path, prefix: str, size: tuple[int, int], folders: Sequence[str]
) -> Images:
    """Returns the images and classes in the two idx files of this prefix, `train` or `t10k`.

    Raises:
        UsageError: a file is missing or damaged, images have another size, there are not as many
            classes as images, or a class is above 9.
    """
    path = find_idx(directory, f"{prefix}-images-idx3-ubyte", folders)
    pixels = read_idx(path, size)
    labels = find_idx(directory, f"{prefix}-labels-idx1-ubyte", folders)
    classes = read_idx(labels, ()).astype(np.int64)
    if len(classes) != len(pixels):
        raise UsageError(
            f"{labels}: has {len(classes)} classes; expected {len(pixels)}, one for each image "
            f"in {path.name}"
        )
    check_range(classes, _CLASSES, str(labels))
    return Images(pixels=pixels.reshape(len(pixels), -1), classes=classes)


def read_cifar(directory: Path) -> tuple[Images, Images]:
    """Returns CIFAR-10's images to train and to test on, from its binary version.

    Raises:
        UsageError: a file is missing, has a wrong size, or holds a class above 9.
    """
    folder = directory / "cifar-10-batches-bin"
    folder = folder if folder.is_dir() else directory
    names = [f"{name}.bin" for name in (*_CIFAR_BATCHES, _CIFAR_TEST)]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"{folder}: has no {missing[0]}; expected the six .bin files of CIFAR-10's binary "
            f"version"
            f"{_cifar_instead(directory)}"
        )
    batches = [_cifar_batch(folder / f"{name}.bin") for name in _CIFAR_BATCHES]
    train = Images(
        pixels=np.concatenate([batch.pixels for batch in batches]),
        classes=np.concatenate([batch.classes for batch in batches]),
    )
    return train, _cifar_batch(folder / f"{_CIFAR_TEST}.bin")


def _cifar_batch(path: Path) -> Images:
    record, size = 1 + _CIFAR_PIXELS, path.stat().st_size
    if not 0 < size <= _CIFAR_IMAGES * record or size % record:
        raise UsageError(
            f"{path}: has {size} bytes; expected a multiple of {record}, a class and "
            f"{_CIFAR_PIXELS} pixel values for each image, of at most {_CIFAR_IMAGES:,} images: "
            "get the file again"
        )
    records = np.fromfile(path, dtype=np.uint8, count=size).reshape(-1, record)
    classes = records[:, 0].astype(np.int64)
    check_range(classes, _CLASSES, str(path))
    return Images(pixels=records[:, 1:].copy(), classes=classes)


def _cifar_instead(directory: Path) -> str:
    """Returns what to do instead, by what the directory holds."""
    archive = "cifar-10-binary.tar.gz"
    if (directory / archive).is_file():
        return f"; unpack {directory / archive} (tar xzf) first"
    pickles = [directory, directory / "cifar-10-batches-py"]
    if (
        any((folder / _CIFAR_BATCHES[0]).is_file() for folder in pickles)
        or (directory / "cifar-10-python.tar.gz").is_file()
    ):
        return (
            "; what lies there is the Python version, whose pickles can run any code when they "
            f"are read: get {archive} from https://www.cs.toronto.edu/~kriz/cifar.html and "
            "unpack it"
        )
    return (
        f"; get {archive} from https://www.cs.toronto.edu/~kriz/cifar.html, unpack it, and give "
        f"the directory{_instead(directory)}"
    )


def _instead(directory: Path) -> str:
    """Returns what a directory holds instead."""
    names = sorted(path.name for path in directory.iterdir())
    shown = ", ".join(ascii(name)[1:-1] for name in names[:5])
    return f"; it holds {shown}{', ...' if names[5:] else ''}" if names else "; it is empty"
