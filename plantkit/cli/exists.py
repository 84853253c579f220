"""`plantkit exists`: how likely a target exists in a network where nobody planted it."""

from __future__ import annotations

import math

import click

from plantkit.cli import options
from plantkit.cli.output import table_text, warn


@click.command()
@click.argument("family")
@click.option("--depth", type=click.IntRange(min=3), default=5)
@click.option("--width", type=click.IntRange(min=1), default=100)
@click.option(
    "--epsilon",
    type=options.FiniteRange(min=0, min_open=True),
    default=0.01,
    help="Error allowed at the outputs, in their units.",
)
@click.option(
    "--probability",
    type=options.FiniteRange(min=0, max=1, min_open=True, max_open=True),
    default=0.9,
    help="For the width that would do.",
)
def command(family: str, depth: int, width: int, epsilon: float, probability: float) -> None:
    """Say how likely FAMILY's target exists, unplanted, in a random network.

    A lower bound after Theorem 2 of Plant 'n' Seek (arXiv 2111.11153), layer by layer, and the
    width at which the hidden layers would match with a given probability.

    \b
    Examples:
      plantkit exists circle
      plantkit exists relu --depth 3 --width 1000 --epsilon 0.1
    """
    from plantkit.errors import UsageError
    from plantkit.networks import PerceptronSpec
    from plantkit.planting import (
        TARGETS,
        FormulaFamily,
        ImageFamily,
        TargetFamily,
        find_family,
    )
    from plantkit.plugins import load_plantings
    from plantkit.research.theory import existence, width_for

    for failure in load_plantings(family):
        warn(failure)
    chosen = find_family(family)
    if not isinstance(chosen, TargetFamily):
        why = "its ticket is a draw from the network itself, which exists with certainty"
        if isinstance(chosen, ImageFamily):
            why = "its ticket is trained on images, and the bound needs a known target"
        elif isinstance(chosen, FormulaFamily):
            why = "its ticket is fitted to a formula, and the bound needs a known construction"
        known = ", ".join(TARGETS)
        raise UsageError(f"family {family!r} has no target: {why}\nfamilies with one: {known}")
    target = chosen.build(depth)
    spec = PerceptronSpec.uniform(
        depth=depth, width=width, inputs=chosen.inputs, outputs=chosen.outputs
    )
    found = existence(target, spec, epsilon, chosen.domain())
    rows = [
        [
            "outputs" if layer == len(found.layers) - 1 else f"hidden {layer + 1}",
            item.neurons,
            item.in_degree,
            f"{item.tolerance:.2g}",
            power_of_ten(item.log_match),
            power_of_ten(item.log_probability),
        ]
        for layer, item in enumerate(found.layers)
    ]
    head = ["layer", "neurons", "in-degree", "tolerance", "one neuron matches", "all matched"]
    click.echo(f"{family} in a random {spec.label} network, outputs within {epsilon:g}\n")
    click.echo(table_text(head, rows))
    click.echo(f"\nProbability that it exists: at least {power_of_ten(found.log_probability)}.")
    enough = width_for(target, spec, epsilon, chosen.domain(), probability=probability)
    shown = "more than 10^15" if enough is None else f"{enough:.3g}"
    click.echo(
        f"Width at which the hidden layers match with probability {probability:g}: {shown}.\n"
        "This is a lower bound: neurons that match up to a scale of their own are not counted."
    )


def power_of_ten(logarithm: float) -> str:
    """Returns exp(logarithm) as people write it: 0.25, 3.1e-07, 10^-412, or 0 for nothing."""
    if logarithm == -math.inf:
        return "0"
    if logarithm > -600:
        return f"{math.exp(logarithm):.2g}"
    return f"10^{math.floor(logarithm / math.log(10))}"
