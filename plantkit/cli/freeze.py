"""`plantkit freeze`: take bundles as they are now, after a change that was meant."""

from __future__ import annotations

from pathlib import Path

import click

from plantkit.cli import options


@click.command()
@click.argument("bundles", type=options.DIRECTORY, nargs=-1, required=True)
@click.option(
    "--sign",
    "key_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Sign each bundle with the secret key in FILE; plantkit keygen --signing makes one.",
)
def command(bundles: tuple[Path, ...], key_file: Path | None) -> None:
    """Freeze each of BUNDLES, a directory, as it is now: renew the digests that cover it.

    For organisers who changed a manifest or a record on purpose, and for bundles of an older
    plantkit. Weights, data and truth must be as the manifest states: plant anew for other ones.
    A suites.toml in the directory above that names the bundle pins it from now on.

    \b
    Examples:
      plantkit freeze challenges/circle-5x100
      plantkit freeze contest/teacher-5x100 --sign organiser.key
    """
    from plantkit.challenges.freezing import freeze_anew
    from plantkit.challenges.manifests import read_anyway
    from plantkit.challenges.signing import read_signing_key
    from plantkit.research.records import check_records

    key = None if key_file is None else read_signing_key(key_file)
    for path in bundles:
        check_records(path, read_anyway(path))
        for line in freeze_anew(path, key=key).lines():
            click.echo(f"{path}: {line}")
