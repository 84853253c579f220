"""`plantkit plant`: plant a ticket and freeze it into a bundle."""

from __future__ import annotations

import re
from pathlib import Path

import click

from plantkit.cli.options import dial_option, key_option, parse_dials


@click.command()
@click.argument("family")
@click.option(
    "--planting",
    type=click.Choice(["faithful", "selected", "anchored"]),
    help="How the ticket gets in.  [default: selected if it fits the family, else faithful]",
)
@click.option(
    "--as-published",
    is_flag=True,
    help="Faithful with the slips of the published implementation, for comparison.",
)
@dial_option
@click.option(
    "--depth", type=click.IntRange(min=2), default=5, show_default=True, help="Layers of neurons."
)
@click.option(
    "--width",
    type=click.IntRange(min=1, max=100_000),
    default=100,
    show_default=True,
    help="Units a hidden layer.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("challenges"),
    show_default=True,
    help="Directory in which the bundle's own directory is made.",
)
@click.option("--variant", default="", help="Added to the id: <family>-<depth>x<width>-<variant>.")
@click.option(
    "--noise",
    type=click.FloatRange(min=0, max=1),
    help="Standard deviation (regression) or share of moved labels.  [default: the family's]",
)
@click.option(
    "--overlap-score/--no-overlap-score",
    "overlap_scored",
    default=None,
    help="Whether overlap with the ticket counts in the score.  [default: the family's]",
)
@click.option(
    "--seed",
    metavar="HEX",
    help="Planting seed, for a reproduction. Never for a contest: whoever has the seed has the "
    "ticket.  [default: 256 bits of the system's entropy]",
)
@click.option("--seal", is_flag=True, help="Encrypt the truth; it never lies in the clear.")
@key_option
def command(
    family: str,
    planting: str | None,
    as_published: bool,
    dials: tuple[str, ...],
    depth: int,
    width: int,
    out: Path,
    variant: str,
    noise: float | None,
    overlap_scored: bool | None,
    seed: str | None,
    seal: bool,
    key_file: Path | None,
) -> None:
    """Plant a ticket of FAMILY and freeze it as a challenge bundle.

    Families: circle, helix, relu (planted faithfully, or anchored), teacher (selected). The seed
    comes from the system and is kept only in the bundle's truth.

    \b
    Examples:
      plantkit plant circle --depth 5 --width 100 --out my_challenges
      plantkit plant circle --planting anchored --variant b
      plantkit plant helix --depth 10 --noise 0
      plantkit plant teacher --planting selected --dial outputs=4 --dial kind=classification
      plantkit plant teacher --seal --key contest.key.pub
    """
    from plantkit.challenges.bundles import freeze
    from plantkit.challenges.drafting import Order, draft_challenge
    from plantkit.challenges.sealing import KEY_VARIABLE, find_key
    from plantkit.errors import UsageError
    from plantkit.machine import available_cores
    from plantkit.planting import find_method, fresh_seed

    if as_published and planting not in {None, "faithful"}:
        raise UsageError(f"--as-published is a kind of faithful planting; got {planting!r}")
    if key_file is not None and not seal:
        raise UsageError("--key has no use without --seal; add --seal, or leave it out")
    key = find_key(key_file) if seal else None
    if seal and key is None:
        raise UsageError(f"--seal needs a key: --key FILE, or the variable {KEY_VARIABLE}")
    if not re.fullmatch("[A-Za-z0-9]*", variant):
        raise UsageError(f"variant is {variant!r}; expected letters and digits")
    order = Order(
        family=family,
        depth=depth,
        width=width,
        variant=variant.lower(),
        planting="as-published" if as_published else planting,
        dials=parse_dials(dials),
        noise=noise,
        overlap_scored=overlap_scored,
    )
    target = out / order.id
    if target.exists():
        raise UsageError(f"{target} exists already; a frozen bundle is never overwritten")
    draft, planted = draft_challenge(
        order, fresh_seed() if seed is None else _parse_seed(seed), jobs=available_cores()
    )
    freeze(draft, target, key=key)
    kept = planted.count
    click.echo(
        f"{target}: planted {kept.total} of {draft.network.total} parameters ({planted.method})"
    )
    click.echo(
        f"density {kept.density(draft.network):.4g}, "
        f"weights only {kept.weight_density(draft.network):.4g}"
    )
    click.echo(planted.note)
    if planted.alternatives.count is not None:
        click.echo(f"tickets as sparse and as good: {planted.alternatives.count}")
    click.echo(
        f"test {draft.task.metric}: ticket untrained {draft.ticket_accuracy.strong:.4f}, "
        f"trained {draft.ticket_accuracy.weak:.4f}, dense trained "
        f"{draft.dense_accuracy.weak:.4f}, constant {draft.trivial:.4f}"
    )
    if not draft.hidden:
        reason = (
            "no audit of this depth and width says that the ticket is hidden"
            if find_method(planted.method).hidden
            else "this planting can be read off the weights"
        )
        click.echo(f"warning: {reason}; do not use it for a contest", err=True)


def _parse_seed(text: str) -> bytes:
    from plantkit.errors import UsageError

    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if not seed:
        raise UsageError(f"seed is {text!r}; expected hexadecimal digits, two a byte")
    return seed
