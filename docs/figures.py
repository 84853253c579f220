"""Writes the figures of the pages from the files that they come from.

    python docs/figures.py           # rewrites the pages
    python docs/figures.py --check   # exit code 1 if a page differs, and says where
    python docs/figures.py --run     # runs the commands of results/outputs.json again (minutes)

A page marks a figure by two comments, which no reader sees:

    a ticket of <!-- manifest circle-5x100 ticket.kept -->227<!-- / --> parameters

The first comment names one of the functions below that are marked `@source`, and its arguments.
Between the comments stands what the function returns. Tables and outputs are marked alike.

Most figures come from the bundles in `challenges/`. Figures that take minutes to compute are stored
in `results/`: the outputs of commands, and audits of other networks than the bundles'.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUTPUTS = ROOT / "docs/results/outputs.json"
AUDITS = ROOT / "docs/results/audits.json"
ORDERS = ROOT / "docs/results/scoring-order.json"
AGREEMENT = ROOT / "docs/results/scoring-agreement.json"
OVERLAPS = ROOT / "docs/results/overlap-masks.json"
OVERLAPS_PRUNED = ROOT / "docs/results/overlap-pruners.json"
FAMILIES = ROOT / "docs/results/families.json"
IMAGE_SPEED = ROOT / "docs/results/image-speed.json"
LOOP = ROOT / "docs/results/loop.json"
SEEK = ROOT / "docs/results/seek.json"
MARKED = re.compile(r"<!-- (\w+)((?: [^ <>]+)*) -->(.*?)<!-- / -->", re.DOTALL)
SOURCES: dict[str, Callable[..., str]] = {}
PUBLISHED = {"circle-3x100": 100, "relu-3x100": 2, "helix-3x100": 115}
PUBLISHED |= {"circle-5x100": 108, "relu-5x100": 4, "helix-5x100": 120}
"""Weights of the tickets in Plant 'n' Seek."""


class FigureError(Exception):
    """A page asks for a figure that does not exist, or marks one where it cannot stand."""


def source(function: Callable[..., str]) -> Callable[..., str]:
    """Makes a function known to the pages by its name."""
    SOURCES[function.__name__] = function
    return function


@cache
def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def bundle(name: str, file: str) -> Any:
    return read(ROOT / "challenges" / name / f"{file}.json")


def table(head: str, rows: Iterable[Sequence[object]]) -> str:
    """Returns a Markdown table; `head` holds the headings between bars."""
    lines = [f"| {head} |", "|" + "---|" * len(head.split(" | "))]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def interval(estimate: dict[str, float], digits: int = 3) -> str:
    value, low, high = (f"{estimate[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


# Bundles


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


# Families


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
    """Returns a table of a family of images: networks, and how exact planted tickets are."""
    rows = []
    for path in sorted((ROOT / "challenges").glob(f"{name}-*/challenge.json")):
        found = read(path)
        ticket, figures = found["ticket"], found["reference"]
        rows.append(
            (
                f"`{found['id']}`",
                f"{ticket['total']:,}",
                f"{ticket['kept']:,}",
                f"{ticket['density']:.4f}",
                f"{found['planting']['exactness']['relative_error']:.0e}",
                f"{figures['ticket']['strong']:.3f} / {figures['ticket']['weak']:.3f}",
                f"{figures['dense']['weak']:.3f}",
                "yes" if found["planting"]["hidden"] else "no",
            )
        )
    head = "challenge | parameters | ticket | density | relative error"
    return table(f"{head} | ticket, untrained / trained | dense, trained | hidden", rows)


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


# Seek


def fresh_runs() -> dict[tuple[float, str], list[dict[str, Any]]]:
    """Returns the runs of `seek` on fresh instances, by effort and family."""
    found: dict[tuple[float, str], list[dict[str, Any]]] = {}
    for one in read(SEEK):
        if one["what"] == "fresh":
            found.setdefault((one["effort"], one["family"]), []).append(one)
    return dict(sorted(found.items()))


@source
def seek_fresh() -> str:
    """Returns a table of what `seek` reaches on fresh instances; see `benchmarks/seek.py`."""
    rows = []
    for (effort, family), runs in fresh_runs().items():
        accuracies = sorted(one["strong_accuracy"] for one in runs)

        def middle(name: str, runs: list[dict[str, Any]] = runs) -> float:
            return median(one[name] for one in runs)

        rows.append(
            (
                f"{effort:g}",
                family,
                len(runs),
                f"{median(accuracies):.3f}",
                f"{accuracies[0]:.3f}",
                f"{sum(each >= 0.95 for each in accuracies)} of {len(runs)}",
                f"{middle('strong_digits'):.2f}",
                f"{middle('weak_digits'):.2f}",
                f"{middle('f1'):.2f}",
                f"{middle('cpu_seconds'):.0f}",
            )
        )
    return table(
        "effort | family | instances | accuracy, median | worst | .95 or more | digits, median"
        " | trained | F1 | CPU s",
        rows,
    )


@source
def seek_runs() -> str:
    """Returns the strong recovered accuracy of each of these runs."""
    rows = []
    for (effort, family), runs in fresh_runs().items():
        each = sorted((one["instance"], one["strong_accuracy"]) for one in runs)
        words = ", ".join(f"{number}: {value:.3f}" for number, value in each)
        rows.append((f"{effort:g}", family, words))
    return table("effort | family | instance: strong recovered accuracy", rows)


# Audits


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


# Overlap


OVERLAP_WORDS = {
    "F1": "F1",
    "recall": "recall",
    "recall, guesses of the network": "recall, corrected by the mask's density",
    "recall, guesses by parameter": "recall, corrected in every parameter",
    "by share": "the same, weighed by the accuracy lost",
    "by root of share": "the same, weighed by its root",
    "by digits": "the same, weighed by the digits lost",
    "by digits, less false alarms": "**hits less false alarms, weighed by the digits lost**",
    "paths": "paths that are whole",
    "function of what was found": "digits of the ticket's entries in the mask",
}


@source
def overlaps() -> str:
    """Returns a table of how figures of overlap do, on challenges that score it."""
    found = [
        record
        for name, record in read(OVERLAPS).items()
        if bundle(name, "challenge")["overlap_scored"]
    ]
    rows = []
    for name, words in OVERLAP_WORDS.items():
        curves = [rest[name] for one in found for rest in one["between"].values()]
        off = max(abs(mean - k / 10) for c in curves for k, mean in enumerate(c["means"]))
        spread = sum(c["deviation"] for c in curves) / len(curves)
        ways = [
            way[name] for one in found for ways in one["blind"].values() for way in ways.values()
        ]
        alike = [rest[name]["tau"] for one in found for rest in at_planted(one)]
        agreement = sum(alike) / len(alike)
        rows.append((words, *(f"{value:.2f}" for value in (off, spread, max(ways), agreement))))
    return table("figure | off the share | deviation | without data | τ with function", rows)


@source
def overlap_of(pruner: str, name: str, multiple: str, figure: str) -> str:
    """Returns a figure of a pruner's mask, 0 where it is less; `_` in its name is a space."""
    found = read(OVERLAPS_PRUNED)[name]["pruners"][pruner][multiple][figure.replace("_", " ")]
    return f"{max(0.0, found):.2f}"


def at_planted(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns what was measured with masks of the ticket's own size."""
    return [record["between"][f"1x {rest}"] for rest in ("scattered", "connected")]


# Scores


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


# Speed


@source
def image_speed() -> str:
    """Returns a table of how fast networks on images train; see `benchmarks/image_ratios.py`."""
    cases = ("1 runs", "2 runs", "8 runs", "24 runs", "limit")
    rows = [
        (
            f"`{name}`",
            f"{found['pixels']}x{found['pixels']}",
            f"{found['parameters']:,}",
            f"{found['plain_ms']:.1f}",
            *(f"{found[case]:.1f}" if case in found else "" for case in cases),
        )
        for name, found in read(IMAGE_SPEED)["networks"].items()
    ]
    head = "network | pixels | parameters | plain loop, ms | 1 run | 2 runs | 8 | 24 | limit"
    return table(head, rows)


@source
def image_speed_load() -> str:
    """Returns the load of the machine at the end of these measurements."""
    return str(read(IMAGE_SPEED)["load"])


@source
def times_faster(name: str, case: str) -> str:
    """Returns how many times faster a network on images trains; `_` in a case is a space."""
    return f"{read(IMAGE_SPEED)['networks'][name][case.replace('_', ' ')]:.1f}"


# Outputs of commands


def lines(command: str) -> list[str]:
    try:
        return list(read(OUTPUTS)[command])
    except KeyError:
        raise FigureError(f"no output of {command!r} is stored in {OUTPUTS.name}") from None


@source
def output(*words: str) -> str:
    """Returns a command and what it printed."""
    return "\n".join(["```console", f"$ {' '.join(words)}", *lines(" ".join(words)), "```"])


EVALUATE = "plantkit evaluate submissions/my_pruner.py gates:effort=1 edge-popup"
EVALUATE_SYNFLOW = "plantkit evaluate synflow --baselines none --format markdown"


@source
def example() -> str:
    """Returns the example and what it prints."""
    return output(*EVALUATE.split())


@source
def standings() -> str:
    """Returns the command of the example, and its standings alone."""
    printed = lines(EVALUATE)
    first = next(place for place, line in enumerate(printed) if line.startswith("Standings"))
    last = next(place for place, line in enumerate(printed) if "(the ticket)" in line)
    return "\n".join(["```console", f"$ {EVALUATE}", *printed[first : last + 1], "```"])


@source
def evaluated(challenge: str, pruner: str, density: str, column: str) -> str:
    """Returns a cell of the table of a kind of challenge."""
    printed = lines(EVALUATE_SYNFLOW)
    title = next(n for n, line in enumerate(printed) if line.startswith(f"## {challenge}"))
    names, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in printed[title + 1 :]
        if line.startswith("|")
    )
    found = next(row for row in rows if row[:2] == [pruner, density])
    return found[names.index(column)]


@source
def planted_score() -> str:
    """Returns what the ticket itself scores in the example."""
    [found] = re.findall(r"\(the ticket\) +([\d.]+)", "\n".join(lines(EVALUATE)))
    return found


@source
def existence() -> str:
    """Returns a table of what `plantkit exists` says."""
    rows = []
    for family, depth in (("relu", 3), ("relu", 5), ("relu", 10), ("circle", 5), ("helix", 5)):
        text = "\n".join(lines(f"plantkit exists {family} --depth {depth} --epsilon 0.1"))
        [chance] = re.findall(r"exists: at least (.*)\.\n", text)
        [width] = re.findall(r"probability 0.9: (.*)\.\n", text)
        rows.append((f"{family}, depth {depth}", chance, width))
    return table(
        "target, outputs within 0.1 | probability at width 100, at least"
        " | width for 0.9 in the hidden layers",
        rows,
    )


@source
def likeness(file: str, *keys: str) -> str:
    """Returns a figure of `copies.json` or `memories.json`; of shares, per cent.

    An underscore in a key stands for a space.
    """
    value = read(ROOT / f"docs/results/{file}.json")
    for key in keys:
        value = {name.replace(" ", "_"): inner for name, inner in value.items()}[key]
    if isinstance(value, list):
        return str(len(value))
    if isinstance(value, float) and value < 1:
        return f"{100 * value:.3g}%"
    return f"{value:,}"


@source
def rubric() -> str:
    """Returns a table of what pruners earn by the example rubric."""
    rows = []
    pruners = ("random", "submissions/my_pruner.py", "magnitude", "snip", "grasp", "synflow")
    for name in pruners:
        command = f"plantkit grade {name} --rubric examples/rubric.toml --hidden run"
        text = "\n".join(lines(command))
        [(points, verdict)] = re.findall(r"([\d.]+) of 100 points: (not passed|passed)", text)
        [hidden] = re.findall(r"Hidden criteria +([\d.]+) of 20", text)
        visible = f"{float(points) - float(hidden):.1f}"
        rows.append((f"`{name}`", visible, f"{float(points):.1f}", verdict))
    return table("pruner | visible criteria, of 80 | all, of 100 | |", rows).replace("| | |", "| |")


# Studies


def study_records(name: str) -> Any:
    """Returns the records of a study in `results/study-NAME.json`; none without the file."""
    from plantkit.research.studies.records import Records, StudyRecord

    path = ROOT / f"docs/results/study-{name}.json"
    stored = read(path)["records"] if path.exists() else []
    return Records(StudyRecord(**record) for record in stored)


@source
def study_findings(name: str) -> str:
    """Returns what the stored records of a study say about its claims."""
    from plantkit.research.studies import find_study
    from plantkit.research.studies.report import findings_table

    padded = findings_table(find_study(name).findings(study_records(name))).rstrip()
    return re.sub(r"-{3,}", "---", re.sub(r" +\|", " |", padded))


@source
def study_runs(name: str) -> str:
    """Returns how many runs of a study are stored."""
    return f"{len(study_records(name)):,}"


# Counts


@source
def claims(page: str, verdict: str, heading: str = "") -> str:
    """Returns how many rows of a page's first table of claims have a verdict, or `any`."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    text = text[text.index(f"## {heading.replace('_', ' ')}") :]
    start = text.index("| Claim |")
    verdicts = re.findall(r"\| \*\*(.+)\*\* \|", text[start : text.index("\n\n", start)])
    return str(len(verdicts) if verdict == "any" else verdicts.count(verdict.replace("_", " ")))


@source
def verdicts(page: str, heading: str) -> str:
    """Returns how the claims of a page's table were judged, in words."""
    words = ("reproduced", "not reproduced", "not tested")
    return ", ".join(f"{claims(page, word.replace(' ', '_'), heading)} {word}" for word in words)


@source
def count(what: str) -> str:
    """Returns how many `pruners` or `checks` plantkit comes with, or a bound of submissions."""
    if what in {"files", "megabytes"}:
        from plantkit.submissions.submission import MOST_BYTES, MOST_FILES

        return str(MOST_FILES if what == "files" else MOST_BYTES // 2**20)
    if what == "checks":
        from plantkit.testing import CHECKS

        return str(len(CHECKS))
    found = entry_points(group="plantkit")
    return str(sum(1 for entry in found if entry.value.startswith("plantkit_baselines.")))


# Pages


@source
def budgets() -> str:
    """Returns the budgets of effort, in words."""
    from plantkit.scoring.effort import BUDGETS

    *others, last = (f"{budget:g}" for budget in BUDGETS)
    return f"{', '.join(others)} and {last}"


def pages() -> list[Path]:
    found = (path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
    return [ROOT / "README.md", *sorted(found)]


def written(text: str) -> str:
    """Returns a page with the text of every figure as its source says.

    Raises:
        FigureError: there is no such source, or an inline figure begins a line, where the
            comment would make a paragraph of raw HTML.
    """

    def replace(match: re.Match[str]) -> str:
        name, arguments = match[1], match[2].split()
        if name not in SOURCES:
            raise FigureError(f"no figure is called {name!r}")
        new = SOURCES[name](*arguments)
        start = match.string.rfind("\n", 0, match.start()) + 1
        begins = not match.string[start : match.start()].strip(" >*-")
        if "\n" in new:
            new = f"\n\n{new}\n\n"
        elif begins:
            raise FigureError(f"{match[0]!r} begins a line")
        return match[0][: match.start(3) - match.start()] + new + "<!-- / -->"

    return MARKED.sub(replace, text)


def differences(page: Path) -> list[str]:
    """Returns what of a page its sources say otherwise, one line per figure."""
    text = page.read_text(encoding="utf-8")
    old, new = MARKED.finditer(text), MARKED.finditer(written(text))
    return [
        f"{page.relative_to(ROOT)}: <!-- {a[1]}{a[2]} --> has {a[3].strip()!r}, "
        f"not {b[3].strip()!r}"
        for a, b in zip(old, new, strict=True)
        if a[3] != b[3]
    ]


#: States of `benchmarks/loop.py`, and what is in the cache in each.
STATES = {
    "cold": "nothing, on `relu-5x100` alone",
    "changed": "all but a changed submission",
    "unchanged": "all",
}


@source
def loop_seconds() -> str:
    """Returns a table of how long evaluations take; see `benchmarks/loop.py`."""
    rows = []
    for state, runs in read(LOOP)["states"].items():
        walls, cpus = ([run[name] for run in runs] for name in ("wall", "cpu"))
        wall = f"{min(walls):.1f} to {max(walls):.1f}"
        rows.append((STATES[state], wall, f"{median(cpus):.1f}"))
    return table("what is in the cache | wall | CPU", rows)


@source
def loop_processes() -> str:
    """Returns a table of the processor seconds of each kind of process."""
    states = read(LOOP)["states"]
    kinds = dict.fromkeys(
        kind for runs in states.values() for one in runs for kind in one["processes"]
    )
    rows = [
        (
            kind,
            *(
                f"{median(one['processes'].get(kind, 0.0) for one in runs):.2f}"
                for runs in states.values()
            ),
        )
        for kind in kinds
    ]
    return table(" | ".join(["processor seconds of", *states]), rows)


@source
def loop_baselines() -> str:
    """Returns which baselines were ranked with the submission."""
    return str(read(LOOP)["baselines"])


@source
def loop_load() -> str:
    """Returns the greatest load of the machine during these measurements."""
    return f"{read(LOOP)['load']:.1f}"


def run() -> None:
    """Runs the stored commands and keeps what they print."""
    kept = {}
    for command in read(OUTPUTS):
        arguments = shlex.split(command)
        # A submission that does not pass its grading has the exit code 1.
        done = subprocess.run(
            arguments, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", check=False
        )
        kept[command] = done.stdout.rstrip().splitlines()
    OUTPUTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8", newline="\n")
    read.cache_clear()


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        found = [line for page in pages() for line in differences(page)]
        print("\n".join(found) or "every figure is as its source says")
        return 1 if found else 0
    if "--run" in arguments:
        run()
    for page in pages():
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
