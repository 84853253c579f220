"""Fresh instances: new, alike, secret, and the same for whoever holds the secret."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from builders import without_passing

from plantkit.challenges import bundles
from plantkit.challenges.drafting import draft_challenge, order_like
from plantkit.challenges.freezing import freeze, seal_bundle
from plantkit.challenges.fresh import derived_seed, fresh_challenges, secret_from
from plantkit.challenges.sealing import SecretKey
from plantkit.errors import BundleError, UsageError

SECRET = "the staff's own secret"


@pytest.fixture
def manifests(tiny_challenges) -> list[dict]:
    return [bundles.read_manifest(tiny_challenges / n)[0] for n in ("relu-3x8", "circle-3x60")]


def test_instances_are_like_their_challenge_and_new(manifests, circle):
    made = fresh_challenges(manifests, 2)
    assert [one.id for one in made] == [
        "relu-3x8-fresh1", "relu-3x8-fresh2", "circle-3x60-fresh1", "circle-3x60-fresh2"
    ]  # fmt: skip
    for one in made[2:]:
        assert (one.network, one.task, one.recipe) == (circle.network, circle.task, circle.recipe)
        assert (one.densities, one.overlap_scored) == (circle.densities, circle.overlap_scored)
        assert (len(one.train), len(one.truth.test)) == (320, 100)
        assert one.manifest["data"] == circle.manifest["data"]
    digests = {one.digest for one in made} | {circle.digest}
    tickets = {one.truth.ticket.digest() for one in made[2:]} | {circle.truth.ticket.digest()}
    seeds = {one.truth.planting_seed for one in made}
    assert (len(digests), len(tickets), len(seeds)) == (5, 3, 4)


def test_instances_of_one_kind_are_models_of_it_once(manifests):
    relu, circle = manifests
    sibling = {**relu, "id": "relu-3x8-b", "ticket": {**relu["ticket"], "kept": 9}}
    noisier = {**relu, "id": "relu-3x8-c", "data": {**relu["data"], "noise": 0.5}}
    made = fresh_challenges([relu, sibling, circle, noisier], 1, SECRET)
    assert [one.id for one in made] == [
        "relu-3x8-fresh1",
        "circle-3x60-fresh1",
        "relu-3x8-c-fresh1",
    ]


def test_the_secret_gives_the_same_instances_in_any_company(manifests):
    both = fresh_challenges(manifests, 2, SECRET)
    again = fresh_challenges(manifests[1:], 1, SECRET)
    assert again[0].digest == both[2].digest
    other = fresh_challenges(manifests[1:], 1, SECRET + ".")
    assert other[0].digest != again[0].digest


def test_seeds_are_hmac_sha256():
    """From the documentation alone: HMAC-SHA256 of the instance's id, keyed by the secret."""
    import hashlib
    import hmac

    expected = hmac.new(SECRET.encode(), b"plantkit-fresh-1\ncircle-5x100-fresh1", hashlib.sha256)
    assert derived_seed(SECRET, "circle-5x100-fresh1") == expected.digest()


def test_an_instance_frozen_is_the_instance_in_memory(manifests, tmp_path):
    (made,) = fresh_challenges(manifests[:1], 1)
    order = order_like(manifests[0], variant="fresh1")
    again, _ = draft_challenge(order, bytes.fromhex(made.truth.planting_seed))
    frozen = bundles.load(freeze(again, tmp_path / made.id))
    assert frozen.digest == bundles.challenge_of(again).digest == made.digest


def test_the_same_name_with_another_variant(manifests):
    manifest = {**manifests[0], "id": "relu-3x8-second"}
    (made,) = fresh_challenges([manifest], 1, SECRET)
    assert made.id == "relu-3x8-second-fresh1"


def test_what_cannot_be_planted_again_is_refused(manifests):
    network = {"kind": "mlp", "widths": [1, 8, 9, 1]}
    for change, text in (
        ({"network": network}, "expected hidden layers of one width"),
        ({"family": "found"}, "no target family is named 'found'"),
        ({"planting": {"method": "by hand", "hidden": True}}, "no planting is named 'by hand'"),
    ):
        with pytest.raises(UsageError, match=text):
            fresh_challenges([{**manifests[0], **change}], 1)


def test_secrets_that_are_none():
    environment = {"SHORT": "x" * 15, "GOOD": "x" * 16, "PATH": "x" * 100, "LC_ALL": "x" * 100}
    assert secret_from("GOOD", environment) == "x" * 16
    for name, text in (
        ("SHORT", "has 15 characters"),
        ("NONE", "is not set"),
        ("PATH", "cannot hold a secret"),
        ("LC_ALL", "cannot hold a secret"),
        ("A=B", "cannot hold a secret"),
    ):
        with pytest.raises(UsageError, match=text) as error:
            secret_from(name, environment)
        assert "xxx" not in str(error.value)


# --- command line


def records(text: str) -> list[dict]:
    return [without_passing(record) for record in json.loads(text)["records"]]


@pytest.fixture
def arguments(tiny_challenges) -> list[str | Path]:
    return [
        "evaluate", "magnitude", "--challenges", tiny_challenges, "--challenge", "relu-3x8",
        "--baselines", "none", "--seeds", "1", "--jobs", "1", "--format", "json",
    ]  # fmt: skip


def test_the_same_secret_the_same_results_and_resume(
    plantkit_cli, arguments, tmp_path, monkeypatch
):
    monkeypatch.setenv("CLASS_SECRET", SECRET)
    given = [*arguments, "--fresh", "2", "--fresh-seed-env", "CLASS_SECRET"]
    first = plantkit_cli(*given, "--run-dir", tmp_path / "run")
    assert first.code == 0, first
    assert SECRET not in first.out + first.err
    assert {r["challenge"] for r in records(first.out)} == {"relu-3x8-fresh1", "relu-3x8-fresh2"}
    lines = (tmp_path / "run" / "records.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "run" / "records.jsonl").write_text("".join(lines[:3]))
    resumed = plantkit_cli(*given, "--run-dir", tmp_path / "run", "--resume")
    assert records(resumed.out) == records(first.out)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    made = fresh_challenges([bundles.read_manifest(arguments[3] / "relu-3x8")[0]], 2, SECRET)
    for one in made:
        for secret in (one.truth.planting_seed, one.truth.salt, SECRET):
            assert secret.encode() not in kept


def test_new_entropy_cannot_be_resumed(plantkit_cli, arguments, tmp_path):
    outcome = plantkit_cli(*arguments, "--fresh", "1", "--run-dir", tmp_path / "run", "--resume")
    assert outcome.code == 2
    assert "are new in every run and cannot be resumed" in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.fixture
def suite_of(tiny_challenges, tmp_path):
    """Returns the arguments that evaluate `magnitude` on a suite with these lines."""

    def make(lines: str) -> list[str | Path]:
        home = tmp_path / "home"
        shutil.copytree(tiny_challenges / "relu-3x8", home / "relu-3x8")
        text = f'[drawn]\ntitle = "t"\nchallenges = ["relu-3x8"]\ndensities = ["1x"]\n{lines}'
        (home / "suites.toml").write_text(text, encoding="utf-8", newline="\n")
        return [
            "evaluate", "magnitude", "--challenges", home, "--suite", "drawn",
            "--baselines", "none", "--jobs", "1", "--format", "json",
        ]  # fmt: skip

    return make


def test_a_suite_that_is_drawn_anew(plantkit_cli, suite_of, monkeypatch):
    monkeypatch.setenv("CLASS_SECRET", SECRET)
    arguments = suite_of("seeds = 1\nfresh = 2\n")
    first, again = (plantkit_cli(*arguments, "--fresh-seed-env", "CLASS_SECRET") for _ in range(2))
    assert first.code == 0, first
    names = {record["challenge"] for record in records(first.out)}
    assert names == {"relu-3x8-fresh1", "relu-3x8-fresh2"}
    assert records(first.out) == records(again.out)
    others = [plantkit_cli(*arguments) for _ in range(2)]
    digests = {
        one["bundle_sha256"] for run in (first, *others) for one in json.loads(run.out)["records"]
    }
    assert len(digests) == 6  # nothing is remembered or used twice
    fewer = plantkit_cli(*arguments, "--fresh", "1")
    assert {record["challenge"] for record in records(fewer.out)} == {"relu-3x8-fresh1"}


def test_what_does_not_go_with_a_suite_that_is_drawn_anew(plantkit_cli, suite_of, tmp_path):
    arguments = suite_of("seeds = 1\nfresh = 1\n")
    outcome = plantkit_cli(*arguments, "--run-dir", tmp_path / "run", "--resume")
    assert outcome.code == 2
    assert "are new in every run and cannot be resumed" in outcome.err


@pytest.mark.parametrize(("line", "words"), [("", "needs --fresh N"), ("fresh = 0", "fresh")])
def test_a_secret_without_new_instances(plantkit_cli, suite_of, monkeypatch, line, words):
    monkeypatch.setenv("CLASS_SECRET", SECRET)
    outcome = plantkit_cli(*suite_of(f"seeds = 1\n{line}\n"), "--fresh-seed-env", "CLASS_SECRET")
    assert outcome.code in {2, BundleError.exit_code}
    assert words in outcome.err


def test_options_that_do_not_fit(plantkit_cli, arguments, monkeypatch):
    monkeypatch.delenv("CLASS_SECRET", raising=False)
    assert plantkit_cli(*arguments, "--fresh-seed-env", "CLASS_SECRET").code == 2
    outcome = plantkit_cli(*arguments, "--fresh", "1", "--fresh-seed-env", "CLASS_SECRET")
    assert outcome.code == 2
    assert "CLASS_SECRET is not set" in outcome.err
    assert plantkit_cli(*arguments, "--fresh", "0").code == 2


def test_instances_of_a_sealed_challenge_take_no_key(plantkit_cli, arguments, copied_bundle):
    seal_bundle(copied_bundle, SecretKey.generate())
    arguments[3:6] = [copied_bundle.parent, "--challenge", copied_bundle]
    outcome = plantkit_cli(*arguments, "--fresh", "1")
    assert outcome.code == 0, outcome
    assert {record["challenge"] for record in records(outcome.out)} == {"circle-3x60-fresh1"}


def test_nothing_of_the_truth_lies_on_disk_meanwhile(tiny_challenges, tmp_path, monkeypatch):
    from plantkit.evaluation.requests import Request
    from plantkit.evaluation.run import run_evaluation

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read: dict[str, bytes] = {}

    def look(*_: object) -> None:
        read.update((p.name, p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file())

    request = Request(
        pruners=["magnitude"],
        challenges=["relu-3x8"],
        challenge_directories=[tiny_challenges],
        baselines="none",
        seeds=1,
        jobs=1,
        fresh=1,
        run_directory=tmp_path / "run",
    )
    run_evaluation(request, warn=print, progress=look)
    assert "weights.safetensors" in read  # the public half was there to be seen
    assert not any(b"ticket.layers" in content for content in read.values())
    assert not any(b"planting_seed" in content for content in read.values())


def test_a_broken_challenge_cannot_be_a_model(plantkit_cli, arguments, copied_bundle):
    (copied_bundle / "challenge.json").write_text("{")
    arguments[3:6] = [copied_bundle.parent, "--challenge", copied_bundle]
    assert plantkit_cli(*arguments, "--fresh", "1").code == BundleError.exit_code
