"""The cache: what is found, what is not, and what an evaluation saves by it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from builders import without_passing
from safetensors.torch import load, save

from plantkit.evaluation import cache as caching
from plantkit.evaluation import measuring
from plantkit.evaluation.cache import Answer, Cache, accuracy_key, answer_key, default_directory
from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.networks.training.accuracies import Accuracies

SPEC = PerceptronSpec(widths=(2, 3, 1))
KEY = "ab" * 32
VALUE = Accuracies(strong=0.1, weak=1 / 3)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def half_mask(*, saliency: bool) -> Mask:
    bits = torch.arange(SPEC.total) % 2 == 0
    mask = Mask.from_vector(SPEC, bits)
    values = {name: torch.rand(shape, dtype=torch.float64) for name, shape in SPEC.shapes.items()}
    return Mask(mask, saliency=values if saliency else None)


def test_performances_come_back_to_the_last_bit(cache):
    assert cache.accuracies(KEY) is None
    cache.keep_accuracies(KEY, VALUE)
    assert cache.accuracies(KEY) == VALUE


def test_performances_that_are_no_number_come_back_too(cache):
    cache.keep_accuracies(KEY, Accuracies(strong=float("-inf"), weak=float("nan")))
    found = cache.accuracies(KEY)
    assert found is not None
    assert found.strong == float("-inf")
    assert found.weak != found.weak


@pytest.mark.parametrize("saliency", [False, True])
@pytest.mark.parametrize(("peak", "cpu", "effort"), [(None, 1.5, 2.5), (12.5, None, None)])
def test_answers_come_back_whole(cache, saliency, peak, cpu, effort):
    given = Answer(
        mask=half_mask(saliency=saliency),
        seconds=0.25,
        peak_rss_mib=peak,
        cpu_seconds=cpu,
        effort=effort,
    )
    cache.keep_answer(KEY, given)
    found = cache.answer(KEY, SPEC, SPEC.total)
    assert found is not None
    assert found.mask.digest() == given.mask.digest()
    assert (found.seconds, found.peak_rss_mib) == (0.25, peak)
    assert (found.cpu_seconds, found.effort) == (cpu, effort)
    if saliency:
        for name, value in given.mask.saliency.items():
            assert torch.equal(found.mask.saliency[name], value)
    else:
        assert found.mask.saliency is None


def test_an_answer_beyond_the_budget_or_of_another_network_is_not_given(cache):
    cache.keep_answer(KEY, Answer(mask=half_mask(saliency=False), seconds=1, peak_rss_mib=None))
    assert cache.answer(KEY, SPEC, 2) is None
    assert cache.answer(KEY, PerceptronSpec(widths=(2, 4, 1)), 99) is None


def test_an_answer_of_old_without_processor_time_counts_as_none(cache):
    cache.keep_answer(KEY, Answer(mask=half_mask(saliency=False), seconds=1, peak_rss_mib=None))
    (path,) = cache.directory.glob("*/*")
    tensors = load(path.read_bytes())
    path.write_bytes(save(tensors | {"facts": tensors["facts"][:2]}))
    assert cache.answer(KEY, SPEC, SPEC.total) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"strong": "x", "weak": 1}'])
def test_a_damaged_entry_counts_as_none(cache, content):
    cache.keep_accuracies(KEY, VALUE)
    cache.keep_answer(KEY, Answer(mask=half_mask(saliency=False), seconds=1, peak_rss_mib=None))
    for path in cache.directory.glob("*/*"):
        path.write_bytes(content)
    assert cache.accuracies(KEY) is None
    assert cache.answer(KEY, SPEC, SPEC.total) is None


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "below")
    cache.keep_accuracies(KEY, VALUE)
    assert cache.accuracies(KEY) is None


def test_trimming_removes_what_was_used_longest_ago(cache):
    keys = [f"{number:02d}" * 32 for number in range(4)]
    for age, key in enumerate(keys):
        cache.keep_accuracies(key, VALUE)
        (path,) = cache.directory.glob(f"{key[:2]}/*")
        os.utime(path, (1000 + age, 1000 + age))
    assert cache.accuracies(keys[0]) is not None  # used just now
    size = path.stat().st_size
    cache.trim(2.5 * size / 1024 / 1024)
    assert [key for key in keys if cache.accuracies(key) is not None] == [keys[0], keys[3]]


def test_keys_differ_in_everything_that_counts():
    base = {"bundle": "b", "mask": "m", "seed": 0, "device": "cpu", "rewind": 0}
    keys = [accuracy_key(**base)]
    keys += [accuracy_key(**{**base, name: "other"}) for name in base]
    answer = {
        "module": "plantkit_baselines.random",
        "pruner": "random",
        "options": {},
        "bundle": "b",
        "density": 0.5,
        "seed": 0,
    }
    keys.append(answer_key(**answer))
    for name, other in [
        ("pruner", "x"),
        ("options", {"a": "1"}),
        ("bundle", "c"),
        ("density", 0.1),
        ("seed", 1),
    ]:
        keys.append(answer_key(**{**answer, name: other}))
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_a_key_follows_the_plugins_files(tmp_path, monkeypatch):
    package = tmp_path / "some_plugin_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    base = {
        "module": "some_plugin_package.part",
        "pruner": "p",
        "options": {},
        "bundle": "b",
        "density": 0.5,
        "seed": 0,
    }
    first = answer_key(**base)
    (package / "table.txt").write_text("another rule")
    assert answer_key(**base) == first  # one process, one state of the files
    caching._package_digest.cache_clear()
    assert answer_key(**base) not in {first, None}
    assert answer_key(**{**base, "module": "no_such_package_at_all"}) is None


def test_the_directory_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.delenv("PLANTKIT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "plantkit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_directory() == Path.home() / ".cache" / "plantkit"
    monkeypatch.setenv("PLANTKIT_CACHE_DIR", str(tmp_path / "mine"))
    assert default_directory() == tmp_path / "mine"


# --- in an evaluation


def without_times(path: Path) -> list[dict[str, object]]:
    records = json.loads(path.read_text())["records"]
    return [without_passing(record) for record in records]


def test_a_second_evaluation_trains_nothing_and_runs_the_submission_only(
    plantkit_cli, tiny_challenges, write, tmp_path, monkeypatch
):
    monkeypatch.setenv("PLANTKIT_CACHE_DIR", str(tmp_path / "cache"))
    trained: list[int] = []
    measure_all = measuring.measure_all

    def counting(measurements, **named):
        trained.extend(len(wanted.masks) for wanted in measurements)
        return measure_all(measurements, **named)

    monkeypatch.setattr(measuring, "measure_all", counting)
    submission = write(
        "import torch\n"
        "def prune(problem, density, seed):\n"
        "    generator = torch.Generator().manual_seed(seed)\n"
        "    order = torch.randperm(problem.network.total, generator=generator)\n"
        "    weights = problem.weights\n"
        "    pieces = (order < problem.budget).split([w.numel() for w in weights.values()])\n"
        "    return {n: p.view(w.shape) for p, (n, w) in zip(pieces, weights.items())}\n"
    )
    given = ["evaluate", submission, "--challenges", tiny_challenges, "--suite", "tiny"]
    given += ["--baselines", "snip,random", "--format", "json", "--jobs", "1"]
    outcomes = {}
    for name, more in [("first", []), ("second", []), ("third", ["--no-cache"])]:
        trained.clear()
        with submission.open("a", encoding="utf-8", newline="\n") as file:
            file.write(f"# {name}\n")
        out = tmp_path / f"{name}.json"
        assert plantkit_cli(*given, *more, "-o", out).code == 0
        outcomes[name] = (sum(trained), json.loads(out.read_text())["records"], out)
    assert outcomes["first"][0] == outcomes["third"][0] == 24
    assert outcomes["second"][0] == 0
    assert without_times(outcomes["first"][2]) == without_times(outcomes["second"][2])
    assert without_times(outcomes["first"][2]) == without_times(outcomes["third"][2])
    for first, second, third in zip(*(records for _, records, _ in outcomes.values()), strict=True):
        was_kept = first["seconds"] == second["seconds"]
        assert was_kept == (first["pruner"] in {"snip", "random"})
        assert first["seconds"] != third["seconds"]


def test_nothing_is_kept_without_a_cache(plantkit_cli, tiny_challenges, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTKIT_CACHE_DIR", str(tmp_path / "cache"))
    given = ["evaluate", "random", "--challenges", tiny_challenges, "--suite", "tiny"]
    assert plantkit_cli(*given, "--baselines", "none", "--no-cache", "--jobs", "1").code == 0
    assert not (tmp_path / "cache").exists()


def test_without_a_home_nothing_is_kept_and_nothing_fails(monkeypatch):
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("PLANTKIT_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", fail)
    cache = Cache()
    cache.keep_accuracies("ab12", Accuracies(strong=0.5, weak=0.5))
    assert cache.accuracies("ab12") is None
    cache.trim()
