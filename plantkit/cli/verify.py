"""`plantkit verify`: check that bundles are what they claim to be."""

from __future__ import annotations

from pathlib import Path

import click

from plantkit.cli import options
from plantkit.cli.output import warn


@click.command()
@click.argument("challenges", nargs=-1)
@options.key
@click.option(
    "--reveal",
    type=click.Path(path_type=Path),
    help="After the contest: check that this published truth, a truth.safetensors or a bundle "
    "that holds one, is what the one bundle given was committed to.",
)
@click.option(
    "--signer",
    "signer_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Check that each bundle was signed by this public key; see plantkit freeze --sign.",
)
@options.challenges
@click.pass_context
def command(
    ctx: click.Context,
    challenges: tuple[str, ...],
    key_file: Path | None,
    reveal: Path | None,
    signer_file: Path | None,
    challenge_directories: tuple[Path, ...],
) -> None:
    """Check bundles: schema, digests, commitment, records, and the reference figures anew.

    Of a sealed bundle everything except the truth is checked; with its key, the truth too.

    CHALLENGES are ids or paths of bundles; all that can be found if none is given.
    Exit code 4 if any bundle is invalid.

    \b
    Examples:
      plantkit verify
      plantkit verify challenges/circle-5x100
      plantkit verify sealed/circle-5x100 --reveal published/truth.safetensors
      plantkit verify contest/circle-5x100 --signer organiser.key.pub
    """
    from plantkit.challenges.manifests import read_stated
    from plantkit.challenges.sealing import find_secret_key
    from plantkit.challenges.signing import read_signer
    from plantkit.challenges.verification import verify_bundle, verify_reveal
    from plantkit.errors import BundleError, NothingEvaluatedError, SealedTruthError, UsageError
    from plantkit.plugins import find_challenges, load_plantings
    from plantkit.research.records import check_records

    if reveal is not None and (
        len(challenges) != 1 or key_file is not None or signer_file is not None
    ):
        raise UsageError("--reveal takes one bundle, and neither --key nor --signer")
    signer = None if signer_file is None else read_signer(signer_file)
    key = None if reveal is not None else find_secret_key(key_file)
    found = find_challenges(challenge_directories)
    paths = [found.bundle(name) for name in challenges] or list(found.bundles.values())
    if not paths:
        raise NothingEvaluatedError("no bundle was found; give a path")
    codes = {0}
    for path in paths:
        try:
            if reveal is not None:
                manifest = read_stated(path).manifest
                for failure in load_plantings(manifest["family"], manifest["planting"]["method"]):
                    warn(failure)
                words = verify_reveal(path, reveal)
            else:
                stated = read_stated(path)
                words = verify_bundle(path, stated=stated, key=key, signer=signer)
                if records := check_records(path, stated):
                    fit = "fits" if len(records) == 1 else "fit"
                    words += f"; {' and '.join(records)} {fit} the bundle"
            state = f"{click.style('ok', fg='green')}, {words}"
        except (BundleError, SealedTruthError) as error:
            codes.add(error.exit_code)
            state = click.style("invalid", fg="red")
            if isinstance(error, SealedTruthError):
                state = f"{click.style('sealed', fg='yellow')} for another key"
            click.echo(f"error: {error}", err=True)
        click.echo(f"{path.name}: {state}")
    ctx.exit(max(codes))  # an invalid bundle (4) outweighs one that stays sealed (2)
