"""`plantkit show`: what is public of a challenge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from plantkit.cli.options import challenges_option


@click.command()
@click.argument("challenge")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
)
@challenges_option
def command(challenge: str, output_format: str, challenge_directories: tuple[Path, ...]) -> None:
    """Show what is public of CHALLENGE, an id or the path of a bundle.

    \b
    Examples:
      plantkit show circle-5x100
      plantkit show circle-5x100 --format json
    """
    from plantkit.challenges import catalog, manifests
    from plantkit.plugins import challenge_directories as plugin_directories

    path = catalog.find(challenge_directories, plugins=plugin_directories()).bundle(challenge)
    manifest, digest = manifests.read_manifest(path)
    if output_format == "json":
        click.echo(json.dumps(manifest, indent=2))
        return
    from tabulate import tabulate

    from plantkit.research.records import (
        describe_audit,
        describe_neighbourhood,
        describe_search,
        read_alternatives,
        read_audit,
    )

    audit = read_audit(path, manifest)
    known = read_alternatives(path, digest)
    planting = manifest["planting"]
    distance, others = planting.get("distance"), planting.get("alternatives")
    ticket, reference = manifest["ticket"], manifest["reference"]
    training = manifest["protocol"]["training"]
    rows = [
        ("id", manifest["id"]),
        ("title", manifest["title"]),
        ("task", f"{manifest['task']['kind']}, {manifest['task']['outputs']} outputs"),
        ("network", _network_words(manifest["network"]["widths"])),
        ("parameters", f"{ticket['total']}, of them weights {ticket['total_weights']}"),
        ("ticket", f"{ticket['kept']} parameters, of them weights {ticket['kept_weights']}"),
        (
            "planted density",
            f"{ticket['density']:.4g} (weights only: {ticket['density_weights_only']:.4g})",
        ),
        ("planting", manifest["planting"]["method"]),
        ("hidden", "yes" if manifest["planting"]["hidden"] else "no: not for contests"),
        ("audit", "none recorded" if audit is None else describe_audit(audit)),
        *(
            []
            if distance is None
            else [
                (
                    "against the formula",
                    f"{distance['measure']} {distance['value']:.3g} (bound {distance['bound']:g})",
                )
            ]
        ),
        *(
            []
            if others is None or (known is not None and others.get("count") is None)
            else [("other tickets", _others(others))]
        ),
        *(
            []
            if known is None
            else [
                ("tickets found", describe_search(known)),
                ("its entries", describe_neighbourhood(known)),
            ]
        ),
        ("overlap scored", "yes" if manifest["overlap_scored"] else "no"),
        (
            "data",
            f"{manifest['data']['train']} training and {manifest['data']['test']} test samples, "
            f"noise {manifest['data']['noise']:g}",
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
        ("digest", digest),
    ]
    click.echo(tabulate(rows, tablefmt="plain", disable_numparse=True))


def _network_words(widths: list[int]) -> str:
    """Returns the widths, and the depth as the paper counts it."""
    hidden = len(widths) - 2
    return (
        f"{'-'.join(map(str, widths))}, depth {len(widths)} "
        f"({len(widths)} layers of neurons: input, {hidden} hidden, output)"
    )


def _others(alternatives: dict[str, Any]) -> str:
    count = alternatives.get("count")
    return str(alternatives["basis"] if count is None else f"{count}: {alternatives['basis']}")
