"""Whatever happens to a bundle's files: an error that names the file.

`challenge.json` holds the digests of all other files and of the rest of itself. So an altered file
is always refused, even where only its layout changed. Whoever makes the digests fit again has made
another challenge, with another digest, or has it refused.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from fuzzing import (
    BYTE_ALTERATIONS,
    JSON_ALTERATIONS,
    MANIFEST,
    TENSOR_ALTERATIONS,
    duplicate_key,
    freeze,
    sign,
    split_header,
    with_header,
)

from plantkit.challenges import bundles, catalog
from plantkit.challenges.freezing import seal_bundle
from plantkit.challenges.sealing import SecretKey
from plantkit.errors import BundleError, SealedTruthError

TENSOR_FILES = ("weights.safetensors", "train.safetensors", "truth.safetensors")
MOST_SECONDS = 10.0  # of one load of a tiny bundle, on the slowest of machines


class Bench:
    """A bundle in a directory, whose files can be replaced for one load at a time."""

    def __init__(self, directory: Path, key: SecretKey | None = None) -> None:
        self.directory = directory
        self.key = key
        self.files = {path.name: path.read_bytes() for path in directory.iterdir()}
        self.digest = bundles.load(directory, key=key).digest

    def load(self, files: Mapping[str, bytes]) -> BundleError | SealedTruthError | str:
        """Returns the error that loading `files` ends with, or else the digest."""
        changed = {name: content for name, content in files.items() if content != self.files[name]}
        for name, content in changed.items():
            (self.directory / name).write_bytes(content)
        started = time.monotonic()
        try:
            return bundles.load(self.directory, key=self.key).digest
        except (BundleError, SealedTruthError) as error:
            return error
        finally:
            assert time.monotonic() - started < MOST_SECONDS
            for name in changed:
                (self.directory / name).write_bytes(self.files[name])


def check_raw(bench: Bench, seed: int, cases: int) -> Counter[str]:
    """Alters one file a case and leaves the digests as they are."""
    random, seen = Random(seed), Counter[str]()
    for case in range(cases):
        name = random.choice(sorted(bench.files))
        kinds = BYTE_ALTERATIONS
        if name == MANIFEST:
            kinds = (*BYTE_ALTERATIONS, *JSON_ALTERATIONS)
        elif name in TENSOR_FILES:
            kinds = TENSOR_ALTERATIONS
        kind = random.choice(kinds)
        content = kind(random, bench.files[name])
        if content == bench.files[name]:
            continue
        found = bench.load({**bench.files, name: content})
        where = f"seed {seed}, case {case}, {kind.__name__} of {name}: {found}"
        assert isinstance(found, BundleError), where
        check_error(found, where, {name})
        seen[name] += 1
    return seen


def check_signed(bench: Bench, seed: int, cases: int) -> Counter[str]:
    """Alters one file a case and makes the digests fit, as whoever forges a bundle would."""
    random, seen = Random(seed), Counter[str]()
    for case in range(cases):
        name = random.choice(sorted(set(bench.files) - {MANIFEST}))
        kind = random.choice(TENSOR_ALTERATIONS if name in TENSOR_FILES else BYTE_ALTERATIONS)
        content = kind(random, bench.files[name])
        if content == bench.files[name] or not content:
            continue
        found = bench.load(sign({**bench.files, name: content}, name))
        where = f"seed {seed}, case {case}, signed {kind.__name__} of {name}: {found}"
        assert found != bench.digest, where
        check_error(found, where, {name, MANIFEST})
        seen["refused" if isinstance(found, Exception) else "another digest"] += 1
    return seen


def check_error(found: object, where: str, names: set[str]) -> None:
    if isinstance(found, BundleError | SealedTruthError):
        assert found.path.name in names, where
        assert str(found).startswith(str(found.path)), where
        assert len(str(found)) < 5000, where
        assert str(found).isprintable() or "\n" in str(found), where
        assert "\x1b" not in str(found), where
    if isinstance(found, BundleError):
        assert found.exit_code == 4


@pytest.fixture
def bench(copied_bundle):
    return Bench(copied_bundle)


@pytest.fixture
def sealed_bench(copied_bundle):
    key = SecretKey.generate()
    seal_bundle(copied_bundle, key)
    return Bench(copied_bundle, key)


@pytest.mark.no_cover
def test_altered_files(bench):
    seen = check_raw(bench, 1, 900)
    assert min(seen[name] for name in bench.files) > 100


@pytest.mark.no_cover
def test_altered_files_with_digests_that_fit(bench):
    seen = check_signed(bench, 2, 700)
    assert seen["refused"] > 300


@pytest.mark.no_cover
def test_altered_sealed_bundles(sealed_bench):
    assert check_raw(sealed_bench, 3, 250).total() > 200
    seen = check_signed(sealed_bench, 4, 250)
    assert seen["refused"] > 100


@pytest.mark.slow
def test_many_more_alterations(copied_bundle):
    bench = Bench(copied_bundle)
    check_raw(bench, 101, 25_000)
    check_signed(bench, 102, 25_000)
    key = SecretKey.generate()
    seal_bundle(copied_bundle, key)
    bench = Bench(copied_bundle, key)
    check_raw(bench, 103, 10_000)
    check_signed(bench, 104, 10_000)


@pytest.mark.parametrize("name", [MANIFEST, *TENSOR_FILES])
@pytest.mark.parametrize("kind", ["link", "dangling link", "device", "pipe", "directory"])
def test_no_regular_file(copied_bundle, tmp_path, name, kind):
    path = copied_bundle / name
    moved = path.rename(tmp_path / name)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        target = {"link": moved, "dangling link": tmp_path / "no", "device": Path("/dev/zero")}[
            kind
        ]
        path.symlink_to(target)
    with pytest.raises(BundleError) as error:
        bundles.load(copied_bundle)
    assert error.value.path == path
    assert "is a symbolic link" in str(error.value) or "is not a regular file" in str(error.value)


@pytest.mark.parametrize("name", ["../weights.safetensors", "/etc/passwd", "a\0b", "", ".", "x/y"])
def test_names_that_lead_elsewhere(bench, name):
    text = bench.files[MANIFEST].decode()
    escaped = name.replace("\0", "\\u0000")
    found = bench.load(
        {**bench.files, MANIFEST: text.replace('"weights.safetensors"', f'"{escaped}"').encode()}
    )
    assert isinstance(found, BundleError)
    assert found.path.name == MANIFEST
    assert "$.files" in str(found)


def test_a_file_stated_larger_than_its_network_needs_is_not_read(bench):
    """A sparse file of a gigabyte costs no disk and would cost a gigabyte of memory."""
    name = "weights.safetensors"
    path = bench.directory / name
    os.truncate(path, 1 << 30)
    manifest = json.loads(bench.files[MANIFEST])
    assert manifest["files"][name]["bytes"] == len(bench.files[name])
    manifest["files"][name]["bytes"] = 1 << 30
    (bench.directory / MANIFEST).write_bytes(freeze(manifest))
    with pytest.raises(BundleError, match=r"what it holds needs at most") as error:
        bundles.load(bench.directory)
    assert error.value.path == path


@pytest.mark.parametrize("name", TENSOR_FILES)
def test_key_twice_in_a_header(bench, name):
    header, data = split_header(bench.files[name])
    content = with_header(duplicate_key(Random(0), header), data)
    found = bench.load(sign({**bench.files, name: content}, name))
    assert isinstance(found, BundleError)
    assert found.path.name == name
    assert "appears twice" in str(found)


@pytest.mark.parametrize("value", [None, [], 1, "x"])
def test_metadata_of_another_kind(bench, value):
    name = "truth.safetensors"
    header, data = split_header(bench.files[name])
    text = json.dumps({**json.loads(header), "__metadata__": value}).encode()
    found = bench.load(sign({**bench.files, name: with_header(text, data)}, name))
    assert isinstance(found, BundleError)
    assert found.path.name == name


def test_ticket_bytes_other_than_0_and_1(bench):
    name = "truth.safetensors"
    content = bytearray(bench.files[name])
    header, _ = split_header(bench.files[name])
    begin, end = json.loads(header)["ticket.layers.0.weight"]["data_offsets"]
    start = 8 + len(header) + begin
    content[start : start + end - begin] = bytes([255]) * (end - begin)
    found = bench.load(sign({**bench.files, name: bytes(content)}, name))
    assert isinstance(found, BundleError)
    assert "bytes other than 0 and 1" in str(found)


def test_a_directory_with_the_name_of_another_challenge(tiny_challenges, tmp_path):
    (tmp_path / "relu-3x8").symlink_to(tiny_challenges / "circle-3x60")
    found = catalog.find([tmp_path])
    with pytest.raises(BundleError, match="says that the challenge is 'circle-3x60'"):
        found.bundle("relu-3x8")


def test_layout_is_part_of_the_digest(bench):
    """Keys in another order say the same, and yet are other bytes: another digest."""
    manifest = json.loads(bench.files[MANIFEST])
    text = freeze(dict(reversed(manifest.items())))
    found = bench.load({**bench.files, MANIFEST: text})
    assert isinstance(found, str)
    assert found != bench.digest


# --- suites.toml

NASTY_SUITES = [
    b"\xff\xfe", b"[", b"tiny = 1", b"[tiny]\ntitle = 1", b"a = " + b"[" * 5000, b"[a]\n[a]",
    b"[tiny]\ntitle='x'\nchallenges=['../x']\ndensities=[0.5]\nseeds=1",
    b"[tiny]\ntitle='x'\nchallenges=['x-y']\ndensities=[nan]\nseeds=1",
    b"[tiny]\ntitle='x'\nchallenges=['x-y']\ndensities=[inf]\nseeds=1",
    b"[tiny]\ntitle='x'\nchallenges=['x-y']\ndensities=[0.5]\nseeds=1" + b"0" * 5000,
    b"[tiny]\ntitle='x'\nchallenges=['x-y']\ndensities=[0.5]\nseeds=1979-05-27",
    b"[tiny]\ntitle='\\u001b'\nchallenges=['x-y']\ndensities=[0.5]\nseeds=1.0",
    b'[tiny]\ntitle="\\u001b[2J"\nchallenges=["x-y"]\ndensities=[0.5]\nseeds=1',
    b"[tiny]\ntitle='x'\nchallenges=['x-y']\ndensities=[0.5]\nseeds=0x" + b"f" * 5000,
    b"#" * 300_000,
]  # fmt: skip


@pytest.mark.parametrize("content", NASTY_SUITES, ids=range(len(NASTY_SUITES)))
def test_suites_that_are_none(tmp_path, content):
    path = tmp_path / "suites.toml"
    path.write_bytes(content)
    with pytest.raises(BundleError) as error:
        catalog.find([tmp_path])
    assert error.value.path.name == "suites.toml"
    assert error.value.exit_code == 4


@pytest.mark.no_cover
def test_altered_suites(tiny_challenges, tmp_path):
    original = (tiny_challenges / "suites.toml").read_bytes()
    random, refused = Random(5), 0
    for case in range(600):
        content = random.choice(BYTE_ALTERATIONS)(random, original)
        (tmp_path / "suites.toml").write_bytes(content)
        try:
            catalog.read_suites(tmp_path / "suites.toml")
        except BundleError as error:
            check_error(error, f"case {case}", {"suites.toml"})
            refused += 1
    assert refused > 200


def test_a_pipe_in_place_of_suites(tmp_path):
    os.mkfifo(tmp_path / "suites.toml")
    with pytest.raises(BundleError, match=r"suites\.toml: is not a regular file"):
        catalog.find([tmp_path])


def test_the_command_line_names_the_file_and_exits_with_4(copied_bundle, plantkit_cli):
    path = copied_bundle / "train.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    for command in (
        ["verify", copied_bundle],
        ["evaluate", "magnitude", "--challenge", copied_bundle],
    ):
        outcome = plantkit_cli(*command)
        assert outcome.code == 4, outcome
        assert f"{path}: has been altered" in outcome.err
