"""Sealed truths: what the key opens, what nobody else does, and what stays the same."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from pathlib import Path

import pytest
from fuzzing import freeze

from plantkit.challenges import bundles, catalog, keys, sealing
from plantkit.challenges.freezing import seal_bundle, unseal_bundle
from plantkit.challenges.frozen import file_entry
from plantkit.challenges.sealing import PublicKey, SecretKey
from plantkit.errors import (
    BundleError,
    MissingExtraError,
    SealedTruthError,
    UnfrozenWarning,
    UsageError,
)

CONTEXT = {"challenge_id": "circle-3x60", "commitment": "0" * 64}
PATH = Path("truth.sealed")


@pytest.fixture(scope="module")
def key() -> SecretKey:
    return SecretKey.generate()


@pytest.fixture
def sealed(copied_bundle, key) -> Path:
    return seal_bundle(copied_bundle, key.public)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# --- keys and bytes


def test_what_the_public_key_seals_the_secret_key_opens(key):
    content = sealing.seal(b"truth", key.public, **CONTEXT)
    assert sealing.open_sealed(content, key, path=PATH, **CONTEXT) == b"truth"
    assert len(content) == len(b"truth") + sealing.OVERHEAD_BYTES
    assert b"truth" not in content
    assert sealing.seal(b"truth", key, **CONTEXT) != content  # never the same bytes twice


def test_every_byte_is_authenticated(key):
    content = sealing.seal(b"the truth", key, **CONTEXT)
    for place in range(len(content)):
        altered = bytearray(content)
        altered[place] ^= 1
        with pytest.raises((ValueError, SealedTruthError)):
            sealing.open_sealed(bytes(altered), key, path=PATH, **CONTEXT)
    for altered_length in (content[:-1], content + b"\0", content[:50], b""):
        with pytest.raises(ValueError, match=r"sealed truth|cannot be opened"):
            sealing.open_sealed(altered_length, key, path=PATH, **CONTEXT)


@pytest.mark.parametrize("change", [{"challenge_id": "circle-5x100"}, {"commitment": "1" * 64}])
def test_a_truth_is_bound_to_its_challenge(key, change):
    content = sealing.seal(b"truth", key, **CONTEXT)
    with pytest.raises(ValueError, match="another challenge"):
        sealing.open_sealed(content, key, path=PATH, **{**CONTEXT, **change})


def test_another_key_is_named_and_opens_nothing(key):
    other = SecretKey.generate()
    content = sealing.seal(b"truth", key, **CONTEXT)
    with pytest.raises(SealedTruthError, match=key.public.id) as error:
        sealing.open_sealed(content, other, path=PATH, **CONTEXT)
    assert other.public.id in str(error.value)
    assert error.value.exit_code == 2


def test_keys_survive_being_written(tmp_path, key):
    public = keys.write_keys(key, tmp_path / "contest.key")
    assert sealing.find_key(tmp_path / "contest.key") == key
    assert sealing.find_key(public) == key.public
    assert stat.S_IMODE((tmp_path / "contest.key").stat().st_mode) == 0o600
    for name in ("contest.key", "contest.key.pub"):
        other = tmp_path / "other" / name
        other.parent.mkdir(exist_ok=True)
        shutil.copy(tmp_path / name, other)
        with pytest.raises(UsageError, match="exists already"):
            keys.write_keys(key, tmp_path / "other" / "contest.key")
        other.unlink()
        assert list(other.parent.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "plantkit-secret-key-1:",
        "plantkit-secret-key-1:00",
        "plantkit-secret-key-2:" + "0" * 64,
        "plantkit-secret-key-1:" + "g" * 64,
        "a" * 10_000,
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(tmp_path, text):
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(UsageError, match="holds no key") as error:
        sealing.find_key(path)
    said = str(error.value).replace(str(path), "")  # a directory may be called so by chance
    assert text.partition(":")[2] == "" or text.partition(":")[2] not in said


def test_a_weak_public_key_is_refused():
    with pytest.raises(UsageError, match="cannot be used"):
        sealing.seal(b"truth", PublicKey(data=bytes(32)), **CONTEXT)


def test_a_key_does_not_show_in_its_repr(key):
    assert key.data.hex() not in repr(key)
    assert repr(key.data)[2:-1] not in repr(key)


def test_a_file_goes_before_the_variable(tmp_path, key):
    other = SecretKey.generate()
    keys.write_keys(other, tmp_path / "key")
    environment = {sealing.KEY_VARIABLE: key.to_text()}
    assert sealing.find_key(None, environment) == key
    assert sealing.find_key(tmp_path / "key", environment) == other
    assert sealing.find_key(None, {}) is None
    with pytest.raises(UsageError, match="cannot be read"):
        sealing.find_key(tmp_path / "none", environment)
    with pytest.raises(UsageError, match="public key, which seals only"):
        sealing.find_secret_key(tmp_path / "key.pub", {})


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.hpke", None)
    monkeypatch.delattr("cryptography.hazmat.primitives.hpke", raising=False)
    with pytest.raises(MissingExtraError, match=r'pip install "plantkit\[seal\]"'):
        SecretKey.generate()


# --- bundles


def test_sealing_and_unsealing_give_the_same_bytes_and_one_digest(
    tiny_challenges, copied_bundle, key
):
    original = contents(copied_bundle)
    plain = bundles.load(copied_bundle)
    seal_bundle(copied_bundle, key.public)
    names = {path.name for path in copied_bundle.iterdir()}
    assert names == {"challenge.json", "train.safetensors", "truth.sealed", "weights.safetensors"}
    opened = bundles.load(copied_bundle, key=key)
    assert opened.digest == plain.digest == bundles.load_public(copied_bundle).digest
    assert opened.truth.ticket.digest() == plain.truth.ticket.digest()
    assert opened.truth.planting_seed == plain.truth.planting_seed
    assert unseal_bundle(copied_bundle, key) == copied_bundle
    assert contents(copied_bundle) == original
    assert [path.name for path in copied_bundle.parent.iterdir()] == [copied_bundle.name]


def test_a_sealed_bundle_holds_nothing_of_the_truth(sealed, circle):
    whole = b"".join(contents(sealed).values())
    for secret in (circle.truth.planting_seed, circle.truth.salt):
        assert secret.encode() not in whole
        assert bytes.fromhex(secret) not in whole
    assert circle.truth.test.inputs.numpy().tobytes() not in whole
    assert b"ticket.layers" not in whole


def test_seal_to_another_directory(copied_bundle, key, tmp_path):
    before = contents(copied_bundle)
    seal_bundle(copied_bundle, key, tmp_path / "sealed" / "circle-3x60")
    assert contents(copied_bundle) == before
    assert bundles.load_public(tmp_path / "sealed" / "circle-3x60").is_sealed
    with pytest.raises(UsageError, match="exists already"):
        seal_bundle(copied_bundle, key, tmp_path / "sealed" / "circle-3x60")


def test_sealed_and_plain_copies_are_one_challenge(sealed, tiny_challenges):
    found = catalog.find([sealed.parent, tiny_challenges])
    assert found.bundle("circle-3x60") == sealed.resolve()


def test_twice_is_refused(sealed, copied_bundle, key):
    with pytest.raises(UsageError, match="sealed already"):
        seal_bundle(sealed, key)
    unseal_bundle(sealed, key)
    with pytest.raises(UsageError, match="is not sealed"):
        unseal_bundle(sealed, key)


def test_without_the_key_there_is_a_problem_but_no_truth(sealed, circle):
    public = bundles.load_public(sealed)
    assert public.planted_density == circle.planted_density
    assert not hasattr(public, "truth")
    assert public.problem(density=0.5, seed=0).budget == circle.problem(density=0.5, seed=0).budget
    with pytest.raises(SealedTruthError, match="no key was given; add --key FILE") as error:
        bundles.load(sealed)
    assert error.value.path == sealed / "truth.sealed"


def test_the_truth_of_another_bundle(sealed, key, tiny_challenges, tmp_path):
    """Whoever seals another truth with the public key still cannot open the commitment."""
    path = sealed / "challenge.json"
    manifest = json.loads(path.read_text())
    forged = sealing.seal(
        (tiny_challenges / "relu-3x8" / "truth.safetensors").read_bytes(),
        key.public,
        challenge_id=manifest["id"],
        commitment=manifest["truth"]["commitment"],
    )
    (sealed / "truth.sealed").write_bytes(forged)
    manifest["files"]["truth.sealed"] = file_entry(forged)
    path.write_bytes(freeze(manifest))
    with pytest.raises(BundleError, match=r"truth\.sealed: does not hold the truth"):
        bundles.load(sealed, key=key)
    entry = file_entry((tiny_challenges / "relu-3x8" / "truth.safetensors").read_bytes())
    manifest["truth"]["plain"] = entry
    path.write_bytes(freeze(manifest))
    with pytest.raises(BundleError, match=r"truth\.sealed: does not open the commitment"):
        bundles.load(sealed, key=key)


def test_a_bundle_laid_out_otherwise_is_not_sealed(copied_bundle, key):
    path = copied_bundle / "challenge.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="is not laid out as plantkit writes it"):
        seal_bundle(copied_bundle, key)
    old = {name: manifest[name] for name in manifest if name not in {"records", "frozen"}}
    path.write_text(json.dumps(old))
    with (
        pytest.warns(UnfrozenWarning),
        pytest.raises(BundleError, match="could not restore it"),
    ):
        seal_bundle(copied_bundle, key)
    assert (copied_bundle / "truth.safetensors").exists()


# --- command line


@pytest.fixture
def key_file(tmp_path, key) -> Path:
    keys.write_keys(key, tmp_path / "contest.key")
    return tmp_path / "contest.key"


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv(sealing.KEY_VARIABLE, raising=False)


def test_keygen_shows_no_secret(plantkit_cli, tmp_path):
    outcome = plantkit_cli("keygen", "--out", tmp_path / "contest.key")
    assert outcome.code == 0, outcome
    secret = (tmp_path / "contest.key").read_text().strip().partition(":")[2]
    assert secret not in outcome.out + outcome.err
    assert plantkit_cli("keygen", "--out", tmp_path / "contest.key").code == 2


def test_plant_sealed(plantkit_cli, tmp_path, key_file, key):
    outcome = plantkit_cli(
        "plant", "relu", "--depth", "3", "--width", "8", "--out", tmp_path,
        "--seal", "--key", f"{key_file}.pub",
    )  # fmt: skip
    assert outcome.code == 0, outcome
    assert bundles.load(tmp_path / "relu-3x8", key=key).is_sealed
    assert not list(tmp_path.rglob("truth.safetensors"))


def test_plant_sealed_needs_a_key_and_a_key_needs_seal(plantkit_cli, tmp_path, key_file):
    outcome = plantkit_cli("plant", "relu", "--out", tmp_path / "new", "--seal")
    assert outcome.code == 2
    assert "--seal needs a key: --key FILE, or the variable PLANTKIT_KEY" in outcome.err
    outcome = plantkit_cli("plant", "relu", "--out", tmp_path / "new", "--key", key_file)
    assert outcome.code == 2
    assert not (tmp_path / "new").exists()


def test_seal_and_unseal(plantkit_cli, copied_bundle, key_file, monkeypatch, key):
    before = contents(copied_bundle)
    assert plantkit_cli("seal", copied_bundle).code == 2
    assert plantkit_cli("seal", copied_bundle, "--key", f"{key_file}.pub").code == 0
    assert contents(copied_bundle) != before
    outcome = plantkit_cli("unseal", copied_bundle, "--key", f"{key_file}.pub")
    assert outcome.code == 2
    assert "public key, which seals only" in outcome.err
    monkeypatch.setenv(sealing.KEY_VARIABLE, key.to_text())
    assert plantkit_cli("unseal", copied_bundle).code == 0
    assert contents(copied_bundle) == before


def test_show_verify_and_prune_take_no_key(plantkit_cli, sealed, circle, tmp_path):
    outcome = plantkit_cli("show", sealed)
    assert outcome.code == 0
    assert circle.digest in outcome.out
    outcome = plantkit_cli("verify", sealed)
    assert outcome.code == 0, outcome
    assert "ok, 3 files as stated; its truth is sealed and was not checked" in outcome.out
    outcome = plantkit_cli("prune", "magnitude", sealed, "--out", tmp_path / "masks", "--jobs", "1")
    assert outcome.code == 0, outcome
    assert len(list((tmp_path / "masks").glob("*.safetensors"))) == 2


def test_evaluate_says_at_the_start_that_it_needs_the_key(
    plantkit_cli, sealed, key_file, key, tmp_path
):
    arguments = ["evaluate", "magnitude", "--challenge", sealed, "--baselines", "none"]
    arguments += ["--seeds", "1", "--jobs", "1"]
    outcome = plantkit_cli(*arguments, "--run-dir", tmp_path / "run")
    assert outcome.code == 2
    assert "truth.sealed: is sealed, and no key was given; add --key FILE or set" in outcome.err
    assert not (tmp_path / "run").exists()
    outcome = plantkit_cli(*arguments, "--key", key_file)
    assert outcome.code == 0, outcome
    assert key.data.hex() not in outcome.out + outcome.err


def test_verify_with_the_key_or_another(plantkit_cli, sealed, key_file, tmp_path):
    outcome = plantkit_cli("verify", sealed, "--key", key_file)
    assert outcome.code == 0, outcome
    assert "commitment and reference figures as stated" in outcome.out
    keys.write_keys(SecretKey.generate(), tmp_path / "other.key")
    outcome = plantkit_cli("verify", sealed, "--key", tmp_path / "other.key")
    assert outcome.code == 2
    assert "is sealed for the key" in outcome.err


def test_a_pruner_does_not_see_the_key(plantkit_cli, sealed, write, monkeypatch, key):
    monkeypatch.setenv(sealing.KEY_VARIABLE, key.to_text())
    monkeypatch.setenv("CLASS_SECRET", "a secret of the staff")
    pruner = write(
        "import os\n"
        "def prune(problem, density, seed):\n"
        "    raise ValueError('sees ' + ' '.join(sorted(os.environ)))\n"
    )
    arguments = ["--baselines", "none", "--seeds", "1", "--jobs", "1", "--format", "json"]
    outcome = plantkit_cli("evaluate", pruner, "--challenge", sealed, *arguments)
    assert outcome.code == 1, outcome
    errors = {record["error"] for record in json.loads(outcome.out)["records"]}
    assert all("sees" in error for error in errors), errors
    assert not any("PLANTKIT_KEY" in error or "CLASS_SECRET" in error for error in errors)


# --- after the contest


def test_reveal(plantkit_cli, sealed, tiny_challenges, tmp_path):
    truth = tiny_challenges / "circle-3x60" / "truth.safetensors"
    for published in (truth, truth.parent):
        outcome = plantkit_cli("verify", sealed, "--reveal", published)
        assert outcome.code == 0, outcome
        assert "opens the commitment" in outcome.out
        assert "planted again from its seed, weights, ticket and data are the same" in outcome.out


def test_reveal_of_something_else(plantkit_cli, sealed, tiny_challenges, tmp_path):
    truth = (tiny_challenges / "circle-3x60" / "truth.safetensors").read_bytes()
    (tmp_path / "truth.safetensors").write_bytes(truth[:-1] + bytes([truth[-1] ^ 1]))
    for published in (tmp_path, tiny_challenges / "relu-3x8", tmp_path / "none"):
        outcome = plantkit_cli("verify", sealed, "--reveal", published)
        assert outcome.code == 4, outcome
    assert plantkit_cli("verify", "--reveal", tmp_path).code == 2
    (tmp_path / "huge").write_bytes(truth + bytes(2**21))
    outcome = plantkit_cli("verify", sealed, "--reveal", tmp_path / "huge")
    assert outcome.code == 4
    assert "is larger than" in outcome.err


def test_reveal_of_a_planting_that_its_seed_does_not_give(tmp_path, key):
    """The commitment holds, so the bundle is what it was; that the seed is not its own is said."""
    from dataclasses import replace

    from plantkit.challenges.drafting import Order, draft_challenge
    from plantkit.challenges.freezing import assemble, freeze
    from plantkit.challenges.verification import verify_reveal

    order = Order(family="relu", depth=3, width=8, train_samples=64, test_samples=16)
    draft, _ = draft_challenge(order, b"one seed")
    drafted = bundles.challenge_of(draft)
    truth = replace(drafted.truth, planting_seed=b"another".hex())
    other = assemble(draft.manifest, weights=drafted.weights, train=drafted.train, truth=truth)
    path = freeze(other, tmp_path / "relu-3x8")
    assert "weights and ticket and data differ on this machine" in verify_reveal(path, path)
