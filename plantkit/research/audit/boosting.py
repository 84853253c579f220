"""Models of entries: what is learned from, and gradient boosting, one model a shape.

Strata of one shape (the hidden layers of a uniform network) share a model that knows the layer,
so that a deep network with few ticket entries a layer is not safe for lack of examples.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import MissingExtraError
from plantkit.networks import PerceptronSpec

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Table = NDArray[Any]  # (entries, features), any real type

NEGATIVES = 20_000
"""Entries of a stratum outside of the ticket to train on, over all networks."""

NEGATIVES_PER_POSITIVE = 4
"""A network gives at least so many of them for each of its ticket entries."""

CERTAIN_LOG_ODDS = 12.0
"""Stands for the log odds where a stratum was wholly ticket, or wholly not, in training."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EntryModels:
    """Trained models: log odds that an entry belongs to the ticket.

    Attributes:
        models: stratum to its model, the value of its layer feature, and the log
            odds that thinning out the negatives has added.
        constants: stratum to its log odds, where there was nothing to learn.
    """

    models: Mapping[str, tuple[Any, int, float]]
    constants: Mapping[str, float]

    def log_odds(self, tables: Mapping[str, Table]) -> dict[str, Floats]:
        """Returns the log odds of every entry of one network, (entries,) by parameter name."""
        result: dict[str, Floats] = {}
        for name, table in tables.items():
            if name in self.constants:
                result[name] = np.full(len(table), self.constants[name])
            else:
                model, layer, offset = self.models[name]
                result[name] = model.decision_function(_with_layer(table, layer)) - offset
        return result


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """What one network contributes to training: all its ticket entries and some others.

    Attributes:
        rows: stratum to (chosen, features).
        labels: stratum to (chosen,) bool.
        negatives: stratum to how many entries outside of the ticket there were to choose from.
    """

    rows: Mapping[str, Table]
    labels: Mapping[str, Bools]
    negatives: Mapping[str, int]


def thin_out(
    tables: Mapping[str, Table],
    labels: Mapping[str, Bools],
    networks: int,
    rng: np.random.Generator,
) -> Lesson:
    """Returns one network's part of a training set that `networks` networks contribute to."""
    rows: dict[str, Table] = {}
    answers: dict[str, Bools] = {}
    available: dict[str, int] = {}
    for name, table in tables.items():
        positives, negatives = np.flatnonzero(labels[name]), np.flatnonzero(~labels[name])
        wanted = max(NEGATIVES // networks, NEGATIVES_PER_POSITIVE * positives.size, 1)
        available[name] = negatives.size
        if wanted < negatives.size:
            negatives = rng.choice(negatives, wanted, replace=False)
        chosen = np.append(positives, negatives)
        rows[name], answers[name] = table[chosen], labels[name][chosen]
    return Lesson(rows=rows, labels=answers, negatives=available)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A way to learn.

    Attributes:
        fit: from a table (entries, features), answers (entries,) and a seed to a model with
            scikit-learn's `decision_function`.
        by_shape: whether strata of one shape share a model, which gets the layer as its last
            feature; or every stratum has its own.
    """

    fit: Callable[[Table, Bools, int], Any]
    by_shape: bool


def boosting(**settings: Any) -> Learner:
    """Returns gradient boosting with these settings of scikit-learn's."""

    def fit(table: Table, answers: Bools, seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(
            **settings, l2_regularization=5.0, early_stopping=False, random_state=seed
        )
        return model.fit(table, answers)

    return Learner(fit=fit, by_shape=True)


BOLD = boosting(learning_rate=0.1, max_iter=80, max_leaf_nodes=12, min_samples_leaf=20)
"""Learns intricate, strong leaks."""

CAUTIOUS = boosting(learning_rate=0.04, max_iter=80, max_leaf_nodes=6, min_samples_leaf=200)
"""Does not take noise for a leak, and so finds more of weak, smooth ones."""


def fit_models(
    spec: PerceptronSpec,
    lessons: Sequence[Lesson],
    rng: np.random.Generator,
    learner: Learner = BOLD,
) -> EntryModels:
    """Returns what `learner` makes of the lessons, one a network."""
    constants: dict[str, float] = {}
    groups: dict[object, list[str]] = {}
    tables = {name: np.concatenate([one.rows[name] for one in lessons]) for name in spec.shapes}
    answers = {name: np.concatenate([one.labels[name] for one in lessons]) for name in spec.shapes}
    for name, shape in spec.shapes.items():
        if answers[name].all():
            constants[name] = CERTAIN_LOG_ODDS
        elif not answers[name].any():
            constants[name] = -CERTAIN_LOG_ODDS
        else:
            key = (*shape, tables[name].shape[1]) if learner.by_shape else name
            groups.setdefault(key, []).append(name)
    models: dict[str, tuple[Any, int, float]] = {}
    for names in groups.values():
        rows = np.concatenate(
            [_with_layer(tables[name], place) for place, name in enumerate(names)]
        )
        truth = np.concatenate([answers[name] for name in names])
        model = learner.fit(rows, truth, int(rng.integers(2**31)))
        for place, name in enumerate(names):
            available = sum(one.negatives[name] for one in lessons)
            offset = math.log(available / int((~answers[name]).sum()))
            models[name] = (model, place, offset)
    return EntryModels(models=models, constants=constants)


def one_thread() -> AbstractContextManager[Any]:
    """Returns a context in which scikit-learn uses one thread.

    Its threads wait busily for each other, which costs far more than it saves as soon as
    another process wants a core.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, "openmp")
    return limits


def check_extra() -> None:
    """Checks that scikit-learn can be imported, before hours of planting.

    Raises:
        MissingExtraError: it cannot.
    """
    if any(importlib.util.find_spec(name) is None for name in ("sklearn", "threadpoolctl")):
        raise MissingExtraError(extra="audit", needed_for="the leak audit")


def _with_layer(table: Table, layer: int) -> Table:
    column = np.full((len(table), 1), layer, dtype=table.dtype)
    return np.concatenate([table, column], axis=1)
