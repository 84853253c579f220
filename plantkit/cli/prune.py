"""`plantkit prune`: run a pruner on a challenge without scoring it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from plantkit.cli import options
from plantkit.cli.output import print_tracebacks, table_text, warn, warnings, write_output


@click.command()
@click.argument("pruner")
@click.argument("challenge")
@options.densities("challenge")
@click.option("--seeds", type=click.IntRange(min=1), default=1)
@click.option(
    "--out",
    type=options.OutputDirectory(),
    default=Path("masks"),
    help="Save the masks in this directory, each as <sha256>.safetensors.",
)
@options.jobs
@options.limits()
@options.isolation
@options.show_errors
@options.challenges
@click.pass_context
def command(ctx: click.Context, /, *, show_errors: bool, **values: Any) -> None:
    """Run PRUNER, a submission or an installed pruner's name, on CHALLENGE and save its masks.

    Nothing is scored, so the truth may be sealed: this is how you try a pruner on a contest's
    challenges. The exit code is 1 if any run failed.

    \b
    Examples:
      plantkit prune submissions/my_pruner.py contest/circle-5x100 --density 10x
    """
    from plantkit.evaluation.requests import PruneRequest
    from plantkit.evaluation.run import run_pruning

    with warnings(show_errors=show_errors) as tell:
        attempts = run_pruning(PruneRequest(**values), warn=tell, progress=lambda *_: None)
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
    write_output(table_text(headers, rows))
    for note in dict.fromkeys(attempt.note for attempt in attempts if attempt.note):
        warn(note)
    if show_errors:
        print_tracebacks(
            (f"{one.pruner} at density {one.target_density:.4g}, seed {one.seed}", one.traceback)
            for one in attempts
        )
    if any(attempt.mask is None for attempt in attempts):
        ctx.exit(1)
