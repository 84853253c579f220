"""`plantkit plant` and `plantkit verify` as their users meet them."""

from __future__ import annotations

import pytest


def test_plant_show_verify(plantkit_cli, tmp_path):
    planted = plantkit_cli(
        "plant", "relu", "--depth", "3", "--width", "5", "--out", tmp_path, "--variant", "a"
    )
    assert planted.code == 0, planted
    assert "planted 2 of 16 parameters" in planted.out
    assert "do not use it for a contest" in planted.err
    verified = plantkit_cli("verify", tmp_path / "relu-3x5-a")
    assert verified.code == 0
    assert "relu-3x5-a: ok" in verified.out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["sphere"], "no target family is named 'sphere'"),
        (["circel"], "did you mean 'circle'"),
        (["circle", "--width", "5"], "hidden layer 1 has 5 units"),
        (["circle", "--depth", "2"], "at least 3"),
        (["relu", "--seed", "xyz"], "expected hexadecimal"),
        (["relu", "--variant", "../x"], "expected letters and digits"),
        (["relu", "--variant", "é"], "expected letters and digits"),
        (["relu", "--width", "0"], "--width"),
        (["relu", "--noise", "2"], "--noise"),
        (
            ["relu", "--planting", "anchored", "--depth", "5", "--width", "4", "--seed", "00"],
            "hidden layer 1 has 4 units",
        ),
        (
            [
                *("teacher", "--dial", "kind=classification", "--dial", "outputs=64"),
                *("--seed", "00", "--depth", "5", "--time-limit", "0.001"),
            ],
            "none of 10 structures",
        ),
    ],
)
def test_bad_input(plantkit_cli, tmp_path, arguments, text):
    outcome = plantkit_cli(
        "plant",
        *arguments,
        *(["--depth", "3"] if "--depth" not in arguments else []),
        "--out",
        tmp_path,
    )
    assert outcome.code == 2
    assert text in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_an_existing_bundle_is_kept(plantkit_cli, tiny_challenges):
    before = (tiny_challenges / "relu-3x8" / "challenge.json").read_bytes()
    outcome = plantkit_cli("plant", "relu", "--depth", 3, "--width", 8, "--out", tiny_challenges)
    assert outcome.code == 2
    assert "never overwritten" in outcome.err
    assert (tiny_challenges / "relu-3x8" / "challenge.json").read_bytes() == before


def test_verify_names_the_altered_file_and_checks_the_others(
    plantkit_cli, copied_bundle, tiny_challenges
):
    content = bytearray((copied_bundle / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (copied_bundle / "weights.safetensors").write_bytes(content)
    outcome = plantkit_cli("verify", copied_bundle, tiny_challenges / "relu-3x8")
    assert outcome.code == 4
    assert "circle-3x60: invalid" in outcome.out
    assert "relu-3x8: ok" in outcome.out
    assert "weights.safetensors: has been altered" in outcome.err


def test_verify_unknown(plantkit_cli):
    assert plantkit_cli("verify", "nowhere").code == 2
