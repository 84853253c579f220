"""Figures of the families of challenges."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap

from sources import RESULTS, ROOT, bundle, interval, read, source, table
from sources.bundles import PUBLISHED as WEIGHTS

FAMILIES = RESULTS / "families.json"
PLANTINGS = RESULTS / "plantings.json"
PUBLISHED = {name.removesuffix("-5x100"): WEIGHTS[name] for name in WEIGHTS if "5x100" in name}


@source
def family(name: str) -> str:
    """Returns a table of the suites' challenges of a family."""
    rows = []
    for path in sorted((ROOT / "challenges").glob(f"{name}-*/challenge.json")):
        found = read(path)
        ticket, figures = found["ticket"], found["reference"]
        rows.append(
            (
                f"`{found['id']}`",
                found["planting"]["method"],
                "yes" if found["planting"]["hidden"] else "no",
                f"{ticket['kept']:,}",
                f"{ticket['density']:.2g}",
                f"{figures['ticket']['strong']:.4f}",
                f"{figures['dense']['weak']:.4f}",
            )
        )
    return table(
        "challenge | planting | hidden | ticket | density | ticket, untrained | dense, trained",
        rows,
    )


@source
def images(name: str) -> str:
    """Returns a table of a family of images: networks, and how exact and hidden tickets are."""
    rows = []
    measured = read(FAMILIES)[name]["networks"]
    for path in sorted((ROOT / "challenges").glob(f"{name}-*/challenge.json")):
        found = read(path)
        ticket, figures = found["ticket"], found["reference"]
        audit = path.with_name("audit.json")
        here = measured[found["id"]]
        best = max(here["at 1x"], key=lambda pruner: here["at 1x"][pruner]["weak"])
        reached = here["at 1x"][best]
        rows.append(
            (
                f"`{found['id']}`",
                f"{ticket['total']:,}",
                f"{ticket['kept']:,}, {ticket['density']:.4f}",
                f"{found['planting']['exactness']['relative_error']:.0e}",
                interval(read(audit)["auc"]) if audit.is_file() else "not audited",
                "yes" if found["planting"]["hidden"] else "no",
                f"{figures['ticket']['strong']:.3f} / {figures['ticket']['weak']:.3f}",
                f"{figures['dense']['weak']:.3f}",
                f"{best}: {reached['strong']:.2f} / {reached['weak']:.2f}",
                f"{here['planting_seconds']:.0f} s",
            )
        )
    head = "challenge | parameters | ticket, density | relative error | audit's AUC | hidden"
    head += " | ticket, untrained / trained | dense, trained | best baseline at 1x | planting"
    return table(head, rows)


@source
def reached(name: str) -> str:
    """Returns a table of what pruners reach on a family; see `benchmarks/families.py`."""
    rows = []
    for pruner, at in read(FAMILIES)[name]["pruners"].items():
        cells = [f"{one['strong']:.2f} / {one['weak']:.2f}" for one in at.values()]
        first = next(iter(at.values()))
        rows.append((f"`{pruner}`", *cells, f"{first['overlap']:.2f}", f"{first['collapsed']:.1f}"))
    return table("pruner | 1x | 3x | 10x | overlap at 1x | layers that collapse at 1x", rows)


@source
def reach(name: str, pruner: str, multiple: str, figure: str) -> str:
    """Returns one figure of that table."""
    return f"{read(FAMILIES)[name]['pruners'][pruner][multiple][figure]:.2f}"


@source
def dials(name: str) -> str:
    """Returns a table of a family's dials with their defaults, or that it has none."""
    from plantkit.planting import find_family

    found = find_family(name).dials
    if not found:
        return "This family has no dials"
    return table("dial | default", [(f"`{key}`", value) for key, value in found.items()])


@source
def formula_dials(name: str) -> str:
    """Returns a table of a formula's dials: what they are, their defaults and ranges."""
    from plantkit.planting import find_family

    family, words = find_family(name), dict[str, str]()
    for kind in reversed(type(family).__mro__):
        described = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
        for key, _, text in (
            line.partition(": ") for line in textwrap.dedent(described).split("\n")
        ):
            words[key] = text
    ranges = {field.name: field.metadata.get("range") for field in dataclasses.fields(family)}
    rows = []
    for key, value in family.dials.items():
        least, most = ranges[key]
        rows.append((f"`{key}`", words[key].rstrip("."), value, f"{least:g} to {most:g}"))
    return table("dial | what it is | default | range", rows)


@source
def planting_costs() -> str:
    """Returns a table of many anchored plantings at 5x100: weights, distances and seconds."""
    rows = []
    for name, published in PUBLISHED.items():
        found = read(PLANTINGS)[name]
        mean, most = (found[key] / published for key in ("mean_weights", "most_weights"))
        times = f"{found['median_seconds']:.1f} / {found['worst_seconds']:.1f} s"
        rows.append((name, found["networks"], f"{mean:.2f} / {most:.2f}", times))
    return table(
        "5x100 | networks | weights, times the paper's, mean / most | planting, median / worst",
        rows,
    )


@source
def formulas() -> str:
    """Returns a table of the families by formula: plantings, audits, and what pruners reach."""
    rows = []
    for name, found in read(PLANTINGS).items():
        if name in PUBLISHED:
            continue
        planting = bundle(f"{name}-5x50", "challenge")["planting"]
        measure = {"agreement": "agreement", "mse": "error"}[planting["distance"]["measure"]]
        pruners = read(FAMILIES)[name]["pruners"]
        best = max(pruners, key=lambda one: pruners[one]["1x"]["weak"])
        rows.append(
            (
                f"[{name}](families/{name}.md)",
                f"{found['density']:.3f}",
                f"{measure} {found['distance']:.3g}",
                _audited(f"{name}-5x50"),
                "yes" if planting["hidden"] else "no",
                f"{found['median_seconds']:.1f} / {found['worst_seconds']:.1f} s",
                f"{found['passed']:.0%}",
                f"{pruners[best]['1x']['weak']:.2f} (`{best}`)",
            )
        )
    head = "5x50 | density | distance to the formula | AUC | hidden | planting, median / worst"
    return table(f"{head} | passed | best pruner, trained", rows)


def _audited(name: str) -> str:
    """Returns the AUC of a challenge's audit, if it has one."""
    if not (ROOT / "challenges" / name / "audit.json").is_file():
        return "not audited"
    return interval(bundle(name, "audit")["auc"])


@source
def hides(family: str) -> str:
    """Returns at which shapes a family's anchored tickets were measured to be hidden."""
    from plantkit.planting import find_family

    found = find_family(family)
    depths, widths = (
        f"{min(found)} to {max(found)}" for found in (found.audited_depths, found.audited_widths)
    )
    return f"{depths} layers of neurons of widths {widths}"
