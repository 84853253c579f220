"""Figures of audits."""

from __future__ import annotations

from sources import RESULTS, bundle, interval, read, source, table

AUDITS = RESULTS / "audits.json"


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
def audited(family: str, shape: str, field: str = "auc") -> str:
    """Returns what an audit that belongs to no bundle found: `auc`, `precision` or `networks`."""
    rows = [row for row in read(AUDITS)["audits"] if row["of"] == f"{family} {shape}"]
    return str(rows[0][field])


@source
def shapes(*families: str) -> str:
    """Returns a table of the audits of several shapes, sorted by family, depth and width."""
    found = read(RESULTS / "shapes.json")

    def place(name: str) -> tuple[int, int, int]:
        family, shape = name.split()
        depth, width = shape.split("x")
        return families.index(family), int(depth), int(width)

    rows = []
    for name in sorted((one for one in found if one.split()[0] in families), key=place):
        row = found[name]
        rows.append(
            [
                name,
                row["networks"],
                interval(row["auc"]),
                interval(row["messages"]),
                interval(row["lift"], 2),
                f"{row['highest_auc']:.3f} ({row['highest_stratum']})",
                f"{row['limit']:g}: {row['verdict']}",
            ]
        )
    return table(
        "networks | training + test | AUC, strongest | `messages` alone | precision at k ÷ chance | "
        "highest stratum | limit: verdict",
        rows,
    )
