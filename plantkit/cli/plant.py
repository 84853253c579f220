"""`plantkit plant`: plant a ticket and freeze it into a bundle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plantkit.cli import options
from plantkit.cli.output import warn
from plantkit.cli.progress import ProgressBar, Verbosity

if TYPE_CHECKING:
    from plantkit.planting.methods.method import PlantingMethod

#: Accuracy by which a trained ticket may be below the dense network without a warning.
MOST_BEHIND = 0.03


def _check_variant(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9]*", text):
        raise click.BadParameter(f"{text!r} cannot be used; expected letters and digits")
    return text.lower()


@click.command()
@click.argument("family")
@click.option(
    "--planting",
    metavar="NAME",
    help="Planting method: faithful, selected, anchored, trained or a plugin's.  [default: the "
    "first of selected, faithful, anchored and trained that fits the family]",
)
@click.option(
    "--as-published",
    is_flag=True,
    help="Faithful with the slips of the published implementation, for comparison.",
)
@options.dials
@options.mother
@click.option(
    "--out",
    type=options.OutputDirectory(),
    default=Path("challenges"),
    help="Directory in which the bundle's own directory is made.",
)
@click.option(
    "--variant",
    default="",
    show_default=False,
    callback=_check_variant,
    help="Added to the id: <family>-<depth>x<width>-<variant>, or <family>-<network>-<variant>.",
)
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
    type=options.seed,
    metavar="HEX",
    help="Planting seed, for a reproduction. Never for a contest: whoever has the seed has the "
    "ticket.  [default: 256 bits of the system's entropy]",
)
@click.option(
    "--time-limit",
    "time_seconds",
    type=options.FiniteRange(min=0, min_open=True, max=1e7),
    default=120.0,
    metavar="SECONDS",
    help="Processor time after which the search for a ticket gives up; ten are tried in any case.",
)
@click.option("--seal", is_flag=True, help="Encrypt the truth; it never lies in the clear.")
@options.key
@options.progress
def command(
    planting: str | None,
    as_published: bool,
    out: Path,
    seed: bytes | None,
    seal: bool,
    time_seconds: float,
    key_file: Path | None,
    verbosity: Verbosity,
    **values: Any,
) -> None:
    """Plant a ticket of FAMILY and freeze it as a challenge bundle.

    Families: circle, helix, relu (planted faithfully, or anchored); product, sine, spline, radial,
    rings, spiral, parity (anchored); teacher (selected); on images digits, mnist, fashion and
    cifar10 (trained); and plugins'; see: plantkit list families. The seed comes from the system,
    unless you give one, and is kept only in the bundle's truth.

    \b
    Examples:
      plantkit plant circle --depth 5 --width 100 --out my_challenges
      plantkit plant circle --planting anchored --variant b
      plantkit plant helix --depth 10 --noise 0
      plantkit plant sine --width 50 --dial inputs=3 --dial frequency=1
      plantkit plant teacher --planting selected --dial outputs=4 --dial kind=classification
      plantkit plant teacher --seal --key contest.key.pub
      plantkit plant digits --network resnet
      plantkit plant cifar10 --network vgg16 --data cifar-10-batches-bin
    """
    from plantkit.challenges.drafting import Order, draft_challenge
    from plantkit.challenges.forecast import SOON, forecast
    from plantkit.challenges.freezing import freeze
    from plantkit.challenges.sealing import find_key, given
    from plantkit.errors import UsageError
    from plantkit.machine import available_cores
    from plantkit.planting import LabelSource, Patience, find_method, fresh_seed
    from plantkit.plugins import load_plantings

    if planting == "as-published":
        raise UsageError("as-published is a kind of faithful planting; give --as-published instead")
    if as_published and planting not in {None, "faithful"}:
        raise UsageError(f"--as-published is a kind of faithful planting; got {planting!r}")
    if key_file is not None and not seal:
        raise UsageError("--key has no use without --seal; add --seal, or leave it out")
    key = given(find_key(key_file), needed_for="--seal") if seal else None
    for failure in load_plantings(values["family"], planting):
        warn(failure)
    order = Order(planting="as-published" if as_published else planting, **values)
    target = out / order.id
    if target.exists():
        raise UsageError(f"{target} exists already; a frozen bundle is never overwritten")
    expected = forecast(order)
    if expected is not None and expected.planting + expected.reference > SOON:
        click.echo(f"planting will take {expected}", err=True)
    with ProgressBar(verbosity) as progress:
        draft, planted = draft_challenge(
            order,
            seed or fresh_seed(),
            jobs=available_cores(),
            patience=Patience(seconds=time_seconds, progress=progress.show),
        )
    freeze(draft, target, key=key)
    kept, manifest = planted.count, draft.manifest
    click.echo(
        f"{target}: planted {kept.total} of {planted.spec.total} parameters ({planted.method})"
    )
    click.echo(
        f"density {kept.density(planted.spec):.4g}, "
        f"weights only {kept.weight_density(planted.spec):.4g}"
    )
    click.echo(planted.note)
    if planted.alternatives.count is not None:
        click.echo(f"tickets as sparse and as good: {planted.alternatives.count}")
    reference = manifest["reference"]
    click.echo(
        f"test {manifest['task']['metric']}: "
        f"ticket untrained {reference['ticket']['strong']:.4f}, "
        f"trained {reference['ticket']['weak']:.4f}, "
        f"dense trained {reference['dense']['weak']:.4f}, constant {reference['trivial']:.4f}"
    )
    behind = reference["dense"]["weak"] - reference["ticket"]["strong"]
    if planted.labels is LabelSource.DATA and behind > MOST_BEHIND:
        warn(
            f"the ticket is {100 * behind:.0f} points behind the dense network, so as good as the "
            "ticket is not good; plant again, with more --dial epochs or a larger --dial density"
        )
    _tell_of_audits(target, manifest, find_method(planted.method))


def _tell_of_audits(target: Path, manifest: Mapping[str, Any], method: PlantingMethod[Any]) -> None:
    """Says what audits found of networks that were planted likewise, or offers one."""
    from plantkit.errors import BundleError
    from plantkit.plugins import find_challenges
    from plantkit.research.audit.assessment import DEFAULT_LIMITS
    from plantkit.research.audit.inspection import AUC_LIMITS
    from plantkit.research.audits import ENOUGH, FIRST_ATTACKERS, best_audit
    from plantkit.research.records import describe_audit

    if not method.hidden:
        warn("this planting can be read off the weights; do not use it for a contest")
        return
    bundles: Iterable[Path] = ()
    try:
        bundles = find_challenges().bundles.values()
    except BundleError as error:  # what was planted is there nevertheless
        warn(f"audits of other bundles are not looked for: {error}")
    audit = best_audit(manifest, bundles)
    key = " --key FILE" if manifest["truth"]["storage"] == "sealed" else ""
    if audit is None:
        warn(
            "nobody audited networks planted like this one, so that nobody knows whether the "
            f"ticket can be read off the weights; plantkit audit {target}{key} finds out. Do not "
            "use it for a contest before"
        )
        return
    version = audit["plantkit_version"]
    click.echo(f"audit of such networks by plantkit {version}: {describe_audit(audit)}")
    if audit["verdict"] != "hidden":
        warn("do not use it for a contest")
        return
    usual = AUC_LIMITS.get(manifest["planting"]["method"], DEFAULT_LIMITS.auc), DEFAULT_LIMITS.lift
    lenient = audit["auc_limit"] > usual[0] or audit["lift_limit"] > usual[1]
    reasons = {
        "its limits are lenient": lenient,
        "only some attackers took part": not FIRST_ATTACKERS.issubset(audit["attackers"]),
        f"fewer than {ENOUGH} training networks": audit["training_networks"] < ENOUGH,
    }
    why = next((reason for reason, holds in reasons.items() if holds), None)
    if why is not None:
        warn(
            f"that audit does not show that the ticket is hidden ({why}); plantkit audit "
            f"{target}{key} finds out. Do not use it for a contest before"
        )
    elif not manifest["planting"]["hidden"]:
        click.echo(
            "its manifest says hidden: false nevertheless; where the audit convinces you, change "
            f"that and run plantkit freeze {target}"
        )
