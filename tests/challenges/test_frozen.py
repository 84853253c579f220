"""Frozen whole: no byte of any file of a bundle changes unseen, and who may change one can."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

import pytest
from fuzzing import freeze

from plantkit.challenges import bundles, catalog
from plantkit.challenges.freezing import add_record, freeze_anew, seal_bundle, unseal_bundle
from plantkit.challenges.frozen import unix_lines
from plantkit.challenges.manifests import challenge_digest, read_anyway, read_manifest, read_stated
from plantkit.challenges.sealing import SecretKey
from plantkit.challenges.suites import read_suites
from plantkit.errors import BundleError, UnfrozenWarning

AUDIT, ALTERNATIVES, MANIFEST = "audit.json", "alternatives.json", "challenge.json"
#: Bytes of a file that are tried.
SAMPLED = 40


@pytest.fixture
def bundle(copied_bundle: Path) -> Path:
    """The bundle circle-3x60 with two records; what they say does not matter here."""
    add_record(copied_bundle, AUDIT, b'{"auc": 0.5}\n')
    add_record(copied_bundle, ALTERNATIVES, b"[1, 2]\n")
    return copied_bundle


def refusal(bundle: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        read_manifest(bundle)
    assert caught.value.exit_code == 4
    return caught.value


def edit(bundle: Path, change: Callable[[dict], object]) -> None:
    """Changes a manifest as with an editor: its digest stays."""
    path = bundle / MANIFEST
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(
        json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )


def mutations(content: bytes, random: Random, *, all_places: bool) -> Iterator[bytes]:
    """Yields the content with one byte changed, left out or added."""
    places: Iterable[int] = range(len(content))
    if not all_places and len(content) > SAMPLED:
        places = sorted({0, 7, 8, len(content) - 1, *random.sample(range(len(content)), SAMPLED)})
    for place in places:
        flipped = bytes([content[place] ^ 1 << random.randrange(8)])
        yield content[:place] + flipped + content[place + 1 :]
        if random.random() < 0.2:
            yield content[:place] + content[place + 1 :]
            yield content[:place] + random.randbytes(1) + content[place:]
            yield content[:place] + b" " + content[place:]


@pytest.mark.no_cover
@pytest.mark.parametrize("most", [0, pytest.param(8000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("sealed", [False, True])
def test_no_byte_of_any_file_changes_unseen(bundle: Path, sealed: bool, most: int) -> None:
    """Files of `most` bytes or fewer are tried at every place."""
    key = SecretKey.generate()
    if sealed:
        seal_bundle(bundle, key)
    bundles.load(bundle, key=key)
    random = Random(7)
    names = sorted(path.name for path in bundle.iterdir())
    assert len(names) == 6
    for name in names:
        path = bundle / name
        content = path.read_bytes()
        for number, changed in enumerate(
            mutations(content, random, all_places=len(content) <= most)
        ):
            path.write_bytes(changed)
            # What reads no tensors notices all but theirs, and is faster.
            load = read_manifest if name.endswith(".json") else bundles.load_public
            with pytest.raises(BundleError) as caught:
                load(bundle)
            assert caught.value.path == path, (number, changed)
        path.write_bytes(content)
    bundles.load(bundle, key=key)


@pytest.mark.no_cover
def test_no_field_of_a_manifest_changes_unseen(bundle: Path) -> None:
    original = json.loads((bundle / MANIFEST).read_bytes())

    def leaves(value: object, place: tuple = ()) -> Iterator[tuple]:
        if isinstance(value, dict | list):
            yield from ((*place, key) for key in (value if isinstance(value, dict) else ()))
            for key, one in value.items() if isinstance(value, dict) else enumerate(value):
                yield from leaves(one, (*place, key))
        else:
            yield place

    for place in leaves(original):
        for new in (0.25, "other", None):
            value = json.loads(json.dumps(original))
            holder = value
            for key in place[:-1]:
                holder = holder[key]
            if new is None:
                del holder[place[-1]]
            elif holder[place[-1]] == new:
                continue
            else:
                holder[place[-1]] = new
            (bundle / MANIFEST).write_bytes(
                (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
            )
            assert refusal(bundle).path.name == MANIFEST, place


@pytest.mark.parametrize(
    "name", [MANIFEST, AUDIT, ALTERNATIVES, "weights.safetensors", "truth.safetensors"]
)
def test_a_file_of_another_bundle_is_refused(bundle: Path, name: str, tiny_challenges: Path):
    other = tiny_challenges / "relu-3x8" / name
    (bundle / name).write_bytes(other.read_bytes() if other.exists() else b"{}")
    with pytest.raises(BundleError) as caught:
        bundles.load(bundle)
    if name == MANIFEST:  # it fits itself, so that the first file that it does not fit is named
        assert caught.value.path.name in {AUDIT, "weights.safetensors"}
    else:
        assert caught.value.path.name == name


@pytest.mark.parametrize("name", [AUDIT, ALTERNATIVES])
def test_a_record_that_is_missing_or_too_much_is_named(
    bundle: Path, name: str, tiny_challenges: Path
) -> None:
    (bundle / name).unlink()
    error = refusal(bundle)
    assert error.path == bundle / name
    assert "is missing" in str(error)
    bare = Path(shutil.copytree(tiny_challenges / "relu-3x8", bundle.parent / "relu-3x8"))
    (bare / name).write_text("{}", encoding="utf-8", newline="\n")
    error = refusal(bare)
    assert error.path == bare / name
    assert f"nothing covers it: remove it. If you meant to change it: plantkit freeze {bare}" in (
        str(error)
    )


def test_records_do_not_count_for_the_challenges_digest(tiny_challenges: Path, bundle: Path):
    plain = read_stated(tiny_challenges / "circle-3x60")
    found = read_stated(bundle)
    assert found.digest == plain.digest
    assert found.manifest == plain.manifest
    assert found.whole != plain.whole
    assert not {"records", "frozen"} & found.manifest.keys()


def test_sealing_keeps_records_and_the_digest_of_the_whole(bundle: Path) -> None:
    key = SecretKey.generate()
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    stated = read_stated(bundle)
    seal_bundle(bundle, key)
    sealed = read_stated(bundle)
    assert (sealed.digest, sealed.whole) == (stated.digest, stated.whole)
    assert challenge_digest(sealed.manifest) == stated.digest
    assert sealed.records == stated.records
    unseal_bundle(bundle, key)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


def test_windows_line_ends_are_no_change_and_mixed_ones_are(bundle: Path) -> None:
    for name in (MANIFEST, AUDIT):
        path = bundle / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_stated(bundle).whole is not None
    path = bundle / MANIFEST
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n", 1))
    assert refusal(bundle).path == path
    assert unix_lines(b"a\r\nb\n") == b"a\r\nb\n"


# --- on purpose


def test_an_organiser_changes_a_manifest_on_purpose(bundle: Path, plantkit_cli) -> None:
    before = read_stated(bundle)
    edit(bundle, lambda value: value["protocol"]["training"].update(epochs=3))
    error = refusal(bundle)
    assert "has been altered" in str(error)
    assert str(error).endswith(f"If you meant to change it: plantkit freeze {bundle}")
    frozen = freeze_anew(bundle)
    assert frozen.before.whole == before.whole
    after = read_stated(bundle)
    assert frozen.after == after
    assert after.digest != before.digest
    assert bundles.load(bundle).recipe.epochs == 3
    assert freeze_anew(bundle).after == after


def test_freezing_does_not_take_what_is_not_of_the_bundle(bundle: Path, plantkit_cli) -> None:
    for name in (AUDIT, ALTERNATIVES):  # they are not what they should be
        outcome = plantkit_cli("freeze", bundle)
        assert outcome.code == 4
        assert f"{name}: breaks its schema" in outcome.err
        (bundle / name).unlink()
    manifest = (bundle / MANIFEST).read_bytes()
    assert plantkit_cli("freeze", bundle).code == 0
    assert (bundle / MANIFEST).read_bytes() != manifest
    edit(bundle, lambda value: value["reference"].update(trivial=0.999))
    outcome = plantkit_cli("freeze", bundle)
    assert outcome.code == 4
    assert "no better than the constant predictor" in outcome.err
    edit(bundle, lambda value: value["reference"].update(trivial=0.4))
    path = bundle / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    outcome = plantkit_cli("freeze", bundle)
    assert outcome.code == 4
    assert "weights.safetensors: has been altered" in outcome.err


def test_a_record_is_not_added_to_an_altered_bundle(bundle: Path) -> None:
    edit(bundle, lambda value: value.update(title="another"))
    with pytest.raises(BundleError, match="has been altered"):
        add_record(bundle, AUDIT, b"{}")
    assert (bundle / AUDIT).read_bytes() == b'{"auc": 0.5}\n'


# --- bundles of an older plantkit


@pytest.fixture
def old(bundle: Path) -> Path:
    edit(bundle, lambda value: (value.pop("records"), value.pop("frozen")))
    return bundle


def test_an_old_bundle_loads_and_says_what_is_unprotected(old: Path, circle) -> None:
    with pytest.warns(UnfrozenWarning) as told:
        found = bundles.load(old)
    assert found.digest == circle.digest
    [line] = {str(one.message) for one in told}
    assert line == (
        f"{old} is of an older plantkit: no digest protects its {MANIFEST}, {AUDIT}, "
        f"{ALTERNATIVES}; plantkit freeze {old} adds one"
    )
    freeze_anew(old)
    assert bundles.load(old).digest == circle.digest


def test_an_old_bundle_has_one_digest_however_it_is_laid_out(old: Path, circle) -> None:
    """That of its results, which hold the manifest and are compared with it when they are read."""
    path = old / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_bytes())), encoding="utf-8", newline="\n")
    with pytest.warns(UnfrozenWarning):
        found = bundles.load(old)
    assert found.digest == challenge_digest(found.manifest) == circle.digest
    freeze_anew(old)
    assert bundles.load(old).digest == circle.digest


def test_the_command_line_says_it_in_one_line(old: Path) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "plantkit", "show", str(old), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stderr.startswith(f"warning: {old} is of an older plantkit: no digest protects")
    assert done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["id"] == "circle-3x60"


@pytest.mark.parametrize("left_out", ["records", "frozen"])
def test_half_of_what_freezes_a_bundle_is_not_enough(bundle: Path, left_out: str) -> None:
    edit(bundle, lambda value: value.pop(left_out))
    assert "is a dependency of" in str(refusal(bundle))


def test_half_a_character_is_refused(bundle: Path) -> None:
    value = json.loads((bundle / MANIFEST).read_bytes())
    value["planting"]["dials"] = {"name": "\ud800"}
    (bundle / MANIFEST).write_text(json.dumps(value), encoding="ascii", newline="\n")
    assert "holds text that is not Unicode" in str(refusal(bundle))
    with pytest.raises(BundleError, match="not Unicode"):
        freeze_anew(bundle)


# --- pins


@pytest.fixture
def pinned(tiny_challenges: Path, tmp_path: Path) -> Path:
    """A directory with a suite that pins both of its bundles."""
    root = Path(shutil.copytree(tiny_challenges, tmp_path / "pinned"))
    for name in ("relu-3x8", "circle-3x60"):
        assert freeze_anew(root / name).pinned == [(root / "suites.toml").resolve()]
    return root


def test_freezing_pins_what_a_suite_names(pinned: Path, tiny_challenges: Path) -> None:
    text = (pinned / "suites.toml").read_text(encoding="utf-8")
    before = (tiny_challenges / "suites.toml").read_text(encoding="utf-8")
    stated = {name: read_stated(pinned / name).whole for name in ("relu-3x8", "circle-3x60")}
    lines = "".join(f'{name} = "{stated[name]}"\n' for name in ("circle-3x60", "relu-3x8"))
    assert text == f"{before.rstrip()}\n\n[digests]\n{lines}"
    suite = read_suites(pinned / "suites.toml")["tiny"]
    assert suite.pins == stated
    bundles.load(pinned / "relu-3x8")
    add_record(pinned / "relu-3x8", AUDIT, b"{}\n")
    changed = read_suites(pinned / "suites.toml")["tiny"].pins
    assert changed["relu-3x8"] == read_stated(pinned / "relu-3x8").whole != stated["relu-3x8"]
    assert changed["circle-3x60"] == stated["circle-3x60"]


def test_a_bundle_that_no_suite_names_is_not_pinned(tiny_challenges: Path, tmp_path: Path):
    root = Path(shutil.copytree(tiny_challenges, tmp_path / "root"))
    path = root / "suites.toml"
    text = path.read_text(encoding="utf-8").replace('"relu-3x8", ', "")
    path.write_text(text, encoding="utf-8", newline="\n")
    assert freeze_anew(root / "relu-3x8").pinned == []
    assert path.read_text(encoding="utf-8") == text


def test_whoever_makes_the_digest_fit_is_stopped_by_the_pin(pinned: Path, plantkit_cli) -> None:
    bundle = pinned / "circle-3x60"
    value = json.loads((bundle / MANIFEST).read_bytes())
    value["reference"]["ticket"]["strong"] = 0.99
    (bundle / MANIFEST).write_bytes(freeze(value))
    error = refusal(bundle)
    assert error.path == bundle / MANIFEST
    assert f"is not of the bundle that {(pinned / 'suites.toml').resolve()} pins" in str(error)
    for command in (
        ("evaluate", "magnitude", "--suite", "tiny", "--challenges", pinned),
        ("evaluate", "magnitude", "--challenge", bundle),
        ("show", bundle),
        ("prune", "magnitude", bundle),
        ("verify", bundle),
        ("seal", bundle, "--key", pinned / "key"),
        ("leaderboard", "init", pinned / "board", "--public", "tiny", "--challenges", pinned),
    ):
        if command[0] == "seal":
            assert plantkit_cli("keygen", "--out", pinned / "key").code == 0
        outcome = plantkit_cli(*command)
        assert outcome.code == 4, (command, outcome)
        assert f"{MANIFEST}: is not of the bundle that" in outcome.err
    value["id"] = "circle-3x61"  # nor does another id help
    (bundle / MANIFEST).write_bytes(freeze(value))
    assert "is not of the bundle that" in str(refusal(bundle))
    edit(bundle, lambda value: (value.pop("records"), value.pop("frozen")))
    with pytest.warns(UnfrozenWarning):
        assert "since it is not frozen" in str(refusal(bundle))


@pytest.mark.posix
def test_a_link_in_place_of_a_pinned_bundle_is_stopped_by_the_pin(pinned: Path, tmp_path: Path):
    bundle = pinned / "circle-3x60"
    real = Path(shutil.move(bundle, tmp_path / "elsewhere"))
    bundle.symlink_to(real, target_is_directory=True)
    bundles.load(bundle)
    value = json.loads((real / MANIFEST).read_bytes())
    value["reference"]["ticket"]["strong"] = 0.99
    (real / MANIFEST).write_bytes(freeze(value))
    assert f"{(pinned / 'suites.toml').resolve()} pins" in str(refusal(bundle))
    value["id"] = "circle-3x61"
    (real / MANIFEST).write_bytes(freeze(value))
    assert "is not of the bundle that" in str(refusal(bundle))
    value["id"] = "circle-3x60"
    (real / MANIFEST).write_bytes(freeze(value))
    assert freeze_anew(bundle).pinned == [(pinned / "suites.toml").resolve()]
    bundles.load(bundle)


def test_capitals_in_a_directorys_name_hide_no_bundle_from_its_pin(pinned: Path) -> None:
    bundle = Path(shutil.move(pinned / "circle-3x60", pinned / "Circle-3x60"))
    value = json.loads((bundle / MANIFEST).read_bytes()) | {"id": "circle-3x61"}
    (bundle / MANIFEST).write_bytes(freeze(value))
    assert str(refusal(bundle)).endswith(
        "its id is 'circle-3x61'; give it the id 'circle-3x60', or move its directory"
    )


def test_a_suite_takes_no_other_bundle_from_an_earlier_place(pinned: Path, tmp_path: Path):
    other = Path(shutil.copytree(pinned / "relu-3x8", tmp_path / "mine" / "relu-3x8"))
    found = catalog.find([tmp_path / "mine"], plugins=[pinned])
    assert found.bundles_of(found.suite("tiny"))[0] == other.resolve()  # an equal one
    seal_bundle(other, SecretKey.generate())
    found.bundles_of(found.suite("tiny"))
    add_record(other, AUDIT, b"{}\n")  # the same challenge, audited
    found.bundles_of(found.suite("tiny"))
    edit(other, lambda value: value.update(title="mine"))
    freeze_anew(other)
    found.bundle("relu-3x8")
    with pytest.raises(BundleError, match=r"suites\.toml pins") as caught:
        found.bundles_of(found.suite("tiny"))
    assert caught.value.path == other.resolve() / MANIFEST


@pytest.mark.parametrize(
    "text", ['[ digests ]\nrelu-4x8 = "' + "0" * 64 + '"\n', '"digests".x-y = "' + "0" * 64 + '"\n']
)
def test_a_suites_file_of_another_style_is_not_broken(pinned: Path, text: str) -> None:
    path = pinned / "suites.toml"
    kept = path.read_text(encoding="utf-8").partition("[digests]")[0]
    path.write_text(f"{text}\n{kept}", encoding="utf-8", newline="\n")
    before = path.read_bytes()
    with pytest.raises(BundleError, match=r"write relu-3x8 = \"[0-9a-f]{64}\" below \[digests\]"):
        freeze_anew(pinned / "relu-3x8")
    assert path.read_bytes() == before


def test_shipped_bundles_are_pinned_where_suites_name_them() -> None:
    root = catalog.shipped_directory()
    suites = read_suites(root / "suites.toml")
    named = {name for suite in suites.values() for name in suite.challenges}
    assert named
    for suite in suites.values():
        assert suite.pins.keys() == set(suite.challenges)
    for path in root.glob(f"*/{MANIFEST}"):
        assert path.parent.name in named
        assert read_stated(path.parent).whole is not None
        assert read_anyway(path.parent).whole == read_stated(path.parent).whole
