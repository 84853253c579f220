"""Figures of the score, and the budgets of effort."""

from __future__ import annotations

from sources import RESULTS, read, source, table

ORDERS = RESULTS / "scoring-order.json"
AGREEMENT = RESULTS / "scoring-agreement.json"


@source
def orders(what: str) -> str:
    """Returns a figure of `benchmarks/scoring.py order`, in words; a path joined by points."""
    found = read(ORDERS)
    if what == "moved":
        *shares, last = (f"{100 * share:g}" for share in found["moved"])
        return f"{', '.join(shares)} or {last}%"
    if what == "relu_weights":
        *shares, last = (f"{share:.1%}" for share in found["after, by weight of relu"].values())
        return f"{', '.join(shares)} and {last}"
    for key in what.split("."):
        found = found[key]
    return str(found) if isinstance(found, int) else f"{found:.1f}"


@source
def order_table() -> str:
    """Returns how often scores of both versions order masks of known quality rightly."""
    found = read(ORDERS)
    rows = []
    for name, words in (
        ("before", "version 1"),
        ("before, three instances", "version 1"),
        ("after, one instance", "version 2"),
        ("after, families alike", "version 2"),
        ("after", "**version 2, relu at a quarter, as suites do it**"),
    ):
        one = found[name]
        drawn = f"{one['instances']} with {one['seeds']} seed{'s' if one['seeds'] > 1 else ''} each"
        rows.append((words, drawn, f"{one['right']:.0%}", f"{one['covered']:.0%}"))
    return table("score | instances of a family | right order | covered", rows)


@source
def agreement(*keys: str) -> str:
    """Returns a figure of `benchmarks/scoring.py agreement`; `_` in a key is a space."""
    found = read(AGREEMENT)
    for key in keys:
        found = found[key.replace("_", " ")]
    return f"{found:.2f}" if isinstance(found, float) else str(found)


@source
def random_scores() -> str:
    """Returns the least and the greatest score of `random` on a challenge."""
    found = read(AGREEMENT)["random by challenge"].values()
    return f"{min(found):.1f} to {max(found):.1f}"


@source
def budgets() -> str:
    """Returns the budgets of effort, in words."""
    from plantkit.scoring.effort import BUDGETS

    *others, last = (f"{budget:g}" for budget in BUDGETS)
    return f"{', '.join(others)} and {last}"
