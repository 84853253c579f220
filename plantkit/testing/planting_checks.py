"""The checks of families and of planting methods, in the order in which they run.

They look at one planting in a small perceptron. What a ticket gives away is for `plantkit audit`
to find out: that takes many.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plantkit.errors import PlantkitError, UsageError
from plantkit.evaluation.library import load_challenge, plant
from plantkit.networks.tasks import TaskKind, make_task
from plantkit.networks.training import Recipe
from plantkit.planting import (
    FormulaFamily,
    ImageFamily,
    LabelSource,
    add_families,
    add_methods,
    draw_samples,
)
from plantkit.planting.effects import entry_effects
from plantkit.planting.gates import MINIMUM_EFFECT
from plantkit.planting.planted import Planted
from plantkit.planting.targets import subnetwork
from plantkit.testing.examining import Check, CheckFailure, CheckSkipped, adder
from plantkit.testing.planter import OTHER_SEED, SEED, Planter, digest_of, published

#: Samples that functions are compared on.
COUNT = 2000
#: Accuracy or R² that an untrained ticket must have on labels that are not its own outputs.
LEAST_ACCURACY = 0.95
#: The same where labels are its own outputs, which differ by rounding.
EXACT = 0.9999
#: Ticket entries of a parameter, in order, that do not turn up in data by chance.
_FEWEST_ENTRIES = 8

_made: list[Check] = []
_check = adder(_made)


@_check("loads", "the family and the planting method are found, and fit each other")
def _loads(planter: Planter) -> None:
    try:
        planter.load()
        if isinstance(planter.family, ImageFamily):
            raise UsageError("a family of images; the suite examines those with perceptrons")
        planter.method.check(planter.family, planter.spec)
    except PlantkitError as error:
        raise CheckFailure(expected="a family that can be planted", got=str(error)) from error


@_check("dials", "dials can be typed: every value is the same after a round trip as text", "loads")
def _dials(planter: Planter) -> None:
    family = planter.family
    again = family.with_dials({name: str(value) for name, value in family.dials.items()})
    if dict(again.dials) != dict(family.dials):
        raise CheckFailure(expected=f"the dials {dict(family.dials)}", got=f"{dict(again.dials)}")
    try:
        family.with_dials({"no-such-dial": "1"})
    except UsageError:
        return
    raise CheckFailure(expected="a UsageError for the dial 'no-such-dial'", got="none")


@_check("domain", "the domain is finite and of the family's inputs", "loads")
def _domain(planter: Planter) -> None:
    _expect_array(planter.family.domain(), (None, planter.family.inputs), "f", "domain()")


@_check("samples", "inputs are float32, within the domain, and follow from the generator", "domain")
def _samples(planter: Planter) -> None:
    family = planter.family
    first, again = (family.sample_inputs(np.random.default_rng(1), COUNT) for _ in range(2))
    _expect_array(first, (COUNT, family.inputs), "f", "sample_inputs(rng, 2000)")
    if first.dtype != np.float32:
        raise CheckFailure(expected="inputs in float32", got=str(first.dtype))
    if not np.array_equal(first, again):
        raise CheckFailure(
            expected="the same inputs from two generators with one seed",
            got="different ones; draw from the generator that is passed in only",
        )
    domain = planter.family.domain()
    low, high = domain.min(axis=0), domain.max(axis=0)
    room = 0.01 * (high - low) + 1e-6
    if not ((first >= low - room) & (first <= high + room)).all():
        raise CheckFailure(
            expected="inputs within what domain() covers",
            got=f"inputs from {first.min():.3g} to {first.max():.3g}; the gates judge tickets on "
            f"domain(), from {low.min():.3g} to {high.max():.3g}",
        )


@_check("formula", "the formula gives a finite row of outputs for every input", "samples")
def _formula(planter: Planter) -> None:
    family = planter.family
    if not isinstance(family, FormulaFamily):
        raise CheckSkipped("the family has no formula")
    inputs = family.sample_inputs(np.random.default_rng(1), 50).astype(np.float64)
    before = inputs.copy()
    outputs = family.formula(inputs)
    _expect_array(outputs, (50, family.outputs), "f", "formula(inputs)")
    if not np.array_equal(inputs, before):
        raise CheckFailure(expected="inputs as they were", got="formula() changed them")
    alone = np.concatenate([family.formula(row[None]) for row in inputs])
    if not np.allclose(alone, outputs, rtol=1e-9, atol=1e-12):
        raise CheckFailure(
            expected="the outputs of an input not to depend on the others",
            got="other outputs of one input by itself",
        )


@_check("plants", "a ticket is planted, and the result says what it is", "samples")
def _plants(planter: Planter) -> None:
    planted = planter.plant()
    for what, wanted, got in (
        ("family", planter.family.name, planted.family),
        ("method", planter.method.name, planted.method),
        ("spec", planter.spec, planted.spec),
    ):
        if wanted != got:
            raise CheckFailure(expected=f"Planted.{what} {wanted!r}", got=repr(got))
    for name, shape in planter.spec.shapes.items():
        if name not in planted.parameters:
            raise CheckFailure(expected=f"a parameter {name!r}", got="none")
        _expect_array(planted.parameters[name], shape, "f", name)
    _expect_array(planted.output_scales, (planter.family.outputs,), "f", "output_scales")
    if (planted.output_scales == 0).any():
        raise CheckFailure(expected="output scales that are not 0", got="a 0")


@_check("ticket", "the ticket is a part of the network: bool, not empty and not all", "plants")
def _ticket(planter: Planter) -> None:
    planted = planter.plant()
    if set(planted.ticket) != set(planter.spec.shapes):
        raise CheckFailure(
            expected=f"a ticket of {', '.join(planter.spec.shapes)}",
            got=", ".join(planted.ticket) or "nothing",
        )
    for name, shape in planter.spec.shapes.items():
        _expect_array(planted.ticket[name], shape, "b", f"ticket of {name!r}")
    kept = planted.count.total
    if not 0 < kept < planter.spec.total:
        raise CheckFailure(
            expected=f"1 to {planter.spec.total - 1} entries in the ticket", got=str(kept)
        )


@_check("exact", "the masked network, untrained, computes the labels before noise", "ticket")
def _exact(planter: Planter) -> None:
    planted, family = planter.plant(), planter.family
    if planted.labels is LabelSource.DATA:
        raise CheckSkipped("the labels are those of real data")
    # Labels come from the planting as it is, outputs from what a bundle publishes.
    inputs, targets = draw_samples(planted, family, np.random.default_rng(2), COUNT, noise=0.0)
    outputs = _rounded(planted).masked_forward(inputs.astype(np.float64)) / planted.output_scales
    task = make_task(family.kind, family.outputs)
    if family.kind is TaskKind.CLASSIFICATION:
        found = torch.from_numpy(outputs.argmax(axis=1))
    else:
        found = torch.from_numpy(outputs.astype(np.float32))
    accuracy = task.accuracy_of_targets(torch.from_numpy(targets), found)
    is_own = planted.labels is LabelSource.TICKET
    least = EXACT if is_own and family.kind is not TaskKind.CLASSIFICATION else LEAST_ACCURACY
    if not accuracy >= least:
        raise CheckFailure(
            expected=f"{task.metric} of at least {least} of the untrained ticket on labels from "
            f"the {planted.labels}",
            got=f"{accuracy:.4f}; the labels are `family.formula` or the masked outputs over "
            "output_scales",
        )


@_check("gates", "every entry of the ticket matters: without it the outputs differ", "ticket")
def _gates(planter: Planter) -> None:
    planted = planter.plant()
    network = subnetwork(planter.spec, published(planted), planted.ticket)
    effects = entry_effects(network, planter.family.domain())
    weak = {
        name: int((values < MINIMUM_EFFECT).sum())
        for name, values in effects.items()
        if (values < MINIMUM_EFFECT).any()
    }
    if weak:
        where = ", ".join(f"{count} in {name!r}" for name, count in weak.items())
        raise CheckFailure(
            expected=f"a relative change of the outputs of at least {MINIMUM_EFFECT:g} by every "
            "entry",
            got=f"entries that change less: {where}; leave them out of the ticket",
        )


@_check("same-seed", "the same seed gives the same bytes, in every process", "ticket")
def _same_seed(planter: Planter) -> None:
    first = planter.plant()
    again = planter.method.plant(planter.family, planter.spec, seed=SEED)
    if digest_of(again) != digest_of(first):
        raise CheckFailure(
            expected="the same network and ticket from one seed",
            got="different ones; take all randomness from plantkit.planting.generator(seed, ...)",
        )
    if planter.digest_elsewhere() != digest_of(first):
        raise CheckFailure(
            expected="the same network and ticket in another interpreter",
            got="different ones; sort what has no order, such as sets",
        )


@_check("other-seed", "another seed gives another network", "same-seed")
def _other_seed(planter: Planter) -> None:
    one, other = planter.plant(), planter.plant(OTHER_SEED)
    for what in ("parameters", "ticket"):
        mine, its = getattr(one, what), getattr(other, what)
        if all(np.array_equal(mine[name], its[name]) for name in planter.spec.shapes):
            raise CheckFailure(
                expected=f"other {what} from another seed",
                got="the same: who plants one network knows the ticket of all",
            )


@_check(
    "global-rng", "the global generators of random, NumPy and torch stay as they were", "ticket"
)
def _global_rng(planter: Planter) -> None:
    before = _generators()
    planter.method.plant(planter.family, planter.spec, seed=OTHER_SEED)
    planter.family.sample_inputs(np.random.default_rng(3), 10)
    changed = [name for name, state in _generators().items() if state != before[name]]
    if changed:
        raise CheckFailure(
            expected="global generators as they were", got=f"changed {', '.join(changed)}"
        )


@_check("too-small", "a network that is too shallow or too narrow is refused in words", "plants")
def _too_small(planter: Planter) -> None:
    family = planter.family
    sizes = [(family.minimum_depth - 1, planter.width), (planter.spec.depth, 1)]
    for depth, width in sizes:
        if depth < 2:
            continue
        spec = planter.spec_of(depth, width)
        try:
            planter.method.plant(family, spec, seed=SEED)
        except PlantkitError:
            continue
        except Exception as error:
            raise CheckFailure(
                expected=f"a UsageError, WidthError or PlantingError in {spec.label}",
                got=f"{type(error).__name__}: {error}",
            ) from error
        if depth < family.minimum_depth:
            raise CheckFailure(
                expected=f"a UsageError in {spec.label}, below the least depth "
                f"{family.minimum_depth}",
                got="a ticket",
            )


@_check("bundle", "a bundle can be written and read, with the dials", "exact", "same-seed")
def _bundle(planter: Planter) -> None:
    with _bundle_of(planter) as path:
        challenge = load_challenge(path)
        wanted = planter.plant().ticket
        ticket = {name: value.numpy() for name, value in challenge.truth.ticket.items()}
        if any(not np.array_equal(ticket[name], wanted[name]) for name in wanted):
            raise CheckFailure(expected="the planted ticket in the bundle", got="another one")
        dials = dict(challenge.manifest["planting"].get("dials", {}))
        if dials != dict(planter.family.dials):
            raise CheckFailure(
                expected=f"the dials {dict(planter.family.dials)} in the manifest, from which "
                "fresh instances are planted",
                got=str(dials),
            )


@_check("hidden-truth", "nothing of the truth lies outside of it", "bundle")
def _hidden_truth(planter: Planter) -> None:
    planted = planter.plant()
    with _bundle_of(planter) as path:
        secrets: dict[str, list[bytes]] = {
            "the seed": [SEED, SEED.hex().encode()],
            "the ticket": [],
        }
        for mask in planted.ticket.values():
            if mask.sum() >= _FEWEST_ENTRIES:
                places = np.flatnonzero(mask)
                arrays: list[Any] = [mask, *(places.astype(kind) for kind in (np.int32, np.int64))]
                secrets["the ticket"] += [form.tobytes() for form in arrays]
                texts = (comma.join(map(str, places)) for comma in (",", ", "))
                secrets["the ticket"] += [text.encode() for text in texts]
        for file in sorted(path.iterdir()):
            if file.name.startswith("truth."):
                continue
            content = file.read_bytes()
            for what, forms in secrets.items():
                if any(form in content for form in forms):
                    raise CheckFailure(
                        expected=f"{what} in the truth only", got=f"it is in {file.name}, too"
                    )


def _expect_array(value: Any, shape: tuple[int | None, ...], kind: str, what: str) -> None:
    """Raises `CheckFailure` unless `value` is a finite array of this shape and kind of dtype."""
    words = f"{what} to be a finite array of shape {_shown(shape)}, dtype kind {kind!r}"
    if not isinstance(value, np.ndarray):
        raise CheckFailure(expected=words, got=type(value).__name__)
    fits = len(value.shape) == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, value.shape, strict=True)
    )
    if not fits or value.dtype.kind != kind or not value.size:
        raise CheckFailure(expected=words, got=f"shape {value.shape}, dtype {value.dtype}")
    if not np.isfinite(value).all():
        raise CheckFailure(expected=words, got="infinities or NaN")


def _shown(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('n' if size is None else str(size) for size in shape)})"


def _rounded(planted: Planted) -> Planted:
    """Returns the planting as its bundle publishes it."""
    return replace(planted, parameters=published(planted))


def _generators() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "random": random.getstate(),
        "numpy.random": (kind, np.asarray(keys).tobytes(), *rest),
        "torch.random": torch.random.get_rng_state().numpy().tobytes(),
    }


@contextlib.contextmanager
def _bundle_of(planter: Planter) -> Any:
    """Writes a bundle of a few samples to a directory that ends with the block."""
    add_families({planter.family.name: planter.family})
    add_methods({planter.method.name: planter.method})
    with tempfile.TemporaryDirectory(prefix="plantkit-check-") as root:
        made = plant(
            planter.family.name,
            depth=planter.spec.depth,
            width=planter.width,
            planting=planter.method.name,
            dials=planter.family.dials,
            train_samples=200,
            test_samples=200,
            recipe=Recipe(epochs=1),
            seed=SEED,
            out=root,
            jobs=1,
        )
        yield Path(root) / made.id


#: All checks, in the order in which they run.
PLANTING_CHECKS: tuple[Check, ...] = tuple(_made)
