"""Streams: one per purpose, reproducible, sharing nothing."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from plantkit.planting.streams import fresh_seed, generator

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
