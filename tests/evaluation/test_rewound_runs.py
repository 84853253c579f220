"""Pruners that ask for rewinding, from their file or option to the record and the tables."""

from __future__ import annotations

import json

import pytest
import torch
from builders import without_passing

from plantkit.networks import flatten
from plantkit.networks.masks import validate_mask
from plantkit.networks.training import Recipe, Run, evaluate, trace
from plantkit.schemas import violations

#: Keeps what is largest. It asks for step 3.
FUNCTION = """
import torch

def prune(problem, density, seed):
    weights = problem.weights
    importance = torch.cat([w.abs().flatten() for w in weights.values()])
    keep = torch.zeros(len(importance), dtype=torch.bool)
    keep[importance.topk(problem.budget).indices] = True
    pieces = keep.split([w.numel() for w in weights.values()])
    return {n: p.reshape(weights[n].shape) for n, p in zip(weights, pieces)}

prune.rewind = 3
"""
#: The same as an object; {} is its body's first line.
OBJECT = f"""
{FUNCTION.rpartition("prune.rewind")[0]}
class Mine:
    name, reference = "mine", ""
    {{}}
    def prune(self, problem, density, *, seed):
        return prune_by_size(problem, density, seed)

prune_by_size = prune
del prune

def plantkit_pruners():
    return [Mine()]
"""


@pytest.fixture
def run(plantkit_cli, tiny_challenges):
    def evaluate(*pruners, challenge="relu-3x8", more=()):
        given = ["--challenges", tiny_challenges, "--challenge", challenge, "--baselines", "none"]
        given += ["--density", "0.5", "--seeds", "2", "--format", "json", "--jobs", "1"]
        return plantkit_cli("evaluate", *pruners, *given, *more)

    return evaluate


def mask_of(problem):
    space = {}
    exec(FUNCTION, space)
    return validate_mask(space["prune"](problem, 0.5, 0), problem.network, problem.budget)


def test_a_function_asks_for_a_step_and_its_mask_is_trained_from_there(run, write, relu):
    found = json.loads(run(write(FUNCTION), "magnitude").out)
    assert violations(found, "results") == []
    assert [(one["name"], one["rewind"]) for one in found["pruners"]] == [
        ("mine", 3),
        ("magnitude", 0),
    ]
    mine = [one for one in found["records"] if one["pruner"] == "mine"]
    plain = [one for one in found["records"] if one["pruner"] == "magnitude"]
    assert [one["rewind_step"] for one in mine + plain] == [3, 3, 0, 0]
    assert [one["mask_sha256"] for one in mine] == [one["mask_sha256"] for one in plain]
    assert [one["strong"] for one in mine] == [one["strong"] for one in plain]
    recipe, steps = relu.recipe, relu.recipe.steps(len(relu.train))
    for seed, record in enumerate(mine):
        problem = relu.problem(density=0.5, seed=seed)
        early = problem.fit(problem.full_mask(), last_step=3)
        mask = mask_of(problem)
        end = flatten(relu.network, problem.fit(mask, start=early, first_step=3))
        outputs = evaluate(relu.network, end.unsqueeze(0), relu.truth.test.inputs)
        expected = float(relu.task.accuracy(outputs, relu.truth.test.targets)[0])
        assert record["weak"]["performance"] == expected
        assert record["weak"]["performance"] != plain[seed]["weak"]["performance"]
    assert steps > 3
    assert recipe == Recipe.from_json(relu.manifest["protocol"]["training"])


def test_rewound_and_others_have_ranks_of_their_own(run, write):
    found = json.loads(run(write(FUNCTION), "magnitude", "random").out)
    order = [(one["pruner"], one["rank"]) for one in found["standings"]]
    assert order[-1] == ("mine", 1)
    assert {name for name, _ in order[:2]} == {"magnitude", "random"}


@pytest.mark.parametrize(
    ("code", "options"),
    [
        (FUNCTION, ":rewind=7"),
        (OBJECT.replace("{}", "rewind = 7"), ""),
        (OBJECT.replace("{}", "rewind = property(lambda self: 7)"), ""),
    ],
    ids=["option", "attribute", "property"],
)
def test_ways_to_ask(run, write, code, options):
    found = json.loads(run(f"{write(code)}{options}").out)
    assert {one["rewind_step"] for one in found["records"]} == {7}
    assert {one["status"] for one in found["records"]} == {"ok"}


def test_baselines_take_the_option(run):
    found = json.loads(run("imp:rewind=2,rounds=2", "snip:rewind=2", "imp:rounds=2").out)
    steps = {one["pruner"]: one["rewind_step"] for one in found["records"]}
    assert steps == {"imp:rewind=2,rounds=2": 2, "snip:rewind=2": 2, "imp:rounds=2": 0}
    assert {one["status"] for one in found["records"]} == {"ok"}


def test_the_step_is_part_of_what_the_cache_knows(run, write, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTKIT_CACHE_DIR", str(tmp_path / "cache"))
    path = write(FUNCTION)

    def records(options, *more):
        found = json.loads(run(f"{path}{options}", more=more).out)["records"]
        return [without_passing({**one, "pruner": ""}) for one in found]

    first = {step: records(f":rewind={step}") for step in (0, 3)}
    assert len({json.dumps(one[0]["weak"]) for one in first.values()}) == 2
    for step, found in first.items():
        assert records(f":rewind={step}") == found
        assert records(f":rewind={step}", "--no-cache") == found


@pytest.mark.parametrize("value", ["-1", "True", "2.0", "'3'", "None", "[1]", "10**30"])
def test_a_submission_that_asks_for_no_step_is_told_so(run, write, value):
    for code in (FUNCTION.replace("= 3", f"= {value}"), OBJECT.replace("{}", f"rewind = {value}")):
        outcome = run(write(code))
        assert outcome.code == 1
        assert "'mine'" in outcome.err
        assert "rewind" in outcome.err
        assert "Traceback" not in outcome.err


@pytest.mark.parametrize("value", ["-1", "x", "1.5"])
def test_an_option_that_is_no_step_is_told_so(run, value):
    outcome = run(f"imp:rewind={value}")
    assert outcome.code == 2
    assert f"rewind is {value}" in outcome.err.replace("'", "")


def test_a_step_that_the_training_lacks_is_an_invalid_run_and_nothing_runs(run, write, relu):
    steps = relu.recipe.steps(len(relu.train))
    code = FUNCTION.replace("import torch", "import torch\nprint('ran')", 1)
    outcome = run(f"{write(code)}:rewind={steps}", f"magnitude:rewind={steps - 1}")
    assert outcome.code == 1
    records = json.loads(outcome.out)["records"]
    mine, last = ([one for one in records if one["pruner"].startswith(n)] for n in ("mine", "mag"))
    assert {(one["status"], one["error"]) for one in mine} == {
        (
            "invalid",
            f"rewind is {steps}; expected at most {steps - 1}, since training on relu-3x8 takes "
            f"{steps} steps",
        )
    }
    assert {one["seconds"] for one in mine} == {0.0}
    assert {one["status"] for one in last} == {"ok"}


def test_the_last_step_leaves_one(relu):
    """A mask rewound to the step before the last is trained for a single step."""
    steps = relu.recipe.steps(len(relu.train))
    problem = relu.problem(density=0.5, seed=0)
    mask = mask_of(problem)
    early = problem.fit(problem.full_mask(), last_step=steps - 1)
    run_ = Run(start=early, mask=mask, seed=0)
    [traced] = trace(
        *(relu.network, relu.task, relu.train, [run_], relu.recipe),
        steps=[steps],
        first_step=steps - 1,
    )
    start = flatten(relu.network, {name: value * mask[name] for name, value in early.items()})
    moved = (traced[0] - start).abs()
    assert 0 < float(moved.max()) <= relu.recipe.learning_rate * 1.01
    assert torch.equal(traced[0] != 0, start != 0)
