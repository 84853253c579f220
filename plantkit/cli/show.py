"""`plantkit show`: what is public of a challenge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plantkit.cli import options
from plantkit.cli.output import json_text, pairs_text, write_output
from plantkit.errors import UsageError

if TYPE_CHECKING:
    from plantkit.challenges.manifests import Stated


@click.command()
@click.argument("challenge")
@options.formats("table", "json")
@click.option(
    "--plot",
    "picture",
    type=options.OutputFile(),
    help="Draw its data and target into this file instead: .svg, .png or .pdf.",
)
@click.option(
    "--ticket",
    "with_ticket",
    is_flag=True,
    help="Draw the planted ticket, too, unless it is sealed.",
)
@options.challenges
def command(
    challenge: str,
    output_format: str,
    picture: Path | None,
    with_ticket: bool,
    challenge_directories: tuple[Path, ...],
) -> None:
    """Show what is public of CHALLENGE, an id or the path of a bundle.

    \b
    Examples:
      plantkit show circle-5x100
      plantkit show circle-5x100 --format json
      plantkit show circle-5x100 --plot circle.svg --ticket
    """
    from plantkit.challenges.manifests import read_stated
    from plantkit.plugins import find_challenges

    if with_ticket and picture is None:
        raise UsageError("--ticket needs --plot FILE: a ticket is drawn, not printed")
    path = find_challenges(challenge_directories).bundle(challenge)
    if picture is not None:
        _draw(path, picture, with_ticket=with_ticket)
        return
    stated = read_stated(path)
    if output_format == "json":
        write_output(json_text(stated.manifest))
        return
    rows = [(name, text) for name, text in _rows(path, stated) if text is not None]
    write_output(pairs_text(rows))


def _draw(path: Path, picture: Path, *, with_ticket: bool) -> None:
    """Draws the challenge of a bundle into the file `picture`."""
    from plantkit.reports.pictures import check_format, load_altair, save_picture

    check_format(picture)
    load_altair("show --plot")
    from plantkit.challenges import bundles
    from plantkit.reports.pictures.challenges import draw_challenge

    if with_ticket:
        found = bundles.load(path)
        save_picture(draw_challenge(found, found.truth.ticket), picture)
    else:
        save_picture(draw_challenge(bundles.load_public(path)), picture)
    click.echo(f"picture written to {picture}", err=True)


def _rows(path: Path, stated: Stated) -> list[tuple[str, str | None]]:
    """Returns pairs of a name and what is known, None for what does not apply."""
    from plantkit.research.records import (
        describe_audit,
        describe_neighbourhood,
        describe_search,
        read_alternatives,
        read_audit,
    )

    manifest = stated.manifest
    audit = read_audit(path, stated)
    known = read_alternatives(path, stated)
    planting, data = manifest["planting"], manifest["data"]
    ticket, reference = manifest["ticket"], manifest["reference"]
    training, costs = manifest["protocol"]["training"], ticket.get("costs")
    distance, others = planting.get("distance"), planting.get("alternatives")
    if known is not None and others is not None and others.get("count") is None:
        others = None  # what was found says more
    return [
        ("id", manifest["id"]),
        ("title", manifest["title"]),
        ("task", f"{manifest['task']['kind']}, {manifest['task']['outputs']} outputs"),
        ("network", _network(manifest["network"])),
        ("parameters", f"{ticket['total']}, of them weights {ticket['total_weights']}"),
        ("ticket", f"{ticket['kept']} parameters, of them weights {ticket['kept_weights']}"),
        (
            "planted density",
            f"{ticket['density']:.4g} (weights only: {ticket['density_weights_only']:.4g})",
        ),
        ("planting", planting["method"]),
        ("hidden", "yes" if planting["hidden"] else "no: not for contests"),
        ("audit", "none recorded" if audit is None else describe_audit(audit)),
        (
            "against the formula",
            distance
            and f"{distance['measure']} {distance['value']:.3g} (bound {distance['bound']:g})",
        ),
        ("other tickets", others and _others(others)),
        ("tickets found", known and describe_search(known)),
        ("its entries", known and describe_neighbourhood(known)),
        ("entries by cost", costs and _costs(costs)),
        ("overlap scored", "yes" if manifest["overlap_scored"] else "no"),
        (
            "data",
            f"{data['train']} training and {data['test']} test samples, noise {data['noise']:g}",
        ),
        ("densities", ", ".join(map(str, manifest["protocol"]["densities"]))),
        (
            "training",
            f"{training['optimizer']}, learning rate {training['learning_rate']:g}, "
            f"batch {training['batch_size']}, {training['epochs']} epochs",
        ),
        (
            f"test {manifest['task']['metric']}",
            f"ticket untrained {reference['ticket']['strong']:.4f}, "
            f"trained {reference['ticket']['weak']:.4f}; "
            f"dense untrained {reference['dense']['strong']:.4f}, "
            f"trained {reference['dense']['weak']:.4f}; "
            f"constant {reference['trivial']:.4f}",
        ),
        ("digest", stated.digest),
        ("whole bundle", stated.whole or "none: nothing protects its manifest"),
    ]


def _network(network: Mapping[str, Any]) -> str:
    """Returns the sizes, and the depth as the paper counts it."""
    from plantkit.challenges.manifests import network_words

    words = network_words(network)
    if "widths" in network:
        depth = len(network["widths"])
        return (
            f"{words}, depth {depth} ({depth} layers of neurons: input, {depth - 2} hidden, output)"
        )
    from plantkit.networks import network_from_json  # imports torch, which takes a second

    found = network_from_json(network)
    return f"{words}: {found.label}, {len(found.layers)} layers of parameters"


def _costs(counts: Sequence[Mapping[str, Any]]) -> str:
    shown = ", ".join(f"{one['entries']} at least {one['at_least']:g}" for one in counts)
    return f"{shown} of the ticket's gain, each removed by itself"


def _others(alternatives: dict[str, Any]) -> str:
    count, basis = alternatives.get("count"), alternatives["basis"]
    return str(basis) if count is None else f"{count}: {basis}"
