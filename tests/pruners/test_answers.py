"""Masks as PyTorch users make them: what torch.nn.utils.prune leaves is a valid answer."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from plantkit.errors import MaskError
from plantkit.networks.masks import Mask
from plantkit.pruners.answers import mask_of, masks_in
from plantkit.testing.problems import make_problem


@pytest.fixture(params=["classification", "convolution", "residual"])
def problem(request):
    return make_problem(request.param).at(density=0.3, seed=0)


def pruned(problem, *, kinds=("weight", "bias"), amount=None) -> nn.Module:
    """Returns the problem's module, all parameters of `kinds` pruned by magnitude together."""
    module = problem.module()
    parameters = [(layer, kind) for layer in module.layers for kind in kinds]
    torch_prune.global_unstructured(
        parameters,
        pruning_method=torch_prune.L1Unstructured,
        amount=problem.network.total - problem.budget if amount is None else amount,
    )
    return module


def magnitude(problem) -> Mask:
    """Returns the mask of the largest parameters, found without torch's pruning."""
    flat = torch.cat([weight.abs().flatten() for weight in problem.weights.values()])
    least = flat.sort(descending=True).values[problem.budget - 1]
    return Mask({name: weight.abs() >= least for name, weight in problem.weights.items()})


FORMS = {
    "the module": lambda module: module,
    "its buffers": lambda module: module.named_buffers(),
    "its buffers as a dict": lambda module: dict(module.named_buffers()),
    "its buffers as a list": lambda module: list(module.named_buffers()),
    "its state dict": lambda module: module.state_dict(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_pruned_module_is_a_mask_in_every_form(problem, form):
    mask = mask_of(form(pruned(problem)), problem.network, problem.budget)
    assert mask.kept == problem.budget
    assert mask.digest() == magnitude(problem).digest()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_was_not_pruned_is_kept(problem, form):
    module = pruned(problem, kinds=("weight",), amount=0.9)
    biases = [name for name in problem.network.shapes if name.endswith("bias")]
    with torch.no_grad():  # in a state dict, such biases look like masks that keep nothing
        for name, parameter in module.named_parameters():
            if name in biases:
                parameter.zero_()
    mask = mask_of(form(module), problem.network, problem.network.total)
    assert all(bool(mask[name].all()) for name in biases)
    with pytest.raises(MaskError) as error:
        mask_of(form(module), problem.network, 3)
    assert f"; without a mask, and so kept: {', '.join(biases)}" in str(error.value)


def test_too_much_kept_with_masks_for_all_says_no_more(problem):
    with pytest.raises(MaskError) as error:
        mask_of(pruned(problem, amount=1), problem.network, problem.budget)
    assert "without a mask" not in str(error.value)


def test_masks_of_another_module_are_unknown(problem):
    module = nn.Sequential(nn.Linear(2, 3))
    torch_prune.random_unstructured(module[0], "weight", amount=1)
    for form in FORMS.values():
        with pytest.raises(MaskError, match=r"'0\.(weight|bias)', which is not a parameter"):
            mask_of(form(module), problem.network, problem.budget)


def test_statistics_in_a_state_dict_are_no_masks(problem):
    """As `nn.BatchNorm2d` has them; a plain entry of an unknown layer is still an error."""
    module = pruned(problem)
    statistics = {"layers.0.norm.running_mean": torch.zeros(3), "n.num_batches_tracked": 0}
    answer = module.state_dict() | statistics
    assert mask_of(answer, problem.network, problem.budget).digest() == magnitude(problem).digest()
    with pytest.raises(MaskError, match=r"'layer\.0\.weight', which is not a parameter"):
        mask_of({**dict(module.named_buffers()), "layer.0.weight": torch.ones(2)},
                problem.network, problem.budget)  # fmt: skip


def test_masks_with_plain_entries(problem):
    """Without `weight_orig` it is no state dict, and a plain entry is a mask."""
    whole = magnitude(problem)
    answer = {f"{name}_mask" if "weight" in name else name: whole[name] for name in whole}
    assert mask_of(answer, problem.network, problem.budget).digest() == whole.digest()


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (lambda m: m, "with masks: return it before prune.remove(), or return {name: weight != 0"),
        (lambda m: m.state_dict(), "return {name: weight != 0 for name, weight in weights.items()"),
        (lambda m: m.named_parameters(), "expected their masks: return {name: weight != 0 for"),
    ],
)
def test_weights_whose_masks_are_gone_get_advice(problem, answer, advice):
    module = pruned(problem)
    for layer in module.layers:
        torch_prune.remove(layer, "weight")
        torch_prune.remove(layer, "bias")
    with pytest.raises(MaskError) as error:
        mask_of(answer(module), problem.network, problem.budget)
    assert advice in str(error.value)
    advised = {name: weight != 0 for name, weight in module.named_parameters()}
    assert mask_of(advised, problem.network, problem.budget).digest() == magnitude(problem).digest()


def test_parameters_of_a_pruned_module_get_advice(problem):
    with pytest.raises(MaskError, match=r"return the module itself, or its named_buffers\(\)"):
        mask_of(pruned(problem).named_parameters(), problem.network, problem.budget)


@pytest.mark.parametrize("make", [lambda w: w + 9, torch.sigmoid, lambda w: w.abs()])
def test_other_floats_are_only_said_to_be_no_mask(problem, make):
    with pytest.raises(MaskError, match="values other than 0 and 1"):
        mask_of(
            {name: make(weight) for name, weight in problem.weights.items()},
            problem.network,
            problem.budget,
        )


def test_a_mask_counts_more_than_the_weights_next_to_it(problem):
    whole = magnitude(problem)
    masks = {f"{name}_mask": value for name, value in whole.items()}
    for answer in ({**problem.weights, **masks}, {**masks, **problem.weights}):
        assert mask_of(answer, problem.network, problem.budget).digest() == whole.digest()


@pytest.mark.parametrize(
    "answer", [None, 3, [], [1, 2], (), [(1, 2)], "text", {}, {1: 2}, iter([1]), [("a", 1), 2]]
)
def test_anything_else_is_left_as_it_is(problem, answer):
    assert masks_in(answer, problem.network) is answer


def test_a_mask_keeps_its_saliency(problem):
    saliency = {name: weight.abs() for name, weight in problem.weights.items()}
    given = Mask(magnitude(problem), saliency=saliency)
    assert mask_of(given, problem.network, problem.budget).saliency.keys() == saliency.keys()


class TestModule:
    """`problem.module()` is an ordinary module of torch."""

    def test_it_can_be_pruned_trained_and_pruned_further(self, problem):
        module = pruned(problem)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        problem.loss(module(problem.train.inputs), problem.train.targets).backward()
        optimizer.step()
        module(problem.train.inputs)
        assert mask_of(module, problem.network, problem.budget).kept == problem.budget
        for name, value in pruned(problem).named_buffers():
            layer, kind = module.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]
            weight = getattr(layer, kind.removesuffix("_mask"))
            assert bool((weight[value == 0] == 0).all())

    def test_fit_takes_it(self, problem):
        module = pruned(problem)
        mask = mask_of(module, problem.network, problem.budget)
        by_module, by_mask = problem.fit(module, epochs=1), problem.fit(mask, epochs=1)
        assert all(torch.equal(by_module[name], by_mask[name]) for name in by_mask)

    def test_structured_pruning(self, problem):
        module = problem.module()
        torch_prune.ln_structured(module.layers[0], "weight", amount=1, n=2, dim=0)
        mask = mask_of(module, problem.network, problem.network.total)
        rows = mask["layers.0.weight"].flatten(1)
        assert int((~rows).all(dim=1).sum()) == 1
        assert mask.kept == problem.network.total - rows.shape[1]

    def test_deepcopy(self, problem):
        module = problem.module()
        copied = copy.deepcopy(module)
        with torch.no_grad():
            copied.layers[0].weight.zero_()
        assert torch.equal(module.layers[0].weight, problem.weights["layers.0.weight"])

    def test_functional_calls(self, problem):
        module, data = problem.module(), problem.train
        parameters = {name: value.detach() for name, value in module.named_parameters()}

        def outputs(values, inputs):
            return torch.func.functional_call(module, values, (inputs,))

        assert torch.equal(outputs(parameters, data.inputs), module(data.inputs))
        loss = problem.loss(module(data.inputs), data.targets)
        gradients = torch.func.grad(
            lambda values: problem.loss(outputs(values, data.inputs), data.targets)
        )(parameters)
        expected = torch.autograd.grad(loss, list(module.parameters()))
        for name, value in zip(gradients, expected, strict=True):
            torch.testing.assert_close(gradients[name], value)
        single = torch.func.vmap(lambda one: outputs(parameters, one.unsqueeze(0))[0])(data.inputs)
        torch.testing.assert_close(single, module(data.inputs))

    def test_hooks(self, problem):
        module, seen = problem.module(), []
        for index, layer in enumerate(module.layers):
            layer.register_forward_hook(lambda *_, index=index: seen.append(index))
            layer.register_full_backward_hook(lambda *_, index=index: seen.append(-index - 1))
        module(problem.train.inputs.requires_grad_()).sum().backward()
        order = range(len(module.layers))
        assert seen == [*order, *(-index - 1 for index in reversed(order))]
