"""What a planting method must give, and the search that methods with hidden tickets share."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from plantkit.errors import PlantingError, UsageError, WidthError
from plantkit.networks import Network, PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting.effects import relative_error
from plantkit.planting.family import Family
from plantkit.planting.gates import Rejected, check_ticket
from plantkit.planting.planted import LabelSource, Planted
from plantkit.planting.targets import Floats, Ticket, masked, rescaled, subnetwork

F = TypeVar("F", bound=Family)


#: Processor seconds after which a search for a ticket gives up, unless other are asked for.
SEARCH_SECONDS = 120.0
#: Tickets that are tried however long they take: fits of large networks take many seconds each.
FEWEST_ATTEMPTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a search for a ticket may take, and who is told how far it has come.

    Attributes:
        seconds: processor time, so that other programs on the machine take little of it; ten
            tickets are tried in any case. It decides whether a ticket is found, never which one.
        quiet_seconds: processor time that passes before anybody is told of the search.
        progress: called with what is going on, tickets tried, and the most that will be.
    """

    seconds: float = SEARCH_SECONDS
    quiet_seconds: float = 1.0
    progress: Callable[[str, int, int], None] = lambda *_: None


class PlantingMethod(ABC, Generic[F]):
    """A way to get a ticket into a network; registered in `plantkit.planting.methods`.

    Attributes:
        name: as in `plantkit plant --planting` and in manifests.
        title: one line for people.
        hidden: whether the ticket is meant to withstand an attacker who sees the parameters.
        families: the base class of the families that it can plant.
        networks, networks_words: the class of the networks that it plants in, and in words.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    hidden: ClassVar[bool]
    families: ClassVar[type[Family]]
    networks: ClassVar[type[Network]] = PerceptronSpec
    networks_words: ClassVar[str] = "a perceptron"

    def fits(self, family: Family) -> bool:
        """Returns whether the method can plant this family."""
        return isinstance(family, self.families)

    def plant(
        self, family: F, spec: Network, *, seed: bytes, patience: Patience | None = None
    ) -> Planted:
        """Returns a fresh network of `spec` with a ticket of `family`.

        Args:
            family: what to plant.
            spec: the mother network.
            seed: keys all randomness; the same seed gives the same bytes.
            patience: with the search, where there is one; `Patience()` if None.

        Raises:
            UsageError: the method does not fit the family, the network is of another kind, inputs
                or outputs differ from the family's, or the depth is too small.
            WidthError: a hidden layer has too few units.
            PlantingError: no ticket passed the gates.
        """
        self.check(family, spec)
        return self._plant(family, spec, seed, patience or Patience())

    def check(self, family: Family, spec: Network) -> None:
        """Checks that the method can plant the family in a network.

        Raises:
            UsageError: see `plant`.
        """
        if not self.fits(family):
            raise UsageError(
                f"planting {self.name!r} cannot plant family {family.name!r}; leave --planting "
                "out for the family's own, or give another method"
            )
        if (spec.inputs, spec.outputs) != (family.inputs, family.outputs):
            raise UsageError(
                f"network {spec.label} has {spec.inputs} inputs and {spec.outputs} outputs; "
                f"target {family.name!r} needs {family.inputs} and {family.outputs}"
            )
        if not isinstance(spec, self.networks):
            raise UsageError(
                f"planting {self.name!r} needs {self.networks_words}; got network {spec.label} of "
                f"kind {spec.kind!r}"
            )
        family.check_depth(spec.depth)

    @abstractmethod
    def _plant(self, family: F, spec: Any, seed: bytes, patience: Patience) -> Planted:
        """Returns the planting; the arguments have been checked."""


def check_width(spec: PerceptronSpec, units: Sequence[int], *, name: str) -> None:
    """Checks that every hidden layer holds the `units` of a ticket.

    Raises:
        WidthError: one does not; hidden layers count from 1.
    """
    for layer, (width, needed) in enumerate(zip(spec.widths[1:-1], units, strict=True), start=1):
        if width < needed:
            raise WidthError(layer=layer, needed=needed, width=width, target=name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposal:
    """A ticket of a network, before the gates; see `Planted`."""

    parameters: Mapping[str, Floats]
    ticket: Ticket
    output_scales: Floats
    note: str
    facts: Mapping[str, object]
    decoys: tuple[Ticket, ...] = ()


class SearchMethod(PlantingMethod[F]):
    """Tickets are proposed until one passes the gates; its outputs define the labels.

    Attributes:
        least_effect: error, root mean square over standard deviation, that dropping any one
            entry must make.
        least_activity: share of the domain on which every hidden unit of the ticket must be
            active.
        advice: what to do if nothing passes.
    """

    hidden = True
    least_effect: ClassVar[float]
    least_activity: ClassVar[float]
    advice: ClassVar[str]

    @abstractmethod
    def propose(
        self,
        family: F,
        spec: PerceptronSpec,
        parameters: Mapping[str, Floats],
        domain: Floats,
        rng: np.random.Generator,
    ) -> Proposal:
        """Returns a random ticket of this network.

        Args:
            family: what to plant.
            spec: the network, wide enough.
            parameters: name to float64; never altered.
            domain: of the family, (n, d_in).
            rng: source of all choices.

        Raises:
            Rejected: it is not good enough.
        """

    def search(
        self,
        family: F,
        spec: PerceptronSpec,
        parameters: Mapping[str, Floats],
        rng: np.random.Generator,
        patience: Patience | None = None,
    ) -> Planted:
        """Returns a random ticket of this network, out of all that pass.

        Another `rng` gives another one: that is what an attacker who knows the recipe can do too.

        Raises:
            PlantingError: none of `family.most_attempts` passed, or none in time; the message
                counts the reasons.
        """
        patience = patience or Patience()
        domain = family.domain()
        faults: Counter[str] = Counter()
        attempt, started = 0, time.process_time()
        while attempt < family.most_attempts:
            spent = time.process_time() - started
            if attempt >= FEWEST_ATTEMPTS and spent > patience.seconds:
                break
            if spent >= patience.quiet_seconds:
                patience.progress("trying tickets", attempt, family.most_attempts)
            attempt += 1
            try:
                found = self.propose(family, spec, parameters, domain, rng)
                scales = found.output_scales
                check_ticket(
                    subnetwork(spec, found.parameters, found.ticket),
                    scales,
                    rescaled(masked(spec, found.parameters, found.ticket), scales),
                    domain,
                    least_effect=self.least_effect,
                    least_activity=self.least_activity,
                    measure=relative_error,
                )
            except Rejected as rejected:
                faults.update(rejected.args)
                continue
            except PlantingError as error:
                faults[error.reason] += 1
                continue
            return Planted(
                family=family.name,
                method=self.name,
                hidden=family.hides(spec),
                spec=spec,
                parameters=found.parameters,
                ticket=found.ticket,
                output_scales=scales,
                labels=LabelSource.TICKET,
                alternatives=family.alternatives(spec, found.parameters),
                note=f"structures drawn {attempt}; {found.note}",
                facts=found.facts,
                decoys=found.decoys,
            )
        reasons = ", ".join(f"{reason} ({count})" for reason, count in faults.most_common())
        within = f" in {patience.seconds:g} s" if attempt < family.most_attempts else ""
        raise PlantingError(
            f"none of {attempt} structures drawn from {spec.label}{within} passed: {reasons}; "
            f"{self.advice}"
        )


def output_deviations(outputs: Floats, kind: TaskKind) -> Floats:
    """Returns the deviation of each of the outputs (n, d_out): of all together for classes."""
    if kind is TaskKind.CLASSIFICATION:
        return np.full(outputs.shape[1], outputs.std())
    deviations: Floats = outputs.std(axis=0)
    return deviations


def as_float32(parameters: Mapping[str, Floats]) -> dict[str, Floats]:
    """Returns the parameters rounded to float32, which is what a bundle holds, as float64."""
    return {name: value.astype(np.float32).astype(np.float64) for name, value in parameters.items()}
