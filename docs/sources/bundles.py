"""Figures of the bundles: their manifests, audits and searches for other tickets."""

from __future__ import annotations

from sources import bundle, interval, source, table

PUBLISHED = {"circle-3x100": 100, "relu-3x100": 2, "helix-3x100": 115}
PUBLISHED |= {"circle-5x100": 108, "relu-5x100": 4, "helix-5x100": 120}
"""Weights of the tickets in Plant 'n' Seek."""


@source
def manifest(name: str, path: str, form: str = ",") -> str:
    """Returns a field of a challenge's manifest, such as `ticket.kept`."""
    value = bundle(name, "challenge")
    for key in path.split("."):
        value = value[key]
    return format(value, form)


@source
def reference(name: str) -> str:
    """Returns what the ticket, the dense network and a constant reach, in words."""
    found = bundle(name, "challenge")
    ticket, figures = found["ticket"], found["reference"]
    return (
        f"the ticket ({ticket['kept']:,} of {ticket['total']:,} parameters) has"
        f" {figures['ticket']['strong']:.3f} / {figures['ticket']['weak']:.3f}, the dense network"
        f" has {figures['dense']['weak']:.3f} trained, and always guessing one class"
        f" has {figures['trivial']:.3f}"
    )


@source
def audit(name: str, estimate: str = "auc") -> str:
    """Returns what an audit found of a challenge, with its interval, or one of its limits."""
    found = bundle(name, "audit")[estimate]
    if isinstance(found, dict):
        return interval(found, 3 if estimate == "auc" else 2)
    return f"{found:g}"


@source
def leaks(*names: str) -> str:
    """Returns a table of challenges: what attackers found of each way of planting."""
    rows = []
    for name in names:
        found, planting = bundle(name, "audit"), bundle(name, "challenge")["planting"]
        hidden = "yes" if planting["hidden"] else "no"
        rows.append((f"`{name}`", f"`{planting['method']}`", interval(found["auc"]), hidden))
    return table("challenge | planting | AUC [95% interval] | called hidden", rows)


@source
def densities() -> str:
    """Returns a table of the tickets of the suite `paper`, with those published."""
    rows = []
    for name, count in PUBLISHED.items():
        ticket = bundle(f"{name}-faithful", "challenge")["ticket"]
        kept, weights, total = ticket["kept"], ticket["kept_weights"], ticket["total_weights"]
        rows.append(
            (
                name.replace("-", " "),
                f"{count / total:.4f} ({count} of {total:,})",
                f"{ticket['density_weights_only']:.4f} ({weights})",
                f"{ticket['density']:.4f} ({kept})",
            )
        )
    return table(
        "network | published, weights only | planted, weights only | planted, with biases", rows
    )


@source
def anchored() -> str:
    """Returns a table of the anchored tickets at 5x100, with the paper's for comparison."""
    rows = []
    for family in ("circle", "helix", "relu"):
        found = bundle(f"{family}-5x100", "challenge")
        paper = bundle(f"{family}-5x100-faithful", "challenge")["ticket"]
        ticket, distance = found["ticket"], found["planting"]["distance"]
        entries = f"{ticket['kept']} (`faithful`: {paper['kept']})"
        ratio = f"{ticket['kept_weights'] / PUBLISHED[f'{family}-5x100']:.2f}"
        measure = {"agreement": "agreement", "mse": "mean squared error"}[distance["measure"]]
        value = f"{distance['value']:.3g}"
        rows.append((family, entries, f"{ticket['density']:.4f}", ratio, f"{measure} {value}"))
    return table(
        "5x100 | ticket entries | density | weights, times the paper's | distance to the formula",
        rows,
    )


@source
def alternatives(*names: str) -> str:
    """Returns a table of the searches for other tickets of these challenges."""
    rows = []
    for name in names:
        record = bundle(name, "alternatives")
        search, near = record["search"], record["neighbourhood"]
        best, within, free = search["best"], near["within_tolerance"], near["without_loss"]
        rows.append(
            (
                name,
                record["ticket"]["kept"],
                f"{record['ticket']['strong']:.4f}",
                f"{best['strong']:.4f} ({best['pruner']})",
                f"{best['f1']:.3f}",
                f"{search['as_good']} of {search['masks']}",
                f"{near['smallest_effect']:.4f}",
                f"{within['droppable']:.0%}",
                within["spare"],
                f"{within['exchangeable']:.0%}",
                f"{within['tickets']:,}",
                f"{free['spare']}, {free['exchangeable']:.0%}",
            )
        )
    return table(
        "challenge | entries | ticket | best found | F1 | as good | least effect | droppable"
        " | together | exchangeable | tickets | no loss",
        rows,
    )
