"""`plantkit freeze`: take bundles as they are now, after a change that was meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plantkit.cli import options

if TYPE_CHECKING:
    from plantkit.challenges.freezing import Frozen


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
        for line in describe(freeze_anew(path, key=key)):
            click.echo(f"{path}: {line}")


def describe(frozen: Frozen) -> list[str]:
    """Returns lines for people on what freezing a bundle anew changed."""
    before, after = frozen.before.whole, frozen.after.whole
    was = "" if before is None else ", as before" if before == after else f", before {before}"
    lines = [
        f"frozen: the whole bundle has the digest {after}{was}",
        f"results name the challenge by {frozen.after.digest}",
    ]
    if frozen.pinned is not None:
        lines.append(f"pinned in {frozen.pinned}")
    if frozen.signed is not None:
        lines.append(f"signed with the key {frozen.signed.id}")
    if frozen.unsigned:
        lines.append("its signature did not fit any more and was removed: sign it again")
    return lines
