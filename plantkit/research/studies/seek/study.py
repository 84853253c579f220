"""Where a planted ticket can be found exactly, and where only one as good: `plantkit study seek`.

Small teacher networks, whose ticket is a random sparse part of the untouched network, are pruned
to the ticket's own number of parameters by searches that leave the weights alone. A mask counts
as *exact* if it is the ticket, entry by entry, and as *good* if it recovers 95% of what the
untrained ticket gains over a constant, on noise-free test data. The map goes over width, depth and
the ticket's size. Lines start from one network of it and change in-degree, samples, noise or
effort.

References:
    arXiv 2111.11153, whose title asks the question. The claims are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from plantkit.networks.masks import overlap, validate_mask
from plantkit.networks.training import Recipe, single_threaded
from plantkit.networks.training.accuracy import strong_accuracy
from plantkit.reports.tables import Table
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.claims import Claim, load_claims
from plantkit.research.studies.pruners import installed_pruner
from plantkit.research.studies.records import Records, StudyRecord
from plantkit.research.studies.rules import RULES
from plantkit.research.studies.seek.grid import (
    QUICK_SEEDS,
    SEEDS,
    Case,
    cases,
    in_map,
    plant_problem,
)
from plantkit.research.studies.seek.pages import draw, tables
from plantkit.research.studies.study import Plot, Study, Unit
from plantkit.scoring.score import recovered_accuracy, recovered_digits

#: Share of the ticket's gain from which a mask is as good.
GOOD = 0.95
#: The test error that counts as none: float32 arithmetic leaves as much.
NO_ERROR = 1e-6
#: A step of `gates` takes so many times as long as a step of training, and so does a mask of
#: `annealing`.
_GATES_STEP, _ANNEALING_MASK = 2.0, 0.1
#: What `seek` takes of the seconds that it is asked for, in networks as small as these.
_SEEK_SHARE = 0.8
_PLANTING_SECONDS = 0.1


class Seek(Study):
    """See the module."""

    name: ClassVar[str] = "seek"
    title: ClassVar[str] = "Can you find the winning ticket? The planted one, or one as good"
    reference: ClassVar[str] = "after arXiv 2111.11153"
    choices: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "depth": "Layers of neurons, input and output included.",
            "width": "Units per hidden layer.",
            "units": "Units of the ticket per hidden layer.",
            "degree": "Weights that each hidden unit of the ticket reads.",
            "samples": "Training samples.",
            "noise": "Standard deviation on the training targets.",
            "pruner": "The search.",
            "effort": "Thousands of masks of annealing, seconds of seek, trainings of gates.",
        }
    )
    claims: ClassVar[Sequence[Claim]] = load_claims(Path(__file__).with_name("claims.toml"), RULES)

    def units(self, *, quick: bool, seeds: int | None) -> list[Unit]:
        count = (QUICK_SEEDS if quick else SEEDS) if seeds is None else seeds
        return [
            Unit(study=self.name, coordinates={**asdict(case), "seed": seed})
            for seed in range(count)
            for case in cases(quick=quick)
        ]

    def seconds(self, unit: Unit, calibration: Calibration) -> float:
        case = Case.of(unit.coordinates)
        step = calibration.training_seconds(case.network.total, 1)
        trained = Recipe().steps(case.samples) * _GATES_STEP * step
        if case.pruner == "gates":
            return _PLANTING_SECONDS + case.effort * trained
        if case.pruner == "seek":
            return _PLANTING_SECONDS + _SEEK_SHARE * case.effort
        return _PLANTING_SECONDS + trained + 1000 * case.effort * _ANNEALING_MASK * step

    def run(self, unit: Unit) -> list[StudyRecord]:
        """Returns one record; its coordinates add `in_map`.

        Its values: strong, the untrained mask's test R²; recovered and digits, the shares of the
        ticket's gain and of its digits; f1; kept, the ticket's density; exact, good and other,
        1 or 0, other for a good mask that is not exact; exact_without_error, the same as exact,
        or None if the mask has an error.
        """
        case, seed = Case.of(unit.coordinates), int(unit.coordinates["seed"])
        planted = plant_problem(case, seed)
        problem = planted.problem.at(density=planted.ticket.density, seed=seed)
        pruner, _ = installed_pruner(case.pruner, {"effort": str(case.effort)})
        with single_threaded():
            answer = pruner.prune(problem, problem.density, seed=seed)
            mask = validate_mask(answer, problem.network, problem.budget)
            [strong] = strong_accuracy(
                problem.network,
                problem.task,
                problem.weights,
                [mask],
                train_data=problem.train,
                test_data=planted.test,
            )
        trivial, ticket = planted.trivial, planted.ticket_strong
        recovered = recovered_accuracy(strong, trivial=trivial, ticket=ticket)
        f1 = overlap(mask, planted.ticket).f1
        exact, good = f1 == 1, recovered >= GOOD
        values = {
            "strong": strong,
            "recovered": recovered,
            "digits": recovered_digits(strong, trivial=trivial, ticket=ticket, resolution=NO_ERROR),
            "f1": f1,
            "kept": planted.ticket.density,
            "exact": float(exact),
            "good": float(good),
            "other": float(good and not exact),
            "exact_without_error": float(exact) if 1 - strong <= NO_ERROR else None,
        }
        return [
            StudyRecord(coordinates={**unit.coordinates, "in_map": in_map(case)}, values=values)
        ]

    def tables(self, records: Records) -> list[Table]:
        return tables(records)

    def draw(self, records: Records, directory: Path) -> list[Plot]:
        return draw(records, directory)


STUDY = Seek()
