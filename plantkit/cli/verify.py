"""`plantkit verify`: check that bundles are what they claim to be."""

from __future__ import annotations

from pathlib import Path

import click

from plantkit.cli.options import challenges_option


@click.command()
@click.argument("challenges", nargs=-1)
@challenges_option
@click.pass_context
def command(
    ctx: click.Context, challenges: tuple[str, ...], challenge_directories: tuple[Path, ...]
) -> None:
    """Check bundles: schema, digests, commitment, and the reference figures anew.

    CHALLENGES are ids or paths of bundles; all that can be found if none is given.
    Exit code 4 if any bundle is invalid.

    \b
    Examples:
      plantkit verify
      plantkit verify challenges/circle-5x100
    """
    from plantkit import catalog
    from plantkit.errors import BundleError, NothingEvaluatedError
    from plantkit.verification import verify_bundle

    found = catalog.find(challenge_directories)
    paths = [found.bundle(name) for name in challenges] or list(found.bundles.values())
    if not paths:
        raise NothingEvaluatedError("no bundle was found; give a path")
    failed = 0
    for path in paths:
        try:
            summary = verify_bundle(path)
        except BundleError as error:
            failed += 1
            click.echo(f"{path.name}: {click.style('invalid', fg='red')}")
            click.echo(f"error: {error}", err=True)
        else:
            click.echo(f"{path.name}: {click.style('ok', fg='green')}, {summary}")
    if failed:
        ctx.exit(BundleError.exit_code)
