"""Seek: its model against derivatives of losses, planted answers, and the effort that it spends."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from builders import plain_problem, random_mask, random_weights, tiny_problem
from plantkit_baselines import gauss_newton, seconds, seek
from plantkit_baselines.changes import effects
from plantkit_baselines.gauss_newton import Draw, Search, Weighted
from plantkit_baselines.scale_free import BOUND, Classes, Regression
from plantkit_baselines.seek import SeekPruner
from plantkit_baselines.windows import Pulls, window_around

from plantkit import ConvolutionSpec, FrozenNetwork, PerceptronSpec, Problem, Samples
from plantkit.networks.tasks import make_task

KINDS = ("classification", "regression")


def planted_problem(widths=(3, 12, 12, 1), density=0.15, count=400):
    """Returns a problem whose targets a random part of its network computes, and that part."""
    spec = PerceptronSpec(widths=widths)
    weights = random_weights(spec)
    inputs = torch.rand(count, spec.inputs, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for seed in range(100):
        ticket = random_mask(spec, density, seed)
        connected = spec.connected(ticket)
        if all(bool(kept.any()) for name, kept in connected.items() if "weight" in name):
            break
    problem = Problem(
        name="planted",
        network=spec,
        task=make_task("regression", spec.outputs),
        weights=weights,
        train=Samples(inputs=inputs, targets=torch.zeros(count, spec.outputs)),
        density=ticket.kept / spec.total,
    )
    targets = FrozenNetwork(problem).outputs(ticket.vector(spec).float(), inputs)
    train = Samples(inputs=inputs, targets=targets)
    return Problem(
        name="planted",
        network=spec,
        task=problem.task,
        weights=weights,
        train=train,
        density=problem.density,
    ), ticket


def windowed(search):
    """Returns the window around the mask of a search, and the mask in the window."""
    search.draw = search.shuffled()
    window = window_around(search.network, search.mask, search.pulls(), search.generator)
    return window, torch.cat([search.mask, search.mask.new_zeros(1)])[window.places]


def searched(kind, density=0.5):
    """Returns a search, the window around its mask, and the mask in the window."""
    problem = tiny_problem(kind, widths=(3, 10, 8, 3), count=200)
    search = Search(problem, random_mask(problem.network, density).vector(problem.network))
    return search, *windowed(search)


def test_samples_that_matter_come_first_and_estimate_the_mean_over_all():
    count, generator = 400, torch.Generator().manual_seed(0)
    values = torch.rand(count, generator=generator) ** 4
    samples = Weighted(values, values, torch.full((count,), 1 / count))
    errors = {}
    for name, matter in (("values", values + 0.01), ("nothing", torch.ones(count))):
        draws = [Draw(samples, matter, generator).first(40) for _ in range(500)]
        found = torch.stack([draw.inputs @ draw.weights for draw in draws])
        assert float(found.mean()) == pytest.approx(float(values.mean()), rel=0.03)
        errors[name] = float(found.std())
    assert errors["values"] < 0.6 * errors["nothing"]
    every = Draw(samples, values + 0.01, generator).first(count)
    torch.testing.assert_close(every.weights, samples.weights)
    assert sorted(every.inputs.tolist()) == sorted(values.tolist())


def test_samples_near_a_border_of_the_classes_matter():
    sure, unsure, wrong = [9.0, 0.0], [0.1, 0.0], [0.0, 9.0]
    task = Classes()
    task.sharpness = 10.0
    matter = task.matter(torch.tensor([sure, unsure, wrong]), torch.tensor([0, 0, 0]))
    assert float(matter[1]) > 10 * float(matter[0])
    assert float(matter[1]) > 10 * float(matter[2])  # no small change makes it right


@pytest.mark.parametrize("kind", KINDS)
def test_the_window_computes_the_same_outputs_and_idle_units_change_none(kind):
    search, window, mask = searched(kind)
    inputs = search.known.inputs
    expected = search.network.outputs(search.mask.float(), inputs)
    for kept in (mask, mask | window.offered):
        [outputs] = window.narrow.outputs_of_runs(kept.float().unsqueeze(0), inputs)
        torch.testing.assert_close(outputs, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_slope_is_the_derivative_of_the_loss(kind):
    search, window, mask = searched(kind)
    model = search.model(window, mask)
    gates = (mask | window.offered).double().requires_grad_()
    window.narrow.weights = window.narrow.weights.double()
    inputs, targets, weights = search.known
    [outputs] = window.narrow.outputs_of_runs(gates.unsqueeze(0), inputs.double())
    if kind == "regression":
        loss = search.task.losses(outputs.unsqueeze(0), targets.double(), weights.double())[0]
    else:  # at a fixed scale: a change of the scale is left to the sharpness
        scale = search.task.sharpness / outputs.detach().square().mean().sqrt()
        chances = (outputs * scale).softmax(1).gather(1, targets.unsqueeze(1))
        loss = (1 - chances**BOUND).mean() / BOUND
    [expected] = torch.autograd.grad(loss, gates)
    torch.testing.assert_close(-2 * model.slope.double(), expected, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("task", [Classes(), Regression()])
def test_samples_count_by_their_weights(task):
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(40, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    if isinstance(task, Classes):
        targets = targets.argmax(1)
    weights = torch.rand(40, generator=generator, dtype=torch.float64) / 20
    slopes, _, _ = task.pulls(outputs.detach(), targets, weights)
    if isinstance(task, Regression):
        loss = task.losses(outputs[None], targets, weights)[0]
    else:  # at a fixed scale
        scale = task.sharpness / (outputs.detach().square().mean(1) @ weights).sqrt()
        chances = (outputs * scale).softmax(1).gather(1, targets.unsqueeze(1)).squeeze(1)
        loss = (1 - chances**BOUND) @ weights / BOUND
        torch.testing.assert_close(loss, task.losses(outputs[None], targets, weights)[0])
    [expected] = torch.autograd.grad(loss, outputs)
    torch.testing.assert_close(-2 * slopes, expected)
    # A sample of twice the weight is two samples.
    twice = [torch.cat([each, each[:1]]) for each in (outputs.detach(), targets, weights)]
    more = weights.clone()
    more[0] *= 2
    [once] = task.losses(outputs[None], targets, more)
    torch.testing.assert_close(once, task.losses(twice[0][None], *twice[1:])[0])
    _, expected, _ = task.pulls(twice[0], *twice[1:])
    _, found, _ = task.pulls(outputs.detach(), targets, more)
    torch.testing.assert_close(found[0].square(), 2 * expected[0].square())
    torch.testing.assert_close(found[1:], expected[1:-1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_the_outputs_scale_has_no_curvature(kind):
    search, window, mask = searched(kind)
    model = search.model(window, mask)
    last = window.narrow.named(mask.float())
    change = torch.zeros_like(mask, dtype=torch.float)
    for name in ("layers.2.weight", "layers.2.bias"):
        window.narrow.named(change)[name].copy_(last[name])
    seen = model.rows @ change
    left = seen - model.scales @ (model.shares @ change)
    assert float(seen.norm()) > 0.1
    assert float(left.norm()) < 1e-4 * float(seen.norm())


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_of_each_change_is_what_the_change_does(kind):
    search, window, mask = searched(kind, density=0.2)
    offered = (window.extras < len(mask)).any(1)  # readers of idle units
    columns = torch.cat([mask.nonzero().squeeze(1), offered.nonzero().squeeze(1)])
    assert offered.any()
    model, _, _ = search.exact(window, mask, columns)
    inputs, targets, weights = search.draw.first(200)
    [outputs] = window.narrow.outputs_of_runs(mask.float().unsqueeze(0), inputs)
    slopes, curvatures, _ = search.task.pulls(outputs, targets, weights)
    for place, column in enumerate(columns.tolist()):
        changed = mask.clone()
        changed[column] = not mask[column]
        if changed[column]:
            changed[window.extras[column][window.extras[column] < len(mask)]] = True
        [found] = window.narrow.outputs_of_runs(changed.float().unsqueeze(0), inputs)
        change = (found - outputs) * (1 if changed[column] else -1)
        expected = float((change * slopes).sum())
        assert float(model.slope[place]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
        rows = torch.einsum("no,nor->nr", change, curvatures).flatten()
        torch.testing.assert_close(model.rows[:, place], rows, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("widths", [(4, 3), (4, 9, 3), (4, 9, 8, 7, 3)])
def test_effects_are_what_the_network_computes_under_each_changed_mask(widths):
    problem = tiny_problem(widths=widths, count=50)
    network, inputs = FrozenNetwork(problem), problem.train.inputs
    mask = random_mask(problem.network, 0.4).vector(problem.network)
    columns = torch.randperm(problem.network.total)
    outputs, changes, computed = effects(network, mask, mask & False, inputs, columns)
    flips = torch.eye(len(mask), dtype=torch.bool)[columns]
    expected = network.outputs_of_runs((mask ^ flips).float(), inputs)
    torch.testing.assert_close(outputs + changes, expected, atol=1e-6, rtol=1e-4)
    assert computed >= changes[..., 0].numel()


def test_what_the_mask_reads_is_not_offered_with_inputs():
    problem = tiny_problem("regression", widths=(3, 10, 8, 3), count=200)
    mask = random_mask(problem.network, 0.1).vector(problem.network)
    named = FrozenNetwork(problem).named(mask)
    named["layers.0.weight"][:5] = named["layers.0.bias"][:5] = False
    named["layers.1.weight"][0, :5] = True  # reads units that read nothing
    search = Search(problem, mask)
    window, mask = windowed(search)
    inputs = search.known.inputs
    [outputs] = window.narrow.outputs_of_runs((mask | window.offered)[None].float(), inputs)
    torch.testing.assert_close(outputs, search.network.outputs(search.mask.float(), inputs))
    assert window.offered.any()


def test_an_idle_unit_is_offered_with_the_inputs_that_promise_most_for_their_number():
    spec = PerceptronSpec(widths=(4, 6, 1))
    weights = random_weights(spec)
    first, bias, last = (weights[f"layers.{name}"] for name in ("0.weight", "0.bias", "1.weight"))
    generator = torch.Generator().manual_seed(0)
    inputs, wanted = torch.rand(100, 4, generator=generator), torch.randn(100, generator=generator)
    problem = Problem(
        name="idle",
        network=spec,
        task=make_task("regression", 1),
        weights=weights,
        train=Samples(inputs=inputs, targets=wanted.unsqueeze(1)),
        density=0.5,
    )
    network = FrozenNetwork(problem)
    places = network.named(torch.arange(spec.total))
    pulls = {
        "layers.0.weight": Pulls(inputs, torch.zeros(100, 6), torch.zeros(100, 6)),
        "layers.1.weight": Pulls(torch.zeros(100, 6), wanted.view(-1, 1), torch.ones(100, 1)),
    }
    mask = torch.zeros(spec.total, dtype=torch.bool)
    mask[places["layers.0.weight"][0, 0]] = mask[places["layers.1.weight"][0, 0]] = True
    window = window_around(network, mask, pulls, torch.Generator().manual_seed(0))
    for unit in range(1, 6):
        promises = {}
        for size, biased in itertools.product((1, 2, 3), (0, 1)):
            for chosen in map(list, itertools.combinations(range(4), size)):
                sums = inputs[:, chosen] @ first[unit, chosen] + biased * bias[unit]
                values = torch.relu(sums) * last[0, unit]
                gain = float((2 * wanted * values - values.square()).sum())
                found = [*places["layers.0.weight"][unit, chosen].tolist()]
                found += places["layers.0.bias"][[unit]].tolist() * biased
                promises[tuple(found)] = gain / (1 + size + biased)
        [reader] = (window.places == places["layers.1.weight"][0, unit]).nonzero().squeeze(1)
        extras = window.extras[reader]
        offered = window.places[extras[extras < len(window.places)]].tolist()
        assert promises[tuple(sorted(offered))] == pytest.approx(max(promises.values()), abs=1e-4)


def test_chains_take_what_the_model_promises_most_and_keep_to_the_budget():
    problem = tiny_problem("regression", density=3 / 54)
    search = Search(problem, random_mask(problem.network, 0.05).vector(problem.network))
    # Of two kept columns one is useless; of two others one is worth much, but costs two.
    kept = torch.tensor([True, True, False, False])
    costs = torch.tensor([1, 1, 2, 1])
    slope = torch.tensor([1.0, -0.6, 2.0, 0.1])
    flips = search.chains(torch.eye(4), slope, kept, costs, 2)
    sizes = (kept ^ flips).long() @ costs
    assert int(sizes.max()) <= search.budget == 3
    assert flips[0].tolist() == [False, True, True, False]


@pytest.mark.parametrize("seed", range(2))
def test_finds_the_one_parameter_that_is_right(seed):
    mask = SeekPruner(effort=0.5).prune(plain_problem(), 0.25, seed=seed)
    assert mask["layers.0.weight"].tolist() == [[False, True, False]]
    assert mask["layers.0.bias"].tolist() == [False]


def test_recovers_a_planted_function_from_bad_starts():
    problem, ticket = planted_problem()
    network = FrozenNetwork(problem)
    start = random_mask(problem.network, problem.density, seed=99).vector(problem.network)
    search = Search(problem, start)
    for number in range(60):
        search.step(0.2 * (1 - number / 60))
    found = search.filled()
    assert int(found.sum()) == ticket.kept
    assert network.accuracy(start) < 0.5
    assert network.accuracy(found) > 0.98


def test_what_it_remembers_is_the_best_mask_even_if_it_went_uphill(monkeypatch):
    monkeypatch.setattr(gauss_newton, "JUDGED", 50)  # it remembers by all samples
    problem = tiny_problem("regression", widths=(3, 10, 8, 3), density=0.3, count=200)
    search = Search(problem, random_mask(problem.network, 0.3).vector(problem.network))
    losses, apart = [], False
    for temperature in [0.0] * 20 + [1e9] * 5:
        search.step(temperature)
        losses.append(search.best_loss)
        apart |= not torch.equal(search.mask, search.best)
    assert losses[-1] < 0.75 * losses[0]
    inputs, targets, weights = search.known
    outputs = search.network.outputs(search.best.float(), inputs)
    [loss] = search.task.losses(outputs.unsqueeze(0), targets, weights)
    assert losses == sorted(losses, reverse=True)
    assert apart
    assert float(loss) == pytest.approx(search.best_loss, rel=1e-3)


def test_an_effort_is_spent_by_a_fixed_model_and_not_by_a_clock(monkeypatch):
    problem = tiny_problem(widths=(2, 20, 20, 3), density=0.2, count=100)
    spent = {}
    for effort in (1.2, 2.4):
        costs = []

        def counted(self, temperature, *, costs=costs, step=Search.step):
            costs.append(step(self, temperature))
            return costs[-1]

        with monkeypatch.context() as patch:
            patch.setattr(Search, "step", counted)
            SeekPruner(effort=effort).prune(problem, problem.density, seed=0)
        spent[effort] = sum(costs)
    assert spent[2.4] - spent[1.2] == pytest.approx(1.2 * (1 - seek.START), rel=0.05)


@pytest.mark.parametrize("effort", [4.0, 30.0, 300.0])
def test_the_seconds_of_all_parts_add_up_to_the_effort(monkeypatch, effort):
    problem = tiny_problem(widths=(2, 20, 20, 3), density=0.2, count=100)
    network, spent = problem.network, []

    def gates(self, problem, density, *, seed):
        steps = self.effort * problem.recipe.steps(len(problem.train))
        spent.append(steps * seconds.of_gates_step(network))
        return random_mask(network, problem.density, seed)

    def step(self, temperature):
        self.best_loss = torch.rand((), generator=self.generator).item()
        spent.append(0.1 + 0.2 * torch.rand((), generator=self.generator).item())
        return spent[-1]

    monkeypatch.setattr(seek.GatesPruner, "prune", gates)
    monkeypatch.setattr(Search, "step", step)
    SeekPruner(effort=effort).prune(problem, problem.density, seed=0)
    fixed = seconds.FIRST_USE + seconds.of_synflow(network)
    fixed += seconds.of_filling(network, len(problem.train))
    assert sum(spent) + fixed == pytest.approx(effort, rel=0.05)


def test_a_network_of_convolutions_is_searched_too():
    spec = ConvolutionSpec(image=(1, 6, 6), blocks=((4, 4),), hidden=(8,), outputs=3)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(60, 36, generator=generator)
    problem = Problem(
        name="images",
        network=spec,
        task=make_task("classification", 3),
        weights=random_weights(spec),
        train=Samples(inputs=inputs, targets=torch.arange(60) % 3),
        density=0.1,
    )
    start = random_mask(spec, 0.1).vector(spec)
    search = Search(problem, start)
    for _ in range(5):
        search.step(0.0)
    assert int(search.filled().sum()) == problem.budget
    assert FrozenNetwork(problem).accuracy(search.filled()) > FrozenNetwork(problem).accuracy(start)


def test_a_mask_that_leaves_nothing_alive_is_filled_all_the_same():
    problem = tiny_problem("regression", density=5 / 54)
    search = Search(problem, torch.zeros(54, dtype=torch.bool))
    search.step(0.0)
    assert int(search.filled().sum()) == 5


@pytest.mark.parametrize("effort", [0, -1, math.inf, math.nan])
def test_impossible_efforts_are_refused(effort):
    with pytest.raises(ValueError, match=f"effort is {effort}; expected seconds, more than 0"):
        SeekPruner(effort=effort)
