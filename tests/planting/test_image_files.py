"""Tests of the files that image families are read from."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_files import idx_bytes, write_cifar, write_mnist

from plantkit.errors import UsageError
from plantkit.planting import find_family
from plantkit.planting.images.data import Images, check_classes, split_evenly
from plantkit.planting.images.family import DATA_VARIABLE, ImageFamily
from plantkit.planting.images.files import read_cifar, read_idx, read_idx_images

SIZE = (28, 28)
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def family(name: str, directory: Path | None = None) -> ImageFamily:
    found = find_family(name)
    assert isinstance(found, ImageFamily)
    return found.with_directory(directory)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_packed_or_not(tmp_path: Path, packed: bool) -> None:
    pixels = np.arange(12 * 784).reshape(12, 28, 28).astype(np.uint8)
    end = ".gz" if packed else ""
    pack: Callable[[bytes], bytes] = gzip.compress if packed else bytes
    (tmp_path / (IMAGES + end)).write_bytes(pack(idx_bytes(pixels)))
    (tmp_path / (LABELS + end)).write_bytes(pack(idx_bytes(np.arange(12, dtype=np.uint8) % 10)))
    images = read_idx_images(tmp_path, "train", SIZE, ())
    np.testing.assert_array_equal(images.pixels, pixels.reshape(12, 784))
    np.testing.assert_array_equal(images.classes, np.arange(12) % 10)


@pytest.mark.parametrize("folder", ["MNIST/raw", "raw"])
def test_files_are_found_in_the_folders_that_torchvision_makes(tmp_path: Path, folder: str) -> None:
    write_mnist(tmp_path / folder)
    train, test = family("mnist", tmp_path).split(b"seed")
    assert (len(train), len(test)) == (40, 20)


def test_a_family_reads_its_own_folder_before_the_directory(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    write_mnist(tmp_path / "FashionMNIST/raw")
    (tmp_path / "FashionMNIST/raw" / LABELS).write_bytes(b"")
    assert len(family("mnist", tmp_path).split(b"seed")[0]) == 40
    with pytest.raises(UsageError, match=r"FashionMNIST.raw.*of an empty file"):
        family("fashion", tmp_path).split(b"seed")


def test_files_with_a_dot_in_their_names_are_found(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    assert len(family("mnist", tmp_path).split(b"seed")[0]) == 40


def _wrong_magic(content: bytes) -> bytes:
    return b"\x00\x00\x0d\x03" + content[4:]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_wrong_magic, "begins with the bytes 00 00 0d 03; expected 00 00 08 03"),
        (lambda content: b"", "begins with the bytes of an empty file; expected 00 00 08 03"),
        (lambda content: content[:9], "ends within its header; get the file again"),
        (lambda content: content[:-5], "numbers and holds 31355; expected 31360"),
        (lambda content: content + b"x", "holds more than 31360; expected 31360"),
        (lambda content: content[:4] + b"\xff" * 12, "states the sizes 4294967295 x"),
        (lambda content: content[:4] + b"\x00" * 12, "states the sizes 0 x 0 x 0"),
    ],
)
def test_a_damaged_idx_file_is_told_with_what_was_found(
    tmp_path: Path, damage: Callable[[bytes], bytes], expected: str
) -> None:
    write_mnist(tmp_path)
    path = tmp_path / IMAGES
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UsageError, match=IMAGES) as caught:
        family("mnist", tmp_path).split(b"seed")
    assert expected in str(caught.value)


@pytest.mark.parametrize("damage", [lambda raw: raw[:40], lambda raw: b"no gzip at all"])
def test_a_damaged_archive_is_told(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(damage(gzip.compress(idx_bytes(np.zeros((50, 28, 28), np.uint8)) * 3)))
    with pytest.raises(UsageError, match=r"x\.gz: cannot be unpacked .* get the file again"):
        read_idx(path, SIZE)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((1_000_001, 28, 28), "expected 1 to 1,000,000 images"),
        ((900_000, 2_000, 2_000), "images of 2000 x 2000 pixels; expected 28 x 28"),
    ],
)
def test_no_more_than_the_header_is_read_of_a_file_with_other_sizes(
    tmp_path: Path, sizes: tuple[int, ...], expected: str
) -> None:
    path = tmp_path / "x.gz"
    header = bytes([0, 0, 8, 3]) + np.array(sizes, dtype=">u4").tobytes()
    path.write_bytes(gzip.compress(header) + b"what cannot be unpacked")
    with pytest.raises(UsageError, match=expected):
        read_idx(path, SIZE)


def test_a_huge_cifar_file_is_not_read(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    with (tmp_path / "test_batch.bin").open("wb") as file:
        file.truncate(3073 * 1_000_000_000)
    with pytest.raises(UsageError, match=r"has 3073000000000 bytes; .* at most 10,000 images"):
        read_cifar(tmp_path)


def test_labels_and_images_must_be_as_many(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / LABELS).write_bytes(idx_bytes(np.zeros(7, np.uint8)))
    with pytest.raises(UsageError, match="has 7 classes; expected 40, one for each image"):
        family("mnist", tmp_path).split(b"seed")


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / IMAGES).write_bytes(idx_bytes(np.zeros((40, 32, 32), np.uint8)))
    with pytest.raises(UsageError, match="images of 32 x 32 pixels; expected 28 x 28"):
        family("mnist", tmp_path).split(b"seed")


def test_a_missing_file_is_told_with_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match=r"has no train-images-idx3-ubyte or .*; it holds holiday"):
        family("mnist", tmp_path).split(b"seed")
    with pytest.raises(UsageError, match="no such directory; expected the files of MNIST"):
        family("mnist", tmp_path / "nowhere").split(b"seed")


def test_a_family_with_files_asks_for_their_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    with pytest.raises(UsageError, match="--data DIR, or in the variable PLANTKIT_DATA"):
        family("fashion").split(b"seed")
    write_mnist(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert len(family("fashion").split(b"seed")[1]) == 20
    with pytest.raises(UsageError, match="'digits' needs no files; leave --data out"):
        family("digits", tmp_path)


def test_cifar_is_read_from_its_binary_version(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar-10-batches-bin")
    train, test = read_cifar(tmp_path)
    assert (len(train), len(test), train.pixels.shape[1]) == (100, 20, 3072)
    record = (tmp_path / "cifar-10-batches-bin/data_batch_2.bin").read_bytes()[3073 * 4 :][:3073]
    assert train.classes[24] == record[0] == 4
    assert train.pixels[24].tobytes() == record[1:]
    samples, _ = family("cifar10", tmp_path).split(b"seed")
    assert -1 <= float(samples.inputs.min()) < float(samples.inputs.max()) <= 1


class _Trap:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (Path("run-by-a-pickle"),)


def test_pickles_of_cifar_are_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("data_batch_1", "test_batch"):
        (folder / name).write_bytes(pickle.dumps(_Trap()))
    for directory in (tmp_path, folder):
        with pytest.raises(UsageError, match=r"Python version.*get cifar-10-binary\.tar\.gz"):
            read_cifar(directory)
    assert not (tmp_path / "run-by-a-pickle").exists()


def test_an_archive_of_cifar_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"")
    with pytest.raises(UsageError, match=r"unpack .*cifar-10-binary\.tar\.gz \(tar xzf\) first"):
        read_cifar(tmp_path)


@pytest.mark.parametrize("keep", [0, 3072, 3074])
def test_a_cifar_file_of_a_wrong_size_is_told(tmp_path: Path, keep: int) -> None:
    write_cifar(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UsageError, match=rf"data_batch_3\.bin: has {keep} bytes; expected a multi"):
        read_cifar(tmp_path)


def test_classes_must_be_those_of_the_family(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    path = tmp_path / "test_batch.bin"
    path.write_bytes(b"\x63" + path.read_bytes()[1:])
    with pytest.raises(UsageError, match=r"test_batch\.bin: holds the class 99; expected 0 to 9"):
        family("cifar10", tmp_path).split(b"seed")
    few = Images(pixels=np.zeros((3, 4), np.uint8), classes=np.array([0, 1, 3]))
    with pytest.raises(UsageError, match="3 images and none of class 2"):
        check_classes(few, 4, "here")
    write_mnist(tmp_path)
    (tmp_path / LABELS).write_bytes(idx_bytes(np.full(40, 77, np.uint8)))
    with pytest.raises(UsageError, match=rf"{LABELS}: holds the class 77; expected 0 to 9"):
        family("mnist", tmp_path).split(b"seed")


@pytest.mark.parametrize("seed", range(5))
def test_a_split_is_even_over_the_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 7, 211)
    images = Images(pixels=np.arange(211, dtype=np.uint8)[:, None], classes=classes)
    train, test = split_evenly(images, 60, rng)
    assert sorted([*train.pixels[:, 0], *test.pixels[:, 0]]) == list(range(211))
    shares = np.bincount(test.classes, minlength=7) - np.bincount(classes) * 60 / 211
    assert len(test) == 60
    assert np.abs(shares).max() <= 1


def test_the_seed_draws_the_split_of_the_digits() -> None:
    pytest.importorskip("sklearn")
    digits = family("digits")
    train, test = digits.split(b"1")
    assert (len(train), len(test)) == (1297, 500)
    assert float(train.inputs.min()) == pytest.approx(-0.3)
    assert float(train.inputs.max()) == pytest.approx(0.7)
    assert abs(float(train.inputs.mean())) < 0.02  # of 16 shades; see `ImageFamily.offset`
    again, other = digits.split(b"1")[1], digits.split(b"2")[1]
    assert again.inputs.equal(test.inputs)
    assert not other.inputs.equal(test.inputs)
