"""Learns the preferences for units of an anchored family: one more step of them.

Run it from the repository with plantkit[audit] installed:

    python benchmarks/preferences.py helix --networks 100 --jobs 2

It plants networks with the preferences that the family has now, and lets a logistic regression
tell the ticket's units from the others by the second-order terms that preferences are made of.
Printed are its AUC on networks it was not trained on (0.5: nothing left to learn), and every
hidden layer's preferences less what it learned. To go on, write them into the family's file in
`plantkit/planting/learned/` and run this again; three to five steps were enough. Whether it is
of use is for `plantkit audit` to say, on other networks.
"""

from __future__ import annotations

import argparse
import secrets

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from plantkit.networks import PerceptronSpec, weight_name
from plantkit.planting import FAMILIES
from plantkit.planting.fitting import FittedFamily
from plantkit.planting.surroundings import look_at_units, second_order
from plantkit.research.audit.recipes import PlantingRecipe, plant_samples

FITTED = {name: one for name, one in FAMILIES.items() if isinstance(one, FittedFamily)}

INVERSE_PENALTY = 0.02
# Coefficients of standardized terms that are smaller are left out.
LEAST = 0.03

# Of whole rows and columns, most of which lie outside of the ticket.
PASSED_OVER = ("row_power", "out_power", "out_sum")


def main() -> None:
    parser = argparse.ArgumentParser(description="One step of an anchor's preferences.")
    parser.add_argument("family", choices=sorted(FITTED))
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    family = FITTED[arguments.family]
    spec = PerceptronSpec.uniform(
        depth=arguments.depth,
        width=arguments.width,
        inputs=family.inputs,
        outputs=family.outputs,
    )
    recipe = PlantingRecipe(family=arguments.family, spec=spec, method="anchored")
    samples = plant_samples(
        recipe,
        arguments.networks,
        role="preferences",
        seed=secrets.token_bytes(),
        jobs=arguments.jobs,
    )
    for layer in spec.layers[:-1]:
        looks = [look_at_units(spec, sample.parameters, layer) for sample in samples]
        names = looks[0].terms
        kept = [i for i, name in enumerate(names) if not any(one in name for one in PASSED_OVER)]
        terms = [second_order(look.values)[:, kept] for look in looks]
        answers = [np.asarray(sample.ticket[weight_name(layer)].any(axis=1)) for sample in samples]
        print(f"\nhidden layer {layer + 1}: AUC {_auc(terms, answers):.3f}")
        scaler, model = _fit(terms, answers)
        tilt = family.layers(len(spec.layers) - 1)[layer].tilt
        now = tilt.units if tilt else {}
        for place, standardized, scale in zip(kept, model.coef_[0], scaler.scale_, strict=True):
            before = now.get(names[place], 0.0)
            learned = standardized / scale if abs(standardized) > LEAST else 0.0
            if before or learned:
                print(f'    "{names[place]}": {before - learned:.2f},  # was {before:.2f}')


def _fit(
    terms: list[NDArray[np.float64]], answers: list[NDArray[np.bool_]]
) -> tuple[StandardScaler, LogisticRegression]:
    table = np.concatenate(terms)
    scaler = StandardScaler().fit(table)
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=500)
    return scaler, model.fit(scaler.transform(table), np.concatenate(answers))


def _auc(terms: list[NDArray[np.float64]], answers: list[NDArray[np.bool_]]) -> float:
    """Returns the mean AUC of networks, each judged by what was learned from the other half."""
    found = []
    for half in (0, 1):
        scaler, model = _fit(terms[half::2], answers[half::2])
        for table, answer in zip(terms[1 - half :: 2], answers[1 - half :: 2], strict=True):
            found.append(roc_auc_score(answer, model.decision_function(scaler.transform(table))))
    return float(np.mean(found))


if __name__ == "__main__":
    main()
