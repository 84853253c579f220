"""The papers' networks on the user's files: what is run, from which files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from image_files import write_cifar, write_mnist

from plantkit.errors import UsageError
from plantkit.research.studies import splits
from plantkit.research.studies.bench import Bench
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.lottery import STUDY as LOTTERY
from plantkit.research.studies.runner import merge_runs, run_study, run_unit
from plantkit.research.studies.setups import SETUPS
from plantkit.research.studies.splits import fingerprint, load_split
from plantkit.research.studies.stability import STUDY as STABILITY
from plantkit.research.studies.study import Selection, Unit

NO_TIME = Calibration(seconds_per_step=0, seconds_per_parameter=0)


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLANTKIT_DATA", raising=False)
    splits._from_files.cache_clear()
    fingerprint.cache_clear()


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    write_mnist(tmp_path / "files", train=48, test=20)
    return tmp_path / "files"


def networks(selection: Selection) -> list[str]:
    return list(
        dict.fromkeys(str(unit.coordinates["network"]) for unit in LOTTERY.select(selection))
    )


def test_the_papers_networks_take_the_place_of_those_on_digits(mnist: Path) -> None:
    assert networks(Selection()) == ["fc", "conv"]
    assert networks(Selection(data=mnist)) == ["conv", "lenet-300-100"]
    write_cifar(mnist)
    assert networks(Selection(data=mnist)) == [
        *("lenet-300-100", "conv2", "conv4", "conv6", "resnet20")
    ]
    chosen = {"network": ["fc", "conv6"]}
    assert networks(Selection(data=mnist, chosen=chosen)) == ["fc", "conv6"]


def test_the_variable_names_the_directory_too(mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTKIT_DATA", str(mnist))
    assert networks(Selection()) == ["conv", "lenet-300-100"]
    assert networks(Selection(quick=True)) == ["fc", "conv"]
    stated = {str(unit.coordinates["network"]) for unit in STABILITY.select(Selection())}
    assert stated == {"resnet", "lenet-300-100"}


def test_files_may_lie_in_their_folders(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", packed=True)
    write_cifar(tmp_path / "cifar-10-batches-bin")
    assert "lenet-300-100" in networks(Selection(data=tmp_path))
    assert "conv2" in networks(Selection(data=tmp_path))


def test_files_are_split_to_train_to_stop_and_to_test_on(mnist: Path) -> None:
    split = load_split("mnist", 0, mnist)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [44, 4, 20]
    other = load_split("mnist", 1, mnist)
    assert torch.equal(other.test.inputs, split.test.inputs)
    assert not torch.equal(other.train.inputs, split.train.inputs)
    both = [torch.cat([one.train.inputs, one.validation.inputs]) for one in (split, other)]
    assert torch.equal(both[0].sort(dim=0).values, both[1].sort(dim=0).values)


def test_the_standard_files_have_the_papers_parts() -> None:
    assert 60_000 // splits._HELD_OUT["mnist"] == 5_000
    assert 50_000 // splits._HELD_OUT["cifar10"] == 5_000


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda files: (files / "t10k-labels-idx1-ubyte").unlink(), "has no t10k-labels-idx1"),
        (
            lambda files: (files / "train-images-idx3-ubyte").write_bytes(
                (files / "train-images-idx3-ubyte").read_bytes()[:-1]
            ),
            "get the file again",
        ),
        (lambda files: (files / "train-labels-idx1-ubyte").write_bytes(b"text"), "another file"),
    ],
)
def test_half_a_folder_and_damaged_files_are_told_before_anything_runs(
    mnist: Path, spoil, message: str
) -> None:
    spoil(mnist)
    with pytest.raises(UsageError, match=message):
        LOTTERY.select(Selection(data=mnist))


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(data=Path("nowhere")), "--data is nowhere: no such directory"),
        (Selection(chosen={"network": ["conv2"]}), "needs the files of cifar10; give .* --data"),
        (Selection(quick=True, data=Path()), "the quick grid is on digits"),
        (Selection(device="tpu"), "expected 'cpu' or 'cuda'"),
    ],
)
def test_what_cannot_be_run_is_an_error(selection: Selection, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LOTTERY.select(selection)


def test_a_directory_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no files of mnist or cifar10"):
        LOTTERY.select(Selection(data=tmp_path))
    write_mnist(tmp_path)
    chosen = {"network": ["conv2"]}
    with pytest.raises(UsageError, match=r"needs the files of cifar10.*has none"):
        LOTTERY.select(Selection(data=tmp_path, chosen=chosen))


class Tiny(type(LOTTERY)):  # type: ignore[misc]
    """The lottery study in a few steps."""

    def units(self, **_):
        return [
            Unit(
                study="lottery",
                coordinates={"network": network, "levels": 1, "steps": 4, "seed": 0},
            )
            for network in ("fc", "lenet-300-100")
        ]


def test_a_study_on_files_runs_and_says_what_they_were(mnist: Path, tmp_path: Path) -> None:
    outcome = run_study(
        Tiny(), Selection(data=mnist), directory=tmp_path / "run", calibration=NO_TIME
    )
    assert outcome.failures == []
    assert outcome.records.distinct("network") == ["lenet-300-100"]
    assert outcome.setting == {"files of mnist": fingerprint("mnist", mnist)}
    merged = merge_runs(Tiny(), Selection(), [tmp_path / "run"])
    assert (merged.missing, merged.records) == (0, outcome.records)  # none of fc is expected
    dense = outcome.records.where(method="dense").values("share")
    assert dense == [1.0]


def test_results_of_other_files_are_never_mixed(mnist: Path, tmp_path: Path) -> None:
    study, run = Tiny(), tmp_path / "run"
    run_study(study, Selection(data=mnist), directory=run, calibration=NO_TIME)
    write_mnist(tmp_path / "other", train=48, test=20, seed=1)
    changed = Selection(data=tmp_path / "other")
    with pytest.raises(UsageError, match=r"files of mnist: .* in .*run, .* in this run"):
        run_study(study, changed, directory=run, resume=True, calibration=NO_TIME)
    run_study(study, changed, directory=tmp_path / "run-2", calibration=NO_TIME)
    with pytest.raises(UsageError, match="different results of"):
        merge_runs(study, Selection(), [run, tmp_path / "run-2"])


def test_files_that_change_on_the_way_fail_the_run(mnist: Path) -> None:
    (unit,) = Tiny().select(Selection(data=mnist))
    write_mnist(mnist, train=48, test=20, seed=1)
    splits._from_files.cache_clear()
    fingerprint.cache_clear()
    assert "are not those that the study began with" in run_unit(unit).error


def test_as_many_epochs_as_the_steps_need(mnist: Path) -> None:
    bench = Bench("lenet-300-100", 0, directory=mnist)
    assert bench.end == SETUPS["lenet-300-100"].steps == 50_000
    assert bench.recipe.epochs == 50_000  # of one batch each: 44 images
    assert Bench("fc", 0).recipe.epochs == 40
    assert Bench("resnet", 0).recipe.epochs == 20


def test_the_papers_networks_have_the_papers_recipes() -> None:
    # arXiv 1803.03635, figure 2.
    found = {
        name: (
            SETUPS[name].recipe.learning_rate,
            SETUPS[name].recipe.batch_size,
            SETUPS[name].steps,
        )
        for name in ("lenet-300-100", "conv2", "conv4", "conv6")
    }
    assert found == {
        "lenet-300-100": (1.2e-3, 60, 50_000),
        "conv2": (2e-4, 60, 20_000),
        "conv4": (3e-4, 60, 25_000),
        "conv6": (3e-4, 60, 30_000),
    }
    totals = {name: round(SETUPS[name].network.total / 1000) for name in found}
    assert totals == {"lenet-300-100": 267, "conv2": 4302, "conv4": 2426, "conv6": 2263}
