"""Calling prune() as its author has written it."""

from __future__ import annotations

import pytest

from plantkit.pruners.calls import bind_prune, call_prune


def in_order(problem, density, seed):
    return problem, density, seed


def swapped(density, problem, seed):
    return problem, density, seed


def seed_first(seed, density, problem):
    return problem, density, seed


def renamed(net, sparsity, seed):
    return net, sparsity, seed


def half_renamed(density, net, seed):
    return net, density, seed


def keyword_only(problem, density, *, seed):
    return problem, density, seed


def positional_only(problem, density, /, seed):
    return problem, density, seed


def with_defaults(problem, density=0.1, seed=5, rounds=20):
    assert rounds == 20
    return problem, density, seed


def with_rest(*args, **kwargs):
    return (*args, kwargs["seed"])


class Own:
    def prune(self, density, problem, *, seed):
        return problem, density, seed


@pytest.mark.parametrize(
    "function",
    [
        in_order,
        swapped,
        seed_first,
        renamed,
        half_renamed,
        keyword_only,
        positional_only,
        with_defaults,
        with_rest,
        Own().prune,
    ],
)
def test_every_argument_arrives_where_it_belongs(function):
    assert call_prune(function, "problem", 0.5, 3) == ("problem", 0.5, 3)


@pytest.mark.parametrize(
    "function",
    [
        lambda problem, density: None,
        lambda problem, seed: None,
        lambda problem, density, seed, rounds: None,
        lambda density, problem: None,
        lambda: None,
        3,
    ],
)
def test_what_cannot_be_called_is_a_type_error(function):
    with pytest.raises(TypeError):
        bind_prune(function, None, 0.5, 0)


@pytest.mark.parametrize(
    "function",
    [
        lambda problem, alpha=0.5, density=None, seed=0: (problem, density, seed, alpha),
        lambda problem, *, density, seed: (problem, density, seed, 0.5),
        lambda data, problem, density, seed: (problem, density, seed, 0.5) if data == 0 else None,
    ],
)
def test_named_parameters_get_theirs_wherever_they_stand(function):
    if function.__code__.co_varnames[0] == "data":
        with pytest.raises(TypeError, match="data"):
            call_prune(function, "p", 0.25, 3)
    else:
        assert call_prune(function, "p", 0.25, 3) == ("p", 0.25, 3, 0.5)
