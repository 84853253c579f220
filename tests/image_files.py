"""Small files of the formats that image data come in, written for a test."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def idx_bytes(values: NDArray[np.uint8]) -> bytes:
    """Returns an idx file of unsigned bytes."""
    header = bytes([0, 0, 8, values.ndim])
    return header + np.array(values.shape, dtype=">u4").tobytes() + values.tobytes()


def write_mnist(
    directory: Path, *, train: int = 40, test: int = 20, packed: bool = False, seed: int = 0
) -> None:
    """Writes the four files of MNIST with random images whose brightness tells the class."""
    rng = np.random.default_rng(seed)
    directory.mkdir(parents=True, exist_ok=True)
    for prefix, count in (("train", train), ("t10k", test)):
        classes = np.arange(count) % 10
        pixels = rng.integers(0, 30, (count, 28, 28)) + 22 * classes[:, None, None]
        for name, values in (
            (f"{prefix}-images-idx3-ubyte", pixels),
            (f"{prefix}-labels-idx1-ubyte", classes),
        ):
            content = idx_bytes(values.astype(np.uint8))
            if packed:
                (directory / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (directory / name).write_bytes(content)


def write_cifar(directory: Path, *, each: int = 20, seed: int = 0) -> None:
    """Writes the six files of CIFAR-10's binary version, `each` random images a file."""
    rng = np.random.default_rng(seed)
    directory.mkdir(parents=True, exist_ok=True)
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    for name in names:
        classes = np.arange(each) % 10
        pixels = rng.integers(0, 30, (each, 3072)) + 22 * classes[:, None]
        records = np.column_stack([classes, pixels]).astype(np.uint8)
        (directory / name).write_bytes(records.tobytes())
