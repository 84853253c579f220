"""What judges entries by a table of numbers, and how it is trained on planted networks.

Gradient boosting has one model per shape: strata of one shape (the hidden layers of a uniform
network) share a model that knows the layer, so that a deep network with few ticket entries per
layer is not safe for lack of examples.

The second-order learner sees how an entry and its surroundings vary together. A fit moves a
ticket's entries together, so their products are off even where each value by itself is as in the
rest of the network: a weight leans against the bias of its unit, the weights of a unit to two
outputs against each other. Trees that look at ranks need many networks to see that. Here a
logistic regression, strongly regularized, judges every entry by all squares and products of what
is around it, with one model per stratum.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import MissingExtraError
from plantkit.planting.exposed import Case, Exposed, Scorer, Scores
from plantkit.planting.exposed.surroundings import second_order
from plantkit.research.audit.figures import Bools, Floats
from plantkit.research.audit.prepared import PreparedAttacker, Trainer

Table = NDArray[Any]  # (entries, features), any real type
Model = Callable[[Table], Floats]
"""From a stratum's table to each entry's log odds (entries,) that it belongs to the ticket."""

NEGATIVES = 20_000
"""Entries of a stratum outside of the ticket to train on, over all networks."""

NEGATIVES_PER_POSITIVE = 4
"""A network gives at least so many of them for each of its ticket entries."""

CERTAIN_LOG_ODDS = 12.0
"""Stands for the log odds where a stratum was wholly ticket, or wholly not, in training."""


class Lesson(NamedTuple):
    """What a stratum of one network contributes to training: its ticket entries and some others.

    Attributes:
        rows: (chosen, features).
        labels: (chosen,) bool.
        negatives: how many entries outside of the ticket there were to choose from.
    """

    rows: Table
    labels: Bools
    negatives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A way to learn.

    Attributes:
        tables: from a network to what is looked at, a table by parameter name.
        fit: from a table, answers (entries,) and a seed to a model with scikit-learn's
            `decision_function`.
        by_shape: whether strata of one shape share a model, which gets the layer as its last
            feature. If not, every stratum has its own.
    """

    tables: Callable[[Exposed], Mapping[str, Table]]
    fit: Callable[[Table, Bools, int], Any]
    by_shape: bool


def _boost(table: Table, answers: Bools, seed: int, **settings: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        **settings, max_iter=80, l2_regularization=5.0, early_stopping=False, random_state=seed
    )
    return model.fit(table, answers)


def _regress(table: Table, answers: Bools, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    model = make_pipeline(
        FunctionTransformer(second_order),
        StandardScaler(),
        LogisticRegression(C=0.01, max_iter=300, random_state=seed),
    )
    return model.fit(table, answers)


BOLD = Learner(
    tables=Exposed.codes,
    fit=partial(_boost, learning_rate=0.1, max_leaf_nodes=12, min_samples_leaf=20),
    by_shape=True,
)
"""Learns intricate, strong leaks."""

CAUTIOUS = Learner(
    tables=Exposed.codes,
    fit=partial(_boost, learning_rate=0.04, max_leaf_nodes=6, min_samples_leaf=200),
    by_shape=True,
)
"""Does not take noise for a leak, and so finds more of weak, smooth ones."""

SECOND_ORDER = Learner(tables=Exposed.surroundings, fit=_regress, by_shape=False)
"""Finds products that are off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedAttacker(PreparedAttacker):
    """Judges entry by entry, as its learner does."""

    name: str
    title: str
    learner: Learner

    def prepare(self, cases: Sequence[Case], rng: np.random.Generator) -> Trainer:
        return training(self.learner, cases, rng)


def training(learner: Learner, cases: Sequence[Case], rng: np.random.Generator) -> Trainer:
    """Returns what trains a learner on some of the cases. They are thinned out once, for all."""
    lessons = [
        {
            name: thin_out(table, case.labels[name], len(cases), rng)
            for name, table in learner.tables(case).items()
        }
        for case in cases
    ]

    def train(places: Sequence[int]) -> Scorer:
        chosen = [lessons[place] for place in places]
        return partial(_log_odds, fit_models(cases[0], chosen, learner, rng), learner)

    return train


def _log_odds(models: Mapping[str, Model], learner: Learner, network: Exposed) -> Scores:
    return {name: models[name](table) for name, table in learner.tables(network).items()}


def thin_out(table: Table, labels: Bools, networks: int, rng: np.random.Generator) -> Lesson:
    """Returns a stratum's part of a training set that `networks` networks contribute to."""
    positives, negatives = np.flatnonzero(labels), np.flatnonzero(~labels)
    available = negatives.size
    wanted = max(NEGATIVES // networks, NEGATIVES_PER_POSITIVE * positives.size, 1)
    if wanted < available:
        negatives = rng.choice(negatives, wanted, replace=False)
    chosen = np.append(positives, negatives)
    return Lesson(rows=table[chosen], labels=labels[chosen], negatives=available)


def fit_models(
    case: Case,
    lessons: Sequence[Mapping[str, Lesson]],
    learner: Learner,
    rng: np.random.Generator,
) -> dict[str, Model]:
    """Returns what `learner` makes of the lessons, one mapping per network: models by stratum.

    case: any of the networks. Strata of one shape share a model if they have the same features,
        which in a residual network is not so for all layers of a block.
    """
    spec = case.spec
    models: dict[str, Model] = {}
    groups: dict[object, list[str]] = {}
    rows = {name: np.concatenate([one[name].rows for one in lessons]) for name in spec.shapes}
    answers = {name: np.concatenate([one[name].labels for one in lessons]) for name in spec.shapes}
    for name, shape in spec.shapes.items():
        if answers[name].all() or not answers[name].any():
            odds = CERTAIN_LOG_ODDS if answers[name].all() else -CERTAIN_LOG_ODDS
            models[name] = partial(_constant, odds)
        else:
            key = (shape, case.features[name]) if learner.by_shape else name
            groups.setdefault(key, []).append(name)
    for names in groups.values():
        table = np.concatenate([_with_layer(rows[name], place) for place, name in enumerate(names)])
        truth = np.concatenate([answers[name] for name in names])
        model = learner.fit(table, truth, int(rng.integers(2**31)))
        for place, name in enumerate(names):
            available = sum(one[name].negatives for one in lessons)
            added = math.log(available / int((~answers[name]).sum()))  # by thinning out
            models[name] = partial(_decide, model, place, added)
    return models


def check_extra() -> None:
    """Checks that scikit-learn can be imported, before hours of planting.

    Raises:
        MissingExtraError: it cannot.
    """
    if any(importlib.util.find_spec(name) is None for name in ("sklearn", "threadpoolctl")):
        raise MissingExtraError(extra="audit", needed_for="the leak audit")


def _constant(odds: float, table: Table) -> Floats:
    return np.full(len(table), odds)


def _decide(model: Any, layer: int, added: float, table: Table) -> Floats:
    odds: Floats = model.decision_function(_with_layer(table, layer)) - added
    return odds


def _with_layer(table: Table, layer: int) -> Table:
    column = np.full((len(table), 1), layer, dtype=table.dtype)
    return np.concatenate([table, column], axis=1)
