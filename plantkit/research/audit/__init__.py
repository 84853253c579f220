"""The leak audit: can a planted ticket be told from the rest by the weights alone?

An attacker who has only a network's initial parameters, no data, is trained on other networks
planted the same way, and is let loose on networks it never saw. Independent of how networks
were planted:

    from plantkit.research.audit import Sample, audit_plantings

    train = [Sample.of(plant(family, spec, seed=fresh_seed())) for _ in range(100)]
    test = [Sample.of(plant(family, spec, seed=fresh_seed())) for _ in range(50)]
    audit = audit_plantings(train, test)             # curve=() skips the learning curve
    audit.passed                                     # within `audit.limits`?
    audit.strongest.overall.auc                      # Estimate(value, low, high)
    audit.strongest.strata["layers.1.weight"].lift   # precision at k over chance
    audit.attacker("joint"), audit.features, audit.curve, audit.pooled

`Sample(spec=, parameters=, ticket=)` takes any mappings of parameter name to array; `Sample.of`
takes anything with these three attributes. Needs scikit-learn: `pip install 'plantkit[audit]'`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plantkit.research.audit.assessment import (
        AttackFigures,
        Audit,
        FeatureFigures,
        Limits,
        Verdict,
        audit_plantings,
    )
    from plantkit.research.audit.figures import Estimate, Figures
    from plantkit.research.audit.samples import Sample

__all__ = [
    "AttackFigures",
    "Audit",
    "Estimate",
    "FeatureFigures",
    "Figures",
    "Limits",
    "Sample",
    "Verdict",
    "audit_plantings",
]

_HOMES = {"Estimate": "figures", "Figures": "figures", "Sample": "samples"}


def __getattr__(name: str) -> Any:
    """Imports what is asked for, so that reading an audit summary needs no scikit-learn."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'assessment')}")
    return getattr(home, name)
