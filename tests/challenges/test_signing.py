"""Signatures: whose a bundle is, and that it is as its organiser signed it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from fuzzing import freeze

from plantkit.challenges.freezing import add_record, freeze_anew, seal_bundle, unseal_bundle
from plantkit.challenges.keys import write_keys
from plantkit.challenges.manifests import read_stated
from plantkit.challenges.sealing import SecretKey
from plantkit.challenges.signing import (
    SIGNATURE,
    Signer,
    SigningKey,
    check_signature,
    read_signer,
    read_signing_key,
)
from plantkit.errors import BundleError, MissingExtraError, UsageError


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def signed(copied_bundle: Path, key: SigningKey) -> Path:
    assert freeze_anew(copied_bundle, key=key).signed == key.public
    return copied_bundle


def check(bundle: Path, signer: Signer | None = None) -> Signer:
    return check_signature(bundle, read_stated(bundle), signer)


def refused(bundle: Path, signer: Signer | None = None) -> str:
    with pytest.raises(BundleError) as caught:
        check(bundle, signer)
    assert caught.value.path == bundle / SIGNATURE
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_a_signature_says_whose_a_bundle_is(signed: Path, key: SigningKey) -> None:
    assert check(signed) == check(signed, key.public) == key.public
    content = (signed / SIGNATURE).read_bytes()
    freeze_anew(signed, key=key)
    assert (signed / SIGNATURE).read_bytes() == content  # the same each time


def test_a_signature_is_checked_without_plantkit(signed: Path, key: SigningKey) -> None:
    """What docs/challenges.md says, by hand."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    kind, public, signature = (signed / SIGNATURE).read_text(encoding="ascii").strip().split(":")
    whole = json.loads((signed / "challenge.json").read_bytes())["frozen"]
    message = f"plantkit-bundle-1\ncircle-3x60\n{whole}\n".encode()
    assert (kind, public) == ("plantkit-signature-1", key.public.data.hex())
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
        bytes.fromhex(signature), message
    )


def test_another_signer_is_refused(signed: Path, key: SigningKey) -> None:
    other = SigningKey.generate().public
    assert f"is a signature by the key {key.public.id}; expected one by the key {other.id}" in (
        refused(signed, other)
    )


def test_no_signature(copied_bundle: Path, key: SigningKey) -> None:
    message = refused(copied_bundle, key.public)
    assert message.endswith(f"is missing; expected a signature by the key {key.public.id}")


def test_every_byte_of_a_signature_counts(signed: Path, key: SigningKey) -> None:
    path = signed / SIGNATURE
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert refused(signed)
    for other in (b"", content[:-1], content + b"\n", content.upper(), b"x" * 5000):
        path.write_bytes(other)
        assert refused(signed, key.public)
    path.write_bytes(content.replace(b"\n", b"\r\n"))
    assert check(signed) == key.public


def test_a_bundle_that_was_changed_since_does_not_fit(signed: Path, key: SigningKey) -> None:
    """Whoever makes the digest fit again has no key to sign it."""
    path = signed / "challenge.json"
    original = json.loads(path.read_bytes())
    path.write_bytes(freeze(original | {"title": "another"}))
    assert "does not fit the bundle" in refused(signed, key.public)
    path.write_bytes(freeze(original | {"id": "circle-3x60-b"}))
    assert "does not fit the bundle" in refused(signed, key.public)
    path.write_bytes(freeze(original))
    assert check(signed, key.public) == key.public


def test_the_signature_of_another_bundle_does_not_fit(
    signed: Path, key: SigningKey, tiny_challenges: Path
) -> None:
    other = Path(shutil.copytree(tiny_challenges / "relu-3x8", signed.parent / "relu-3x8"))
    shutil.copyfile(signed / SIGNATURE, other / SIGNATURE)
    assert "does not fit the bundle" in refused(other, key.public)


def test_sealing_keeps_the_signature_which_fits_either_form(
    signed: Path, key: SigningKey, tmp_path: Path
) -> None:
    secret = SecretKey.generate()
    seal_bundle(signed, secret.public)
    assert check(signed, key.public) == key.public
    published = unseal_bundle(signed, secret, tmp_path / "published")
    assert check(published, key.public) == key.public


def test_a_new_record_removes_a_signature_that_does_not_fit(signed: Path, key: SigningKey):
    assert not freeze_anew(signed).unsigned
    assert (signed / SIGNATURE).exists()
    frozen = add_record(signed, "audit.json", b"{}\n")
    assert frozen.unsigned
    assert not (signed / SIGNATURE).exists()
    assert frozen.lines()[-1].endswith("was removed: sign it again")


# --- keys


def test_keys_are_files_of_one_line(tmp_path: Path, key: SigningKey) -> None:
    public = write_keys(key, tmp_path / "my.key")
    assert read_signing_key(tmp_path / "my.key") == key
    assert read_signer(public) == read_signer(tmp_path / "my.key") == key.public
    assert key.data.hex() not in repr(key)
    with pytest.raises(UsageError, match="holds a key that checks signatures; expected one that"):
        read_signing_key(public)
    sealing = write_keys(SecretKey.generate(), tmp_path / "contest.key")
    for read in (read_signer, read_signing_key):
        with pytest.raises(UsageError, match=r"contest\.key\.pub holds a key that seals") as caught:
            read(sealing)
        assert str(caught.value).endswith(": plantkit keygen --signing makes one")
        with pytest.raises(UsageError, match="cannot be read"):
            read(tmp_path / "none")
    (tmp_path / "bad").write_text("plantkit-signer-1:00ff", encoding="ascii", newline="\n")
    with pytest.raises(UsageError, match="holds no key; expected one line that begins with"):
        read_signer(tmp_path / "bad")


def test_without_cryptography(signed: Path, key: SigningKey, monkeypatch, plantkit_cli, tmp_path):
    public = write_keys(key, tmp_path / "my.key")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(MissingExtraError, match=r"plantkit\[seal\]"):
        check(signed)
    outcome = plantkit_cli("verify", signed)
    assert outcome.code == 0, outcome
    assert "its signature was not checked: a signature needs an extra" in outcome.out
    outcome = plantkit_cli("verify", signed, "--signer", public)
    assert outcome.code == 2
    assert "plantkit[seal]" in outcome.err
    edited = (signed / "challenge.json").read_bytes().replace(b"Circle: ", b"Circles: ")
    (signed / "challenge.json").write_bytes(edited)
    outcome = plantkit_cli("freeze", signed, "--sign", tmp_path / "my.key")
    assert outcome.code == 2
    assert "plantkit[seal]" in outcome.err
    assert (signed / "challenge.json").read_bytes() == edited


# --- command line


def test_from_key_to_verified(plantkit_cli, copied_bundle: Path, tmp_path: Path) -> None:
    secret, public = tmp_path / "organiser.key", tmp_path / "organiser.key.pub"
    outcome = plantkit_cli("keygen", "--signing", "--out", secret)
    assert outcome.code == 0, outcome
    name = read_signer(public).id
    assert f"{secret}: the secret key {name}, which signs; show it to nobody" in outcome.out
    assert secret.read_text(encoding="ascii").partition(":")[2].strip() not in outcome.out
    outcome = plantkit_cli("verify", copied_bundle, "--signer", public)
    assert outcome.code == 4
    assert f"{SIGNATURE}: is missing; expected a signature by the key {name}" in outcome.err
    assert "circle-3x60: invalid" in outcome.out
    outcome = plantkit_cli("freeze", copied_bundle, "--sign", public)
    assert outcome.code == 2
    assert "holds a key that checks signatures; expected one that signs bundles" in outcome.err
    outcome = plantkit_cli("freeze", copied_bundle, "--sign", secret)
    assert outcome.code == 0, outcome
    assert f"{copied_bundle}: signed with the key {name}" in outcome.out
    outcome = plantkit_cli("verify", copied_bundle, "--signer", public)
    assert outcome.code == 0, outcome
    assert f"circle-3x60: ok, 3 files as stated, signed by {name}, commitment" in outcome.out
    outcome = plantkit_cli("verify", copied_bundle)
    assert f"signed by {name}, whoever that is: --signer says whose key you trust" in outcome.out
    (copied_bundle / SIGNATURE).write_text("nobody\n", encoding="ascii", newline="\n")
    assert plantkit_cli("verify", copied_bundle).code == 4
    outcome = plantkit_cli("verify", copied_bundle, "--signer", tmp_path / "nowhere")
    assert outcome.code == 2
    outcome = plantkit_cli("verify", copied_bundle, "--signer", public, "--reveal", copied_bundle)
    assert outcome.code == 2
    assert "neither --key nor --signer" in outcome.err


def test_verify_tells_what_is_not_of_the_bundle(plantkit_cli, signed: Path, key) -> None:
    (signed / "notes.txt").touch()
    (signed / ".DS_Store").touch()
    outcome = plantkit_cli("verify", signed)
    assert outcome.code == 0, outcome
    assert "not of the bundle, and not covered: 'notes.txt'," in outcome.out
    truth = (signed / "truth.safetensors").read_bytes()
    seal_bundle(signed, SecretKey.generate())
    (signed / "truth.safetensors").write_bytes(truth)
    outcome = plantkit_cli("verify", signed)
    assert outcome.code == 4
    assert "has the truth in the clear, which truth.sealed is to hide: remove it" in outcome.err
