"""`plantkit audit`: can the ticket be read off the weights?"""

from __future__ import annotations

from pathlib import Path

import click

from plantkit.cli.options import dial_option, key_option, parse_dials


@click.command()
@click.argument("subject", metavar="FAMILY|PATH")
@click.option("--planting", metavar="NAME", help="Planting method.  [default: faithful if it fits]")
@dial_option
@click.option("--depth", type=click.IntRange(min=2), help="Layers of neurons.  [default: 5]")
@click.option(
    "--width", type=click.IntRange(1, 100_000), help="Units a hidden layer.  [default: 100]"
)
@click.option(
    "--train",
    "train_networks",
    type=click.IntRange(min=4),
    default=100,
    show_default=True,
    help="Networks to train attackers on.",
)
@click.option(
    "--test",
    "test_networks",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Other networks to test them on; they set the width of the intervals.",
)
@click.option("--curve/--no-curve", default=True, show_default=True, help="The learning curve.")
@click.option(
    "--auc-limit",
    type=click.FloatRange(0.5, 1),
    help="Largest AUC.  [default: anchored 0.58, others 0.55]",
)
@click.option(
    "--lift-limit",
    type=click.FloatRange(min=1),
    default=2.0,
    show_default=True,
    help="Largest precision at k over chance.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Planting processes."
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory that keeps the planted networks. The next audit of the same planting uses "
    "them again, whatever its seed.",
)
@click.option(
    "--seed-hex",
    metavar="HEX",
    help="Seed of the planted networks, for a reproduction.  [default: the system's entropy]",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["markdown", "json"]),
    default="markdown",
    show_default=True,
)
@click.option(
    "--summary",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Writes a summary too: as audit.json in a bundle's directory, `show` prints it.",
)
@key_option
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file.")
@click.pass_context
def command(
    ctx: click.Context,
    subject: str,
    planting: str | None,
    dials: tuple[str, ...],
    depth: int | None,
    width: int | None,
    train_networks: int,
    test_networks: int,
    curve: bool,
    auc_limit: float | None,
    lift_limit: float,
    jobs: int,
    cache: Path | None,
    seed_hex: str | None,
    output_format: str,
    summary: Path | None,
    key_file: Path | None,
    output: Path | None,
) -> None:
    """Attack a planting with weights alone, and say how much of the ticket that finds.

    FAMILY plants networks and attacks them; PATH, a bundle's directory, plants others by the
    bundle's own recipe, trains attackers on them and attacks the bundle too. Needs scikit-learn:
    pip install 'plantkit[audit]'.

    Exit code 0 if the figures are within the limits, 1 if the planting leaks.

    \b
    Examples:
      plantkit audit circle --depth 5 --width 100 --cache audits
      plantkit audit helix --train 20 --test 20 --no-curve --format json -o helix.json
      plantkit audit circle --planting anchored --no-curve
      plantkit audit teacher --dial units=8
      plantkit audit challenges/circle-5x100
    """
    import datetime
    import json

    from plantkit.challenges.sealing import find_secret_key
    from plantkit.cli import write_output
    from plantkit.errors import UsageError
    from plantkit.planting import fresh_seed
    from plantkit.research.audit.inspection import Inspection, inspect
    from plantkit.research.audit.report import report_json, report_markdown
    from plantkit.research.records import summarise

    for option, path in (("--output", output), ("--summary", summary)):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{option}: {path.parent} is not a directory")
    seed = fresh_seed()
    if seed_hex is not None:
        try:
            seed = bytes.fromhex(seed_hex)
        except ValueError:
            raise UsageError(
                f"seed is {seed_hex!r}; expected hexadecimal digits, two a byte"
            ) from None
    report = inspect(
        subject,
        Inspection(
            method=planting,
            dials=parse_dials(dials),
            depth=depth,
            width=width,
            train_networks=train_networks,
            test_networks=test_networks,
            curve=curve,
            auc_limit=auc_limit,
            lift_limit=lift_limit,
            jobs=jobs,
            cache=cache,
            key=find_secret_key(key_file),
        ),
        seed=seed,
        progress=lambda line: click.echo(line, err=True),
    )
    if output_format == "json":
        text = json.dumps(report_json(report), indent=2) + "\n"
    else:
        text = report_markdown(report)
    write_output(text, output)
    if summary is not None:  # last: whatever becomes of it, the report has been written
        found = summarise(report_json(report), datetime.datetime.now(datetime.UTC).date())
        write_output(json.dumps(found, indent=2) + "\n", summary, option="--summary")
    if not report.audit.passed:
        ctx.exit(1)
