"""The second-order attacker: how an entry and its surroundings vary together.

A fit moves a ticket's entries together, so their products are off even where each of them by
itself is as in the rest of the network: a weight leans against the bias of its unit, the
weights of a unit to two outputs against each other. Trees that look at ranks need many
networks to see that. Here a logistic regression, strongly regularized, judges every entry by
all squares and products of what is around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec
from plantkit.planting.surroundings import look_around, second_order
from plantkit.research.audit.boosting import Bools, Learner, Table

INVERSE_PENALTY = 0.01
"""scikit-learn's C."""

STEPS = 300


def product_tables(
    spec: PerceptronSpec, parameters: Mapping[str, Any]
) -> dict[str, NDArray[np.float32]]:
    """Returns the surroundings of every entry, (entries, values) by parameter name."""
    return {
        name: found.values.astype(np.float32)
        for name, found in look_around(spec, parameters).items()
    }


def _fit(table: Table, answers: Bools, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    model = make_pipeline(
        FunctionTransformer(second_order),
        StandardScaler(),
        LogisticRegression(C=INVERSE_PENALTY, max_iter=STEPS, random_state=seed),
    )
    return model.fit(table, answers)


PRODUCTS = Learner(fit=_fit, by_shape=False)
"""Logistic regression on second-order terms, a model a stratum."""
