"""The duel: figures are those of evaluations and audits, and a seed gives them again."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import pytest

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec
from plantkit.planting import find_family, find_method
from plantkit.research.audit.assessment import audit_plantings
from plantkit.research.audit.attackers import choose_attackers
from plantkit.research.audit.recipes import PlantingRecipe, plant_samples
from plantkit.research.audit.samples import Sample
from plantkit.research.duel.duel import PLANTERS, Plan, run_duel
from plantkit.schemas import violations

ROOT = Path(__file__).resolve().parents[2]
#: A duel that takes seconds.
TINY = ("--width", "12", "--depth", "3", "--instances", "2", "--seed-hex", "0a", "--jobs", "1")
PRUNERS = ("--pruner", "magnitude", "--pruner", "random")


@pytest.fixture
def duel(plantkit_cli):
    return lambda *arguments: plantkit_cli("duel", *arguments)


def test_planters_and_seekers_meet(duel, tmp_path):
    given = ("--planter", "relu", "--planter", "relu:anchored", *PRUNERS, *TINY)
    attackers = ("--attacker", "position prior", "--attacker", "magnitude", "--train", "4")
    path = tmp_path / "duel.json"
    outcome = duel(*given, *attackers, "--format", "json", "-o", path)
    assert outcome.code == 0, outcome
    assert "this duel takes 2 planters, 2 instances of each; 8 runs of 2 pruners" in outcome.err
    found = json.loads(path.read_text(encoding="utf-8"))
    assert violations(found, "duel") == []
    assert list(found["densities"]) == ["relu:faithful", "relu:anchored"]
    meetings = {(one["planter"], one["seeker"]): one for one in found["meetings"]}
    seekers = ["magnitude", "random", "strongest", "position prior"]
    assert set(meetings) == {
        (planter, seeker) for planter in found["densities"] for seeker in seekers
    }
    for (planter, seeker), one in meetings.items():
        is_pruner = one["strong"] is not None
        assert one["side"] == ("pruner" if is_pruner else "attacker")
        assert (one["auc"] is None) == is_pruner, (planter, seeker)
        if is_pruner:
            assert one["chance"] == found["densities"][planter]
    # Two names claim the same thing here: the pruner and the group of features.
    again = duel(*given, *attackers, "--format", "json")
    assert json.loads(again.out) == found


def test_the_figures_of_a_pruner_are_those_of_its_records(duel, plantkit_cli, tmp_path):
    given = ("--planter", "teacher", *PRUNERS, "--no-attackers", *TINY)
    rows = list(csv.DictReader(io.StringIO(duel(*given, "--format", "csv").out)))
    assert [row["seeker"] for row in rows] == ["magnitude", "random"]
    table = duel(*given)
    assert table.code == 0, table
    for row in rows:
        line = next(one for one in table.out.splitlines() if one.startswith(row["seeker"]))
        assert line.split() == [row["seeker"], f"{float(row['found']):.3f}"]
        assert 0 <= float(row["weak"]) <= 1
    markdown = duel(*given, "--format", "markdown").out
    assert "|" in markdown
    assert "(pruners: chance)" in markdown


def test_a_seeker_that_knows_the_ticket_finds_all_of_it(write, forgetful_plan):
    """A pruner that recomputes the planting from the seed of this test recovers everything."""
    duel = run_duel(forgetful_plan(write), b"\x0a")
    [cheat] = duel.meetings
    assert cheat.found == 1.0
    assert cheat.strong == pytest.approx(1.0)
    assert not duel.failed


@pytest.fixture
def forgetful_plan():
    code = """
import hashlib
import torch
from plantkit.planting import find_family, find_method

def prune(problem, density, seed):
    own = hashlib.sha256(b"\\x0a" + problem.name.encode()).digest()
    planted = find_method("faithful").plant(find_family("relu"), problem.network, seed=own)
    return {name: torch.from_numpy(mask) for name, mask in planted.ticket.items()}
"""
    return lambda write: Plan(
        planters=["relu:faithful"],
        pruners=[str(write(code, "cheat.py"))],
        depth=3,
        width=12,
        instances=1,
        cached=False,
    )


def test_a_failing_pruner_is_a_zero_and_exit_code_1(duel, write):
    path = write("def prune(problem, density, seed): raise ValueError('no')", "sad.py")
    outcome = duel("--planter", "relu", "--pruner", path, "--no-attackers", *TINY, "-q")
    assert outcome.code == 1, outcome
    assert "sad" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--planter", "cirle"], "did you mean 'circle'"),
        (["--planter", "circle:"], "names no planting; expected FAMILY or FAMILY:PLANTING"),
        (["--planter", "circle:anchord"], "did you mean 'anchored'"),
        (["--planter", "teacher:faithful"], "cannot plant family 'teacher'"),
        (["--planter", "circle", "--depth", "2"], "needs a depth of at least 3"),
        (["--pruner", "magnitud"], "did you mean 'magnitude'"),
        (["--pruner", "no_such_file.py"], "does not exist"),
        (["--attacker", "jont"], "did you mean 'joint'"),
        (["--no-pruners", "--no-attackers"], "nobody seeks"),
        (["--no-pruners", "--pruner", "snip"], "exclude each other"),
        (["--no-attackers", "--attacker", "joint"], "exclude each other"),
        (["--train", "3"], "3 is not in the range x>=4"),
        (["--instances", "0"], "0 is not in the range"),
    ],
)
def test_bad_input_is_refused_before_the_work_starts(duel, arguments, message, monkeypatch):
    def draft(*_, **__):
        raise AssertionError

    monkeypatch.setattr("plantkit.research.duel.duel.draft_challenge", draft)
    outcome = duel(*arguments)
    assert outcome.code == 2, outcome
    assert message in outcome.err


def test_the_duel_on_the_page_is_one():
    found = json.loads((ROOT / "docs/results/duel.json").read_text(encoding="utf-8"))
    assert violations(found, "duel") == []
    assert list(found["densities"]) == list(PLANTERS)


def test_few_networks_to_learn_from_are_refused():
    plan = Plan(planters=["relu"], attackers=choose_attackers(["magnitude"]), training_networks=2)
    with pytest.raises(UsageError, match="attackers get 2 networks to learn from; expected 4"):
        run_duel(plan, b"1")


def test_an_attackers_figures_are_the_audits():
    """The same networks, planted here from what the seed says, give the same figures."""
    attackers = choose_attackers(["repeats", "magnitude"])
    plan = Plan(
        planters=["helix:faithful"],
        attackers=attackers,
        depth=4,
        width=40,
        instances=2,
        training_networks=4,
    )
    duel = run_duel(plan, b"2")
    spec = PerceptronSpec.uniform(depth=4, width=40, inputs=1, outputs=3)
    recipe = PlantingRecipe(family="helix", spec=spec)
    train = plant_samples(recipe, 4, role="train", seed=b"2helix:faithful")
    seeds = [hashlib.sha256(b"2helix-4x40-faithful-%d" % number).digest() for number in (1, 2)]
    family, method = find_family("helix"), find_method("faithful")
    test = [Sample.of(method.plant(family, spec, seed=seed)) for seed in seeds]
    audit = audit_plantings(train, test, attackers=attackers, curve=())
    assert {one.seeker: (one.auc, one.found, one.chance) for one in duel.meetings} == {
        one.name: (
            one.overall.auc.value,
            one.overall.precision_at_k.value,
            one.overall.chance_precision_at_k,
        )
        for one in audit.attackers
    }
    assert audit.strongest.overall.auc.value > 0.6
