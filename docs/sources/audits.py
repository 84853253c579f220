"""Figures of audits."""

from __future__ import annotations

import math

from plantkit.networks import PerceptronSpec
from plantkit.research.audits import SHIPPED
from sources import RESULTS, ROOT, bundle, interval, read, source, table

AUDITS = RESULTS / "audits.json"
HIDING = ("anchored", "selected")
#: Parameters of a network in a stratum, below which its AUC says too little.
LEAST_PARAMETERS = 20


def lifts(name: str) -> dict[str, str]:
    return read(AUDITS)["precision by stratum"][name]


@source
def strata(*names: str) -> str:
    """Returns a table of an audit by strata: AUC, and precision at k over chance."""
    head, columns = "stratum", []
    for name in names:
        found, lift = bundle(name, "audit"), lifts(name)
        aucs = {key: interval(value) for key, value in found["strata"].items()}
        aucs["all"] = interval(found["auc"])
        head += f" | {name}: AUC | precision at k over chance"
        columns.append((aucs, lift | {"all": interval(found["lift"], 2)}))
    rows = [
        [key, *(values.get(key, "") for column in columns for values in column)]
        for key in columns[0][0]
    ]
    return table(head, rows)


@source
def auc_by_stratum(*names: str) -> str:
    """Returns a table of the AUC of audits by strata."""
    found = {name: bundle(name, "audit") for name in names}
    columns = [one["strata"] | {"all": one["auc"]} for one in found.values()]
    rows = [
        [key, *(interval(one[key]) if key in one else "" for one in columns)] for key in columns[0]
    ]
    return table(" | ".join(["stratum", *names]), rows)


@source
def audits() -> str:
    """Returns a table of all audits: those of bundles, and those that belong to none."""
    rows = []
    for entry in read(AUDITS)["audits"]:
        row = dict(entry)
        if "bundle" in row:
            found = bundle(row["bundle"], "audit")
            row |= {
                "networks": f"{found['training_networks']} + {found['test_networks']}",
                "auc": interval(found["auc"]),
                "precision": interval(found["lift"], 2),
                "verdict": f"{found['auc_limit']:g}: {found['verdict']}",
            }
        keys = ("of", "planting", "networks", "auc", "precision", "verdict")
        rows.append([row[key] for key in keys])
    return table(
        "networks | planting | training + test | AUC | precision at k ÷ chance | limit: verdict",
        rows,
    )


@source
def shapes(*families: str) -> str:
    """Returns a table of audits of several shapes, by family, depth and width."""
    found = {}
    for path in [*SHIPPED.glob("*.json"), *(ROOT / "challenges").glob("*/audit.json")]:
        planting = read(path)["planting"]
        if planting["family"] in families and planting["method"] in HIDING:
            widths = planting["network"]["widths"]
            found[families.index(planting["family"]), len(widths), widths[1]] = read(path)
    rows = []
    for (family, depth, width), summary in sorted(found.items()):
        parameters = PerceptronSpec(widths=tuple(summary["planting"]["network"]["widths"])).shapes
        strata = {
            name: auc["value"]
            for name, auc in summary["strata"].items()
            if math.prod(parameters[name]) >= LEAST_PARAMETERS
        }
        highest = max(strata, key=lambda name: strata[name])
        messages = summary.get("auc_by_attacker", {}).get("messages")
        rows.append(
            [
                f"{families[family]} {depth}x{width}",
                f"{summary['training_networks']} + {summary['test_networks']}",
                interval(summary["auc"]),
                interval(messages) if messages else "",
                interval(summary["lift"], 2),
                f"{strata[highest]:.3f} ({highest})",
                f"{summary['auc_limit']:g}: {summary['verdict']}",
            ]
        )
    return table(
        "networks | training + test | AUC, strongest | `messages` alone | "
        "precision at k ÷ chance | highest stratum | limit: verdict",
        rows,
    )


@source
def learning_curves() -> str:
    """Returns a table of the AUC of attackers that were trained on more and more networks."""
    rows, sizes = [], []
    for name, points in read(RESULTS / "curves.json")["curves"].items():
        sizes = [point["training_networks"] for point in points]
        for attacker in points[-1]["attackers"]:
            found = [point["attackers"][attacker]["auc"] for point in points]
            rows.append([name, attacker, *map(interval, found)])
    return table(" | ".join(["networks", "attacker", *map(str, sizes)]), rows)
