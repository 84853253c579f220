"""`plantkit keygen`: make the key pair of a contest."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("contest.key"),
    help="File of the secret key; the public key goes next to it, with the suffix .pub.",
)
@click.option("--signing", is_flag=True, help="Make keys that sign bundles instead.")
def command(out: Path, signing: bool) -> None:
    """Make a key pair that seals the truths of challenges, or one that signs bundles.

    The public key seals, on any machine. Only the secret key opens: keep it where challenges
    are scored, readable by you alone, and keep a copy. Without it what was sealed is lost.

    With --signing the secret key signs, and everybody can check with the public key that a bundle
    is yours.

    \b
    Examples:
      plantkit keygen --out contest.key
      plantkit plant circle --seal --key contest.key.pub
      plantkit evaluate my_pruner.py --key contest.key
      plantkit keygen --signing --out organiser.key
      plantkit freeze challenges/circle-5x100 --sign organiser.key
      plantkit verify challenges/circle-5x100 --signer organiser.key.pub
    """
    from plantkit.challenges.keys import write_keys
    from plantkit.challenges.sealing import SecretKey
    from plantkit.challenges.signing import SigningKey

    if signing:
        signing_key = SigningKey.generate()
        public = write_keys(signing_key, out)
        click.echo(f"{out}: the secret key {signing_key.public.id}, which signs; show it to nobody")
        click.echo(f"{public}: its public key, by which anybody can check what you signed")
        return
    key = SecretKey.generate()
    public = write_keys(key, out)
    click.echo(f"{out}: the secret key {key.public.id}, which opens; show it to nobody")
    click.echo(f"{public}: its public key, which only seals")
