"""One unit of the study: a network pruned by one method to every density, and measured."""

from __future__ import annotations

import time
from collections.abc import Sequence

from plantkit.evaluation.cache import Answer, Cache, accuracy_key, answer_key
from plantkit.networks.budget import budget_of
from plantkit.networks.connectivity import connectivity
from plantkit.networks.masks import Mask, overlap, validate_mask
from plantkit.networks.training import single_threaded
from plantkit.networks.training.accuracies import Accuracies
from plantkit.networks.training.accuracy import Measurement, measure_all
from plantkit.research.studies.plant_n_seek.grid import DENSITIES, Place
from plantkit.research.studies.plant_n_seek.methods import METHODS, REFERENCE, find_pruner
from plantkit.research.studies.plant_n_seek.networks import plant_problem
from plantkit.research.studies.planted import PlantedProblem
from plantkit.research.studies.records import Coordinates, StudyRecord


def run_coordinates(coordinates: Coordinates, cache: Cache) -> list[StudyRecord]:
    """Returns one record per density of one method on one network.

    A record adds the requested `density` and `is_planted` to the coordinates. Its values:
    strong, weak: test accuracy or R², untrained and trained. recovered_strong,
    recovered_weak: (performance - trivial) / (untrained ticket's - trivial), not clipped.
    trivial, ticket_strong: these two. kept: the mask's own density. effective_density,
    collapsed_layers: see `Connectivity`. f1: overlap with the ticket. Reference runs add
    nominal_weight_density.
    """
    seed = int(coordinates["seed"])
    planted = plant_problem(Place.of(coordinates), seed)
    name, schedule = str(coordinates["pruner"]), str(coordinates["schedule"])
    with single_threaded():
        if name == REFERENCE:
            masks = {1.0: planted.problem.full_mask(), planted.ticket.density: planted.ticket}
        else:
            masks = _pruned(planted, name, schedule, seed, cache)
        measured = _measured(planted, list(masks.values()), seed, cache)
    return [
        _record(coordinates, planted, density, mask, found)
        for (density, mask), found in zip(masks.items(), measured, strict=True)
    ]


def _pruned(
    planted: PlantedProblem, name: str, schedule: str, seed: int, cache: Cache
) -> dict[float, Mask]:
    """Returns the method's masks by density: that of the ticket, and `DENSITIES`."""
    pruner, module = find_pruner(name, schedule)
    problem = planted.problem
    masks = {}
    for density in (planted.ticket.density, *DENSITIES):
        budget = budget_of(density, problem.network.total)
        if budget == 0:
            continue
        key = answer_key(
            module=module,
            pruner=METHODS[name].pruner,
            options=METHODS[name].options_under(schedule),
            bundle=planted.digest,
            density=density,
            seed=seed,
        )
        known = None if key is None else cache.answer(key, problem.network, budget)
        if known is None:
            begun, cpu_begun = time.perf_counter(), time.process_time()
            asked = problem.at(density=density, seed=seed)
            answered = pruner.prune(asked, density, seed=seed)
            known = Answer(
                mask=validate_mask(answered, problem.network, budget),
                seconds=time.perf_counter() - begun,
                peak_rss_mib=None,
                cpu_seconds=time.process_time() - cpu_begun,
            )
            if key is not None:
                cache.keep_answer(key, known)
        masks[density] = known.mask
    return masks


def _measured(
    planted: PlantedProblem, masks: Sequence[Mask], seed: int, cache: Cache
) -> list[Accuracies]:
    keys = [
        accuracy_key(bundle=planted.digest, mask=mask.digest(), seed=seed, device="cpu")
        for mask in masks
    ]
    known = {key: found for key in keys if (found := cache.accuracies(key)) is not None}
    missing = {key: mask for key, mask in zip(keys, masks, strict=True) if key not in known}
    problem = planted.problem
    wanted = Measurement(
        spec=problem.network,
        task=problem.task,
        weights=problem.weights,
        masks=list(missing.values()),
        seeds=[seed] * len(missing),
        recipe=problem.recipe,
        train_data=problem.train,
        test_data=planted.test,
    )
    [measured] = measure_all([wanted])
    for key, found in zip(missing, measured, strict=True):
        known[key] = found
        cache.keep_accuracies(key, found)
    return [known[key] for key in keys]


def _record(
    coordinates: Coordinates,
    planted: PlantedProblem,
    density: float,
    mask: Mask,
    found: Accuracies,
) -> StudyRecord:
    connected = connectivity(planted.problem.network, mask)
    gain = planted.ticket_strong - planted.trivial
    values: dict[str, float | None] = {
        "strong": found.strong,
        "weak": found.weak,
        "recovered_strong": (found.strong - planted.trivial) / gain,
        "recovered_weak": (found.weak - planted.trivial) / gain,
        "trivial": planted.trivial,
        "ticket_strong": planted.ticket_strong,
        "kept": mask.density,
        "effective_density": connected.effective_density,
        "collapsed_layers": float(connected.collapsed_layers),
        "f1": overlap(mask, planted.ticket).f1,
    }
    if coordinates["pruner"] == REFERENCE:
        values["nominal_weight_density"] = Place.of(coordinates).nominal_weight_density
    at = {"density": density, "is_planted": density == planted.ticket.density}
    return StudyRecord(coordinates={**coordinates, **at}, values=values)
