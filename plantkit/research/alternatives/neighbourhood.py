"""The tickets next to the planted one: an entry less, or one entry exchanged for another.

An exchange takes one entry out of the ticket and puts one parameter of the same layer, weight or
bias, in its place. Only *live* parameters are tried: those that the ticket leads to and that lead
on to an output. Any other changes nothing, so that such an exchange only removes the entry.

For every entry, or for a random sample of them where they are many, a bounded random sample of
live parameters is screened, each exchange by its performance on a few training samples. The best
of them are measured as scoring measures: one factor per output from all training data, performance
on the test data. So shares and counts of exchanges are lower bounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from plantkit.challenges.bundles import Challenge
from plantkit.errors import UsageError
from plantkit.networks import Network, PerceptronSpec
from plantkit.networks.masked import MaskedNetwork
from plantkit.networks.masks import Mask
from plantkit.networks.subnetwork import Place, Subnetwork
from plantkit.networks.training import single_threaded

#: Share of the ticket's gain below which a difference is rounding.
NO_LOSS = 1e-6
#: Stands for larger losses, and for the loss of outputs that are not numbers.
_MOST_LOSS = 1e12
#: Exchanges evaluated at once: what they need stays in a core's cache.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How far the neighbourhood is searched.

    tolerance: the share of the ticket's gain over the constant predictor, in (0, 1), that an
        alternative may lose and still count as good.
    entries: of the ticket that are looked at, at most: a random sample of them.
    candidates: live parameters that are screened for every entry, at most.
    measured: of these, how many are measured on all data.
    screening: training samples to screen on, at most.

    Raises:
        UsageError: a value out of range.
    """

    tolerance: float = 0.01
    entries: int = 4096
    candidates: int = 4096
    measured: int = 32
    screening: int = 512

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise UsageError(f"tolerance is {self.tolerance}; expected a number within 0 and 1")
        for name in ("entries", "candidates", "measured", "screening"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; expected 1 or more")


#: Of networks other than perceptrons, each of whose masks is computed from the inputs on.
_MODEST = {"entries": 200, "candidates": 64, "measured": 8, "screening": 256}


def effort_for(network: Network, tolerance: float, **asked: int | None) -> Effort:
    """Returns the effort that was asked for; what is None is the default for the network."""
    usual = {} if isinstance(network, PerceptronSpec) else _MODEST
    chosen = {name: value for name, value in asked.items() if value is not None}
    return Effort(tolerance=tolerance, **(usual | chosen))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLosses:
    """What becomes of the ticket without one entry.

    Losses are shares of the ticket's gain over the constant predictor in strong performance;
    below 0 where it does better.

    parameter, index: where the entry is.
    effect: root mean square by which the outputs on the test data change when it is dropped, in
        their standard deviations.
    dropped: lost when it is dropped.
    exchanged: lost by each measured exchange, the best on the screening samples first.
    """

    parameter: str
    index: tuple[int, ...]
    effect: float
    dropped: float
    exchanged: tuple[float, ...]

    @property
    def least(self) -> float:
        """The least that an exchange loses; one for a parameter that does nothing counts too."""
        return min((self.dropped, *self.exchanged))


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """What the search around a ticket found, entry by entry.

    screened: exchanges that were screened.
    spare: entries that were dropped together and lost at most the tolerance.
    spare_without_loss: likewise without any loss.
    """

    effort: Effort
    entries: tuple[EntryLosses, ...]
    screened: int
    spare: int
    spare_without_loss: int

    def droppable(self, most: float) -> float:
        """Returns the share of entries that can be dropped alone and lose at most `most`."""
        return statistics.fmean(entry.dropped <= most for entry in self.entries)

    def exchangeable(self, most: float) -> float:
        """Returns the share of entries whose exchange, or dropping, loses at most `most`."""
        return statistics.fmean(entry.least <= most for entry in self.entries)

    def tickets(self, most: float) -> int:
        """Returns how many measured exchanges lose at most `most`.

        Each is a mask of its own, as sparse as the ticket and with all but one of its entries.
        """
        return sum(loss <= most for entry in self.entries for loss in entry.exchanged)

    def to_json(self) -> dict[str, Any]:
        """Returns this part of the record; it names none of the ticket's entries."""
        return {
            "entries": len(self.entries),
            "candidates": self.effort.candidates,
            "screening": self.effort.screening,
            "measured_per_entry": self.effort.measured,
            "screened": self.screened,
            "measured": sum(len(entry.exchanged) for entry in self.entries),
            "smallest_effect": min(entry.effect for entry in self.entries),
            "smallest_loss": min(entry.dropped for entry in self.entries),
            "median_loss": statistics.median(entry.dropped for entry in self.entries),
            "within_tolerance": self._shares(self.effort.tolerance, self.spare),
            "without_loss": self._shares(NO_LOSS, self.spare_without_loss),
        }

    def _shares(self, most: float, spare: int) -> dict[str, Any]:
        return {
            "droppable": self.droppable(most),
            "exchangeable": self.exchangeable(most),
            "tickets": self.tickets(most),
            "spare": spare,
        }


def explore(
    challenge: Challenge,
    effort: Effort | None = None,
    *,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Neighbourhood:
    """Returns what becomes of the planted ticket when entries are dropped or exchanged.

    The same challenge and effort give the same figures.

    Args:
        challenge: with its truth.
        effort: that of `effort_for` if None.
        progress: called with what is done, how many entries of it, of how many.

    Raises:
        UsageError: the ticket keeps nothing.
    """
    if effort is None:
        effort = effort_for(challenge.network, Effort().tolerance)
    generator = torch.Generator().manual_seed(int(challenge.digest[:12], 16))
    if not challenge.truth.ticket.kept:
        raise UsageError(f"the ticket of {challenge.id!r} keeps nothing; there is no other")
    with torch.no_grad(), single_threaded():
        ticket = _ticket_of(challenge)
        judged = _Judged(challenge, ticket)
        few = ticket.traced(challenge.train.inputs[: effort.screening])
        answers = challenge.train.targets[: effort.screening]
        found: list[EntryLosses] = []
        screened = 0
        chosen = ticket.entries
        if len(chosen) > effort.entries:
            drawn = torch.randperm(len(chosen), generator=generator)[: effort.entries]
            chosen = [chosen[number] for number in sorted(drawn.tolist())]
        for done, place in enumerate(chosen, start=1):
            candidates = ticket.candidates(place)
            if len(candidates) > effort.candidates:
                drawn = torch.randperm(len(candidates), generator=generator)
                candidates = candidates[drawn[: effort.candidates]]
            best = judged.screen(few, answers, place, candidates)[: effort.measured]
            screened += len(candidates)
            parameter, index = ticket.parameter(place)
            found.append(
                EntryLosses(
                    parameter=parameter,
                    index=index,
                    effect=judged.effect(place),
                    dropped=judged.losses(place, None)[0],
                    exchanged=tuple(judged.losses(place, best)) if len(best) else (),
                )
            )
            progress(f"{challenge.id}: exchanging entries", done, len(chosen))
        alone = [(entry.dropped, place) for entry, place in zip(found, chosen, strict=True)]
        return Neighbourhood(
            effort=effort,
            entries=tuple(found),
            screened=screened,
            spare=judged.spare(alone, effort.tolerance),
            spare_without_loss=judged.spare(alone, NO_LOSS),
        )


class _Trace(Protocol):
    """What goes through a ticket for some samples."""

    @property
    def outputs(self) -> Tensor: ...


class _Ticket(Protocol):
    """A ticket, and the parameters outside of it that could join it; see `Subnetwork`."""

    entries: list[Any]

    def parameter(self, entry: Any, /) -> tuple[str, tuple[int, ...]]: ...
    def candidates(self, entry: Any, /) -> Tensor:
        """Returns the parameters (count, ...) that could take an entry's place: the live ones."""
        ...

    def traced(self, inputs: Tensor, *, without: Sequence[Any] = ()) -> Any: ...
    def outputs_without(self, trace: Any, out: Any, into: Tensor | None = None) -> Tensor: ...


def _ticket_of(challenge: Challenge) -> _Ticket:
    network, ticket = challenge.network, challenge.truth.ticket
    if isinstance(network, PerceptronSpec):
        return _PerceptronTicket(network, challenge.weights, ticket)
    return MaskedNetwork(network, challenge.weights, ticket)


class _PerceptronTicket(Subnetwork):
    """A ticket in a perceptron, where what an entry's removal leaves is computed fast."""

    def __init__(self, spec: PerceptronSpec, weights: Mapping[str, Tensor], ticket: Mask) -> None:
        super().__init__(spec, weights, ticket)
        always = torch.ones(1, dtype=torch.bool)
        reached = [torch.ones(spec.inputs + 1, dtype=torch.bool)]  # by an input or a bias
        for mask in self.kept:
            reached.append(torch.cat([(mask & reached[-1]).any(dim=1), always]))
        reaching = [torch.ones(spec.outputs, dtype=torch.bool)]  # an output
        for mask in reversed(self.kept):
            reaching.insert(0, (mask[:, :-1] & reaching[0].unsqueeze(1)).any(dim=0))
        self._live = [
            (ends.unsqueeze(1) & starts & ~mask & (value != 0)).nonzero()
            for ends, starts, mask, value in zip(
                reaching[1:], reached[:-1], self.kept, self.values, strict=True
            )
        ]

    def candidates(self, place: Place, /) -> Tensor:
        """Returns the rows and columns (count, 2) of the live parameters of the entry's layer."""
        return self._live[place.layer]


class _Judged:
    """Tickets next to a ticket, measured as scoring measures."""

    def __init__(self, challenge: Challenge, ticket: _Ticket) -> None:
        self._challenge = challenge
        self._ticket = ticket
        self._data = (challenge.train, challenge.truth.test)
        self._traces = [ticket.traced(data.inputs) for data in self._data]
        self._whole = self._performances([trace.outputs.unsqueeze(0) for trace in self._traces])

    def screen(self, trace: _Trace, targets: Tensor, out: Any, candidates: Tensor) -> Tensor:
        """Returns `candidates`, the exchange first that performs best on the traced samples.

        Of equal performance, the one that changes the outputs least comes first.
        """
        if not len(candidates):
            return candidates
        task = self._challenge.task
        accuracies, changes = [], []
        for into in torch.split(candidates, _AT_ONCE):
            outputs = self._ticket.outputs_without(trace, out, into)
            factors = task.output_factors(outputs, targets)
            accuracies.append(task.accuracy(outputs * factors.unsqueeze(1), targets))
            changes.append((outputs - trace.outputs).square().sum(dim=(1, 2)))
        nearest = torch.cat(changes).argsort(stable=True)
        reached = torch.cat(accuracies).nan_to_num(nan=-torch.inf)
        best = reached[nearest].argsort(stable=True, descending=True)
        return candidates[nearest[best]]

    def losses(self, out: Any, into: Tensor | None) -> list[float]:
        """Returns what the ticket less `out` loses with each of `into`, or with none of them."""
        return self._losses(
            [self._ticket.outputs_without(trace, out, into) for trace in self._traces]
        )

    def effect(self, out: Any) -> float:
        """Returns the change of the outputs without `out`, over their standard deviation."""
        test = self._traces[1]
        whole = test.outputs.double()
        changes = (self._ticket.outputs_without(test, out, None)[0] - test.outputs).double()
        return float((changes.square().sum() / (whole - whole.mean(dim=0)).square().sum()).sqrt())

    def spare(self, alone: Sequence[tuple[float, Any]], most: float) -> int:
        """Returns how many entries were dropped together and lost at most `most`.

        alone: what each entry loses when it is dropped alone, and where it is.
        """
        dropped: list[Any] = []
        for loss, place in sorted(alone, key=lambda one: one[0]):
            if loss > most:
                break
            tried = [*dropped, place]
            traces = [self._ticket.traced(data.inputs, without=tried) for data in self._data]
            [together] = self._losses([trace.outputs.unsqueeze(0) for trace in traces])
            if together <= most:
                dropped = tried
        return len(dropped)

    def _losses(self, outputs: Sequence[Tensor]) -> list[float]:
        lost = self._whole - self._performances(outputs)
        shares = lost / (self._whole - self._challenge.trivial)
        return [float(share) for share in shares.nan_to_num(_MOST_LOSS).clamp(max=_MOST_LOSS)]

    def _performances(self, outputs: Sequence[Tensor]) -> Tensor:
        """Returns performances (count,) of outputs (count, n, d_out) on training and test data."""
        training, test = outputs
        task = self._challenge.task
        factors = task.output_factors(training, self._data[0].targets)
        return task.accuracy(test * factors.unsqueeze(1), self._data[1].targets)
