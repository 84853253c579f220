"""`plantkit audit`: can the ticket be read off the weights?"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import click

from plantkit.cli import options
from plantkit.cli.output import json_text, warn, write_output, write_record
from plantkit.cli.progress import ProgressBar, Verbosity
from plantkit.errors import UsageError


@click.command()
@click.argument("subject", metavar="FAMILY|PATH")
@click.option(
    "--planting",
    "method",
    metavar="NAME",
    help="Planting method of a FAMILY.  [default: faithful if it fits]",
)
@options.dials
@options.mother
@click.option(
    "--train",
    "train_networks",
    type=click.IntRange(min=4),
    default=100,
    help="Networks to train attackers on.",
)
@click.option(
    "--test",
    "test_networks",
    type=click.IntRange(min=1),
    default=50,
    help="Other networks to test them on; they set the width of the intervals.",
)
@click.option(
    "--attacker",
    "attacker_names",
    metavar="NAME",
    multiple=True,
    help="Attack with this one only, and with those that it builds on. Repeatable.  [default: "
    "all, plugins' too; see: plantkit list attackers]",
)
@click.option("--curve/--no-curve", default=True, help="The learning curve.")
@click.option(
    "--auc-limit",
    type=click.FloatRange(0.5, 1),
    help="Largest AUC.  [default: anchored 0.57, trained 0.6, others 0.55]",
)
@click.option(
    "--lift-limit",
    type=click.FloatRange(min=1),
    default=2.0,
    help="Largest precision at k over chance.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Planting processes.")
@click.option(
    "--cache",
    type=options.OutputDirectory(),
    help="Directory that keeps the planted networks. The next audit of the same planting uses "
    "them again, whatever its seed.",
)
@click.option(
    "--seed-hex",
    "seed",
    type=options.seed,
    metavar="HEX",
    help="Seed of the planted networks, for a reproduction.  [default: the system's entropy]",
)
@options.formats("markdown", "json")
@click.option(
    "--summary",
    type=options.OutputFile(),
    help="Write a summary too. The bundle whose audit.json it is is frozen with it, and `show` "
    "prints it.",
)
@options.key
@options.output
@options.progress
@click.pass_context
def command(
    ctx: click.Context,
    /,
    subject: str,
    seed: bytes | None,
    attacker_names: tuple[str, ...],
    output_format: str,
    summary: Path | None,
    key_file: Path | None,
    output: Path | None,
    verbosity: Verbosity,
    **values: Any,
) -> None:
    """Attack a planting with weights alone, and say how much of the ticket that finds.

    FAMILY plants networks and attacks them; PATH, a bundle's directory, plants others by the
    bundle's own recipe, trains attackers on them and attacks the bundle too. Needs scikit-learn:
    pip install "plantkit[audit]".

    The summary is kept: `plantkit plant` quotes it of every network that is planted likewise. With
    --attacker it is not, as others might find more.

    Exit code 0 if the figures are within the limits, 1 if the planting leaks.

    \b
    Examples:
      plantkit audit circle --depth 5 --width 100 --cache audits
      plantkit audit helix --train 20 --test 20 --no-curve --format json -o helix.json
      plantkit audit circle --planting anchored --no-curve
      plantkit audit teacher --dial units=8
      plantkit audit teacher --attacker joint --attacker "position prior"
      plantkit audit digits --network resnet --train 20 --test 10 --jobs 2
      plantkit audit challenges/circle-5x100
    """
    from plantkit.challenges.manifests import read_manifest
    from plantkit.challenges.sealing import find_secret_key
    from plantkit.hookspecs import PROJECT
    from plantkit.planting import fresh_seed
    from plantkit.plugins import load_installed, load_plantings
    from plantkit.research.audit.attackers import choose_attackers
    from plantkit.research.audit.inspection import Inspection, inspect
    from plantkit.research.audit.report import report_json, report_markdown
    from plantkit.research.audits import keep_audit
    from plantkit.research.records import summarise

    if summary is not None and _is_record(summary):
        read_manifest(summary.parent)  # one that was altered fails here
        if attacker_names:
            raise UsageError(
                f"--summary: {summary} is what {summary.parent} says of its audit, which must be "
                "by all attackers; leave --attacker out, or write the summary elsewhere"
            )
    plugins = load_installed(without=PROJECT)
    others = [*plugins.attackers().values()]
    load_plantings(*_names(subject, values["method"]), registry=plugins)
    for failure in plugins.failures:
        warn(failure)
    attackers = choose_attackers(attacker_names, others, warn=warn)
    with ProgressBar(verbosity) as progress:
        report = inspect(
            subject,
            Inspection(key=find_secret_key(key_file), attackers=attackers, **values),
            seed=seed or fresh_seed(),
            progress=progress.tell,
            warn=warn,
        )
    value = report_json(report)
    write_output(json_text(value) if output_format == "json" else report_markdown(report), output)
    date = datetime.datetime.now(datetime.UTC).date()
    if value["attackers"][0]["overall"] is not None and not attacker_names:
        try:
            keep_audit(summarise(value, date))
        except OSError as error:
            warn(f"the audit is not kept: {error.filename} cannot be written: {error.strerror}")
    if summary is not None:  # last: whatever becomes of it, the report has been written
        _write_summary(summarise(value, date), summary)
    if not report.audit.passed:
        ctx.exit(1)


def _names(subject: str, method: str | None) -> list[str | None]:
    """Returns the names of the family and of the planting method that will be asked for."""
    from plantkit.challenges.manifests import MANIFEST, read_manifest

    if (Path(subject) / MANIFEST).is_file():
        manifest = read_manifest(Path(subject))[0]
        return [manifest["family"], manifest["planting"]["method"]]
    return [subject, method]


def _is_record(path: Path) -> bool:
    """Returns whether `path` is where a bundle has its audit."""
    from plantkit.challenges.frozen import AUDIT
    from plantkit.challenges.manifests import MANIFEST

    return path.name == AUDIT and (path.parent / MANIFEST).is_file()


def _write_summary(found: dict[str, Any], path: Path) -> None:
    """Writes a summary, and freezes the bundle that it is a record of.

    Raises:
        UsageError: it cannot be written, or is of another planting than the bundle.
    """
    if not _is_record(path):
        write_output(json_text(found), path, option="--summary")
        return
    from plantkit.challenges.manifests import read_manifest
    from plantkit.research.records import planting_of

    planting = planting_of(read_manifest(path.parent)[0])
    for name, value in planting.items():
        if found["planting"][name] != value:
            raise UsageError(
                f"--summary: {path.parent} was planted with {name} {value}; the audit is of "
                f"{found['planting'][name]}: plantkit audit {path.parent}"
            )
    write_record(path.parent, path.name, found, option="--summary")
