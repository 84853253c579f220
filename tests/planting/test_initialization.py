"""The He-scaled initial law."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plantkit.networks import PerceptronSpec
from plantkit.planting.initialization import (
    draw_parameters,
    fresh_seed,
    generator,
    standard_deviations,
)

SPEC = PerceptronSpec(widths=(2, 50, 8, 3))


def test_standard_deviations_follow_the_paper() -> None:
    deviations = standard_deviations(SPEC)
    assert deviations == pytest.approx(
        {
            "layers.0.weight": 1,
            "layers.0.bias": 1,
            "layers.1.weight": 0.2,
            "layers.1.bias": 0.2,
            "layers.2.weight": 0.5,
            "layers.2.bias": 0.1,
        }
    )


def test_draws_have_the_shapes_and_the_moments_of_the_law() -> None:
    spec = PerceptronSpec(widths=(40, 3000, 60, 2000))
    parameters = draw_parameters(spec, np.random.default_rng(0))
    assert {name: value.shape for name, value in parameters.items()} == spec.shapes
    for name, deviation in standard_deviations(spec).items():
        whitened = parameters[name].ravel() / deviation
        assert parameters[name].dtype == np.float64
        assert abs(whitened.mean()) < 5 / math.sqrt(whitened.size)
        assert abs(whitened.var() - 1) < 5 * math.sqrt(2 / whitened.size)


def test_scaling_every_layer_scales_the_outputs_by_one_factor() -> None:
    parameters = draw_parameters(SPEC, np.random.default_rng(1))
    inputs = np.random.default_rng(2).uniform(-1, 1, (20, 2))
    factors, cumulative = (0.3, 7.0, 2.0), 1.0
    plain = scaled = inputs
    for layer, factor in enumerate(factors):
        weight, bias = parameters[f"layers.{layer}.weight"], parameters[f"layers.{layer}.bias"]
        cumulative *= factor
        if layer:
            plain, scaled = np.maximum(plain, 0), np.maximum(scaled, 0)
        plain = plain @ weight.T + bias
        scaled = scaled @ (factor * weight).T + cumulative * bias
    np.testing.assert_allclose(scaled, math.prod(factors) * plain, rtol=1e-12)


SEED = b"\x01" * 32


def test_fresh_seeds_are_32_bytes_and_differ() -> None:
    seeds = {fresh_seed() for _ in range(50)}
    assert len(seeds) == 50
    assert {len(seed) for seed in seeds} == {32}


@settings(max_examples=30, deadline=None)
@given(seed=st.binary(max_size=40), purpose=st.text(max_size=10))
def test_the_same_seed_and_purpose_give_the_same_stream(seed: bytes, purpose: str) -> None:
    first, second = generator(seed, purpose), generator(seed, purpose)
    assert first.bytes(64) == second.bytes(64)


def test_the_key_is_the_hash_of_seed_and_purpose() -> None:
    key = int.from_bytes(hashlib.sha256(SEED + b"matching").digest(), "big")
    expected = np.random.Generator(np.random.PCG64(key))
    assert generator(SEED, "matching").bytes(64) == expected.bytes(64)


def test_streams_of_other_purposes_and_seeds_are_uncorrelated() -> None:
    draws = [
        generator(seed, purpose).standard_normal(20_000)
        for seed in (SEED, b"\x02" * 32)
        for purpose in ("initialization", "matching", "train", "test")
    ]
    correlations = np.asarray(np.corrcoef(draws))[~np.eye(len(draws), dtype=bool)]
    assert np.abs(correlations).max() < 0.035  # 5 standard errors


def test_using_one_stream_leaves_the_others_alone() -> None:
    untouched = generator(SEED, "matching").bytes(64)
    used, other = generator(SEED, "initialization"), generator(SEED, "matching")
    used.standard_normal(1000)
    assert other.bytes(64) == untouched
