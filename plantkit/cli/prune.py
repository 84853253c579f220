"""`plantkit prune`: run a pruner on a challenge without scoring it."""

from __future__ import annotations

from pathlib import Path

import click

from plantkit.cli.options import (
    Density,
    challenges_option,
    isolation_option,
    jobs_option,
    memory_limit_option,
    time_limit_option,
)


@click.command()
@click.argument("pruner")
@click.argument("challenge")
@click.option(
    "--density",
    "densities",
    type=Density(),
    multiple=True,
    help="A density in (0, 1] or 'planted', instead of the challenge's. Repeatable.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("masks"),
    show_default=True,
    help="Save the masks in this directory, each as <sha256>.safetensors.",
)
@jobs_option
@time_limit_option(300.0)
@memory_limit_option(4096)
@isolation_option
@challenges_option
@click.pass_context
def command(
    ctx: click.Context,
    pruner: str,
    challenge: str,
    densities: tuple[float | str, ...],
    seeds: int,
    out: Path,
    jobs: int | None,
    time_limit: float,
    memory_limit: int,
    isolation: str,
    challenge_directories: tuple[Path, ...],
) -> None:
    """Run PRUNER, a file or an installed pruner's name, on CHALLENGE and save its masks.

    Nothing is scored, so that the truth may be sealed: this is how to try a pruner on a
    contest's challenges. The exit code is 1 if any run failed.

    \b
    Examples:
      plantkit prune submissions/my_pruner.py contest/circle-5x100 --density 0.1
    """
    from tabulate import tabulate

    from plantkit.cli import warn
    from plantkit.evaluation.requests import PruneRequest
    from plantkit.evaluation.run import run_pruning

    request = PruneRequest(
        pruner=pruner,
        challenge=challenge,
        out=out,
        challenge_directories=challenge_directories,
        densities=densities,
        seeds=seeds,
        jobs=jobs,
        time_seconds=time_limit,
        memory_mib=memory_limit,
        isolation=isolation,
    )
    attempts = run_pruning(request, warn=warn, progress=lambda *_: None)
    rows = [
        (
            attempt.pruner,
            f"{attempt.target_density:.4g}",
            attempt.seed,
            attempt.status,
            "" if attempt.mask is None else attempt.mask.kept,
            f"{attempt.seconds:.2f}",
            attempt.error if attempt.mask is None else attempt.mask.digest()[:16],
        )
        for attempt in attempts
    ]
    headers = ("pruner", "density", "seed", "status", "kept", "seconds", "mask, or error")
    click.echo(tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True))
    if any(attempt.mask is None for attempt in attempts):
        ctx.exit(1)
