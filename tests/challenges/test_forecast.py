"""Tests of what planting will cost."""

from __future__ import annotations

import pytest
from toy_images import FAMILY

from plantkit.challenges.drafting import Order, draft_challenge
from plantkit.challenges.forecast import Forecast, forecast
from plantkit.networks.training import Recipe
from plantkit.planting import families


def test_a_forecast_knows_the_size_and_grows_with_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.FAMILIES, "bars", FAMILY)  # type: ignore[arg-type]
    short, long = (
        Order(
            family="bars",
            dials={"epochs": str(epochs), "rounds": str(rounds)},
            recipe=Recipe(epochs=trained),
        )
        for epochs, rounds, trained in ((3, 1, 0), (300, 100, 500))
    )
    found, more = forecast(short), forecast(long)
    assert found is not None
    assert more is not None
    assert found.reference == 0
    assert 0 < 2 * found.planting < more.planting  # the last cuts are a part of both
    assert more.reference > 0
    bundle, _ = draft_challenge(short, b"1")
    assert found.size == pytest.approx(sum(map(len, bundle.files.values())), rel=0.03)


def test_families_that_draw_their_data_need_no_forecast() -> None:
    assert forecast(Order(family="circle")) is None


def test_a_forecast_is_said_in_units_that_people_use() -> None:
    words = str(Forecast(planting=100.0, reference=7.5 * 3600, size=811_000_000))
    assert words == (
        "about 100 seconds for the ticket and up to 7.5 hours for the reference figures, on one "
        "core; the bundle will have 811 MB"
    )
    assert "about 3 days for the ticket" in str(Forecast(planting=260_000, reference=0, size=0))
