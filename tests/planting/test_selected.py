"""Selected planting: the network stays the pure draw, and the ticket defines the labels."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plantkit.errors import PlantingError, UsageError, WidthError
from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting import (
    METHODS,
    LabelSource,
    Patience,
    Planted,
    draw_samples,
    find_family,
)
from plantkit.planting.effects import relative_error
from plantkit.planting.families.teacher import TeacherFamily
from plantkit.planting.gates import check_entries, check_units
from plantkit.planting.initialization import draw_parameters, generator
from plantkit.planting.methods.selected import SelectedMethod
from plantkit.planting.simplify import drop_idle_entries
from plantkit.planting.structures import TicketLayer, draw_structure
from plantkit.planting.targets import Floats, subnetwork

SEED = b"\x05" * 32
METHOD = SelectedMethod()
REGRESSION = TeacherFamily(inputs=3, outputs=2)
CLASSES = TeacherFamily(inputs=2, outputs=3, kind=TaskKind.CLASSIFICATION)


def network_of(family: TeacherFamily, depth: int = 5, width: int = 40) -> PerceptronSpec:
    return PerceptronSpec.uniform(
        depth=depth, width=width, inputs=family.inputs, outputs=family.outputs
    )


@functools.cache
def planted_teacher(family: TeacherFamily, depth: int = 5) -> Planted:
    return METHOD.plant(family, network_of(family, depth), seed=SEED)


def masked_outputs(planted: Planted, inputs: Floats) -> Floats:
    hidden = inputs
    for layer in planted.spec.layers:
        hidden = np.maximum(hidden, 0) if layer else hidden
        name = f"layers.{layer}."
        weight, bias = (
            planted.parameters[name + kind] * planted.ticket[name + kind]
            for kind in ("weight", "bias")
        )
        hidden = hidden @ weight.T + bias
    return hidden


@pytest.mark.parametrize("family", [REGRESSION, CLASSES])
def test_nothing_is_written(family: TeacherFamily) -> None:
    planted = planted_teacher(family)
    assert (planted.method, planted.hidden) == ("selected", True)
    assert planted.labels is LabelSource.TICKET
    draw = draw_parameters(planted.spec, generator(SEED, "initialization"))
    for name, value in planted.parameters.items():
        np.testing.assert_array_equal(value, draw[name].astype(np.float32))


@pytest.mark.parametrize("family", [REGRESSION, CLASSES])
@pytest.mark.parametrize("depth", [3, 5])
def test_every_unit_switches_and_every_entry_matters(family: TeacherFamily, depth: int) -> None:
    planted = planted_teacher(family, depth)
    inputs = np.random.default_rng(3).uniform(-1, 1, (3000, family.inputs))
    reference = masked_outputs(planted, inputs)
    np.testing.assert_allclose(planted.masked_forward(inputs), reference, atol=1e-9)
    network = subnetwork(planted.spec, planted.parameters, planted.ticket)
    domain = family.domain()
    assert check_units(network, domain) >= METHOD.least_activity
    assert check_entries(network, domain, measure=relative_error) >= METHOD.least_effect
    for name, mask in planted.ticket.items():
        for index in map(tuple, np.argwhere(mask)):
            mask[index] = False
            change = np.sqrt(np.square(masked_outputs(planted, inputs) - reference).mean(axis=0))
            mask[index] = True
            assert (change / reference.std(axis=0)).max() > 0.7 * METHOD.least_effect, name


def test_labels_are_the_tickets_outputs_in_units_of_their_deviation() -> None:
    planted = planted_teacher(REGRESSION)
    inputs, targets = draw_samples(planted, REGRESSION, np.random.default_rng(0), 4000, noise=0)
    assert (inputs.dtype, targets.dtype) == (np.float32, np.float32)
    outputs = masked_outputs(planted, inputs.astype(np.float64)) / planted.output_scales
    np.testing.assert_allclose(targets, outputs, atol=1e-5)
    assert targets.std(axis=0) == pytest.approx(np.ones(2), abs=0.1)
    _, noisy = draw_samples(planted, REGRESSION, np.random.default_rng(0), 4000)
    assert (noisy - targets).std() == pytest.approx(0.01, abs=0.001)


def test_classes_are_the_tickets_argmax_and_noise_moves_them_to_the_next_one() -> None:
    planted = planted_teacher(CLASSES)
    assert np.unique(planted.output_scales).size == 1
    inputs, targets = draw_samples(planted, CLASSES, np.random.default_rng(0), 4000, noise=0)
    outputs = masked_outputs(planted, inputs.astype(np.float64))
    np.testing.assert_array_equal(targets, outputs.argmax(axis=1))
    assert np.bincount(targets, minlength=3).min() > 4000 * 0.08
    _, noisy = draw_samples(planted, CLASSES, np.random.default_rng(0), 4000, noise=0.1)
    moved = noisy != targets
    assert moved.mean() == pytest.approx(0.1, abs=0.015)
    second = np.argsort(outputs, axis=1)[:, -2]
    np.testing.assert_array_equal(noisy[moved], second[moved])


def test_the_same_seed_gives_the_same_ticket_and_another_one_another() -> None:
    spec = network_of(REGRESSION)
    same = METHOD.plant(REGRESSION, spec, seed=SEED)
    other = METHOD.plant(REGRESSION, spec, seed=b"other")
    for name, mask in planted_teacher(REGRESSION).ticket.items():
        np.testing.assert_array_equal(mask, same.ticket[name])
    assert any((same.ticket[name] != other.ticket[name]).any() for name in same.ticket)


@pytest.mark.no_cover
def test_one_network_holds_many_tickets_so_the_ticket_is_no_function_of_it() -> None:
    planted = planted_teacher(REGRESSION)
    tickets = [
        METHOD.search(
            REGRESSION, planted.spec, planted.parameters, np.random.default_rng(seed)
        ).ticket
        for seed in range(4)
    ]
    kept = np.array([np.concatenate([mask.ravel() for mask in t.values()]) for t in tickets])
    overlaps = (kept[:, None] & kept[None]).sum(axis=2) / kept.sum(axis=1)
    assert overlaps[~np.eye(len(kept), dtype=bool)].max() < 0.4


def rank_area(scores: Floats, labels: np.ndarray) -> float:
    """AUC: the chance that an entry of the ticket scores above another one."""
    wins = scores[labels][:, None] - scores[~labels][None, :]
    return float((wins > 0).mean() + (wins == 0).mean() / 2)


@pytest.mark.no_cover
def test_value_and_magnitude_say_nothing_in_any_layer() -> None:
    """40 networks; the faithful planting fails this test."""

    def areas(method: str, family: str, count: int) -> dict[str, tuple[float, float]]:
        found: dict[str, list[tuple[float, float]]] = {}
        chosen = find_family(family)
        spec = PerceptronSpec.uniform(
            depth=4, width=40, inputs=chosen.inputs, outputs=chosen.outputs
        )
        for seed in range(count):
            planted = METHODS[method].plant(chosen, spec, seed=bytes([seed]))
            for name, mask in planted.ticket.items():
                if mask.any() and not mask.all():
                    value, labels = planted.parameters[name].ravel(), mask.ravel()
                    pair = (rank_area(value, labels), rank_area(np.abs(value), labels))
                    found.setdefault(name, []).append(pair)
        return {name: tuple(np.mean(pairs, axis=0)) for name, pairs in found.items()}

    hidden = areas("selected", "teacher", 40)
    assert len(hidden) == 4  # all weights, and the second layer's biases
    for name, pair in hidden.items():
        assert np.abs(np.array(pair) - 0.5).max() < 0.06, (name, pair)
    leaking = areas("faithful", "circle", 5)
    assert max(abs(np.array(pair) - 0.5).max() for pair in leaking.values()) > 0.2


def test_a_structure_reads_every_source_and_all_its_units_switch() -> None:
    spec = PerceptronSpec(widths=(3, 30, 30, 1))
    rng = np.random.default_rng(0)
    parameters = draw_parameters(spec, rng)
    inputs = rng.uniform(-1, 1, (500, 3))
    first = TicketLayer(units=6, in_degree=3, bias_share=0.0)
    layers = (first, replace(first, bias_share=1.0))
    drawn = (draw_structure(spec, parameters, layers, inputs, rng) for _ in range(50))
    ticket = next(ticket for ticket in drawn if ticket is not None)
    assert ticket["layers.0.weight"].sum(axis=1).tolist().count(3) == 6
    assert not ticket["layers.0.bias"].any()
    units = ticket["layers.0.weight"].any(axis=1)
    second = ticket["layers.1.weight"]
    assert second.any(axis=0).tolist() == units.tolist()
    assert ticket["layers.1.bias"].tolist() == second.any(axis=1).tolist()
    assert ticket["layers.2.weight"][0].tolist() == second.any(axis=1).tolist()


def test_entries_that_nobody_sees_are_dropped() -> None:
    spec = PerceptronSpec(widths=(1, 3, 1))
    parameters = {
        "layers.0.weight": np.array([[1.0], [1.0], [-1.0]]),
        "layers.0.bias": np.array([0.0, -2.0, 1e-9]),
        "layers.1.weight": np.array([[1.0, 1.0, 1.0]]),
        "layers.1.bias": np.array([0.0]),
    }
    ticket = {name: value != 0 for name, value in parameters.items()}
    domain = np.linspace(-1, 1, 101)[:, None]
    kept = drop_idle_entries(spec, parameters, ticket, domain, least_effect=1e-3)
    assert kept["layers.0.weight"].ravel().tolist() == [True, False, True]
    assert not kept["layers.0.bias"].any()  # a unit that never fires, and a bias of 1e-9
    assert kept["layers.1.weight"].ravel().tolist() == [True, False, True]
    assert ticket["layers.0.bias"].sum() == 2


def test_a_narrow_network_and_another_family_are_usage_errors() -> None:
    with pytest.raises(WidthError, match="hidden layer 1 has 9 units; target 'teacher' needs 10"):
        METHOD.plant(REGRESSION, network_of(REGRESSION, width=9), seed=SEED)
    with pytest.raises(UsageError, match="planting 'selected' cannot plant family 'circle'"):
        METHODS["selected"].plant(
            find_family("circle"), PerceptronSpec(widths=(2, 20, 20, 4)), seed=SEED
        )
    with pytest.raises(UsageError, match="planting 'faithful' cannot plant family 'teacher'"):
        METHODS["faithful"].plant(REGRESSION, network_of(REGRESSION), seed=SEED)


def test_dials_that_give_nothing_but_poor_functions_are_an_error() -> None:
    class ImpatientFamily(TeacherFamily):
        most_attempts = 20

    many = ImpatientFamily(inputs=1, outputs=12, kind=TaskKind.CLASSIFICATION)
    with pytest.raises(PlantingError, match=r"none of 20 structures .* passed: .*class share \("):
        METHOD.plant(many, network_of(many), seed=SEED)


def test_dials_are_set_by_text_and_checked() -> None:
    family = find_family("teacher").with_dials({"outputs": "3", "kind": "classification"})
    assert (family.outputs, family.kind) == (3, TaskKind.CLASSIFICATION)
    assert family.dials["units"] == 10
    for dials, message in (
        ({"in_degre": "3"}, "did you mean 'in_degree'"),
        ({"units": "many"}, "dial 'units' is 'many'; expected int"),
        ({"kind": "ranking"}, "expected classification or regression"),
        ({"in_degree": "11"}, "dial 'in_degree' is 11; expected 2 to 10"),
        ({"kind": "classification"}, "dial 'outputs' is 1; expected 2 to 64"),
    ):
        with pytest.raises(UsageError, match=message):
            find_family("teacher").with_dials(dials)
    with pytest.raises(UsageError, match="family 'circle' has no dial 'units'"):
        find_family("circle").with_dials({"units": "3"})


def test_the_facts_are_what_a_manifest_may_say() -> None:
    planted = planted_teacher(REGRESSION)
    facts: Mapping[str, Any] = planted.facts
    assert facts["dials"] == dict(REGRESSION.dials)
    assert 0.15 <= facts["nonlinear_share"] <= 1
    assert planted.note.startswith("structures drawn ")


HOPELESS = TeacherFamily(outputs=64, kind=TaskKind.CLASSIFICATION)


def test_a_hopeless_search_gives_up_in_time_and_says_why():
    seen: list[tuple[str, int, int]] = []
    patience = Patience(seconds=0.0, quiet_seconds=0.0, progress=lambda *what: seen.append(what))
    with pytest.raises(
        PlantingError,
        match=r"none of 10 structures drawn from 5x40 in 0 s passed: .*class share \(\d+\)",
    ) as caught:
        METHOD.plant(HOPELESS, network_of(HOPELESS), seed=SEED, patience=patience)
    assert caught.value.exit_code == 2
    assert seen[0] == ("trying tickets", 0, HOPELESS.most_attempts)
    assert len(seen) == 10


def test_patience_does_not_change_what_is_found():
    spec = network_of(REGRESSION)
    mine = METHOD.plant(REGRESSION, spec, seed=SEED)
    its = METHOD.plant(REGRESSION, spec, seed=SEED, patience=Patience(seconds=1e6))
    assert all((mine.ticket[name] == its.ticket[name]).all() for name in mine.ticket)


def test_too_few_units_for_the_inputs():
    family = TeacherFamily(inputs=9, units=4, in_degree=2)
    with pytest.raises(UsageError, match="4 units that read 2 inputs each cannot read all 9"):
        METHOD.plant(family, network_of(family), seed=SEED)
