"""`plantkit duel`: who finds how much of whose tickets?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from plantkit.cli import options
from plantkit.cli.output import json_text, table_text, warn, write_output
from plantkit.cli.progress import ProgressBar, Verbosity
from plantkit.errors import UsageError


@click.command()
@click.option(
    "--planter",
    "planters",
    metavar="FAMILY[:PLANTING]",
    multiple=True,
    help="A family, and how it is planted. Repeatable.  [default: circle and relu, faithful and "
    "anchored, helix and teacher]",
)
@click.option(
    "--pruner",
    "pruners",
    metavar="PRUNER",
    multiple=True,
    help="A pruner that seeks, as evaluate takes it. Repeatable.  [default: those that the starter "
    "suite ranks]",
)
@click.option(
    "--attacker",
    "attackers",
    metavar="NAME",
    multiple=True,
    help="An attacker that seeks, with those that it builds on. Repeatable.  [default: joint, "
    "position prior and plugins']",
)
@click.option("--no-pruners", is_flag=True, help="Attackers only.")
@click.option("--no-attackers", is_flag=True, help="Pruners only.")
@click.option(
    "--instances",
    type=click.IntRange(min=1, max=1000),
    default=3,
    help="New networks of each planter, on which all seekers meet.",
)
@click.option(
    "--train",
    "training_networks",
    type=click.IntRange(min=4),
    default=20,
    help="Other networks of each planter, for attackers to learn from.",
)
@click.option("--depth", type=click.IntRange(min=2), default=4, help="Layers of neurons.")
@click.option(
    "--width", type=click.IntRange(min=1, max=100_000), default=50, help="Units per hidden layer."
)
@options.image_files
@click.option(
    "--seed-hex",
    "seed",
    type=options.seed,
    metavar="HEX",
    help="Seed of all networks, for a reproduction; runs of before are not run again.  [default: "
    "the system's entropy]",
)
@click.option(
    "--cache",
    type=options.OutputDirectory(),
    help="Directory that keeps the networks that attackers learn from.",
)
@click.option(
    "--no-cache",
    "cached",
    flag_value=False,
    default=True,
    show_default=False,
    help="Run pruners anew, and keep nothing for later runs.",
)
@options.jobs
@options.limits()
@options.isolation
@options.formats("table", "markdown", "csv", "json")
@options.output
@options.progress
@click.pass_context
def command(
    ctx: click.Context,
    /,
    planters: tuple[str, ...],
    pruners: tuple[str, ...],
    attackers: tuple[str, ...],
    no_pruners: bool,
    no_attackers: bool,
    seed: bytes | None,
    jobs: int | None,
    output_format: str,
    output: Path | None,
    verbosity: Verbosity,
    **values: Any,
) -> None:
    """Let planters and seekers meet, and print who finds how much of whose tickets.

    A planter is a family and a way to plant it. A seeker is a pruner, who has the training data,
    or an attacker, who has only the weights, and has learned from other networks of the planter.
    All meet on new instances. Attackers need scikit-learn: pip install "plantkit[audit]".

    The exit code is 1 if a run of a pruner failed.

    \b
    Examples:
      plantkit duel
      plantkit duel --planter circle:anchored --planter teacher --pruner synflow
      plantkit duel --pruner my_pruner.py --no-attackers --instances 5
      plantkit duel --no-pruners --attacker joint --train 50 --format json -o duel.json
    """
    if no_pruners and pruners:
        raise UsageError("--no-pruners and --pruner exclude each other; give one of them")
    if no_attackers and attackers:
        raise UsageError("--no-attackers and --attacker exclude each other; give one of them")
    from plantkit.hookspecs import PROJECT
    from plantkit.machine import available_cores
    from plantkit.planting import fresh_seed
    from plantkit.plugins import load_installed, load_plantings
    from plantkit.research.audit.attackers import choose_attackers
    from plantkit.research.duel.duel import ATTACKERS, PLANTERS, Plan, default_pruners, run_duel
    from plantkit.research.duel.report import tables, to_csv, to_json

    plugins = load_installed(without=PROJECT)
    others = [*plugins.attackers().values()]
    load_plantings(registry=plugins)
    for failure in plugins.failures:
        warn(failure)
    everyone = choose_attackers((), others, warn=warn)
    usual = [one.name for one in everyone if one in others or one.name in ATTACKERS]
    plan = Plan(
        planters=planters or PLANTERS,
        pruners=() if no_pruners else pruners or default_pruners(),
        attackers=() if no_attackers else choose_attackers(attackers or usual, others),
        jobs=jobs or available_cores(),
        **values,
    )
    with ProgressBar(verbosity) as progress:
        duel = run_duel(
            plan, seed or fresh_seed(), warn=warn, tell=progress.tell, progress=progress.show
        )
    if output_format == "json":
        text = json_text(to_json(duel))
    elif output_format == "csv":
        text = to_csv(duel)
    else:
        text = "\n\n".join(
            f"{title}\n\n{table_text(headers, rows, output_format)}"
            for title, headers, rows in tables(duel)
        )
    write_output(text, output)
    if output is not None:
        click.echo(f"results written to {output}", err=True)
    if duel.failed:
        ctx.exit(1)
